//! `afterrun check`: is the configuration right, and with `--live`, does it work?

use std::path::Path;

use afterrun_core::config::Config;
use afterrun_core::env;
use afterrun_core::telemetry::Chain;
use afterrun_worker::Targets;
use afterrun_worker::connector::Called;
use afterrun_worker::http::{Http, Limits};
use anyhow::Context as _;
use comfy_table::Cell;
use futures_util::future;
use serde::Serialize;

use crate::args::{self, Output};
use crate::output::{Paint, Tone, clean, json, line, progress, table};

/// What was found at a connection or a target.
#[derive(Debug, Serialize)]
struct Found {
    what: &'static str,
    name: String,
    connection: String,
    ok: bool,
    found: String,
}

pub(crate) async fn run(path: &Path, args: args::Check) -> anyhow::Result<()> {
    let http = Http::new(Limits::default()).context("could not set up the HTTP client")?;
    let targets = Targets::load(path, &env::var, &http)?;
    let config = targets.config();
    for warning in config.warnings() {
        eprintln!("{} {warning}", Paint::stderr().yellow("warning:"));
    }
    if !args.live {
        return match args.output {
            Output::Json => json(&serde_json::json!({
                "file": path,
                "warnings": config.warnings().iter().map(ToString::to_string).collect::<Vec<_>>(),
                "sources": config.sources.keys().collect::<Vec<_>>(),
                "connections": config.connections.keys().collect::<Vec<_>>(),
                "targets": config.targets.keys().collect::<Vec<_>>(),
                "routes": config.routes.iter().map(|route| &route.name).collect::<Vec<_>>(),
            })),
            Output::Table => Ok(line(format!("{} is right: {}", path.display(), counts(config)))?),
        };
    }
    let asking = progress(format!(
        "asking {} connections about {} targets",
        config.connections.len(),
        config.targets.len()
    ));
    let found = look(&targets).await;
    asking.finish_and_clear();
    match args.output {
        Output::Json => json(&found)?,
        Output::Table => show(&found)?,
    }
    let wrong = found.iter().filter(|found| !found.ok).count();
    anyhow::ensure!(wrong == 0, "{wrong} of {} checks failed", found.len());
    Ok(())
}

/// Asks every connection, then every target; each tool is asked one thing at a time.
async fn look(targets: &Targets) -> Vec<Found> {
    let asking = targets.connections().map(|(connection, open)| async move {
        let mut found = vec![answered("connection", connection, connection, open.check().await)];
        for (name, target) in &targets.config().targets {
            let Some(open) = targets.get(name).filter(|_| target.connection == connection) else {
                continue;
            };
            found.push(answered("target", name, connection, open.check().await));
        }
        found
    });
    future::join_all(asking).await.into_iter().flatten().collect()
}

fn answered(what: &'static str, name: &str, connection: &str, called: Called<String>) -> Found {
    let (ok, found) = match called.answer {
        Ok(found) => (true, found),
        Err(error) => (false, Chain(&error).to_string()),
    };
    Found { what, name: name.into(), connection: connection.into(), ok, found }
}

fn show(found: &[Found]) -> anyhow::Result<()> {
    let paint = Paint::stdout();
    let mut table = table(&["", "NAME", "", "FOUND"]);
    for found in found {
        let (mark, tone) = if found.ok { ("ok", Tone::Good) } else { ("failed", Tone::Bad) };
        let mark = Cell::new(mark);
        table.add_row([
            Cell::new(found.what),
            Cell::new(&found.name),
            if paint.is_on() { mark.fg(tone.colour()) } else { mark },
            Cell::new(clean(&found.found)),
        ]);
    }
    Ok(line(table)?)
}

fn counts(config: &Config) -> String {
    let count =
        |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    [
        count(config.sources.len(), "source"),
        count(config.connections.len(), "connection"),
        count(config.targets.len(), "target"),
        count(config.routes.len(), "route"),
    ]
    .join(", ")
}
