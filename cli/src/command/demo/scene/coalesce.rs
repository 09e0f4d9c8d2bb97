//! Runs that end while a refresh is under way: what arrives meanwhile joins the one behind it.

use afterrun_simulators::dbt::{self, RunStatus};

use super::check::{self, Tools};
use super::{Job, ended, or_dash, said, watch};
use crate::command::demo::stage::Stage;
use crate::command::demo::story::{Scene, Who};

const ENDED: [&str; 4] = ["succeeded", "failed", "cancelled", "skipped"];

/// Three runs of one job: the first has its refresh, the other two share the next.
pub(super) async fn three_runs(
    stage: &Stage,
    scene: &Scene,
    job: &Job,
    first_run: u64,
) -> anyhow::Result<Vec<String>> {
    let before = Tools::now(stage, job.tool);
    let mut wrong = Vec::new();
    let mut events = Vec::new();
    for run in first_run..first_run + 3 {
        let event = ended(stage, job, run, RunStatus::Success);
        scene.tell(Who::Dbt, format!("run {run} of \"{}\" succeeded", job.name))?;
        let answer = stage.dbt.post(&dbt::completed(&event)).await;
        scene.tell(Who::Ingest, format!("{}  {}", said(scene, &answer), event.event_id))?;
        wrong.extend(check::answers(&answer, &[]));
        let (planned, state) = if events.is_empty() {
            (watch::until(stage, &event.event_id, &["confirming"]).await?, "is under way in Mode")
        } else {
            (watch::until(stage, &event.event_id, &["waiting"]).await?, "waits")
        };
        if let Some(row) = planned {
            let id = row.refresh_id.unwrap_or_default();
            let why = row.reason.map_or(String::new(), |reason| format!(": {reason}"));
            scene.tell(Who::Worker, format!("refresh {id} {state}{}", scene.bad(why)))?;
        }
        events.push(event);
    }
    let mut told = Vec::new();
    for event in &events {
        let Some(row) = watch::until(stage, &event.event_id, &ENDED).await? else {
            return Ok(vec![format!("{}: a run has no row in delivery_history", job.target)]);
        };
        told.push((event, row));
    }
    for (event, row) in &told {
        let (id, state) = (row.refresh_id.unwrap_or_default(), or_dash(&row.refresh_state));
        let line = format!("run {}: refresh {id} {}", event.run.run_id, scene.good(state));
        scene.tell(Who::Worker, line)?;
    }
    wrong.extend(check::refreshed_together(stage, job, &told, &before, 2));
    scene.checked(&wrong)?;
    Ok(wrong)
}
