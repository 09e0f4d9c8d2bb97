//! The account at the played dbt: its jobs, its webhook, and its runs, for whoever asks.
//!
//! Invariant: every run that an event tells of is here before the event is posted, so that dbt's API
//! and its webhooks tell one story.

use std::io;

use afterrun_simulators::Call;
use afterrun_simulators::dbt::admin::{Job, Run, Subscription};
use afterrun_simulators::dbt::{Admin, AdminOptions, Event, RunStatus};

use super::SECRET;
use crate::command::demo::project::{self, Model};
use crate::command::demo::scene;

/// What a run that failed says in its log, where it left no results.
const LOG: &str = "Database Error in model stg_orders\n  could not connect to the warehouse\n";

pub(in crate::command::demo) struct Account(Admin);

impl Account {
    /// Opens it, with a webhook that posts there.
    pub(super) async fn open(webhooks: &str) -> io::Result<Self> {
        let admin = Admin::start(AdminOptions::default()).await?;
        for job in scene::jobs() {
            admin.add_job(Job::new(job.id, job.name));
        }
        admin.add_subscription(Subscription {
            event_types: vec!["job.run.completed".into(), "job.run.errored".into()],
            hmac_secret: SECRET.into(),
            ..Subscription::new(webhooks)
        });
        Ok(Self(admin))
    }

    pub(super) fn url(&self) -> String {
        self.0.url()
    }

    pub(super) fn host(&self) -> String {
        self.0.host()
    }

    pub(super) fn token(&self) -> &str {
        self.0.token()
    }

    pub(super) fn id(&self) -> u64 {
        self.0.account_id()
    }

    /// A run of a job ended, as its event is going to say.
    pub(in crate::command::demo) fn ran(&self, job: u64, run: u64, event: &Event) {
        let (status, began, ended) =
            (event.run.status, event.run.started_at, event.run.finished_at);
        self.0.with(|account| {
            // Of a run that failed there are two events.
            if account.run(run).is_some() {
                return;
            }
            let Some(job) = account.job(job) else { return };
            let mut run = Run::ended(job, run, status, began, ended);
            if let Some(step) = run.steps.last_mut().filter(|_| status == RunStatus::Errored) {
                step.debug_logs = LOG.into();
            }
            account.runs.push(run);
        });
    }

    /// A run left what it built of the project.
    pub(in crate::command::demo) fn built(&self, run: u64, event: &Event, models: &[Model]) {
        let results = project::run_results(models, event.run.finished_at);
        self.0.put_artifact(run, None, "run_results.json", results.to_string());
        self.0.put_artifact(run, None, "manifest.json", project::manifest().to_string());
    }

    /// The files of a run that were read of it, in that order.
    pub(in crate::command::demo) fn read_of(&self, run: u64) -> Vec<String> {
        let folder = format!("/runs/{run}/artifacts/");
        let mut files: Vec<String> = Vec::new();
        for call in self.answered() {
            let Some((_, file)) = call.path.split_once(&folder) else { continue };
            if !files.iter().any(|known| known == file) {
                files.push(file.into());
            }
        }
        files
    }

    /// Whether it was asked which runs have ended.
    pub(in crate::command::demo) fn listed_runs(&self) -> bool {
        self.answered().any(|call| call.path.ends_with("/runs/"))
    }

    fn answered(&self) -> impl Iterator<Item = Call> {
        self.0.calls().into_iter().filter(|call| call.method == "GET" && call.status == 200)
    }

    pub(super) async fn stop(&mut self) {
        self.0.stop().await;
    }
}
