//! Why a run failed, from what its failed steps left: results, or sources that are stale, or else
//! the end of the log.

use std::io::Read;

use afterrun_core::artifact::{ArtifactError, Failure, failures, read_run_results, summary};
use afterrun_core::dbt_run::RunError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::detail::{Detail, NoArtifact, Step};
use crate::http::clean;

/// Of a log, as dbt's own client shows it.
const LINES: usize = 50;

/// Why the run failed, as far as dbt tells.
pub(super) async fn error(api: &Api, run: &str, detail: &Detail) -> Result<RunError, NoArtifact> {
    let (mut told, mut line) = (Vec::new(), None);
    for step in detail.failed_steps() {
        let (what, short) = of_step(api, run, step).await?;
        told.push(
            json!({ "step": step.index, "name": step.name, "failed": what.0, "log": what.1 }),
        );
        line = line.or(short);
    }
    let message = detail.status_message.as_deref().map(str::trim);
    let message = message.filter(|text| !text.is_empty() && *text != "None").map(clean);
    let summary = line.or(message).unwrap_or_else(|| "dbt does not say why it failed".to_owned());
    Ok(RunError { summary, detail: Value::Array(told) })
}

/// What failed, or what was logged; and either in a line.
async fn of_step(
    api: &Api,
    run: &str,
    step: &Step,
) -> Result<((Vec<Value>, Option<String>), Option<String>), NoArtifact> {
    let read = |reader: &mut dyn Read| read_run_results(reader);
    let results = api.artifact(run, "run_results.json", Some(step.index), read).await?;
    let failed = results.map(|results| failures(None, &results)).unwrap_or_default();
    if !failed.is_empty() {
        let line = summary(&failed);
        return Ok(((failed.iter().map(described).collect(), None), line));
    }
    let read = |reader: &mut dyn Read| stale_sources(reader);
    let stale =
        api.artifact(run, "sources.json", Some(step.index), read).await?.unwrap_or_default();
    if let Some(first) = stale.first() {
        let more = stale.len() - 1;
        let more = if more == 0 { String::new() } else { format!("; and {more} more") };
        let line = format!("source {} is not fresh{more}", first.unique_id);
        let described = |source: &Stale| json!({ "unique_id": source.unique_id, "kind": "source", "status": source.status });
        return Ok(((stale.iter().map(described).collect(), None), Some(line)));
    }
    let log = anstream::adapter::strip_str(step.log()).to_string();
    Ok(((vec![], Some(tail(&log))), telling_line(&log)))
}

fn described(failure: &Failure) -> Value {
    json!({
        "unique_id": failure.unique_id,
        "name": failure.name,
        "kind": failure.kind,
        "status": failure.status.to_string(),
        "message": failure.message.as_deref().map(|message| anstream::adapter::strip_str(message).to_string()),
    })
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// The line that names the error, or else the last one.
fn telling_line(log: &str) -> Option<String> {
    const NAMES: [&str; 4] = ["Database Error", "Compilation Error", "Runtime Error", "Error"];
    let lines = || log.lines().map(str::trim).filter(|line| !line.is_empty());
    let named = NAMES.iter().find_map(|name| lines().find(|line| line.contains(name)));
    named.or_else(|| lines().next_back()).map(clean)
}

/// A source that `dbt source freshness` found fault with.
struct Stale {
    unique_id: String,
    status: String,
}

fn stale_sources(reader: &mut dyn Read) -> Result<Vec<Stale>, ArtifactError> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(default)]
        results: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        unique_id: Option<String>,
        status: Option<String>,
    }
    const ARTIFACT: &str = "sources.json";
    let wire: Wire = serde_json::from_reader(reader)
        .map_err(|error| ArtifactError::Shape { artifact: ARTIFACT, what: shape(&error) })?;
    let stale = wire.results.into_iter().filter_map(|one| {
        let (unique_id, status) = (one.unique_id?, one.status?);
        matches!(status.as_str(), "error" | "runtime error").then_some(Stale { unique_id, status })
    });
    Ok(stale.collect())
}

/// Where, without what it quotes.
fn shape(error: &serde_json::Error) -> String {
    format!("it is not as expected at line {} column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_log_the_line_that_names_the_error_is_told_and_its_end_is_kept() {
        let mut log: String = (0..80).map(|n| format!("line {n}\n")).collect();
        log.push_str("  Compilation Error in model a\nDone.\n");
        assert_eq!(telling_line(&log).as_deref(), Some("Compilation Error in model a"));
        let tail = tail(&log);
        assert_eq!(tail.lines().count(), 50);
        assert!(tail.ends_with("Done."));
        assert_eq!(telling_line("a\nb\n").as_deref(), Some("b"));
        assert_eq!(telling_line(" \n"), None);
    }

    #[test]
    fn only_sources_that_are_not_fresh_are_told_of() {
        let json = br#"{"results":[{"unique_id":"source.a.b","status":"pass"},
            {"unique_id":"source.a.c","status":"error"},{"status":"error"}]}"#;
        let stale = stale_sources(&mut json.as_slice()).unwrap();
        assert_eq!(stale.len(), 1);
        assert_eq!(stale[0].unique_id, "source.a.c");
        assert!(stale_sources(&mut b"[".as_slice()).is_err());
    }
}
