//! Keeps the server running for as long as it is wanted.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::postmaster::Postmaster;
use crate::start::Started;

/// How often the server is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// The longest pause between two tries to bring back a server that died: it is to be back within ten
/// seconds of the end of what kept it away.
const PAUSE: Duration = Duration::from_secs(4);

/// Watches the server until the channel closes, and brings it back whenever it dies: a machine that
/// is short of memory kills big processes first.
pub(crate) fn keep(started: Started, stopped: &Receiver<()>) {
    let Started { launch, postmaster, port, .. } = started;
    let mut running = Some(postmaster);
    let mut pause = LOOK;
    let mut since = Instant::now();
    while stopped.recv_timeout(if running.is_some() { LOOK } else { pause })
        == Err(RecvTimeoutError::Timeout)
    {
        if let Some(status) = running.as_mut().and_then(Postmaster::ended) {
            running = None;
            // One that dies again and again is tried more and more slowly.
            pause = if since.elapsed() > PAUSE { LOOK } else { (pause * 2).min(PAUSE) };
            tracing::error!(
                log = %launch.log.display(),
                "the database server ended by itself ({status}); starting it again"
            );
        } else if running.is_none() {
            since = Instant::now();
            match launch.clear_leftover().and_then(|()| launch.spawn(port)) {
                Ok(postmaster) => running = Some(postmaster),
                Err(error) => tracing::error!("the database server is not back: {error}"),
            }
        }
    }
    // Dropping it stops it.
    drop(running);
}
