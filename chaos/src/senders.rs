//! dbt, played by many senders: ten seconds for an answer, five more tries, every answer remembered.
//!
//! A share of the deliveries is repeated, also at the same moment to another ingest; another share
//! is forged, in ways that somebody who does not know the secret could try.

mod crowd;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use afterrun_simulators::dbt::{self, Event, Run, RunStatus};
use bench::answer::{Answer, Connection};
use chrono::{DateTime, TimeDelta, Utc};
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use crate::Chance;
use crate::estate::{self, JOBS, SOURCE, Secrets};
use crate::forge::Forgery;
use crate::journal::Journal;

/// dbt's limit for an answer.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);
/// Before each further try; dbt does not document how it spaces them.
const SPACING: [Duration; 5] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// A server ends what rests for long, perhaps just as the next request is on its way.
const TRUSTED_FOR: Duration = Duration::from_secs(2);
/// Of a hundred.
const REPEATED: u32 = 20;
const FORGED: u32 = 5;
/// Deliveries under way at most, so that a long outage does not pile them up without end.
const AT_ONCE: usize = 2000;
/// From which a repeat is drawn.
const REMEMBERED: usize = 500;

/// One event and everything that came of sending it.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) event_id: String,
    pub(crate) sha256: [u8; 32],
    /// None if it is dbt's own.
    pub(crate) forged: Option<Forgery>,
    pub(crate) job: String,
    pub(crate) status: RunStatus,
    pub(crate) finished_at: DateTime<Utc>,
    pub(crate) tries: Vec<Try>,
}

/// One try to deliver it.
#[derive(Debug, Clone)]
pub(crate) struct Try {
    pub(crate) at: DateTime<Utc>,
    pub(crate) took: Duration,
    pub(crate) to: usize,
    /// Status and what the body calls it, or why there was no answer.
    pub(crate) came: Result<(u16, String), String>,
}

impl Try {
    pub(crate) fn status(&self) -> Option<u16> {
        self.came.as_ref().ok().map(|(status, _)| *status)
    }

    pub(crate) fn until(&self) -> DateTime<Utc> {
        self.at + self.took
    }
}

/// What is needed to send an event again.
#[derive(Clone)]
pub(crate) struct Known {
    place: usize,
    body: Arc<[u8]>,
}

/// All senders together.
pub(crate) struct Senders {
    /// Where each ingest is reached.
    doors: Vec<Door>,
    secrets: Arc<Secrets>,
    journal: Arc<Journal>,
    deliveries: Mutex<Vec<Delivery>>,
    recent: Mutex<VecDeque<Known>>,
    pub(crate) counts: Counts,
    /// Set once no new event is to be made.
    closed: AtomicBool,
}

struct Door {
    address: SocketAddr,
    /// Connections that are kept alive, and since when they have rested.
    idle: Mutex<Vec<(Connection, Instant)>>,
}

#[derive(Default)]
pub(crate) struct Counts {
    /// Deliveries that are signed, repeats among them.
    pub(crate) signed: AtomicU64,
    pub(crate) repeats: AtomicU64,
    pub(crate) forged: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unanswered: AtomicU64,
    pub(crate) under_way: AtomicU64,
    pub(crate) slowest_ms: AtomicU64,
}

impl Counts {
    fn add(&self, which: impl Fn(&Self) -> &AtomicU64) {
        which(self).fetch_add(1, Ordering::Relaxed);
    }
}

impl Senders {
    pub(crate) fn new(to: Vec<SocketAddr>, secrets: Arc<Secrets>, journal: Arc<Journal>) -> Self {
        let door = |address| Door { address, idle: Mutex::default() };
        Self {
            doors: to.into_iter().map(door).collect(),
            secrets,
            journal,
            deliveries: Mutex::default(),
            recent: Mutex::default(),
            counts: Counts::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Makes so many new events a second until it is closed, then sees the last ones through.
    pub(crate) async fn send(self: Arc<Self>, rate: u32, seed: u64) {
        let mut chance = Chance::seed_from_u64(seed);
        let mut under_way = JoinSet::new();
        let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.closed.load(Ordering::Relaxed) {
            tick.tick().await;
            while under_way.try_join_next().is_some() {}
            if under_way.len() >= AT_ONCE {
                continue;
            }
            let chance = Chance::seed_from_u64(chance.random());
            under_way.spawn(Arc::clone(&self).one(chance));
        }
        while under_way.join_next().await.is_some() {}
    }

    /// No new events from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Lets go of the connections that are kept for the next delivery.
    pub(crate) fn hang_up(&self) {
        self.doors.iter().for_each(|door| lock(&door.idle).clear());
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        lock(&self.deliveries).clone()
    }

    async fn one(self: Arc<Self>, mut chance: Chance) {
        let roll = chance.random_range(0..100);
        if roll < FORGED {
            self.forged(&mut chance).await;
        } else if roll < FORGED + REPEATED {
            let known =
                lock(&self.recent).iter().collect::<Vec<_>>().choose(&mut chance).copied().cloned();
            if let Some(known) = known {
                self.counts.add(|counts| &counts.repeats);
                self.insist(&mut chance, known, None).await;
            } else {
                self.fresh(&mut chance).await;
            }
        } else {
            self.fresh(&mut chance).await;
        }
    }

    /// A run has ended: one event of it, or the two of one that failed.
    async fn fresh(&self, chance: &mut Chance) {
        let now = self.journal.now();
        let ended = now - TimeDelta::milliseconds(chance.random_range(0..3000));
        let status = match chance.random_range(0..100) {
            0..80 => RunStatus::Success,
            80..92 => RunStatus::Errored,
            92..97 => RunStatus::Cancelled,
            _ => RunStatus::Running,
        };
        let job = estate::job(chance.random_range(0..JOBS));
        let run = chance.random_range(100_000_000_u64..1_000_000_000_000);
        let run = Run::of(job, run, status, ended - TimeDelta::minutes(3), ended);
        let event = Event::of(run, now);
        match status {
            RunStatus::Running => {
                let known = self.remember(&event, dbt::started(&event));
                self.insist(chance, known, None).await;
            }
            RunStatus::Errored => {
                let first = self.remember(&event, dbt::errored(&event));
                let second = Event { event_id: dbt::new_event_id(), ..event };
                let second = self.remember(&second, dbt::completed(&second));
                let mut other = Chance::seed_from_u64(chance.random());
                tokio::join!(
                    self.insist(chance, first, None),
                    self.insist(&mut other, second, None)
                );
            }
            RunStatus::Success | RunStatus::Cancelled => {
                let known = self.remember(&event, dbt::completed(&event));
                if chance.random_range(0..20) == 0 {
                    // Twice at the same moment.
                    let mut other = Chance::seed_from_u64(chance.random());
                    self.counts.add(|counts| &counts.repeats);
                    let again = known.clone();
                    tokio::join!(
                        self.insist(chance, known, None),
                        self.insist(&mut other, again, None)
                    );
                } else {
                    self.insist(chance, known, None).await;
                }
            }
        }
    }

    fn remember(&self, event: &Event, body: Vec<u8>) -> Known {
        let known = Known { place: self.note(delivery(event, &body, None)), body: body.into() };
        let mut recent = lock(&self.recent);
        recent.push_back(known.clone());
        if recent.len() > REMEMBERED {
            recent.pop_front();
        }
        known
    }

    fn note(&self, delivery: Delivery) -> usize {
        let mut all = lock(&self.deliveries);
        all.push(delivery);
        all.len() - 1
    }

    /// A new event of a job without a route, and its id. Nobody but who asked for it sends it.
    pub(crate) fn unrouted(&self, chance: &mut Chance) -> (Known, String) {
        let now = self.journal.now();
        let run =
            Run::of(estate::job(JOBS - 1), chance.random::<u32>(), RunStatus::Success, now, now);
        let event = Event::of(run, now);
        let body = dbt::completed(&event);
        let place = self.note(delivery(&event, &body, None));
        (Known { place, body: body.into() }, event.event_id)
    }

    /// Sends one new event of a job without a route, once.
    pub(crate) async fn once(&self, chance: &mut Chance) -> Try {
        let (known, _) = self.unrouted(chance);
        self.one_try(&known, self.any(chance)).await
    }

    /// One try to deliver it to this ingest.
    pub(crate) async fn one_try(&self, known: &Known, to: usize) -> Try {
        let signature = dbt::sign(&self.secrets.signing(), &known.body);
        let came = self.attempt(to, &request(&known.body, &[&signature])).await;
        lock(&self.deliveries)[known.place].tries.push(came.clone());
        came
    }

    /// Sends it until it is taken or the tries are used up; first to this ingest, if one is named.
    pub(crate) async fn insist(&self, chance: &mut Chance, known: Known, first: Option<usize>) {
        self.counts.add(|counts| &counts.signed);
        self.counts.add(|counts| &counts.under_way);
        let mut spacing = SPACING.iter();
        let mut to = first.unwrap_or_else(|| self.any(chance));
        loop {
            match self.one_try(&known, to).await.status() {
                Some(200) => {
                    self.counts.add(|counts| &counts.acknowledged);
                    break;
                }
                // 408: a network that drips made the request too slow.
                Some(503 | 408) => self.counts.add(|counts| &counts.refused),
                None => self.counts.add(|counts| &counts.unanswered),
                Some(other) => {
                    self.journal.find(format!("a signed delivery was answered {other}"));
                }
            }
            let Some(pause) = spacing.next() else { break };
            tokio::time::sleep(pause.mul_f64(chance.random_range(0.7..1.3))).await;
            to = self.any(chance);
        }
        self.counts.under_way.fetch_sub(1, Ordering::Relaxed);
    }

    async fn forged(&self, chance: &mut Chance) {
        let now = self.journal.now();
        let run = Run::of(estate::job(0), 666, RunStatus::Success, now, now);
        let event = Event::of(run, now);
        let body = dbt::completed(&event);
        let forgery = Forgery::draw(chance);
        let genuine = lock(&self.recent).back().map(|known| Arc::clone(&known.body));
        let (body, signatures) =
            forgery.apply(body, &self.secrets.signing(), genuine.as_deref(), chance);
        let signatures: Vec<&str> = signatures.iter().map(String::as_str).collect();
        let mut delivery = delivery(&event, &body, Some(forgery));
        self.counts.add(|counts| &counts.forged);
        let came = self.attempt(self.any(chance), &request(&body, &signatures)).await;
        if let Some(status @ 200..300) = came.status() {
            self.journal.find(format!("a forged delivery ({forgery:?}) was answered {status}"));
        }
        delivery.tries.push(came);
        self.note(delivery);
    }

    fn any(&self, chance: &mut Chance) -> usize {
        chance.random_range(0..self.doors.len())
    }

    /// One request to an ingest.
    async fn attempt(&self, to: usize, request: &[u8]) -> Try {
        let (at, began) = (self.journal.now(), Instant::now());
        let came = match tokio::time::timeout(LIMIT, self.doors[to].exchange(request)).await {
            Ok(Ok(answer)) => Ok((answer.status, said(&answer.body))),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_elapsed) => Err("no answer within ten seconds".to_owned()),
        };
        let took = began.elapsed();
        if came.is_ok() {
            let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            self.counts.slowest_ms.fetch_max(ms, Ordering::Relaxed);
        }
        Try { at, took, to, came }
    }
}

fn delivery(event: &Event, body: &[u8], forged: Option<Forgery>) -> Delivery {
    Delivery {
        event_id: event.event_id.clone(),
        sha256: Sha256::digest(body).into(),
        forged,
        job: event.run.job_id.clone(),
        status: event.run.status,
        finished_at: event.run.finished_at,
        tries: Vec::new(),
    }
}

impl Door {
    async fn exchange(&self, request: &[u8]) -> std::io::Result<Answer> {
        let idle = lock(&self.idle).pop();
        let mut connection = match idle.filter(|(_, since)| since.elapsed() < TRUSTED_FOR) {
            Some((connection, _)) => connection,
            None => Connection::open(self.address).await?,
        };
        let answer = connection.exchange(request).await?;
        let mut idle = lock(&self.idle);
        // An answer that refuses may be the last on its connection.
        if answer.status == 200 && idle.len() < 64 {
            idle.push((connection, Instant::now()));
        }
        Ok(answer)
    }
}

/// What the answer calls the case, such as `stored`.
pub(crate) fn said(body: &[u8]) -> String {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    body["status"].as_str().unwrap_or_default().to_owned()
}

/// Head and body of a delivery with these `Authorization` headers.
pub(crate) fn request(body: &[u8], signatures: &[&str]) -> Vec<u8> {
    let mut head = format!(
        "POST /webhooks/dbt/{SOURCE} HTTP/1.1\r\nhost: 127.0.0.1\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    for signature in signatures {
        head.push_str(&format!("authorization: {signature}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
