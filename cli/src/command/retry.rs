//! `afterrun retry`: one more try, now.

use afterrun_core::operator::{OperatorError, Retried};
use afterrun_core::refresh::{RefreshId, State};
use afterrun_core::{Store, StoreError};
use serde::Serialize;

use super::wishes::Wishes;
use crate::args::{self, Chosen};
use crate::database;

/// What was to be tried again, and by which refresh it is: itself, or another.
#[derive(Debug, Serialize)]
struct Tried {
    refresh_id: RefreshId,
    tried_by: Option<RefreshId>,
}

pub(crate) async fn run(args: args::Retry) -> anyhow::Result<()> {
    let Chosen { ids, output, database } = args.refreshes;
    let store = database::writer(&database.data_dir).await?;
    let mut wishes = Wishes::new(output);
    for refresh_id in ids {
        let tried = |tried_by| Tried { refresh_id, tried_by };
        let before = match store.refresh_row(refresh_id).await {
            Ok(row) => row.map(|row| row.refresh_state),
            Err(error) => return Err(wishes.break_off(error)),
        };
        let retried = match store.retry(refresh_id).await {
            Ok(retried) => retried,
            Err(OperatorError::Store(error)) => return Err(wishes.break_off(error)),
            Err(refusal) => {
                wishes.refused(tried(None), refusal.to_string());
                continue;
            }
        };
        let (Retried::Now(by) | Retried::Anew(by)) = retried;
        let held = match held(&store, by).await {
            Ok(Some(reason)) => format!("as soon as it is held no longer ({reason})"),
            Ok(None) => "now".to_owned(),
            Err(error) => return Err(wishes.break_off(error)),
        };
        let said = match retried {
            Retried::Now(_) => format!("refresh {refresh_id} is tried {held}"),
            Retried::Anew(by) => {
                let ended = ended(before);
                format!(
                    "refresh {refresh_id} {ended}, so refresh {by} tries its events again {held}"
                )
            }
        };
        wishes.granted(tried(Some(by)), said)?;
    }
    wishes.end()
}

fn ended(state: Option<State>) -> &'static str {
    match state {
        Some(State::Failed) => "has failed for good",
        Some(State::Succeeded) => "has succeeded",
        Some(State::Cancelled) => "was cancelled",
        _ => "has ended",
    }
}

/// What holds even a refresh that an operator wants now: a pause, another that is under way, a tool
/// that is away. What it waited for before is no matter any more.
async fn held(store: &Store, id: RefreshId) -> Result<Option<String>, StoreError> {
    let row = store.refresh_row(id).await?.filter(|row| row.refresh_state == State::Waiting);
    let holds = |reason: &String| {
        ["paused", "behind refresh", "connection "].iter().any(|hold| reason.starts_with(hold))
    };
    Ok(row.and_then(|row| row.reason).filter(holds))
}
