//! Playing a history, step by step, and noting what has been asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use afterrun_core::operator::Pausable;
use afterrun_core::plan::ReplayFilter;
use afterrun_core::refresh::RefreshId;
use afterrun_simulators::dbt::{self, Event, Run, RunStatus};
use afterrun_simulators::nudges::{Webhook, mode_event, tableau_event};
use afterrun_simulators::{Fault, Faults};
use afterrun_worker::Worker;
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use futures_util::future::join_all;
use sqlx::PgPool;
use tokio::sync::Barrier;

use crate::harness::{Stack, seconds};

use super::fan_in::{self, FanIn};
use super::generate::{End, Sent, Step, Tool, Trouble};
use super::look::Look;
use super::routes::{self, COMES_AND_GOES, GATHERED, GATHERING, PUSH_TOKEN, TARGETS};
use super::truth;

/// An event that has arrived.
pub(super) struct Told {
    pub(super) source: &'static str,
    pub(super) event_id: String,
    pub(super) body: Vec<u8>,
    pub(super) job: u64,
    run: u64,
    pub(super) end: End,
    /// The end of its run, or its arrival where that was earlier.
    pub(super) asks: DateTime<Utc>,
    pub(super) planned: Option<DateTime<Utc>>,
    /// Where it leads, by the configuration under which it was planned.
    pub(super) targets: BTreeSet<&'static str>,
}

/// A body on its way.
#[derive(Clone)]
struct Letter {
    source: &'static str,
    event: Event,
    body: Vec<u8>,
    job: u64,
    run: u64,
    end: End,
}

pub(super) struct Played {
    pub(super) stack: Stack,
    workers: Vec<Arc<Worker>>,
    runs: u64,
    kept: Vec<Letter>,
    pub(super) told: Vec<Told>,
    pub(super) fan_in: FanIn,
    pub(super) whole: bool,
    /// Targets and connections.
    pub(super) paused: BTreeSet<&'static str>,
    /// Targets of which an operator wanted one more try: they do not keep to hours and budgets.
    pub(super) hurried: BTreeSet<String>,
    pub(super) worked: bool,
    pub(super) last: Look,
    /// How many refreshes at the tools have been seen.
    pub(super) seen: BTreeSet<String>,
}

impl Played {
    pub(super) async fn new(pool: PgPool) -> Self {
        let stack = Stack::with(pool, routes::scene(true)).await;
        for status in [401, 404, 409] {
            stack.foresee(status);
        }
        // An operator cancels a job of Tableau's that has ended; it is asked for after that.
        stack.foresee_of(Some("PUT"), 400);
        stack.drain().await;
        let workers =
            vec![Arc::clone(&stack.worker), stack.another_worker(), stack.another_worker()];
        Self {
            stack,
            workers,
            runs: 100,
            kept: Vec::new(),
            told: Vec::new(),
            fan_in: FanIn::new(),
            whole: true,
            paused: BTreeSet::new(),
            hurried: BTreeSet::new(),
            worked: false,
            last: Look::default(),
            seen: BTreeSet::new(),
        }
    }

    pub(super) async fn step(&mut self, step: &Step) {
        self.worked = false;
        match *step {
            Step::RunEnds { job, end, ago, sent } => {
                self.run_ends(u64::from(job) + 1, end, ago, sent).await;
            }
            Step::Late(nth) if !self.kept.is_empty() => {
                let letter = self.kept.remove(usize::from(nth) % self.kept.len());
                self.deliver(letter).await;
            }
            Step::Again(nth) if !self.told.is_empty() => {
                let told = &self.told[usize::from(nth) % self.told.len()];
                let said = self.stack.deliver_to(told.source, &told.body).await;
                assert_eq!((said.status, &*said.said), (200, "duplicate"));
            }
            Step::Advance(by) => self.stack.advance(Duration::from_secs(by.into())),
            Step::Pass { seconds, worker } => {
                self.stack.advance(Duration::from_secs(seconds.into()));
                self.work(worker).await;
            }
            Step::Work { worker } => self.work(worker).await,
            Step::WorkTogether => self.work_together().await,
            Step::Vanish => drop(self.stack.claim_and_die().await),
            Step::StartsMeet { tool, trouble, times } => {
                let path = if tool == Tool::Mode { "/runs" } else { "/refresh" };
                self.faults(tool).on("POST", path, times.into(), fault(trouble));
            }
            Step::QuestionsMeet { tool, trouble, times } => {
                self.faults(tool).on("GET", "", times.into(), fault(trouble));
            }
            Step::Away { tool, trouble } => self.faults(tool).always("", "", fault(trouble)),
            Step::Back(tool) => self.faults(tool).clear(),
            Step::SessionsExpire => self.stack.tableau.expire_sessions(),
            Step::Scheduled(nth) => self.scheduled(nth),
            Step::WillFail { target, cancelled } => self.will_fail(target, cancelled),
            Step::PauseTarget { target, paused } => {
                let target = TARGETS[usize::from(target)].name;
                self.pause(Pausable::Target, target, paused).await;
            }
            Step::PauseConnection { tool, paused } => {
                let connection = if tool == Tool::Mode { "mode" } else { "tableau" };
                self.pause(Pausable::Connection, connection, paused).await;
            }
            Step::Cancel(nth) => {
                if let Some((id, _)) = self.refresh(nth) {
                    // What cannot be granted is refused with words.
                    let _ = self.stack.store.cancel(id).await;
                }
            }
            Step::Retry(nth) => {
                if let Some((id, target)) = self.refresh(nth)
                    && self.stack.store.retry(id).await.is_ok()
                {
                    self.hurried.insert(target);
                }
            }
            Step::Replay(nth) if !self.told.is_empty() => self.replay(nth).await,
            Step::Reload { whole } => self.reload(whole),
            Step::Nudge(tool) => self.nudge(tool).await,
            Step::Late(_) | Step::Again(_) | Step::Replay(_) => {}
        }
    }

    /// All is put right, and all comes to its end.
    pub(super) async fn settle(&mut self) {
        for letter in std::mem::take(&mut self.kept) {
            self.deliver(letter).await;
        }
        for tool in [Tool::Mode, Tool::Tableau] {
            self.faults(tool).clear();
        }
        for target in TARGETS {
            self.pause(Pausable::Target, target.name, false).await;
            self.pause(Pausable::Connection, target.connection, false).await;
        }
        self.reload(true);
        self.plan(false);
        self.stack.settle().await;
        self.worked = true;
    }

    async fn run_ends(&mut self, job: u64, end: End, ago: i16, sent: Sent) {
        self.runs += 1;
        let (run, now) = (self.runs, self.stack.now());
        let ended = now - TimeDelta::seconds(ago.into());
        let status = match end {
            End::Well => RunStatus::Success,
            End::Badly => RunStatus::Errored,
            End::Cancelled => RunStatus::Cancelled,
        };
        let of_run = Run::of(job, run, status, ended - TimeDelta::minutes(10), ended);
        let mut bodies: Vec<fn(&Event) -> Vec<u8>> = vec![dbt::completed];
        if end == End::Badly {
            bodies.insert(run as usize % 2, dbt::errored);
        }
        for body in bodies {
            let event = Event::of(of_run.clone(), now);
            let body = body(&event);
            let letter = Letter { source: "prod", event, body, job, run, end };
            let spare = Letter { source: "spare", ..letter.clone() };
            match sent {
                Sent::Once => self.deliver(letter).await,
                Sent::Thrice => {
                    self.deliver(letter.clone()).await;
                    for _ in 0..2 {
                        let said = self.stack.deliver_to(letter.source, &letter.body).await;
                        assert_eq!((said.status, &*said.said), (200, "duplicate"));
                    }
                }
                Sent::ToBoth => {
                    self.deliver(letter).await;
                    self.deliver(spare).await;
                }
                Sent::ToTheOther => self.deliver(spare).await,
                Sent::Later => self.kept.push(letter),
            }
        }
    }

    async fn deliver(&mut self, letter: Letter) {
        let Letter { source, event, body, job, run, end } = letter;
        let said = self.stack.deliver_to(source, &body).await;
        assert_eq!((said.status, &*said.said), (200, "stored"));
        self.told.push(Told {
            source,
            event_id: said.event_id,
            body,
            job,
            run,
            end,
            asks: event.run.finished_at.trunc_subsecs(0).min(self.stack.now()),
            planned: None,
            targets: BTreeSet::new(),
        });
    }

    /// A worker is about to plan what has arrived.
    fn plan(&mut self, any_order: bool) {
        let now = self.stack.now();
        let mut gathered = Vec::new();
        for (event, told) in self.told.iter_mut().enumerate() {
            if told.planned.is_some() {
                continue;
            }
            told.planned = Some(now);
            told.targets.extend(routes::led_to(told.job, told.end, self.whole));
            if GATHERED.contains(&told.job) {
                let Told { job, run, end, asks, .. } = *told;
                gathered.push(fan_in::Told { event, job, run, end, asks });
            }
        }
        self.fan_in.plan(&gathered, any_order);
    }

    async fn work(&mut self, worker: u8) {
        self.plan(false);
        self.workers[usize::from(worker)].run_once().await.unwrap();
        self.worked = true;
    }

    async fn work_together(&mut self) {
        let gathered = |told: &&Told| told.planned.is_none() && GATHERED.contains(&told.job);
        if self.told.iter().filter(gathered).count() > 4 {
            // Too many orders to think of.
            self.plan(false);
            let targets = self.stack.worker.targets();
            while self.stack.store.plan_next(targets.config()).await.unwrap().is_some() {}
        } else {
            self.plan(true);
        }
        let together = Barrier::new(self.workers.len());
        let work = self.workers.iter().map(async |worker| {
            together.wait().await;
            worker.run_once().await
        });
        for recorded in join_all(work).await {
            recorded.unwrap();
        }
        self.worked = true;
    }

    fn scheduled(&self, nth: u8) {
        let target = &TARGETS[usize::from(nth)];
        match truth::tool_of(target) {
            Tool::Mode => drop(self.stack.mode.start_run(target.item)),
            Tool::Tableau => {
                let item = truth::luid(&self.stack, target);
                let mut jobs = self.stack.tableau.jobs().into_iter();
                // Tableau has one job of an item at a time.
                if jobs.all(|job| job.item != item || job.completed_at.is_some()) {
                    self.stack.tableau.start_refresh(&item);
                }
            }
        }
    }

    fn will_fail(&self, nth: u8, cancelled: bool) {
        let target = &TARGETS[usize::from(nth)];
        match truth::tool_of(target) {
            Tool::Mode => {
                let end = if cancelled { "cancelled" } else { "failed" };
                self.stack.mode.next_runs_end(target.item, &[end]);
            }
            Tool::Tableau => {
                let item = truth::luid(&self.stack, target);
                let end = if cancelled { (2, "") } else { (1, "the warehouse is asleep") };
                self.stack.tableau.next_jobs_end(&item, &[end]);
            }
        }
    }

    async fn pause(&mut self, what: Pausable, name: &'static str, paused: bool) {
        self.stack.store.set_paused(what, name, paused).await.unwrap();
        if paused {
            self.paused.insert(name);
        } else {
            self.paused.remove(name);
        }
    }

    /// One of the refreshes that the history shows, and its target.
    fn refresh(&self, nth: u8) -> Option<(RefreshId, String)> {
        let refreshes = self.last.refreshes();
        let (id, rows) = refreshes.iter().nth(usize::from(nth) % refreshes.len().max(1))?;
        Some((RefreshId(*id), rows[0].target.clone().unwrap()))
    }

    async fn replay(&mut self, nth: u8) {
        let nth = usize::from(nth) % self.told.len();
        let told = &mut self.told[nth];
        let targets = self.workers[0].targets();
        let filter =
            ReplayFilter { event_ids: vec![told.event_id.clone()], ..ReplayFilter::default() };
        let found = self.stack.store.replayable(targets.config(), &filter).await.unwrap();
        let found = found.events.iter().find(|it| it.source == told.source).unwrap();
        self.stack.store.replay(targets.config(), found, None).await.unwrap();
        told.planned.get_or_insert(self.stack.now());
        let led_to = routes::led_to(told.job, told.end, self.whole);
        self.hurried.extend(led_to.iter().map(|&name| name.to_owned()));
        told.targets.extend(led_to);
        if GATHERED.contains(&told.job) {
            self.fan_in.disturbed = true;
            self.hurried.insert(GATHERING.name.to_owned());
        }
    }

    fn reload(&mut self, whole: bool) {
        for worker in &self.workers {
            worker.reload(self.stack.config(&routes::scene(whole)).unwrap()).unwrap();
        }
        self.whole = whole;
    }

    async fn nudge(&self, tool: Tool) {
        let url = |path: &str| format!("{}/webhooks/{path}/{PUSH_TOKEN}", self.stack.url());
        let answers = match tool {
            Tool::Mode => {
                let run = format!(
                    "https://modeanalytics.com/api/acme/reports/{}/runs/aaaaaaaaaaaa",
                    COMES_AND_GOES.item
                );
                let body = mode_event("report_run_completed", "report_run_url", &run);
                Webhook::of_mode(url("mode/mode-push")).deliver(&body).await
            }
            Tool::Tableau => {
                let (luid, site) =
                    (truth::luid(&self.stack, &GATHERING), self.stack.tableau.site_id());
                let event = "WorkbookRefreshSucceeded";
                let body = tableau_event(event, &luid, GATHERING.item, &site, self.stack.now());
                Webhook::of_tableau(url("tableau/tableau-push")).deliver(&body).await
            }
        };
        assert!(answers.last().unwrap().ok(), "{answers:?}");
    }

    fn faults(&self, tool: Tool) -> &Faults {
        match tool {
            Tool::Mode => self.stack.mode.faults(),
            Tool::Tableau => self.stack.tableau.faults(),
        }
    }

    pub(super) fn told_by_key(&self) -> BTreeMap<(&str, &str), usize> {
        let keys = self.told.iter().enumerate();
        keys.map(|(nth, told)| ((told.source, told.event_id.as_str()), nth)).collect()
    }
}

fn fault(trouble: Trouble) -> Fault {
    match trouble {
        Trouble::AnswerLost => Fault::LoseAnswer,
        Trouble::Cut => Fault::Cut,
        Trouble::Garbage => Fault::GarbageBody,
        Trouble::Status(status) => Fault::status(status),
        Trouble::SlowDown(after) => {
            Fault::status(429).header("retry-after", &seconds(after.into()).as_secs().to_string())
        }
    }
}
