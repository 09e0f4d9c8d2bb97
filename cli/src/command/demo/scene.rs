//! The tour: what happens in each scene, told as it does, and checked at its end.

mod built;
mod check;
mod coalesce;
mod gather;
mod missed;
mod watch;

use afterrun_core::history::DeliveryRow;
use afterrun_simulators::dbt::{self, Answer, Event, Run, RunStatus};
use afterrun_simulators::{Fault, SimClock};
use chrono::TimeDelta;

use self::check::{Expected, Tool};
use super::stage::Stage;
use super::story::{Scene, Story, Who};
use crate::output::clean;

/// A job of dbt and what its route refreshes.
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) name: &'static str,
    pub(super) target: &'static str,
    pub(super) tool: Tool,
}

pub(super) const JOBS: [Job; 3] = [
    Job { id: 282_191, name: "Nightly build", target: "sales-report", tool: Tool::Report(0) },
    Job { id: 282_192, name: "Finance mart", target: "sales-workbook", tool: Tool::Workbook },
    Job { id: 282_193, name: "Churn model", target: "churn-report", tool: Tool::Report(1) },
];

/// Two jobs that feed one report.
pub(super) const MARTS: [Job; 2] = [
    Job { id: 282_194, name: "Orders mart", target: "margin-report", tool: Tool::Report(2) },
    Job { id: 282_195, name: "Costs mart", target: "margin-report", tool: Tool::Report(2) },
];

/// Each job that the account at dbt has.
pub(super) fn jobs() -> impl Iterator<Item = &'static Job> {
    JOBS.iter().chain(&MARTS).chain(built::DASHBOARDS.iter().take(1))
}

/// How many scenes there are.
pub(super) const SCENES: usize = 10;

/// Plays every scene. What was not as it must be, in words; nothing if all was.
pub(super) async fn tour(stage: &Stage, story: &Story) -> anyhow::Result<Vec<String>> {
    let [nightly, finance, churn] = &JOBS;
    let mut wrong = Vec::new();

    let scene =
        story.scene(1, "A run succeeds: the Mode report that reads from it is refreshed")?;
    let expected = Expected { deliveries: 3, ..Expected::default() };
    wrong.extend(refreshes(stage, &scene, nightly, 90_001, expected).await?);

    let scene =
        story.scene(2, "Another job: a Tableau workbook, to the end of its extract refresh")?;
    let expected = Expected { deliveries: 2, ..Expected::default() };
    wrong.extend(refreshes(stage, &scene, finance, 90_002, expected).await?);

    let scene =
        story.scene(3, "Mode is away for a moment: the call is repeated, the work is not lost")?;
    stage.mode.faults().on("POST", "/runs", 1, Fault::status(503));
    let expected = Expected { lost_calls: 1, ..Expected::default() };
    wrong.extend(refreshes(stage, &scene, churn, 90_003, expected).await?);

    let scene = story.scene(4, "A run fails: nothing is refreshed, and the history says why")?;
    wrong.extend(refreshes_nothing(stage, &scene, nightly, 90_004).await?);

    let scene =
        story.scene(5, "A refresh fails in Mode: it is tried again, until Mode says well")?;
    stage.mode.next_runs_end(stage.reports[1], &["failed"]);
    let expected = Expected { failed_there: 1, ..Expected::default() };
    wrong.extend(refreshes(stage, &scene, churn, 90_005, expected).await?);

    let scene = story.scene(6, "Three runs end close together: two refreshes show all of them")?;
    wrong.extend(coalesce::three_runs(stage, &scene, nightly, 90_006).await?);

    let scene = story.scene(7, "Two jobs feed one report: it is refreshed when both are done")?;
    wrong.extend(gather::two_jobs(stage, &scene, &MARTS, 90_009).await?);

    let scene =
        story.scene(8, "No webhook gets through: dbt is asked, and the run is not missed")?;
    wrong.extend(missed::told_late(stage, &scene, churn, 90_011).await?);

    let scene = story
        .scene(9, "A run builds one mart of two: only the dashboard that reads it is refreshed")?;
    wrong.extend(built::one_of_two(stage, &scene, 90_012).await?);

    let scene = story
        .scene(10, "A model fails: the dashboard that reads it is left alone, the other is not")?;
    wrong.extend(built::one_fails(stage, &scene, 90_013).await?);

    wrong.extend(check::asked::found_alone(stage, 90_011).await?);
    story.end();
    crate::output::line("")?;
    if wrong.is_empty() {
        let told = format!(
            "All of it really happened, by the database and by the tools: 13 runs, 17 deliveries, \
             10 confirmed refreshes, {:.1} s.",
            story.elapsed().as_secs_f64()
        );
        crate::output::line(story.paint.green(told))?;
    }
    Ok(wrong)
}

/// A run that ended well, from its event to the confirmed end of the refresh.
async fn refreshes(
    stage: &Stage,
    scene: &Scene,
    job: &Job,
    run: u64,
    expected: Expected,
) -> anyhow::Result<Vec<String>> {
    let before = check::Tools::now(stage, job.tool);
    let event = ended(stage, job, run, RunStatus::Success);
    let body = dbt::completed(&event);
    scene.tell(
        Who::Dbt,
        format!("run {run} of \"{}\" succeeded; posts job.run.completed", job.name),
    )?;
    let first = stage.dbt.post(&body).await;
    scene.tell(Who::Ingest, format!("{}  {}", said(scene, &first), event.event_id))?;
    let mut repeats = Vec::new();
    for _ in 1..expected.deliveries {
        repeats.push(stage.dbt.post(&body).await);
    }
    if !repeats.is_empty() {
        let answers = repeats.iter().map(|answer| said(scene, answer)).collect::<Vec<_>>();
        scene.tell(
            Who::Dbt,
            format!("posts the same event {} more, as it may", times(repeats.len())),
        )?;
        scene.tell(Who::Ingest, format!("{}: still one event", answers.join(", ")))?;
    }
    let watched = watch::to_the_end(stage, scene, job, &event.event_id).await?;
    let mut wrong = check::answers(&first, &repeats);
    wrong.extend(check::refreshed(stage, job, &event, &watched, &before, expected));
    if let [row] = watched.rows.as_slice() {
        scene.rows(
            "its row in the view delivery_history:",
            &[vec![
                ("event_id", row.event_id.clone()),
                ("run_id", run.to_string()),
                ("deliveries", row.deliveries.to_string()),
                ("route", or_dash(&row.route)),
                ("target", or_dash(&row.target)),
                ("refresh_state", or_dash(&row.refresh_state)),
                ("attempts", row.attempts.unwrap_or_default().to_string()),
                ("remote_id", or_dash(&row.remote_id)),
                ("latency_ms", row.latency_ms.unwrap_or_default().to_string()),
            ]],
        )?;
    }
    scene.checked(&wrong)?;
    Ok(wrong)
}

/// A run that failed: dbt sends two events, and a route `on: success` acts on neither.
async fn refreshes_nothing(
    stage: &Stage,
    scene: &Scene,
    job: &Job,
    run: u64,
) -> anyhow::Result<Vec<String>> {
    let before = check::Tools::now(stage, job.tool);
    let mut wrong = Vec::new();
    scene.tell(Who::Dbt, format!("run {run} of \"{}\" failed", job.name))?;
    for kind in ["job.run.errored", "job.run.completed"] {
        let event = ended(stage, job, run, RunStatus::Errored);
        let early = kind == "job.run.errored";
        let body = if early { dbt::errored(&event) } else { dbt::completed(&event) };
        scene.tell(Who::Dbt, format!("posts {kind}"))?;
        let answer = stage.dbt.post(&body).await;
        scene.tell(Who::Ingest, format!("{}  {}", said(scene, &answer), event.event_id))?;
        let rows = watch::planned(stage, &event.event_id).await?;
        wrong.extend(check::answers(&answer, &[]));
        wrong.extend(check::left_alone(stage, job, &rows, &before));
        if let [row] = rows.as_slice() {
            let reason = scene.bad(or_dash(&row.reason));
            scene.tell(Who::Worker, format!("starts nothing: {reason}"))?;
        }
    }
    scene.checked(&wrong)?;
    Ok(wrong)
}

/// A run ended a moment ago, and dbt knows it. Its event.
pub(super) fn ended(stage: &Stage, job: &Job, run: u64, status: RunStatus) -> Event {
    let now = SimClock::real().now();
    let at = now - TimeDelta::seconds(1);
    let mut told = Run::of(job.id, run, status, at - TimeDelta::minutes(4), at);
    told.job_name = job.name.into();
    let event = Event::of(told, now);
    stage.account.ran(job.id, run, &event);
    event
}

/// What a row says of its event.
fn of_event(row: &DeliveryRow) -> Vec<(&'static str, String)> {
    let mut columns =
        vec![("event_id", row.event_id.clone()), ("arrived_by", row.arrived_by.clone())];
    columns.extend(row.run_error.as_deref().map(|error| ("run_error", clean(error))));
    columns
}

/// What a row says of the refresh, or why there is none.
fn of_refresh(row: &DeliveryRow) -> Vec<(&'static str, String)> {
    let mut columns =
        vec![("target", or_dash(&row.target)), ("refresh_state", or_dash(&row.refresh_state))];
    columns.extend(row.reason.as_deref().map(|reason| ("reason", clean(reason))));
    columns.extend(row.remote_id.clone().map(|id| ("remote_id", id)));
    columns
}

/// `200 stored`.
pub(super) fn said(scene: &Scene, answer: &Answer) -> String {
    match &answer.outcome {
        Ok(reply) => {
            let text = format!("{} {}", reply.status, check::status(answer));
            if answer.ok() { scene.good(text) } else { scene.bad(text) }
        }
        Err(error) => scene.bad(error),
    }
}

fn times(count: usize) -> String {
    match count {
        1 => "once".into(),
        2 => "twice".into(),
        count => format!("{count} times"),
    }
}

pub(super) fn or_dash(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "-".into())
}
