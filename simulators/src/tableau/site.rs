//! The calls within a site: its items, its tasks, and the jobs that these become.

use serde_json::{Value, json};

use super::http::{Answer, Done};
use super::refusal::Refusal;
use super::state::{Item, Job, Kind, TableauState};
use super::version::Version;
use super::{Shared, answer, list, shape};
use crate::call::Request;

pub(super) fn answer(
    shared: &Shared,
    state: &mut TableauState,
    request: &Request,
    version: Version,
    (method, path): (&str, &[&str]),
) -> Answer {
    let site = request.path.split('/').nth(4).unwrap_or_default();
    let now = shared.now();
    match (method, path) {
        ("GET", ["flows", "runs", run]) => {
            version.at_least(3, 10)?;
            let mut jobs = state.jobs.iter().filter(|job| job.site == site);
            let job = jobs.find(|job| job.flow_run.as_deref() == Some(*run));
            let job = job.ok_or(Refusal::NoSuchJob)?;
            Ok(Done::new(200, answer::flow_run(job, now)).about(job))
        }
        ("GET", [word @ ("workbooks" | "datasources" | "flows")]) => {
            let kind = kind(word, version)?;
            let here = state.items(kind).iter().filter(|item| item.site == site);
            let (items, page) = list::select(here, request, now)?;
            let items = items.into_iter().map(answer::item).collect();
            Ok(Done::new(200, answer::items(kind, items, &page)))
        }
        ("GET", [word @ ("workbooks" | "datasources" | "flows"), luid]) => {
            let item = find(state, kind(word, version)?, luid, site)?;
            Ok(Done::new(200, answer::one(item)))
        }
        ("GET", [word @ ("workbooks" | "datasources"), luid, "connections"]) => {
            let item = find(state, kind(word, version)?, luid, site)?;
            Ok(Done::new(200, answer::connections(item)))
        }
        ("POST", [word @ ("workbooks" | "datasources"), luid, "refresh"]) => {
            version.at_least(2, 8)?;
            let incremental = incremental(request, version)?;
            let luid = find(state, kind(word, version)?, luid, site)?.luid.clone();
            let job = start(shared, state, &luid, incremental)?;
            Ok(Done::new(shared.options.refresh_status, answer::queued(job)).about(job))
        }
        ("POST", ["flows", luid, "run"]) => {
            version.at_least(3, 3)?;
            whole_body(request)?;
            let luid = find(state, Kind::Flow, luid, site)?.luid.clone();
            let job = start(shared, state, &luid, false)?;
            Ok(Done::new(shared.options.refresh_status, answer::queued(job)).about(job))
        }
        ("GET", ["tasks", "extractRefreshes"]) => {
            version.at_least(2, 6)?;
            Ok(Done::new(200, answer::tasks(state.tasks.iter().filter(|task| task.site == site))))
        }
        ("POST", ["tasks", "extractRefreshes", luid, "runNow"]) => {
            version.at_least(2, 6)?;
            // Only the empty request in XML is documented for this one.
            shape::request(&request.body).ok_or(Refusal::BadRequest)?;
            let mut tasks = state.tasks.iter().filter(|task| task.site == site);
            let task = tasks.find(|task| task.luid == *luid).ok_or(Refusal::NoSuchTask)?.clone();
            let job = start(shared, state, &task.item, task.incremental)?;
            Ok(Done::new(shared.options.refresh_status, answer::queued_by_task(job)).about(job))
        }
        ("GET", ["jobs"]) => {
            version.at_least(3, 1)?;
            let here = state.jobs.iter().filter(|job| job.site == site);
            let (jobs, page) = list::select(here, request, now)?;
            let jobs = jobs.into_iter().map(|job| answer::background_job(job, now)).collect();
            Ok(Done::new(200, answer::background_jobs(jobs, &page)))
        }
        ("GET", ["jobs", id]) => {
            version.at_least(2, 6)?;
            let job = job(state, id, site)?;
            Ok(Done::new(200, answer::job(job, now)).about(job))
        }
        ("PUT", ["jobs", id]) => {
            version.at_least(3, 1)?;
            let job = job(state, id, site)?;
            if job.ended(now) {
                return Err(Refusal::BadRequest);
            }
            job.finish(2, "", now);
            Ok(Done::empty(200).about(job))
        }
        (_, ["workbooks" | "datasources" | "flows" | "jobs"])
        | (_, ["workbooks" | "datasources" | "flows" | "jobs", _])
        | (_, ["workbooks" | "datasources", _, "connections" | "refresh"])
        | (_, ["flows", "runs", _] | ["flows", _, "run"])
        | (_, ["tasks", "extractRefreshes"] | ["tasks", "extractRefreshes", _, "runNow"]) => {
            Err(Refusal::WrongMethod)
        }
        _ => Err(Refusal::NoSuchResource),
    }
}

/// Queues a job. A second one is refused for extracts; of flows no source says so.
fn start<'s>(
    shared: &Shared,
    state: &'s mut TableauState,
    luid: &str,
    incremental: bool,
) -> Result<&'s Job, Refusal> {
    let now = shared.now();
    let item = state.item_mut(luid).ok_or(Refusal::NoSuchResource)?;
    if !item.own_extracts {
        return Err(Refusal::NothingToRefresh);
    }
    if item.kind != Kind::Flow && state.busy(luid, now) {
        return Err(Refusal::AlreadyQueued);
    }
    state.queue(luid, incremental, now, shared.options.pace).ok_or(Refusal::NoSuchResource)
}

fn kind(word: &str, version: Version) -> Result<Kind, Refusal> {
    match word {
        "workbooks" => Ok(Kind::Workbook),
        "datasources" => Ok(Kind::Datasource),
        _ => version.at_least(3, 3).map(|()| Kind::Flow),
    }
}

fn find<'s>(
    state: &'s TableauState,
    kind: Kind,
    luid: &str,
    site: &str,
) -> Result<&'s Item, Refusal> {
    let found = state.items(kind).iter().find(|item| item.luid == luid && item.site == site);
    found.ok_or(match kind {
        Kind::Workbook => Refusal::NoSuchWorkbook,
        Kind::Datasource => Refusal::NoSuchDatasource,
        Kind::Flow => Refusal::NoSuchFlow,
    })
}

fn job<'s>(state: &'s mut TableauState, id: &str, site: &str) -> Result<&'s mut Job, Refusal> {
    state.job_mut(id).filter(|job| job.site == site).ok_or(Refusal::NoSuchJob)
}

/// A start needs a body, if only an empty request in the format that its content type names.
fn whole_body(request: &Request) -> Result<(), Refusal> {
    let whole = if request.says("content-type", "application/json") {
        serde_json::from_slice::<Value>(&request.body).is_ok_and(|body| body.is_object())
    } else {
        shape::request(&request.body).is_some()
    };
    if whole { Ok(()) } else { Err(Refusal::BadRequest) }
}

/// Whether the refresh is to be incremental, which earlier versions refuse.
fn incremental(request: &Request, version: Version) -> Result<bool, Refusal> {
    whole_body(request)?;
    let incremental = match serde_json::from_slice::<Value>(&request.body) {
        Ok(body) => body.pointer("/extractRefresh/incremental") == Some(&json!(true)),
        Err(_) => shape::request(&request.body)
            .and_then(|body| shape::attribute(&body, "extractRefresh", "incremental"))
            .is_some_and(|value| value == "true"),
    };
    if incremental {
        version.at_least(3, 25).map_err(|_| Refusal::BadRequest)?;
    }
    Ok(incremental)
}
