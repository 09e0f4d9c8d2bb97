//! `afterrun cancel`: stops refreshes, and with `--wait` says how each has ended.

use std::time::{Duration, Instant};

use afterrun_core::history::RefreshRow;
use afterrun_core::operator::{Cancelled, OperatorError};
use afterrun_core::refresh::{RefreshId, State};
use afterrun_core::{Store, StoreError};
use serde::Serialize;

use super::wishes::Wishes;
use crate::args::{self, Chosen, Output};
use crate::database;
use crate::output::progress;

/// A tool that is asked to stop answers within this, or the worker gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// What was to be stopped, and how it stands.
#[derive(Debug, Serialize)]
struct Stopped {
    refresh_id: RefreshId,
    refresh_state: Option<State>,
    reason: Option<String>,
}

pub(crate) async fn run(args: args::Cancel) -> anyhow::Result<()> {
    let Chosen { ids, output, database } = args.refreshes;
    let store = database::writer(&database.data_dir).await?;
    let mut wishes = Wishes::new(output);
    let mut asked = Vec::new();
    for id in ids {
        let cancelled = match store.cancel(id).await {
            Ok(cancelled) => cancelled,
            Err(OperatorError::Store(error)) => return Err(wishes.break_off(error)),
            Err(refusal) => {
                let state = match &refusal {
                    OperatorError::Ended { state, .. } => Some(*state),
                    _ => None,
                };
                let of = Stopped { refresh_id: id, refresh_state: state, reason: None };
                wishes.refused(of, refusal.to_string());
                continue;
            }
        };
        let row = match store.refresh_row(id).await {
            Ok(row) => row,
            Err(error) => return Err(wishes.break_off(error)),
        };
        match cancelled {
            Cancelled::Now => {
                wishes.granted(stands(id, row), format!("refresh {id} is cancelled"))?
            }
            // Every wish is made before the first of them is waited for.
            Cancelled::Asked if args.wait => asked.push(id),
            Cancelled::Asked => wishes.granted(stands(id, row), under_way(id))?,
        }
    }
    for id in asked {
        if output == Output::Table {
            crate::output::line(under_way(id))?;
        }
        let row = match ended(&store, id).await {
            Ok(row) => row,
            Err(error) => return Err(wishes.break_off(error)),
        };
        let said = how(id, row.as_ref());
        match row.as_ref().map(|row| row.refresh_state) {
            Some(State::Cancelled) => wishes.granted(stands(id, row), said)?,
            _ => wishes.refused(stands(id, row), said),
        }
    }
    wishes.end()
}

fn under_way(id: RefreshId) -> String {
    format!("refresh {id} is under way: a worker stops it in the tool, where the tool can")
}

fn stands(refresh_id: RefreshId, row: Option<RefreshRow>) -> Stopped {
    let (refresh_state, reason) =
        row.map_or((None, None), |row| (Some(row.refresh_state), row.reason));
    Stopped { refresh_id, refresh_state, reason }
}

/// The refresh once it has ended, or as it stands when patience has.
async fn ended(store: &Store, id: RefreshId) -> Result<Option<RefreshRow>, StoreError> {
    let begun = Instant::now();
    let waiting = progress(format!("waiting up to {} s for refresh {id}", PATIENCE.as_secs()));
    loop {
        let row = store.refresh_row(id).await?;
        let goes_on = row.as_ref().is_some_and(|row| !row.refresh_state.is_ended());
        if !goes_on || begun.elapsed() >= PATIENCE {
            waiting.finish_and_clear();
            return Ok(row);
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

fn how(id: RefreshId, row: Option<&RefreshRow>) -> String {
    let Some(row) = row else { return format!("refresh {id} is not there any more") };
    let reason = row.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    let state = row.refresh_state.as_str();
    match row.refresh_state {
        State::Cancelled => format!("refresh {id} is cancelled{reason}"),
        State::Succeeded => format!("refresh {id} had ended well before it could be stopped"),
        ended if ended.is_ended() => format!("refresh {id} has {state}{reason}"),
        _ => format!(
            "refresh {id} is {state} still, after {} s; is a worker running?",
            PATIENCE.as_secs()
        ),
    }
}
