//! After the tour: the demo goes on serving, with an event now and then, for whoever looks around.
//! One dashboard is left stale, to be found and refreshed again.

use std::time::Duration;

use afterrun_simulators::Fault;
use afterrun_simulators::dbt::{self, RunStatus};

use super::scene::{JOBS, MARTS, ended};
use super::stage::Stage;
use super::story::Story;
use crate::look;
use crate::output::line;

const EVERY: Duration = Duration::from_secs(20);

/// Until it is stopped. Says how to look first.
pub(super) async fn serve(stage: &Stage, story: &Story) -> anyhow::Result<()> {
    leave_one_stale(stage).await;
    how_to_look(stage, story)?;
    // One run in five fails, as runs do.
    let jobs = JOBS.iter().cycle().zip([true, true, false, true, true].into_iter().cycle());
    for (run, (job, well)) in (90_014..).zip(jobs) {
        tokio::time::sleep(EVERY).await;
        let status = if well { RunStatus::Success } else { RunStatus::Errored };
        let event = ended(stage, job, run, status);
        let body = if well { dbt::completed(&event) } else { dbt::errored(&event) };
        let sent = stage.dbt.deliver(body).await;
        let word = status.word().to_lowercase();
        let taken = if sent.delivered() { event.event_id } else { "was not taken".into() };
        let at = event.timestamp.format("%H:%M:%S UTC");
        let at = story.paint.dim(at);
        line(format!("  {at}  dbt  run {run} of \"{}\": {word}  {taken}", job.name))?;
    }
    Ok(())
}

/// Both marts are built anew, and Mode knows the report that reads them no more: which ends the
/// refresh for good. When it is tried again Mode knows the report.
async fn leave_one_stale(stage: &Stage) {
    let gone = Fault::status(404).body(br#"{"id":"not_found","message":"Report not found"}"#);
    stage.mode.faults().on("POST", &format!("/reports/{}/runs", stage.reports[2]), 1, gone);
    for (run, job) in (90_101..).zip(&MARTS) {
        stage.dbt.deliver(dbt::completed(&ended(stage, job, run, RunStatus::Success))).await;
    }
}

fn how_to_look(stage: &Stage, story: &Story) -> anyhow::Result<()> {
    let afterrun = look::program();
    let folder = look::quoted(stage.folder());
    let config = look::quoted(&stage.config);
    let look = vec![
        look::console(stage.private),
        ("the refreshes".into(), format!("{afterrun} refreshes --follow --data-dir {folder}")),
        ("the events".into(), format!("{afterrun} events --data-dir {folder}")),
        look::in_sql(stage.note.file()),
        (
            "send one yourself".into(),
            format!("{afterrun} send --config {config} --url {}", stage.webhooks),
        ),
        ("its health".into(), format!("curl http://{}/readyz", stage.private)),
    ];
    line("")?;
    line(
        "It goes on: dbt sends an event every 20 s, and one dashboard is stale. Which, and why? The",
    )?;
    line("console shows it, and can refresh it again; the commands are for another terminal:")?;
    line("")?;
    for told in look::lines(&look, story.paint) {
        line(told)?;
    }
    line("")?;
    line("Ctrl-C ends it.")?;
    line("")?;
    Ok(())
}
