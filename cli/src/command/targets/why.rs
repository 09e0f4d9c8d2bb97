//! Why a target is not fresh, and for how long, in words.

use afterrun_core::history::{OpenRefresh, TargetRow, TargetState};
use afterrun_core::refresh::State;

use crate::output::milliseconds;

/// For how long the target has not shown what it should; a dash where there is nothing to show.
pub(crate) fn lag(row: &TargetRow) -> String {
    match row.lag_seconds {
        None => "-".into(),
        Some(seconds) if seconds <= 0.0 => "0".into(),
        Some(seconds) => milliseconds((seconds * 1_000.0) as i64),
    }
}

/// Empty for a target that is fresh.
pub(crate) fn why(row: &TargetRow) -> String {
    let error = || row.last_error.clone();
    match row.state {
        TargetState::Fresh => String::new(),
        TargetState::Unknown => "no run was to be shown yet".into(),
        TargetState::Paused if row.paused => "paused by an operator".into(),
        TargetState::Paused => format!("connection {} is paused by an operator", row.connection),
        TargetState::Failed => error().unwrap_or_else(|| "its last refresh failed".into()),
        TargetState::Stale | TargetState::Refreshing => match &row.open {
            Some(open) => doing(open),
            None => error().unwrap_or_else(|| "its newest run is not planned yet".into()),
        },
    }
}

/// What a refresh that has not ended is doing.
pub(crate) fn doing(open: &OpenRefresh) -> String {
    let id = open.refresh_id;
    let what = match open.refresh_state {
        State::Running => format!("refresh {id} is being started"),
        State::Confirming => format!("refresh {id} is under way in the tool"),
        _ => {
            let reason = open.reason.as_deref().unwrap_or("waiting for its turn");
            format!("refresh {id}: {reason}")
        }
    };
    match &open.last_error {
        Some(error) => format!("{what}; {error}"),
        None => what,
    }
}
