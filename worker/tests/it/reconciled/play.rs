//! Playing a case: time passes from one moment to the next, and at the end for long enough.

use std::sync::Arc;

use afterrun_simulators::Fault;
use afterrun_simulators::dbt::admin::{self, Subscription};
use afterrun_simulators::dbt::{AdminOptions, RunStatus};
use afterrun_worker::Worker;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use crate::harness::{Scene, Stack, seconds};

use super::generate::{Case, End, Ran, WORKS, is_away};
use super::judge::judge;
use super::perfect::{GATHERED, Known, Perfect, ROUTES};

/// The ids of runs, as texts, are not in the order of the numbers.
const FIRST_RUN: u64 = 95;
/// `reconcile.lag`: for so long a run is left to its event.
const LAG: u32 = 120;
/// All of the events that tell of an end.
const ENDS: [&str; 2] = ["job.run.errored", "job.run.completed"];

struct Played<'c> {
    case: &'c Case,
    stack: Stack,
    other: Arc<Worker>,
    began: DateTime<Utc>,
    runs: Vec<Known>,
}

/// Something that happens.
#[derive(Clone, Copy)]
enum Moment {
    /// An event of the run with this place arrives.
    Arrives {
        place: usize,
        event_type: &'static str,
    },
    Look {
        both: bool,
    },
}

/// Everything of one case, on an empty database.
pub(super) async fn play(pool: &PgPool, case: &Case) {
    sqlx::query(
        "truncate event, refresh, attempt, target_state, fan_in, connection_state, dbt_source,
            dbt_run, dbt_manifest, model_build restart identity cascade",
    )
    .execute(pool)
    .await
    .unwrap();
    let mut played = Played::new(pool.clone(), case).await;
    for (at, moment) in moments(case) {
        played.happens(at, moment).await;
    }
    played.pass().await;
    if case.closes {
        played.close().await;
    }
    // Those that close the history were told at once.
    let in_time: Vec<bool> = (0..played.runs.len())
        .map(|place| place >= case.runs.len() || told_in_time(case, place))
        .collect();
    let perfect = Perfect::of(&played.runs);
    judge(&played.stack, &played.runs, &in_time, &perfect).await;
    played.stack.finish().await;
}

/// In the order of time. What arrives in the same second as a look is seen by it.
fn moments(case: &Case) -> Vec<(u32, Moment)> {
    let mut all = Vec::new();
    for (place, ran) in case.runs.iter().enumerate() {
        for (event_type, at) in arrivals(ran, place) {
            if !is_away(&case.ingest_away, at) {
                all.push((at, Moment::Arrives { place, event_type }));
            }
        }
    }
    all.extend(case.looks.iter().map(|look| (look.at, Moment::Look { both: look.both })));
    all.sort_by_key(|(at, _)| *at);
    all
}

/// The events that dbt has for the run, and when each comes.
fn arrivals(ran: &Ran, place: usize) -> Vec<(&'static str, u32)> {
    let ends_at = ran.ends_at(place);
    let mut all = Vec::new();
    let mut come = |event_type, due: u32, after: &[u32]| {
        all.extend(after.iter().map(|after| (event_type, due + after)));
    };
    come("job.run.started", ends_at - WORKS, &ran.started);
    if ran.end == End::Badly {
        come("job.run.errored", ends_at, &ran.errored);
    }
    if ran.end != End::Cancelled {
        come("job.run.completed", ends_at, &ran.completed);
    }
    all
}

/// Whether an end of the run was told before it may be asked for.
fn told_in_time(case: &Case, place: usize) -> bool {
    let ran = &case.runs[place];
    arrivals(ran, place).into_iter().any(|(event_type, at)| {
        let in_time = at <= ran.ends_at(place) + LAG;
        ENDS.contains(&event_type) && in_time && !is_away(&case.ingest_away, at)
    })
}

impl<'c> Played<'c> {
    async fn new(pool: PgPool, case: &'c Case) -> Self {
        let listed_after = seconds(case.listed_after.into());
        let admin = AdminOptions { appears_after: listed_after, ..AdminOptions::default() };
        let scene = Scene { admin: Some(admin), ..Scene::routes(ROUTES).asking("") };
        let stack = Stack::with(pool, scene).await;
        // Tableau's session ends while nothing is to be done.
        stack.foresee(401);
        let mut webhook = Subscription::new(format!("{}/webhooks/dbt/prod", stack.url()));
        webhook.event_types =
            ["job.run.started"].iter().chain(&ENDS).map(|&it| it.into()).collect();
        stack.admin().add_subscription(webhook);
        let (other, began) = (stack.another_worker(), stack.now());
        let mut played = Self { case, stack, other, began, runs: Vec::new() };
        for (place, ran) in case.runs.iter().enumerate() {
            // Half a second before its place in time: only dbt's API tells parts of seconds.
            let ended = played.at(ran.ends_at(place)) - TimeDelta::milliseconds(500);
            played.add(ran.job, ran.end, ended);
        }
        played
    }

    fn at(&self, seconds: u32) -> DateTime<Utc> {
        self.began + TimeDelta::seconds(seconds.into())
    }

    /// dbt has a run that ends then. Gives its id.
    fn add(&mut self, job: u64, end: End, ended: DateTime<Utc>) -> u64 {
        let id = FIRST_RUN + self.runs.len() as u64;
        let status = match end {
            End::Well => RunStatus::Success,
            End::Badly => RunStatus::Errored,
            End::Cancelled => RunStatus::Cancelled,
        };
        self.stack.admin().with(|state| {
            let job = state.job(job).expect("a job").clone();
            let began = ended - TimeDelta::seconds(WORKS.into());
            state.runs.push(admin::Run::ended(&job, id, status, began, ended));
        });
        self.runs.push(Known { id, job, end, ended });
        id
    }

    async fn happens(&self, at: u32, moment: Moment) {
        let by = (self.at(at) - self.stack.now()).to_std().expect("moments in their order");
        self.stack.advance(by);
        match moment {
            Moment::Arrives { place, event_type } => {
                self.arrives(self.runs[place].id, event_type).await;
            }
            Moment::Look { both } => {
                self.dbt_is_away(is_away(&self.case.dbt_away, at));
                let (one, other) = (&self.stack.worker, &self.other);
                if both {
                    let (one, other) = tokio::join!(one.run_once(), other.run_once());
                    one.and(other).unwrap();
                } else {
                    one.run_once().await.unwrap();
                }
            }
        }
    }

    /// dbt tries five times, should the machine be too busy to store it within two seconds.
    async fn arrives(&self, run: u64, event_type: &str) {
        let postings = self.stack.admin().postings(run);
        let posting = postings.iter().find(|posting| posting.event_type == event_type);
        let body = &posting.expect("an event of that type").body;
        for _ in 0..5 {
            if self.stack.deliver(body).await.status == 200 {
                return;
            }
        }
        panic!("{event_type} of run {run} was not taken");
    }

    fn dbt_is_away(&self, away: bool) {
        let faults = self.stack.admin().faults();
        faults.clear();
        if away {
            faults.always("", "", Fault::status(503));
        }
    }

    /// All is there again, and time passes: once an hour all of `look_back` is looked through.
    async fn pass(&self) {
        self.dbt_is_away(false);
        for _ in 0..3 {
            self.stack.advance(seconds(65 * 60));
            self.stack.settle().await;
        }
    }

    /// A run of each job of the fan-in goes well, and is told at once.
    async fn close(&mut self) {
        for job in GATHERED {
            let run = self.add(job, End::Well, self.stack.now() - TimeDelta::seconds(3));
            self.arrives(run, "job.run.completed").await;
        }
        self.stack.settle().await;
    }
}
