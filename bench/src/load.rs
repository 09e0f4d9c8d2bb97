//! The load generator: as many senders as asked for, each with one request in flight; in `pace`, as
//! many requests a second as asked for, whatever comes of those before.
//!
//! It stays lean, because it shares the processor with what it measures: one thread, requests
//! patched in place, answers read but not looked into before the end.

use std::io;
use std::iter;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::answer::{Answer, Connection};
use crate::body::{EventId, Template};

/// What is sent before counting begins.
pub(crate) const WARM_UP: Duration = Duration::from_millis(500);

/// One delivery and what came of it.
pub(crate) struct Sent {
    pub(crate) event_id: EventId,
    /// The answer, or why there was none.
    pub(crate) answer: Result<Answer, String>,
    /// When it was sent, or was to be sent.
    pub(crate) began: Instant,
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

    /// How long its answer took; for ever, if it was refused or not answered.
    pub(crate) fn answered_ms(&self) -> f64 {
        if self.acknowledged() { self.took.as_secs_f64() * 1e3 } else { f64::INFINITY }
    }

    pub(crate) fn acknowledged(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| answer.status == 200)
    }
}

/// All deliveries of one measurement.
pub(crate) struct Sending {
    pub(crate) sent: Vec<Sent>,
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

impl Sending {
    /// Success per second, counted when the answer came.
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies_ms().len() as f64 / (self.until - self.from).as_secs_f64()
    }

    pub(crate) fn latencies_ms(&self) -> Vec<f64> {
        let counts = |sent: &&Sent| {
            let ended = sent.began + sent.took;
            ended >= self.from && ended < self.until && sent.acknowledged()
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
    apart(move || async move {
        let opened = open(to, connections).await?;
        let from = Instant::now() + WARM_UP;
        let until = from + length;
        let all_of_one_job = || iter::repeat_with(|| 0).take_while(move |_| Instant::now() < until);
        let mut senders = JoinSet::new();
        for connection in opened {
            senders.spawn(sender(to, connection, template.clone(), all_of_one_job()));
        }
        Ok(Sending { sent: joined(senders).await?, from, until })
    })
    .await
}

/// Sends so many events of the jobs in turn, as fast as so many connections take them.
pub(crate) async fn burst(
    to: SocketAddr,
    template: Template,
    connections: usize,
    events: usize,
    jobs: usize,
) -> anyhow::Result<Sending> {
    apart(move || async move {
        let opened = open(to, connections).await?;
        let from = Instant::now();
        let mut senders = JoinSet::new();
        for (number, connection) in opened.into_iter().enumerate() {
            let share = (number..events).step_by(connections).map(move |event| event % jobs);
            senders.spawn(sender(to, connection, template.clone(), share));
        }
        Ok(Sending { sent: joined(senders).await?, from, until: Instant::now() })
    })
    .await
}

/// Runs it on a thread of its own.
pub(crate) async fn apart<T: Send + 'static, F: Future<Output = io::Result<T>>>(
    run: impl FnOnce() -> F + Send + 'static,
) -> anyhow::Result<T> {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(run())
    };
    Ok(tokio::task::spawn_blocking(run).await??)
}

async fn open(to: SocketAddr, connections: usize) -> io::Result<Vec<Connection>> {
    let mut opened = Vec::with_capacity(connections);
    for _ in 0..connections {
        opened.push(Connection::open(to).await?);
    }
    Ok(opened)
}

async fn joined(mut senders: JoinSet<io::Result<Vec<Sent>>>) -> io::Result<Vec<Sent>> {
    let mut sent = Vec::new();
    while let Some(ended) = senders.join_next().await {
        sent.append(&mut ended??);
    }
    Ok(sent)
}

/// Sends an event of each of these jobs, one after the answer to the other.
async fn sender(
    to: SocketAddr,
    mut connection: Connection,
    mut template: Template,
    jobs: impl Iterator<Item = usize>,
) -> io::Result<Vec<Sent>> {
    let mut all = Vec::new();
    for job in jobs {
        let event_id = template.renew(job);
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
