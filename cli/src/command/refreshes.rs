//! `afterrun refreshes`: what was refreshed, why, and with which calls.

use afterrun_core::history::{Cause, RefreshDetail, RefreshFilter, RefreshRow};
use afterrun_core::{Store, StoreError};

use super::history::{self, Listed};
use crate::args::{self, Output, RefreshAction, RefreshList};
use crate::database;
use crate::output::columns::{Column, Shown, text, whole};
use crate::output::{Tone, clean, json, line, milliseconds, short_time};

pub(crate) async fn run(args: args::Refreshes) -> anyhow::Result<()> {
    let store = database::reader(&args.database.data_dir).await?;
    match args.action.unwrap_or(RefreshAction::List(args.list)) {
        RefreshAction::List(list) => {
            let refreshes = Refreshes { store, filter: filter(&list) };
            history::list(&refreshes, &list.filter.listing).await
        }
        RefreshAction::Show { refresh_id, output } => {
            let Some(found) = store.refresh(refresh_id).await? else {
                anyhow::bail!("there is no refresh {refresh_id}");
            };
            match output {
                Output::Json => json(&found),
                Output::Table => Ok(show(&found)?),
            }
        }
    }
}

fn filter(list: &RefreshList) -> RefreshFilter {
    RefreshFilter {
        since: list.filter.since,
        states: list.state.iter().map(|state| state.0).collect(),
        target: list.filter.target.clone(),
        job: list.filter.job.clone(),
        ..RefreshFilter::default()
    }
}

struct Refreshes {
    store: Store,
    filter: RefreshFilter,
}

impl Listed for Refreshes {
    type Row = RefreshRow;
    const COLUMNS: &'static [Column] = &[
        whole("ID"),
        whole("PLANNED (UTC)"),
        text("TARGET", 14),
        whole("STATE"),
        text("JOB", 12).spare(2),
        whole("TRIES").spare(3),
        whole("LATENCY").spare(1),
        text("REMOTE ID", 12).spare(4),
        text("NOTE", 11),
    ];

    async fn rows(&self, limit: u32) -> Result<Vec<RefreshRow>, StoreError> {
        self.store.refreshes(&self.filter, limit).await
    }

    fn key(row: &RefreshRow) -> i64 {
        row.refresh_id.0
    }

    fn cells(row: &RefreshRow) -> Vec<Shown> {
        let state = row.refresh_state.as_str();
        // Once it succeeded, what went wrong on the way is in `refreshes show`.
        let note = match (&row.reason, &row.last_error) {
            _ if state == "succeeded" => String::new(),
            (Some(reason), Some(error)) => format!("{reason}: {error}"),
            (None, None) if state == "queued" => "waiting for its turn".into(),
            (reason, error) => reason.as_ref().or(error.as_ref()).cloned().unwrap_or_default(),
        };
        vec![
            Shown::text(&row.refresh_id.to_string()),
            Shown::text(&short_time(row.created_at)),
            Shown::text(&row.target),
            Shown::toned(state, Tone::of(state)),
            Shown::text(&row.jobs.join(", ")),
            Shown::text(&row.attempts.to_string()),
            Shown::text(&row.latency_ms.map_or("-".into(), milliseconds)),
            Shown::text(row.remote_id.as_deref().unwrap_or("-")),
            Shown::text(&note),
        ]
    }
}

fn show(detail: &RefreshDetail) -> std::io::Result<()> {
    history::refresh(&detail.refresh)?;
    line("")?;
    let all = detail.refresh.events;
    if i64::try_from(detail.causes.len()).is_ok_and(|shown| shown < all) {
        line(format!("  the newest {} of {all} events", detail.causes.len()))?;
    }
    let mut events = history::indented(&["EVENT", "RECEIVED (UTC)", "RUN", "ROUTE", "JOB"]);
    for cause in &detail.causes {
        events.add_row(cells(cause));
    }
    line(events)?;
    line("")?;
    history::attempts(&detail.attempt_history)
}

fn cells(cause: &Cause) -> [String; 5] {
    let or_dash = |text: Option<&str>| clean(text.unwrap_or("-"));
    [
        clean(&cause.event_id),
        short_time(cause.received_at),
        or_dash(cause.run_id.as_deref()),
        clean(&cause.route),
        or_dash(cause.job_name.as_deref().or(cause.job_id.as_deref())),
    ]
}
