//! The list of runs: which ones, in which order, which part.

use std::cmp::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::query::{Query, Span};
use super::refusal::Refusal;
use super::run::Run;
use crate::call::Request;

/// What the description and dbt's own clients know.
const PARAMETERS: [&str; 16] = [
    "job_definition_id",
    "project_id",
    "project_id__in",
    "environment_id",
    "status",
    "status__in",
    "created_at__range",
    "finished_at__range",
    "id__gt",
    "pk",
    "pk__in",
    "order_by",
    "limit",
    "offset",
    "state",
    "include_related",
];

/// What a list can tell beside a run itself.
const RELATED: [&str; 4] = ["trigger", "job", "audit", "debug_logs"];

/// A part of the runs that were asked for.
pub(super) struct Listed<'s> {
    pub(super) runs: Vec<&'s Run>,
    pub(super) related: Vec<String>,
    pub(super) extra: Value,
}

/// Picks runs. One that ended is seen only some time later, as New Relic reports of the real list.
pub(super) fn select<'s>(
    runs: &'s [Run],
    request: &Request,
    now: DateTime<Utc>,
    appears_after: Duration,
) -> Result<Listed<'s>, Refusal> {
    let query = Query::read(request, &PARAMETERS)?;
    let related = query.related(&RELATED)?;
    let (page, order) = (query.page()?, Order::read(&query)?);
    let filter = Filter::read(&query)?;

    let mut found: Vec<&Run> = runs
        .iter()
        .filter(|run| run.ended_at(now).is_none_or(|at| at + appears_after <= now))
        .filter(|run| filter.takes(run, now))
        .collect();
    found.sort_by(|a, b| order.compare(a, b, now));
    let (runs, extra) = page.cut(found, &query, &order.text);
    Ok(Listed { runs, related, extra })
}

struct Filter {
    job: Option<u64>,
    projects: [AnyOf; 2],
    environment: Option<u64>,
    statuses: [AnyOf; 2],
    ids: [AnyOf; 2],
    after: Option<u64>,
    created: Option<Span>,
    finished: Option<Span>,
    deleted: bool,
}

/// The values that are let pass, if not all are.
type AnyOf = Option<Vec<u64>>;

impl Filter {
    fn read(query: &Query) -> Result<Self, Refusal> {
        let one = |name: &str| -> Result<AnyOf, Refusal> {
            Ok(query.number(name)?.map(|number| vec![number]))
        };
        // 1 is what exists, 2 what was deleted, which nothing here ever is.
        let deleted = match query.text("state") {
            None | Some("all" | "1") => false,
            Some("2") => true,
            Some(_) => return Err(Refusal::bad_request("state: must be all, 1 or 2")),
        };
        Ok(Self {
            job: query.number("job_definition_id")?,
            projects: [one("project_id")?, query.numbers("project_id__in")?],
            environment: query.number("environment_id")?,
            statuses: [one("status")?, query.numbers("status__in")?],
            ids: [one("pk")?, query.numbers("pk__in")?],
            after: query.number("id__gt")?,
            created: query.range("created_at__range")?,
            finished: query.range("finished_at__range")?,
            deleted,
        })
    }

    fn takes(&self, run: &Run, now: DateTime<Utc>) -> bool {
        let any_of =
            |lists: &[AnyOf], value: u64| lists.iter().flatten().all(|list| list.contains(&value));
        let within = |range: Option<Span>, at: Option<DateTime<Utc>>| {
            range.is_none_or(|(from, to)| at.is_some_and(|at| from <= at && at <= to))
        };
        !self.deleted
            && self.job.is_none_or(|job| run.job_id == job)
            && self.environment.is_none_or(|environment| run.environment_id == environment)
            && self.after.is_none_or(|id| run.id > id)
            && any_of(&self.projects, run.project_id)
            && any_of(&self.statuses, u64::from(run.status(now)))
            && any_of(&self.ids, run.id)
            && within(self.created, Some(run.created_at))
            && within(self.finished, run.ended_at(now))
    }
}

/// `id`, `created_at` or `finished_at`; a minus before it reverses.
struct Order {
    text: String,
}

impl Order {
    fn read(query: &Query) -> Result<Self, Refusal> {
        let text = query.text("order_by").unwrap_or("id");
        match text.strip_prefix('-').unwrap_or(text) {
            "id" | "created_at" | "finished_at" => Ok(Self { text: text.to_owned() }),
            _ => Err(Refusal::bad_request(format!("order_by: cannot order by {text}"))),
        }
    }

    /// As Postgres does it: what has not ended comes last, and so first in reverse.
    fn compare(&self, a: &Run, b: &Run, now: DateTime<Utc>) -> Ordering {
        let ended = |run: &Run| (run.ended_at(now).is_none(), run.ended_at(now));
        let order = match self.text.trim_start_matches('-') {
            "created_at" => a.created_at.cmp(&b.created_at),
            "finished_at" => ended(a).cmp(&ended(b)),
            _ => Ordering::Equal,
        };
        let order = order.then(a.id.cmp(&b.id));
        if self.text.starts_with('-') { order.reverse() } else { order }
    }
}
