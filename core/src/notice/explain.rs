//! Why a run failed, as far as dbt has said by the time that people are told.

use serde::Deserialize;
use sqlx::PgConnection;

use super::Telling;
use crate::store::column;

/// Of what failed, so many are named.
const MOST_NAMED: usize = 10;

/// Of a message or a line, so much is told.
const MOST_CHARACTERS: usize = 400;

/// Of a log, its end.
const MOST_LINES: usize = 6;

/// What failed in one step, as it was noted.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Step {
    failed: Vec<Failed>,
    log: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failed {
    unique_id: String,
    name: Option<String>,
    kind: Option<String>,
    status: String,
    message: Option<String>,
}

/// Adds what dbt said of their runs to what is told here.
pub(super) async fn explain(
    connection: &mut PgConnection,
    tellings: &mut [Telling],
) -> Result<(), sqlx::Error> {
    let notes: Vec<i64> = tellings
        .iter()
        .flat_map(|telling| &telling.notes)
        .filter(|note| note.kind == super::RUN)
        .map(|note| note.id)
        .collect();
    if notes.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query!(
        r#"
        select notice.id, dbt_run.url, dbt_run.error, run_error.detail as "detail?"
        from notice
        join dbt_run on dbt_run.source = notice.run_source and dbt_run.run_id = notice.run_id
        left join run_error
            on run_error.source = notice.run_source and run_error.run_id = notice.run_id
        where notice.id = any ($1)
        "#,
        &column(&notes, |id| *id),
    )
    .fetch_all(connection)
    .await?;
    for note in tellings.iter_mut().flat_map(|telling| &mut telling.notes) {
        let Some(row) = rows.iter().find(|row| row.id == note.id) else { continue };
        note.url = row.url.clone().or(note.url.take());
        // Its end is not the place to say again how it began.
        if note.saying == super::Saying::Resolved {
            continue;
        }
        let steps: Vec<Step> = row
            .detail
            .clone()
            .and_then(|detail| serde_json::from_value(detail).ok())
            .unwrap_or_default();
        let lines = lines(&steps, row.error.as_deref());
        for line in lines {
            note.detail.push('\n');
            note.detail.push_str(&line);
        }
    }
    Ok(())
}

fn lines(steps: &[Step], summary: Option<&str>) -> Vec<String> {
    let failed: Vec<_> = steps.iter().flat_map(|step| &step.failed).collect();
    if !failed.is_empty() {
        let mut lines: Vec<_> = failed.iter().take(MOST_NAMED).map(|one| line(one)).collect();
        if failed.len() > MOST_NAMED {
            lines.push(format!("and {} more", failed.len() - MOST_NAMED));
        }
        return lines;
    }
    let log = steps.iter().find_map(|step| step.log.as_deref()).unwrap_or_default();
    let end: Vec<&str> = log.trim_end().lines().collect();
    let end = &end[end.len().saturating_sub(MOST_LINES)..];
    summary.into_iter().chain(end.iter().copied()).map(cut).collect()
}

fn line(failed: &Failed) -> String {
    let kind = failed.kind.as_deref().unwrap_or("node");
    let name = failed.name.as_deref().unwrap_or(&failed.unique_id);
    let message = failed.message.as_deref().unwrap_or_default();
    let message: Vec<_> = message.split_whitespace().collect();
    let message = message.join(" ");
    let colon = if message.is_empty() { "" } else { ": " };
    cut(&format!("{kind} {name} {}{colon}{message}", failed.status))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}
