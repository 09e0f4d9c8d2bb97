//! Whether dbt was asked, and what it said made the difference.

use afterrun_core::event::ArrivedBy;
use afterrun_core::history::{DeliveryRow, EventFilter, MOST_ROWS};
use afterrun_simulators::dbt::Answer;

use super::super::Job;
use super::{Tools, Wrong};
use crate::command::demo::stage::Stage;

/// None of these deliveries was answered.
pub(in super::super) fn lost(tries: &[Answer]) -> Vec<String> {
    let mut wrong = Wrong::default();
    let none = tries.iter().all(|answer| answer.status().is_none());
    wrong.unless(none, "a delivery was answered while the network was down");
    wrong.0
}

/// The run stands in the history since dbt was asked.
pub(in super::super) fn found(stage: &Stage, rows: &[DeliveryRow]) -> Vec<String> {
    let mut wrong = Wrong::default();
    let asked = rows.iter().all(|row| row.arrived_by == "reconcile");
    wrong.unless(asked, "the run did not come to be known by asking dbt");
    wrong.unless(stage.account.listed_runs(), "dbt was not asked which runs have ended");
    wrong.0
}

/// This run, and no other, was found by asking.
pub(in super::super) async fn found_alone(stage: &Stage, run: u64) -> anyhow::Result<Vec<String>> {
    let mut wrong = Wrong::default();
    let events = stage.store.events(&EventFilter::default(), MOST_ROWS).await?;
    let found = events.into_iter().filter(|event| event.arrived_by == ArrivedBy::Reconcile);
    let runs: Vec<_> = found.filter_map(|event| event.run_id).collect();
    wrong.unless(runs == [run.to_string()], format!("these runs were found by asking: {runs:?}"));
    Ok(wrong.0)
}

/// The event of a run that is known already, by the event with that id.
pub(in super::super) fn came_late(rows: &[DeliveryRow], known_as: &str) -> Vec<String> {
    let mut wrong = Wrong::default();
    let [row] = rows else {
        return vec![format!(
            "the late event has {} rows in delivery_history, not one",
            rows.len()
        )];
    };
    let state = row.refresh_state.as_deref().unwrap_or("not planned");
    wrong.unless(state == "skipped", format!("the late event's refresh is {state}, not skipped"));
    let reason = row.reason.as_deref().unwrap_or("none");
    wrong.unless(
        reason == format!("same run as {known_as}"),
        format!("the late event's reason is {reason}, not that its run is known"),
    );
    wrong.unless(row.arrived_by == "webhook", "the late event did not come by a webhook");
    wrong.0
}

/// What the run built was read from its results.
pub(in super::super) fn read(files: &[String]) -> Vec<String> {
    let mut wrong = Wrong::default();
    let results = files.iter().any(|file| file == "run_results.json");
    wrong.unless(results, "dbt was not asked for the run's results");
    wrong.0
}

/// Every row says why the run failed, or that it did not.
pub(in super::super) fn run_error(rows: &[DeliveryRow], expected: Option<&str>) -> Vec<String> {
    let mut wrong = Wrong::default();
    for row in rows {
        let said = row.run_error.as_deref();
        let text = said.unwrap_or("nothing");
        wrong.unless(said == expected, format!("why the run failed is said to be: {text}"));
    }
    wrong.0
}

/// One row, skipped for this reason; and nothing new in the tool.
pub(in super::super) fn left(
    stage: &Stage,
    job: &Job,
    rows: &[DeliveryRow],
    before: &Tools,
    because: &str,
) -> Vec<String> {
    let mut wrong = Wrong::default();
    let target = job.target;
    let [row] = rows else {
        return vec![format!("{target}: delivery_history has {} rows for it, not one", rows.len())];
    };
    wrong.unless(
        row.target.as_deref() == Some(target),
        format!("{target}: another target was looked at"),
    );
    let state = row.refresh_state.as_deref().unwrap_or("not planned");
    wrong.unless(state == "skipped", format!("{target}: its refresh is {state}, not skipped"));
    let reason = row.reason.as_deref().unwrap_or("none");
    wrong.unless(
        reason == because,
        format!("{target}: the reason is {reason}, and should be {because}"),
    );
    let new = before.new_since(stage, job.tool).len();
    wrong.unless(new == 0, format!("{target}: {} refreshed it", job.tool.who().name()));
    wrong.0
}
