//! After the tour: the demo goes on serving, with an event now and then, for whoever looks around.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use afterrun_simulators::dbt::{self, RunStatus};

use super::scene::{JOBS, ended};
use super::stage::Stage;
use super::story::Story;
use crate::output::line;

const EVERY: Duration = Duration::from_secs(20);

/// Until it is stopped. Says how to look first.
pub(super) async fn serve(stage: &Stage, story: &Story) -> anyhow::Result<()> {
    how_to_look(stage, story)?;
    // One run in five fails, as runs do.
    let jobs = JOBS.iter().cycle().zip([true, true, false, true, true].into_iter().cycle());
    for (run, (job, well)) in (90_005..).zip(jobs) {
        tokio::time::sleep(EVERY).await;
        let status = if well { RunStatus::Success } else { RunStatus::Errored };
        let event = ended(job, run, status);
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
    let afterrun = program();
    let folder = quoted(stage.folder());
    let config = quoted(&stage.config);
    let address = quoted(stage.note.file());
    line("")?;
    line("It goes on: dbt sends an event every 20 s. Look around from another terminal:")?;
    line("")?;
    for (what, command) in [
        ("the refreshes", format!("{afterrun} refreshes --follow --data-dir {folder}")),
        ("the events", format!("{afterrun} events --data-dir {folder}")),
        ("in SQL", format!("psql \"$(cat {address})\" -c 'select * from target_freshness'")),
        (
            "send one yourself",
            format!("{afterrun} send --config {config} --url {}", stage.webhooks),
        ),
        ("its health", format!("curl http://{}/readyz", stage.private)),
    ] {
        line(format!("  {} {command}", story.paint.dim(format!("{what:<18}"))))?;
    }
    line("")?;
    line("Ctrl-C ends it.")?;
    line("")?;
    Ok(())
}

/// How this program was started, as somebody would type it here.
fn program() -> String {
    let exe = env::current_exe().unwrap_or_else(|_| PathBuf::from("afterrun"));
    let here = env::current_dir().ok();
    let near = here.and_then(|here| exe.strip_prefix(here).ok().map(Path::to_owned));
    quoted(&near.unwrap_or(exe))
}

/// Safe to paste into a shell.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}
