//! Routes that tell people how a run went: its failure until the job's next success, anything else
//! once.
//!
//! Invariant: what is to be told is written with the plan of its event, and one run is told of once,
//! however many events tell of it.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::DOING;
use super::lead::{Planning, Told};
use crate::config::Outcome;
use crate::notice::{RUN, Thing, failed_jobs, raise, run_ended_well};
use crate::route::Happened;
use crate::{Doing as _, StoreError};

/// So long a failure waits for dbt to say why.
const EXPLAINED: Duration = Duration::from_secs(90);

/// An event that tells how a run goes.
struct RunTold<'t> {
    told: &'t Told<'t>,
    outcome: Outcome,
    job: &'t str,
    run: &'t str,
    /// The source and the job.
    subject: String,
}

impl<'t> RunTold<'t> {
    fn of(told: &'t Told<'t>) -> Option<Self> {
        let Happened::Run(outcome) = told.happened else { return None };
        let event = told.event;
        if event.is_rest {
            return None;
        }
        let (job, run) = (event.facts.job_id.as_deref()?, event.run_id.as_deref()?);
        let mut subject = format!("{}/{job}", event.source);
        if outcome == Outcome::Started {
            // That a run has begun says nothing of how it ends, which is told as well.
            subject.push_str("/started");
        }
        Some(Self { told, outcome, job, run, subject })
    }
}

impl<'a> Planning<'a> {
    /// Notes what the channels of these events' routes are to be told, one job after the other, so
    /// that two planners never wait for each other in a circle; and which failures are over, whether
    /// a route tells of their job today or not.
    pub(super) async fn notify(&mut self, told: &[&Told<'_>]) -> Result<(), StoreError> {
        if self.replayed {
            return Ok(());
        }
        let mut runs: Vec<_> = told.iter().filter_map(|told| RunTold::of(told)).collect();
        runs.sort_by(|a, b| a.subject.cmp(&b.subject));
        let mut subjects: Vec<_> = runs.iter().map(|run| run.subject.clone()).collect();
        subjects.dedup();
        let open = failed_jobs(self.connection, &subjects).await.doing(DOING)?;
        let mut open: BTreeSet<String> = open.into_iter().collect();
        for run in runs {
            self.notify_of(&run, &mut open).await?;
        }
        Ok(())
    }

    async fn notify_of(
        &mut self,
        run: &RunTold<'_>,
        open: &mut BTreeSet<String>,
    ) -> Result<(), StoreError> {
        let RunTold { told, outcome, job, run, subject } = run;
        let (event, outcome) = (told.event, *outcome);
        let at = told.fresh_after;
        let mut channels = self.told(told);
        match outcome {
            Outcome::Success if open.contains(subject) => {
                let ended = run_ended_well(self.connection, subject, at, self.now);
                // That it is well again says that it succeeded.
                for channel in ended.await.doing(DOING)? {
                    channels.remove(channel.as_str());
                }
            }
            Outcome::Error | Outcome::Cancelled
                if !channels.is_empty() && self.is_past(told, job, at).await? =>
            {
                return Ok(());
            }
            Outcome::Success | Outcome::Error | Outcome::Cancelled | Outcome::Started => {}
        }
        let once = matches!(outcome, Outcome::Success | Outcome::Started);
        if !once && !channels.is_empty() {
            open.insert(subject.clone());
        }
        let waits = outcome == Outcome::Error && self.has_api(&event.source);
        let things = channels.into_iter().map(|channel| Thing {
            channel: channel.to_owned(),
            kind: RUN,
            subject: subject.clone(),
            title: title(told, job, outcome),
            detail: detail(told, run),
            url: None,
            since: at,
            at,
            occurrences: 1,
            window: Duration::ZERO,
            repeats: true,
            once,
            run: Some((event.source.clone(), (*run).to_owned())),
            wait: if waits { EXPLAINED } else { Duration::ZERO },
        });
        let things: Vec<_> = things.collect();
        raise(self.connection, &things, self.now).await.doing(DOING)
    }

    /// The channels of the routes that the event takes.
    pub(super) fn told(&self, told: &Told<'_>) -> BTreeSet<&'a str> {
        let taken = self.routes().filter(|route| route.matches(&told.happened, &told.event.facts));
        taken.flat_map(|route| &route.notify).map(String::as_str).collect()
    }

    /// Whether the job has succeeded since, so that this failure is nobody's concern any more.
    async fn is_past(
        &mut self,
        told: &Told<'_>,
        job: &str,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        sqlx::query_scalar!(
            r#"
            select exists (
                select from event
                where job_id = $1 and received_at > $3 and source = $2
                    and run_status_code = 10 and run_finished_at > $3
            ) as "is_past!"
            "#,
            job,
            told.event.source,
            at,
        )
        .fetch_one(&mut *self.connection)
        .await
        .doing(DOING)
    }
}

fn title(told: &Told<'_>, job: &str, outcome: Outcome) -> String {
    let name = told.event.facts.job_name.as_deref().unwrap_or(job);
    let went = match outcome {
        Outcome::Started => "started",
        Outcome::Success => "succeeded",
        Outcome::Error => "failed",
        Outcome::Cancelled => "was cancelled",
    };
    format!("dbt job {name} {went}")
}

fn detail(told: &Told<'_>, run: &str) -> String {
    let facts = &told.event.facts;
    let mut text = format!("Run {run}");
    if let Some(environment) = &facts.environment_name {
        text.push_str(&format!(" in {environment}"));
    }
    if let Some(project) = &facts.project_name {
        text.push_str(&format!(" of {project}"));
    }
    if let Some(reason) = &facts.run_reason {
        text.push_str(&format!(", {reason}"));
    }
    text
}
