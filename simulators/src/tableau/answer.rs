//! Tableau's things as it describes them, before they take the shape of JSON or XML.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::list::{Field, Filtered, Page};
use super::state::{Item, Job, Kind, Task};

pub(super) fn server_info(rest_api_version: &str) -> Value {
    json!({ "serverInfo": {
        "productVersion": { "value": "2026.2.0", "build": "20262.26.0712.1120" },
        "restApiVersion": rest_api_version,
    } })
}

pub(super) fn items(kind: Kind, items: Vec<Value>, page: &Page) -> Value {
    let (many, one) = words(kind);
    json!({ "pagination": page.pagination(), many: { one: items } })
}

pub(super) fn one(item: &Item) -> Value {
    let (_, one) = words(item.kind);
    json!({ one: self::item(item) })
}

pub(super) fn item(item: &Item) -> Value {
    let (many, _) = words(item.kind);
    json!({
        "id": item.luid,
        "name": item.name,
        "contentUrl": content_url(item),
        "webpageUrl": format!("https://10ax.online.tableau.com/#/{many}/{}", content_url(item)),
        "createdAt": time(item.created_at),
        "updatedAt": time(item.updated_at),
        "hasExtracts": item.own_extracts,
        "project": { "id": item.project_id, "name": item.project },
        "owner": { "id": "1a96d216-e9b8-497b-a82a-0b899a965e01" },
        "tags": {},
    })
}

pub(super) fn connections(item: &Item) -> Value {
    let connections: Vec<Value> = item
        .connections
        .iter()
        .map(|connection| {
            // An embedded source has the name of what it is embedded in.
            let (id, name) = connection
                .datasource
                .clone()
                .unwrap_or_else(|| (connection.id.clone(), item.name.clone()));
            json!({
                "id": connection.id,
                "type": connection.kind,
                "serverAddress": "localhost",
                "userName": "",
                "datasource": { "id": id, "name": name },
            })
        })
        .collect();
    json!({ "connections": { "connection": connections } })
}

/// The answer to "refresh" and to "run flow": the job as it stands in the queue.
pub(super) fn queued(job: &Job) -> Value {
    let (key, subject) = subject(job);
    json!({ "job": {
        "id": job.id,
        "mode": "Asynchronous",
        "type": type_of(job),
        "createdAt": time(job.created_at),
        key: subject,
    } })
}

/// The answer to "run task", which tells less.
pub(super) fn queued_by_task(job: &Job) -> Value {
    json!({ "job": { "id": job.id, "mode": "Asynchronous", "type": type_of(job) } })
}

/// All tasks: this list has no pages.
pub(super) fn tasks<'t>(tasks: impl Iterator<Item = &'t Task>) -> Value {
    let tasks: Vec<Value> = tasks
        .map(|task| {
            let (_, one) = words(task.kind);
            json!({ "extractRefresh": {
                "id": task.luid,
                "priority": 50,
                "consecutiveFailedCount": 0,
                "type": if task.incremental { "INCREMENT_EXTRACT" } else { "REFRESH_EXTRACT" },
                "schedule": {
                    "id": format!("schedule-{}", task.luid),
                    "name": task.schedule,
                    "state": "Active",
                    "type": "Extract",
                    "frequency": "Daily",
                },
                one: { "id": task.item },
            } })
        })
        .collect();
    json!({ "tasks": { "task": tasks } })
}

/// A run of a flow, by its job. When it ended is empty until then, and not absent.
pub(super) fn flow_run(job: &Job, now: DateTime<Utc>) -> Value {
    json!({ "flowRun": {
        "id": job.flow_run,
        "flowId": job.item,
        "status": job.status(now),
        "startedAt": job.started_at.filter(|at| *at <= now).map(time),
        "completedAt": job.completed_at.filter(|at| *at <= now).map(time).unwrap_or_default(),
        "progress": progress(job, now),
        "backgroundJobId": job.id,
    } })
}

/// One job. Whatever is not known yet is absent, the finish code above all.
pub(super) fn job(job: &Job, now: DateTime<Utc>) -> Value {
    let ended = job.ended(now);
    let (key, mut subject) = subject(job);
    let mut notes: Vec<&String> = job.status_notes.iter().collect();
    match job.kind {
        // A flow's job has no place for notes but this one.
        Kind::Flow => notes.extend(Some(&job.notes).filter(|notes| !notes.is_empty())),
        _ if ended && !job.notes.is_empty() => subject["notes"] = json!(job.notes),
        _ => {}
    }
    let mut answer = json!({ "job": {
        "id": job.id,
        "mode": "Asynchronous",
        "type": type_of(job),
        "progress": progress(job, now),
        "createdAt": time(job.created_at),
        "startedAt": job.started_at.filter(|at| *at <= now).map(time),
        "completedAt": job.completed_at.filter(|_| ended).map(time),
        "finishCode": ended.then_some(job.finish_code),
        key: subject,
    } });
    if ended && !notes.is_empty() {
        let notes = notes.into_iter();
        let notes: Vec<Value> =
            notes.map(|text| json!({ "type": "Note", "value": "1", "text": text })).collect();
        answer["job"]["statusNotes"] = json!({ "statusNote": notes });
    }
    answer
}

/// A job as a list has it: with its item's name and without the item's id.
pub(super) fn background_job(job: &Job, now: DateTime<Utc>) -> Value {
    json!({
        "id": job.id,
        "status": job.status(now),
        "title": job.title,
        "jobType": listed_type(job),
        "priority": 50,
        "createdAt": time(job.created_at),
        "startedAt": job.started_at.filter(|at| *at <= now).map(time),
        "endedAt": job.completed_at.filter(|at| *at <= now).map(time),
    })
}

pub(super) fn background_jobs(jobs: Vec<Value>, page: &Page) -> Value {
    json!({ "pagination": page.pagination(), "backgroundJobs": { "backgroundJob": jobs } })
}

impl Filtered for Item {
    fn field(&self, name: &str, _now: DateTime<Utc>) -> Option<Field> {
        Some(match name {
            "name" => Field::Text(self.name.clone()),
            "contentUrl" => Field::Text(content_url(self)),
            "projectName" => Field::Text(self.project.clone()),
            "projectId" => Field::Text(self.project_id.clone()),
            "createdAt" => Field::Time(Some(self.created_at)),
            "updatedAt" => Field::Time(Some(self.updated_at)),
            _ => return None,
        })
    }
}

impl Filtered for Job {
    fn field(&self, name: &str, now: DateTime<Utc>) -> Option<Field> {
        Some(match name {
            "jobType" => Field::Text(listed_type(self).to_owned()),
            "status" => Field::Text(self.status(now).to_owned()),
            "title" => Field::Text(self.title.clone()),
            "createdAt" => Field::Time(Some(self.created_at)),
            "startedAt" => Field::Time(self.started_at.filter(|at| *at <= now)),
            "completedAt" => Field::Time(self.completed_at.filter(|at| *at <= now)),
            _ => return None,
        })
    }
}

/// What a job is about, and under which key it says so.
fn subject(job: &Job) -> (&'static str, Value) {
    let (_, one) = words(job.kind);
    let item = json!({ "id": job.item, "name": job.title });
    match &job.flow_run {
        Some(run) => ("runFlowJobType", json!({ "flowRunId": run, one: item })),
        None => ("extractRefreshJob", json!({ one: item })),
    }
}

fn type_of(job: &Job) -> &'static str {
    if job.kind == Kind::Flow { "RunFlow" } else { "RefreshExtract" }
}

/// Only the first of these is documented. The others are what a client must not rely on.
fn listed_type(job: &Job) -> &'static str {
    match (job.kind, job.incremental) {
        (Kind::Workbook | Kind::Datasource, false) => "refresh_extracts",
        (Kind::Workbook | Kind::Datasource, true) => "increment_extracts",
        (Kind::Flow, _) => "run_flow",
    }
}

fn progress(job: &Job, now: DateTime<Utc>) -> u8 {
    match (job.ended(now), job.started(now)) {
        (true, _) => 100,
        (false, true) => 50,
        (false, false) => 0,
    }
}

fn words(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Workbook => ("workbooks", "workbook"),
        Kind::Datasource => ("datasources", "datasource"),
        Kind::Flow => ("flows", "flow"),
    }
}

fn content_url(item: &Item) -> String {
    item.name.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Whole seconds, as Tableau writes them.
fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
