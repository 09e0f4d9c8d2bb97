//! `afterrun check`: is the configuration right, and with `--live`, does it work?

mod channel;
mod source;

use std::collections::HashSet;
use std::path::Path;

use afterrun_core::config::{Config, ConfigError, Mistake, Warning};
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
use crate::exit::Wrong;
use crate::output::{Paint, Tone, clean, json, line, progress, table};

/// What was found at a connection, a target or the webhook of a source.
#[derive(Debug, Serialize)]
struct Found {
    what: &'static str,
    name: String,
    /// Of a connection and its targets.
    connection: Option<String>,
    ok: bool,
    found: String,
}

pub(crate) async fn run(path: &Path, args: args::Check) -> anyhow::Result<()> {
    let http = Http::new(Limits::default()).context("could not set up the HTTP client")?;
    let targets = match Targets::load(path, &env::var, &http) {
        Err(error) if args.output == Output::Json => return Err(told(path, &error)?.into()),
        loaded => loaded?,
    };
    let config = targets.config();
    let warnings = warnings(config);
    for warning in &warnings {
        eprintln!("{} {warning}", Paint::stderr().yellow("warning:"));
    }
    if !args.live {
        return match args.output {
            Output::Json => json(&serde_json::json!({
                "file": path,
                "warnings": warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "sources": config.sources.keys().collect::<Vec<_>>(),
                "connections": config.connections.keys().collect::<Vec<_>>(),
                "targets": config.targets.keys().collect::<Vec<_>>(),
                "routes": config.routes.iter().map(|route| &route.name).collect::<Vec<_>>(),
                "channels": config.channels.keys().collect::<Vec<_>>(),
                "alerts": config.alerts.len(),
            })),
            Output::Table => Ok(line(format!("{} is right: {}", path.display(), counts(config)))?),
        };
    }
    let asking = progress(format!(
        "asking {} connections about {} targets",
        config.connections.len(),
        config.targets.len()
    ));
    let mut found = source::look(config, &http).await;
    found.extend(look(&targets).await);
    found.extend(channel::look(&targets).await);
    asking.finish_and_clear();
    match args.output {
        Output::Json => json(&found)?,
        Output::Table => show(&found)?,
    }
    let wrong = found.iter().filter(|found| !found.ok).count();
    anyhow::ensure!(wrong == 0, "{wrong} of {} checks failed", found.len());
    Ok(())
}

/// A mistake of the configuration, for programs.
#[derive(Debug, Serialize)]
struct Told<'a> {
    file: &'a Path,
    /// From 1; 0 where the file as a whole is meant.
    line: u32,
    column: u32,
    key: &'a str,
    what: String,
}

/// Lists every mistake as JSON; what is left to say to people is how many there are.
fn told(path: &Path, error: &ConfigError) -> anyhow::Result<Wrong> {
    let ConfigError::Wrong(mistakes) = error else {
        let what = Chain(error).to_string();
        json(&[Told { file: path, line: 0, column: 0, key: "", what: what.clone() }])?;
        return Ok(Wrong(what));
    };
    let told = mistakes.iter().map(|Mistake { place, what }| Told {
        file: &place.file,
        line: place.line,
        column: place.column,
        key: &place.key,
        what: what.clone(),
    });
    json(&told.collect::<Vec<_>>())?;
    let mistakes = count(mistakes.len(), "mistake");
    Ok(Wrong(format!("{mistakes} in {}", path.display())))
}

/// What the file itself warns of, and what in it leads to nothing.
fn warnings(config: &Config) -> Vec<Warning> {
    let mut warnings = config.warnings().to_vec();
    if config.routes.is_empty() {
        let what = "there are no routes, so no event refreshes anything".into();
        warnings.push(Warning { place: config.place(&["routes"]), what });
        return warnings;
    }
    // Exposures name their targets in the dbt project, which is not read here.
    if config.routes.iter().any(|route| route.exposures.is_some()) {
        return warnings;
    }
    let used: HashSet<_> = config.routes.iter().flat_map(|route| &route.refresh).collect();
    for target in config.targets.keys().filter(|target| !used.contains(target)) {
        let what = "no route refreshes this target".into();
        warnings.push(Warning { place: config.place(&["targets", target]), what });
    }
    warnings
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
    Found { what, name: name.into(), connection: Some(connection.into()), ok, found }
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
    [
        count(config.sources.len(), "source"),
        count(config.connections.len(), "connection"),
        count(config.targets.len(), "target"),
        count(config.routes.len(), "route"),
    ]
    .into_iter()
    .chain((!config.channels.is_empty()).then(|| count(config.channels.len(), "channel")))
    .chain((!config.alerts.is_empty()).then(|| count(config.alerts.len(), "alert")))
    .collect::<Vec<_>>()
    .join(", ")
}

fn count(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}
