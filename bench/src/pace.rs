//! The load generator at a fixed rate: each request has a time at which it is to be sent, whatever
//! came of those before, and its latency counts from then on. Nothing that is slow to answer keeps
//! others from being sent, so no wait is left out.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::answer::Connection;
use crate::body::Template;
use crate::load::{self, Sending, Sent, WARM_UP};

/// A server ends a connection that rests for long, perhaps just as the next request is on its way.
const TRUSTED_FOR: Duration = Duration::from_secs(2);

/// Connections that are free, and since when.
type Rested = Vec<(Connection, Instant)>;

/// Sends so many events a second, of the jobs in turn.
pub(crate) async fn send(
    to: SocketAddr,
    template: Template,
    jobs: usize,
    per_second: u32,
    length: Duration,
) -> anyhow::Result<Sending> {
    load::apart(move || all(to, template, jobs, per_second, length)).await
}

async fn all(
    to: SocketAddr,
    mut template: Template,
    jobs: usize,
    per_second: u32,
    length: Duration,
) -> io::Result<Sending> {
    let from = Instant::now() + WARM_UP;
    let until = from + length;
    let (due, mut planned) = mpsc::unbounded_channel();
    let times = times(from - WARM_UP, WARM_UP + length, per_second);
    // The runtime's own timer knows whole milliseconds only.
    let clock = thread::spawn(move || {
        for (number, at) in times.enumerate() {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if due.send((number % jobs, at)).is_err() {
                break;
            }
        }
    });
    let (mut free, mut sent, mut under_way) = (Rested::new(), Vec::new(), JoinSet::new());
    let mut note = |(one, connection): (Sent, Option<Connection>), free: &mut Rested| {
        sent.push(one);
        free.extend(connection.map(|connection| (connection, Instant::now())));
    };
    loop {
        tokio::select! {
            due = planned.recv() => {
                let Some((job, at)) = due else { break };
                let event_id = template.renew(job);
                let trusted = free.pop_if(|(_, since)| since.elapsed() < TRUSTED_FOR);
                let connection = trusted.map(|(connection, _)| connection);
                let request = template.request().to_vec();
                under_way.spawn(async move {
                    let (answer, connection) = exchange(to, connection, &request).await;
                    let answer = answer.map_err(|error| error.to_string());
                    (Sent::new(event_id, answer, at, at.elapsed()), connection)
                });
            }
            Some(ended) = under_way.join_next() => note(ended?, &mut free),
        }
    }
    while let Some(ended) = under_way.join_next().await {
        note(ended?, &mut free);
    }
    clock.join().map_err(|_panic| io::Error::other("the clock of the load generator broke"))?;
    Ok(Sending { sent, from, until })
}

/// When each is to be sent.
fn times(from: Instant, length: Duration, per_second: u32) -> impl Iterator<Item = Instant> {
    let every = Duration::from_secs(1) / per_second;
    let offsets = (0..).map(move |number| every * number);
    offsets.take_while(move |offset| *offset < length).map(move |offset| from + offset)
}

/// Over a connection that is free, or a new one; gives it back if it still serves.
async fn exchange(
    to: SocketAddr,
    connection: Option<Connection>,
    request: &[u8],
) -> (io::Result<crate::answer::Answer>, Option<Connection>) {
    let mut connection = match connection {
        Some(connection) => connection,
        None => match Connection::open(to).await {
            Ok(connection) => connection,
            Err(error) => return (Err(error), None),
        },
    };
    let answer = connection.exchange(request).await;
    let connection = answer.is_ok().then_some(connection);
    (answer, connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_spread_evenly_over_the_time() {
        let from = Instant::now();
        let times: Vec<_> = times(from, Duration::from_secs(2), 20).collect();
        assert_eq!(times.len(), 40);
        assert_eq!(times[0], from);
        assert_eq!(times[21] - times[20], Duration::from_millis(50));
    }
}
