//! Fan-in: a report that two jobs feed is refreshed once, when both have succeeded.

use afterrun_simulators::dbt::{self, RunStatus};

use super::check::{self, Tools};
use super::{Job, ended, or_dash, said, watch};
use crate::command::demo::stage::Stage;
use crate::command::demo::story::{Scene, Who};

pub(super) async fn two_jobs(
    stage: &Stage,
    scene: &Scene,
    jobs: &[Job; 2],
    first_run: u64,
) -> anyhow::Result<Vec<String>> {
    let before = Tools::now(stage, jobs[0].tool);
    let mut wrong = Vec::new();
    let mut events = Vec::new();
    for (run, job) in (first_run..).zip(jobs) {
        let event = ended(stage, job, run, RunStatus::Success);
        scene.tell(Who::Dbt, format!("run {run} of \"{}\" succeeded", job.name))?;
        let answer = stage.dbt.post(&dbt::completed(&event)).await;
        scene.tell(Who::Ingest, format!("{}  {}", said(scene, &answer), event.event_id))?;
        wrong.extend(check::answers(&answer, &[]));
        if events.is_empty() {
            let row = watch::until(stage, &event.event_id, &["waiting"]).await?;
            let reason = row.as_ref().map_or_else(|| "-".into(), |row| or_dash(&row.reason));
            let held = format!("waiting for job {}", jobs[1].id);
            if reason != held {
                wrong.push(format!("{}: its reason is {reason}, not {held}", job.target));
            }
            scene.tell(Who::Worker, format!("starts nothing yet: {}", scene.bad(reason)))?;
        }
        events.push(event);
    }
    let last = &events[1];
    let watched = watch::to_the_end(stage, scene, &jobs[1], &last.event_id).await?;
    let mut told = Vec::new();
    for event in &events {
        let Some(row) = stage.store.deliveries(&event.event_id).await?.pop() else { continue };
        told.push((event, row));
    }
    if watched.rows.is_empty() || told.len() != events.len() {
        wrong.push(format!("{}: an event has no row in delivery_history", jobs[0].target));
    }
    wrong.extend(check::refreshed_together(stage, &jobs[0], &told, &before, 1));
    scene.checked(&wrong)?;
    Ok(wrong)
}
