//! After the tour: the demo goes on serving, with an event now and then, for whoever looks around.

use std::time::Duration;

use afterrun_simulators::dbt::{self, RunStatus};

use super::scene::{JOBS, ended};
use super::stage::Stage;
use super::story::Story;
use crate::look;
use crate::output::line;

const EVERY: Duration = Duration::from_secs(20);

/// Until it is stopped. Says how to look first.
pub(super) async fn serve(stage: &Stage, story: &Story) -> anyhow::Result<()> {
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

fn how_to_look(stage: &Stage, story: &Story) -> anyhow::Result<()> {
    let afterrun = look::program();
    let folder = look::quoted(stage.folder());
    let config = look::quoted(&stage.config);
    let look = vec![
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
    line("It goes on: dbt sends an event every 20 s. Look around from another terminal:")?;
    line("")?;
    for told in look::lines(&look, story.paint) {
        line(told)?;
    }
    line("")?;
    line("Ctrl-C ends it.")?;
    line("")?;
    Ok(())
}
