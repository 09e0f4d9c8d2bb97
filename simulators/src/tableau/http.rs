//! Tableau's REST API on the wire: versions, sessions, which path means what, in which format.

use serde_json::{Value, json};

use super::answer;
use super::list;
use super::refusal::Refusal;
use super::shape;
use super::state::{Item, Job, Kind, TableauState, Trust};
use super::version::Version;
use super::{Shared, signin};
use crate::call::{Played, Reply, Request};

const JSON: &str = "application/json;charset=UTF-8";
const XML: &str = "application/xml;charset=UTF-8";
const HTML: &str = "text/html;charset=UTF-8";

const AWAY: &str = "<!DOCTYPE html><html><head><title>Tableau Server is unavailable</title></head>\
    <body><h1>503 Service Unavailable</h1></body></html>";

/// What a call that was not refused is answered.
pub(super) struct Done {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
    pub(super) location: Option<String>,
    pub(super) target: Option<String>,
    pub(super) job: Option<String>,
}

impl Done {
    pub(super) fn new(status: u16, body: Value) -> Self {
        Self { body: Some(body), ..Self::empty(status) }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, body: None, location: None, target: None, job: None }
    }

    fn about(mut self, job: &Job) -> Self {
        self.target = Some(job.item.clone());
        self.job = Some(job.id.clone());
        self
    }
}

pub(super) type Answer = Result<Done, Refusal>;

impl Played for Shared {
    fn answer(&self, request: &Request) -> Reply {
        let path: Vec<&str> = request.path.split('/').skip(1).collect();
        let (target, job) = match path[..] {
            ["api", _, "sites", _, "workbooks" | "datasources", item, ..] => (Some(item), None),
            ["api", _, "sites", _, "jobs", job, ..] => (None, Some(job)),
            _ => (None, None),
        };
        let mut state = self.state();
        if state.down {
            return Reply::new(503, HTML, AWAY).about(target, job);
        }

        let wants_json = request.says("accept", "application/json");
        match self.route(&mut state, request, &path) {
            Ok(done) => {
                let mut reply = match done.body {
                    Some(body) if wants_json => {
                        let body = shape::json(body, state.shapes).to_string();
                        Reply::new(done.status, JSON, body)
                    }
                    Some(body) => Reply::new(done.status, XML, shape::xml(&body)),
                    None => Reply::new(done.status, XML, ""),
                };
                reply.headers.extend(done.location.map(|to| ("Location".to_owned(), to)));
                reply.about(done.target.as_deref().or(target), done.job.as_deref().or(job))
            }
            Err(refusal) => {
                let body = refusal.body(state.language);
                let (content_type, body) = match wants_json && !state.always_xml_errors {
                    true => (JSON, body.to_string()),
                    false => (XML, shape::xml(&body)),
                };
                Reply::new(refusal.status(), content_type, body).about(target, job)
            }
        }
    }
}

impl Shared {
    fn route(&self, state: &mut TableauState, request: &Request, path: &[&str]) -> Answer {
        let ["api", version, path @ ..] = path else { return Err(Refusal::NoSuchResource) };
        let version = Version::parse(version).ok_or(Refusal::NoSuchResource)?;
        if version > self.version {
            return Err(Refusal::NoSuchVersion);
        }
        match (request.method.as_str(), path) {
            ("GET", ["serverInfo"]) => {
                version.at_least(2, 4)?;
                Ok(Done::new(200, answer::server_info(&self.options.rest_api_version)))
            }
            ("POST", ["auth", "signin"]) => signin::sign_in(self, state, request, version),
            ("POST", ["auth", "signout"]) => signin::sign_out(state, request, self.now()),
            (method, ["sites", site, path @ ..]) => {
                self.let_in(state, request, site)?;
                self.on_site(state, request, version, (method, path))
            }
            (_, ["serverInfo"] | ["auth", "signin" | "signout"]) => Err(Refusal::WrongMethod),
            _ => Err(Refusal::NoSuchResource),
        }
    }

    /// The session must be alive and of this very site.
    fn let_in(&self, state: &TableauState, request: &Request, site: &str) -> Result<(), Refusal> {
        let session = request.header("x-tableau-auth").ok_or(Refusal::NoCredentials)?;
        match state.trust(session, self.now()) {
            Trust::Site(own) if own == site => Ok(()),
            Trust::Site(_) => Err(Refusal::OtherSite),
            Trust::Ended => Err(Refusal::SessionEnded),
        }
    }

    fn on_site(
        &self,
        state: &mut TableauState,
        request: &Request,
        version: Version,
        (method, path): (&str, &[&str]),
    ) -> Answer {
        let site = request.path.split('/').nth(4).unwrap_or_default();
        let now = self.now();
        match (method, path) {
            ("GET", [word @ ("workbooks" | "datasources")]) => {
                let kind = kind(word);
                let here = state.items(kind).iter().filter(|item| item.site == site);
                let (items, page) = list::select(here, request, now)?;
                let items = items.into_iter().map(answer::item).collect();
                Ok(Done::new(200, answer::items(kind, items, &page)))
            }
            ("GET", [word @ ("workbooks" | "datasources"), luid]) => {
                let item = find(state, kind(word), luid, site)?;
                Ok(Done::new(200, answer::one(item)))
            }
            ("GET", [word @ ("workbooks" | "datasources"), luid, "connections"]) => {
                let item = find(state, kind(word), luid, site)?;
                Ok(Done::new(200, answer::connections(item)))
            }
            ("POST", [word @ ("workbooks" | "datasources"), luid, "refresh"]) => {
                version.at_least(2, 8)?;
                refresh_body(request, version)?;
                let item = find(state, kind(word), luid, site)?;
                self.refresh(state, item.luid.clone())
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
            (_, ["workbooks" | "datasources" | "jobs"])
            | (_, ["workbooks" | "datasources" | "jobs", _])
            | (_, ["workbooks" | "datasources", _, "connections" | "refresh"]) => {
                Err(Refusal::WrongMethod)
            }
            _ => Err(Refusal::NoSuchResource),
        }
    }

    fn refresh(&self, state: &mut TableauState, luid: String) -> Answer {
        let now = self.now();
        let item = state.item_mut(&luid).ok_or(Refusal::NoSuchResource)?;
        if !item.own_extracts {
            return Err(Refusal::NothingToRefresh);
        }
        if state.busy(&luid, now) {
            return Err(Refusal::AlreadyQueued);
        }
        let job = state.queue(&luid, now, self.options.pace).ok_or(Refusal::NoSuchResource)?;
        Ok(Done::new(self.options.refresh_status, answer::queued(job)).about(job))
    }
}

fn kind(word: &str) -> Kind {
    if word == "workbooks" { Kind::Workbook } else { Kind::Datasource }
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
    })
}

fn job<'s>(state: &'s mut TableauState, id: &str, site: &str) -> Result<&'s mut Job, Refusal> {
    state.job_mut(id).filter(|job| job.site == site).ok_or(Refusal::NoSuchJob)
}

/// A refresh needs a body, if only an empty request in the format that its content type names.
fn refresh_body(request: &Request, version: Version) -> Result<(), Refusal> {
    let incremental = if request.says("content-type", "application/json") {
        let body: Value = serde_json::from_slice(&request.body).map_err(|_| Refusal::BadRequest)?;
        if !body.is_object() {
            return Err(Refusal::BadRequest);
        }
        body.pointer("/extractRefresh/incremental") == Some(&json!(true))
    } else {
        let body = str::from_utf8(&request.body).map_err(|_| Refusal::BadRequest)?;
        if !body.contains("<tsRequest") {
            return Err(Refusal::BadRequest);
        }
        shape::attribute(body, "incremental").as_deref() == Some("true")
    };
    if incremental && version.at_least(3, 25).is_err() {
        return Err(Refusal::BadRequest);
    }
    Ok(())
}
