//! Whether what the demo showed really happened: the history on one side, the played tools' own
//! state on the other.

pub(super) mod asked;
mod tools;

use afterrun_core::history::DeliveryRow;
use afterrun_simulators::dbt::{Answer, Event};

use self::tools::Remote;
use super::Job;
use super::watch::Watched;
use crate::command::demo::stage::Stage;

pub(in crate::command::demo) use self::tools::Tool;
pub(super) use self::tools::Tools;

/// What a scene leads to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) deliveries: usize,
    /// Calls of which nobody knows whether they had an effect.
    pub(super) lost_calls: usize,
    /// Refreshes that failed in the tool before one of them ended well.
    pub(super) failed_there: usize,
}

impl Default for Expected {
    fn default() -> Self {
        Self { deliveries: 1, lost_calls: 0, failed_there: 0 }
    }
}

/// The word in ingest's answer.
pub(super) fn status(answer: &Answer) -> String {
    let body = answer.outcome.as_ref().map_or(&[][..], |reply| &reply.body);
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    body["status"].as_str().unwrap_or("?").to_owned()
}

/// The first delivery is stored, every other a duplicate, all of them 200.
pub(super) fn answers(first: &Answer, repeats: &[Answer]) -> Vec<String> {
    let mut wrong = Wrong::default();
    wrong.unless(
        first.status() == Some(200) && status(first) == "stored",
        "the first delivery was not answered 200 stored",
    );
    let known = |answer: &Answer| answer.status() == Some(200) && status(answer) == "duplicate";
    wrong.unless(repeats.iter().all(known), "a repeated delivery was not answered 200 duplicate");
    wrong.0
}

/// One event, one refresh, confirmed; and the tool says the same.
pub(super) fn refreshed(
    stage: &Stage,
    job: &Job,
    event: &Event,
    watched: &Watched,
    before: &Tools,
    expected: Expected,
) -> Vec<String> {
    let mut wrong = Wrong::default();
    let target = job.target;
    let [row] = watched.rows.as_slice() else {
        let rows = watched.rows.len();
        return vec![format!("{target}: delivery_history has {rows} rows for the event, not one")];
    };
    let state = row.refresh_state.as_deref().unwrap_or("not planned");
    wrong.unless(state == "succeeded", format!("{target}: its refresh is {state}, not succeeded"));
    wrong.unless(
        row.target.as_deref() == Some(target),
        format!("{target}: another target was refreshed"),
    );
    wrong.unless(
        usize::try_from(row.deliveries) == Ok(expected.deliveries),
        format!("{target}: {} deliveries are counted, not {}", row.deliveries, expected.deliveries),
    );
    wrong.unless(row.latency_ms.is_some(), format!("{target}: there is no latency"));

    let calls = |kind: &str, outcome: &str| {
        let alike = |it: &&_| -> bool {
            let it: &afterrun_core::history::AttemptRow = it;
            it.kind == kind && it.outcome == outcome
        };
        watched.attempts.iter().filter(alike).count()
    };
    let starts = 1 + expected.failed_there;
    wrong.unless(
        calls("trigger", "ok") == starts,
        format!("{target}: it was not started {starts} times"),
    );
    wrong.unless(
        calls("poll", "retry") == expected.failed_there,
        format!("{target}: not {} of its tries failed in the tool", expected.failed_there),
    );
    wrong.unless(calls("poll", "ok") == 1, format!("{target}: its end was not confirmed once"));
    wrong.unless(
        calls("trigger", "lost") == expected.lost_calls,
        format!("{target}: not {} of its calls were lost", expected.lost_calls),
    );
    wrong.unless(
        expected.lost_calls == 0 || looked(stage, job.tool),
        format!("{target}: the tool was not asked before the call was repeated"),
    );

    let new = before.new_since(stage, job.tool);
    let tool = job.tool.who().name();
    wrong.unless(
        new.len() == starts,
        format!("{target}: {tool} knows of {} new refreshes, not {starts}", new.len()),
    );
    wrong.0.extend(covers(target, row, &new, event));
    wrong.0
}

/// The refresh that the row names is one of the tool's, ended well there, and began after the
/// event's run had ended.
fn covers(target: &str, row: &DeliveryRow, new: &[Remote], event: &Event) -> Vec<String> {
    let mut wrong = Wrong::default();
    let named = new.iter().find(|remote| row.remote_id.as_deref() == Some(&remote.id));
    let Some(remote) = named else {
        return vec![format!("{target}: the history names another refresh than the tool made")];
    };
    wrong.unless(remote.ended_well, format!("{target}: the tool does not say that it ended well"));
    wrong.unless(
        remote.created_at >= event.run.finished_at,
        format!("{target}: the tool's refresh began before the run had ended"),
    );
    wrong.0
}

/// Several events, so many refreshes: each event's row has succeeded, by a refresh that covers it.
pub(super) fn refreshed_together(
    stage: &Stage,
    job: &Job,
    events: &[(&Event, DeliveryRow)],
    before: &Tools,
    refreshes: usize,
) -> Vec<String> {
    let mut wrong = Wrong::default();
    let target = job.target;
    let new = before.new_since(stage, job.tool);
    let tool = job.tool.who().name();
    wrong.unless(
        new.len() == refreshes,
        format!("{target}: {tool} knows of {} new refreshes, not {refreshes}", new.len()),
    );
    for (event, row) in events {
        let state = row.refresh_state.as_deref().unwrap_or("not planned");
        wrong
            .unless(state == "succeeded", format!("{target}: a refresh is {state}, not succeeded"));
        wrong.0.extend(covers(target, row, &new, event));
    }
    let mut ids: Vec<_> = events.iter().map(|(_, row)| row.refresh_id).collect();
    ids.sort_unstable();
    ids.dedup();
    wrong.unless(
        ids.len() == refreshes,
        format!("{target}: the events have {} refreshes, not {refreshes}", ids.len()),
    );
    wrong.0
}

/// Whether Mode was asked which runs of the report there are.
fn looked(stage: &Stage, tool: Tool) -> bool {
    let Tool::Report(place) = tool else { return false };
    let runs = format!("/reports/{}/runs", stage.reports[place]);
    let calls = stage.mode.calls();
    calls.iter().any(|call| call.method == "GET" && call.path.ends_with(&runs))
}

/// One event, no refresh, a reason; and nothing new in the tool.
pub(super) fn left_alone(
    stage: &Stage,
    job: &Job,
    rows: &[DeliveryRow],
    before: &Tools,
) -> Vec<String> {
    let mut wrong = Wrong::default();
    let [row] = rows else {
        return vec![format!(
            "the failed run has {} rows in delivery_history, not one",
            rows.len()
        )];
    };
    wrong.unless(row.event_state == "planned", "the failed run's event was not planned");
    wrong.unless(row.refresh_id.is_none(), "the failed run led to a refresh");
    wrong.unless(row.reason.is_some(), "the failed run's row does not say why nothing followed");
    let after = Tools::now(stage, job.tool);
    wrong.unless(after.len() == before.len(), "the failed run had the tool refresh something");
    wrong.0
}

/// What is not as it must be.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn unless(&mut self, right: bool, wrong: impl Into<String>) {
        if !right {
            self.0.push(wrong.into());
        }
    }
}
