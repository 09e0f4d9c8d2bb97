//! Signals of the operating system as things that tasks can wait for.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Signals that come together mean one thing.
const ONE_WISH: Duration = Duration::from_millis(500);

/// A token that is cancelled by the first SIGTERM or SIGINT.
///
/// A second one ends the process at once, for an operator who will not wait for the drain.
///
/// # Errors
/// If the process may not handle signals.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    let listen = async move {
        let first = either(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = first, "stopping on {first}");
        told.cancel();
        // `timeout` and terminals signal the process and its group, which is one wish and not two.
        tokio::time::sleep(ONE_WISH).await;
        let fresh = signal(SignalKind::terminate()).and_then(|terminate| {
            signal(SignalKind::interrupt()).map(|interrupt| (terminate, interrupt))
        });
        let Ok((mut terminate, mut interrupt)) = fresh else { return };
        let second = either(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal = second, "stopping at once on a second {second}");
        std::process::exit(130);
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "it hears the second signal during the drain, so nothing may wait for its end"
    )]
    tokio::spawn(listen);
    Ok(stop)
}

/// SIGHUP, each of which asks to read the configuration again.
///
/// # Errors
/// If the process may not handle signals.
pub fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
