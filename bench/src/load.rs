//! The load generator: as many senders as asked for, each with one request in flight.
//!
//! It stays lean, because it shares the processor with what it measures: one thread, requests
//! patched in place, answers read but not looked into before the end.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::answer::{Answer, Connection};
use crate::body::{EventId, Template};

/// What is sent before counting begins.
const WARM_UP: Duration = Duration::from_millis(500);

/// One delivery and what came of it.
pub(crate) struct Sent {
    pub(crate) event_id: EventId,
    /// The answer, or why there was none.
    pub(crate) answer: Result<Answer, String>,
    began: Instant,
    took: Duration,
}

impl Sent {
    pub(crate) fn new(
        event_id: EventId,
        answer: Result<Answer, String>,
        began: Instant,
        took: Duration,
    ) -> Self {
        Self { event_id, answer, began, took }
    }
}

/// All deliveries of one measurement.
pub(crate) struct Sending {
    pub(crate) sent: Vec<Sent>,
    from: Instant,
    until: Instant,
}

impl Sending {
    /// Success per second, counted when the answer came.
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies_ms().len() as f64 / (self.until - self.from).as_secs_f64()
    }

    pub(crate) fn latencies_ms(&self) -> Vec<f64> {
        let counts = |sent: &&Sent| {
            let ended = sent.began + sent.took;
            ended >= self.from
                && ended < self.until
                && sent.answer.as_ref().is_ok_and(|answer| answer.status == 200)
        };
        self.sent.iter().filter(counts).map(|sent| sent.took.as_secs_f64() * 1e3).collect()
    }
}

/// Sends for a while over connections that are kept alive.
pub(crate) async fn send(
    to: SocketAddr,
    template: Template,
    connections: usize,
    length: Duration,
) -> anyhow::Result<Sending> {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(all(to, &template, connections, length))
    };
    Ok(tokio::task::spawn_blocking(run).await??)
}

async fn all(
    to: SocketAddr,
    template: &Template,
    connections: usize,
    length: Duration,
) -> io::Result<Sending> {
    let from = Instant::now() + WARM_UP;
    let until = from + length;
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        let connection = Connection::open(to).await?;
        senders.spawn(sender(to, connection, template.clone(), until));
    }
    let mut sent = Vec::new();
    while let Some(ended) = senders.join_next().await {
        sent.append(&mut ended??);
    }
    Ok(Sending { sent, from, until })
}

async fn sender(
    to: SocketAddr,
    mut connection: Connection,
    mut template: Template,
    until: Instant,
) -> io::Result<Vec<Sent>> {
    let mut all = Vec::new();
    while Instant::now() < until {
        let event_id = template.renew();
        let began = Instant::now();
        let answer = connection.exchange(template.request()).await;
        let took = began.elapsed();
        let lost = answer.is_err();
        let answer = answer.map_err(|error| error.to_string());
        all.push(Sent::new(event_id, answer, began, took));
        if lost {
            connection = Connection::open(to).await?;
        }
    }
    Ok(all)
}
