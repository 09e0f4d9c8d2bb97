//! A run whose event does not get through: it is found by asking dbt, and its event, late, adds
//! nothing.

use afterrun_simulators::dbt::{self, RunStatus};
use afterrun_simulators::network::Trouble;

use super::check::{self, Expected, Tools};
use super::{Job, ended, of_event, of_refresh, or_dash, said, watch};
use crate::command::demo::stage::Stage;
use crate::command::demo::story::{Scene, Who};

/// How often dbt posts an event at most.
const TRIES: usize = 5;

pub(super) async fn told_late(
    stage: &Stage,
    scene: &Scene,
    job: &Job,
    run: u64,
) -> anyhow::Result<Vec<String>> {
    let before = Tools::now(stage, job.tool);
    stage.road.suffer(Trouble::Refuse);
    stage.road.cut(true);
    let event = ended(stage, job, run, RunStatus::Success);
    let body = dbt::completed(&event);
    scene.tell(
        Who::Dbt,
        format!("run {run} of \"{}\" succeeded; posts job.run.completed", job.name),
    )?;
    let mut lost = Vec::new();
    for _ in 1..TRIES {
        lost.push(stage.dbt.post(&body).await);
    }
    let unanswered = lost.iter().filter(|answer| answer.status().is_none()).count();
    let down = scene.bad("the network to ingest is down");
    scene.tell(Who::Dbt, format!("{down}: {unanswered} of {TRIES} tries come to nothing"))?;

    let found = watch::known(stage, job, run).await?;
    let mut watched = None;
    if let Some(found) = &found {
        scene.tell(
            Who::Worker,
            format!("asks dbt which runs have ended, and takes this one in as {found}"),
        )?;
        watched = Some(watch::to_the_end(stage, scene, job, found).await?);
    }
    stage.road.suffer(Trouble::None);
    let (Some(found), Some(watched)) = (found, watched) else {
        return Ok(vec![format!("{}: the run was not found by asking dbt", job.target)]);
    };

    scene.tell(Who::Dbt, "the network is back: the last try brings the event, late")?;
    let answer = stage.dbt.post(&body).await;
    scene.tell(Who::Ingest, format!("{}  {}", said(scene, &answer), event.event_id))?;
    let late = watch::planned(stage, &event.event_id).await?;
    let mut wrong = check::asked::lost(&lost);
    wrong.extend(check::answers(&answer, &[]));
    wrong.extend(check::asked::found(stage, &watched.rows));
    wrong.extend(check::asked::came_late(&late, &found));
    // Told last, and so with all that the late event may have done.
    let expected = Expected::default();
    wrong.extend(check::refreshed(stage, job, &event, &watched, &before, expected));
    if let [row] = late.as_slice() {
        scene.tell(
            Who::Worker,
            format!("starts nothing more: {}", scene.bad(or_dash(&row.reason))),
        )?;
    }
    let rows = watched.rows.iter().chain(&late);
    let rows: Vec<_> = rows.map(|row| [of_event(row), of_refresh(row)].concat()).collect();
    scene.rows("their rows in the view delivery_history:", &rows)?;
    scene.checked(&wrong)?;
    Ok(wrong)
}
