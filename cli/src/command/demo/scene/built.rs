//! What a run built decides: of two dashboards on two marts, the one whose mart is new is refreshed.

use afterrun_simulators::dbt::{self, RunStatus};

use super::check::{self, Expected, Tool, Tools};
use super::watch::{self, Watched};
use super::{Job, ended, of_event, of_refresh, or_dash, said};
use crate::command::demo::project::Model;
use crate::command::demo::stage::Stage;
use crate::command::demo::story::{Scene, Who};

/// One job, and the two dashboards that read what it builds.
pub(super) const DASHBOARDS: [Job; 2] = [
    Job { id: 282_196, name: "Marts", target: "sales-report", tool: Tool::Report(0) },
    Job { id: 282_196, name: "Marts", target: "sales-workbook", tool: Tool::Workbook },
];

/// What a run of that job did, and what is to come of it.
struct Leads<'a> {
    status: RunStatus,
    /// In the words of the story.
    did: &'a str,
    models: &'a [Model],
    refreshed: &'a Job,
    left: &'a Job,
    because: &'a str,
    /// What the history says of the run itself.
    run_error: Option<&'a str>,
}

/// It selects one of the marts.
pub(super) async fn one_of_two(
    stage: &Stage,
    scene: &Scene,
    run: u64,
) -> anyhow::Result<Vec<String>> {
    let [sales, finance] = &DASHBOARDS;
    let leads = Leads {
        status: RunStatus::Success,
        did: "succeeded; it built fct_orders, and not fct_invoices",
        models: &[Model::built("stg_orders"), Model::built("fct_orders")],
        refreshed: sales,
        left: finance,
        because: "nothing upstream of exposure finance was built in this run",
        run_error: None,
    };
    play(stage, scene, run, &leads).await
}

/// It selects both, and one of them fails.
pub(super) async fn one_fails(
    stage: &Stage,
    scene: &Scene,
    run: u64,
) -> anyhow::Result<Vec<String>> {
    let [sales, finance] = &DASHBOARDS;
    let leads = Leads {
        status: RunStatus::Errored,
        did: "failed; fct_orders could not be built, fct_invoices was",
        models: &[
            Model::built("stg_orders"),
            Model::failed("fct_orders", "column \"amount\" does not exist"),
            Model::built("stg_invoices"),
            Model::built("fct_invoices"),
        ],
        refreshed: finance,
        left: sales,
        because: "model fct_orders failed",
        run_error: Some(
            "model fct_orders: Database Error in model fct_orders (models/marts/fct_orders.sql) \
             column \"amount\" does not exist",
        ),
    };
    play(stage, scene, run, &leads).await
}

async fn play(
    stage: &Stage,
    scene: &Scene,
    run: u64,
    leads: &Leads<'_>,
) -> anyhow::Result<Vec<String>> {
    let Leads { refreshed, left, .. } = leads;
    let before = [refreshed, left].map(|job| Tools::now(stage, job.tool));
    let event = ended(stage, refreshed, run, leads.status);
    stage.account.built(run, &event, leads.models);
    scene.tell(Who::Dbt, format!("run {run} of \"{}\" {}", refreshed.name, leads.did))?;
    let answer = stage.dbt.post(&dbt::completed(&event)).await;
    scene.tell(Who::Ingest, format!("{}  {}", said(scene, &answer), event.event_id))?;

    let rows = watch::planned(stage, &event.event_id).await?;
    let read = stage.account.read_of(run);
    let by_whom = match read.iter().any(|file| file == "manifest.json") {
        true => " and who reads it (manifest.json)",
        false => "; who reads it is known already",
    };
    scene.tell(Who::Worker, format!("asks dbt what was built (run_results.json){by_whom}"))?;
    let reason = rows.iter().find(|row| row.target.as_deref() == Some(left.target));
    if let Some(row) = reason {
        let reason = scene.bad(or_dash(&row.reason));
        scene.tell(Who::Worker, format!("skips {}: {reason}", left.target))?;
    }
    let Watched { rows, attempts } =
        watch::to_the_end(stage, scene, refreshed, &event.event_id).await?;
    // What they say of the event, they say alike, or it is found out below.
    let shown: Vec<_> =
        rows.iter().take(1).map(of_event).chain(rows.iter().map(of_refresh)).collect();
    scene.rows("its rows in the view delivery_history:", &shown)?;

    let mut wrong = check::answers(&answer, &[]);
    wrong.extend(check::asked::read(&read));
    wrong.extend(check::asked::run_error(&rows, leads.run_error));
    let (own, others): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.target.as_deref() == Some(refreshed.target));
    let watched = Watched { rows: own, attempts };
    let [of_refreshed, of_left] = &before;
    let expected = Expected::default();
    wrong.extend(check::refreshed(stage, refreshed, &event, &watched, of_refreshed, expected));
    wrong.extend(check::asked::left(stage, left, &others, of_left, leads.because));
    scene.checked(&wrong)?;
    Ok(wrong)
}
