//! Another account of dbt, which can be asked: its runs, its webhook, its API.
//!
//! What a delivery does not bring, asking must. dbt switches the webhook off after some failures, as
//! the real one does, only sooner; the program switches it on again.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afterrun_simulators::dbt::admin::{self, Job, Posting, Subscription};
use afterrun_simulators::dbt::{Admin, AdminOptions, RunStatus, Sent};
use afterrun_simulators::network::{Road, Trouble};
use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Chance;
use crate::estate::{ASKED, ASKED_JOBS, asked_job, canary};
use crate::journal::Journal;

const ID: u64 = 4712;
/// Time between the ends of two runs, about: few beside all the others.
const RUNS: Duration = Duration::from_millis(400);
/// dbt's number is 1,000, in a week.
const DEACTIVATED_AFTER: u32 = 6;
/// The time between two of the five tries, which dbt does not document.
const SPACING: Duration = Duration::from_millis(300);

pub(crate) struct Account {
    admin: Admin,
    webhook: String,
    secrets: [String; 2],
    /// From dbt to each ingest.
    doors: Vec<Road>,
    journal: Arc<Journal>,
    told: Mutex<Vec<Told>>,
    closed: CancellationToken,
    /// One fault at a time keeps events from coming.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

/// An event of a run, and all that came of posting it.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) run: u64,
    pub(crate) door: usize,
    pub(crate) sent: Sent,
}

/// A run that ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) id: u64,
    pub(crate) job: u64,
    pub(crate) end: RunStatus,
    pub(crate) at: DateTime<Utc>,
}

impl Account {
    /// With a webhook for the ends of all jobs.
    pub(crate) async fn start(
        ingests: impl Iterator<Item = SocketAddr>,
        journal: Arc<Journal>,
    ) -> anyhow::Result<Self> {
        let secrets = [canary("dbt-token"), canary("dbt-webhook")];
        let options = AdminOptions {
            account_id: ID,
            token: secrets[0].clone(),
            requests_per_minute: u32::MAX,
            deactivated_after: DEACTIVATED_AFTER,
            spacing: SPACING,
            ..AdminOptions::default()
        };
        let admin = Admin::start(options).await.context("starting the played dbt")?;
        for number in 0..ASKED_JOBS {
            admin.add_job(Job::new(asked_job(number), format!("Asked {number}")));
        }
        let mut doors = Vec::new();
        for ingest in ingests {
            doors.push(Road::to(ingest).await?);
        }
        let mut webhook = Subscription::new(format!("http://afterrun.test/webhooks/dbt/{ASKED}"));
        webhook.event_types = vec!["job.run.completed".to_owned(), "job.run.errored".to_owned()];
        webhook.hmac_secret.clone_from(&secrets[1]);
        let webhook = admin.add_subscription(webhook);
        let turn = tokio::sync::Mutex::default();
        let (told, closed) = (Mutex::default(), CancellationToken::new());
        Ok(Self { admin, webhook, secrets, doors, journal, told, closed, turn })
    }

    /// Lets runs end until it is closed, and posts what there is to post of each.
    pub(crate) async fn live(self: Arc<Self>, seed: u64) {
        let mut chance = Chance::seed_from_u64(seed);
        let mut under_way = JoinSet::new();
        for number in 1.. {
            let pause = RUNS.mul_f64(chance.random_range(0.3..1.7));
            if self.closed.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
            while under_way.try_join_next().is_some() {}
            self.end(number, &mut chance);
            for posting in self.admin.postings(number) {
                let door = chance.random_range(0..self.doors.len());
                under_way.spawn(Arc::clone(&self).post(number, posting, door));
            }
        }
        under_way.join_all().await;
    }

    /// No run ends from now on.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// Some runs fail, and of those that are cancelled no event tells.
    fn end(&self, number: u64, chance: &mut Chance) {
        let end = match chance.random_range(0..100) {
            0..75 => RunStatus::Success,
            75..90 => RunStatus::Errored,
            _ => RunStatus::Cancelled,
        };
        let job = asked_job(chance.random_range(0..ASKED_JOBS));
        let now = self.journal.now();
        self.admin.with(|state| {
            let job = state.job(job).expect("all jobs were added").clone();
            let began = now - TimeDelta::minutes(3);
            state.runs.push(admin::Run::ended(&job, number, end, began, now));
        });
    }

    async fn post(self: Arc<Self>, run: u64, posting: Posting, door: usize) {
        let client_url = format!("http://{}/webhooks/dbt/{ASKED}", self.doors[door].address());
        let sent = self.admin.deliver(&Posting { client_url, ..posting }).await;
        for status in sent.answers.iter().filter_map(|answer| answer.status()) {
            if ![200, 503, 408].contains(&status) {
                self.journal.find(format!("an event of run {run} was answered {status}"));
            }
        }
        lock(&self.told).push(Told { run, door, sent });
    }

    /// Keeps dbt's events from reaching any ingest, or lets them through again.
    pub(crate) fn keep_out(&self, out: bool) {
        for door in &self.doors {
            door.suffer(if out { Trouble::Refuse } else { Trouble::None });
            if out {
                door.cut(true);
            }
        }
    }

    /// Whether dbt posts at all.
    pub(crate) fn is_on(&self) -> bool {
        let active = |state: &mut admin::AdminState| {
            state.subscription(&self.webhook).is_some_and(|webhook| webhook.active)
        };
        self.admin.with(active)
    }

    /// How many events were posted in vain.
    pub(crate) fn lost(&self) -> usize {
        lock(&self.told).iter().filter(|told| !told.sent.delivered()).count()
    }

    pub(crate) fn api(&self) -> &Admin {
        &self.admin
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        lock(&self.told).clone()
    }

    pub(crate) fn ended(&self) -> Vec<Ended> {
        let ended = |run: &admin::Run| {
            let at = run.finished_at?;
            Some(Ended { id: run.id, job: run.job_id, end: run.end, at })
        };
        self.admin.with(|state| state.runs.iter().filter_map(ended).collect())
    }

    /// The source as a configuration has it: what takes minutes takes seconds here.
    pub(crate) fn source(&self) -> String {
        let [token, secret] = &self.secrets;
        format!(
            "  {ASKED}:\n    kind: dbt\n    secrets: [\"{secret}\"]\n    account_id: {ID}\n    \
             api:\n      host: \"{}\"\n      token: \"{token}\"\n      repair: true\n      \
             reconcile: {{ every: 1s, lag: 2s }}\n",
            self.admin.host()
        )
    }

    pub(crate) fn secrets(&self) -> &[String] {
        &self.secrets
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
