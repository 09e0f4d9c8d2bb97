//! Tableau's REST API on the wire: versions, sessions, which path means what, in which format.

use serde_json::Value;

use super::refusal::Refusal;
use super::state::{Job, TableauState, Trust};
use super::version::Version;
use super::{Shared, answer, jwt, shape, signin, site};
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

    pub(super) fn about(mut self, job: &Job) -> Self {
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
            ["api", _, "sites", _, "flows", "runs", ..] => (None, None),
            ["api", _, "sites", _, "workbooks" | "datasources" | "flows", item, ..] => {
                (Some(item), None)
            }
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
        if !acceptable(request) {
            return Err(Refusal::NotAcceptable);
        }
        match (request.method.as_str(), path) {
            ("GET", ["serverInfo"]) => {
                version.at_least(2, 4)?;
                Ok(Done::new(200, answer::server_info(&self.options.rest_api_version)))
            }
            ("POST", ["auth", "signin"]) => signin::sign_in(self, state, request, version),
            ("POST", ["auth", "signout"]) => signin::sign_out(state, request, self.now()),
            (method, ["sites", site, path @ ..]) => {
                let asked = (method, path);
                self.let_in(state, request, site, asked)?;
                site::answer(self, state, request, version, asked)
            }
            (_, ["serverInfo"] | ["auth", "signin" | "signout"]) => Err(Refusal::WrongMethod),
            _ => Err(Refusal::NoSuchResource),
        }
    }

    /// The session must be alive, of this very site, and allowed to make this call.
    fn let_in(
        &self,
        state: &TableauState,
        request: &Request,
        site: &str,
        (method, path): (&str, &[&str]),
    ) -> Result<(), Refusal> {
        let session = request.header("x-tableau-auth").ok_or(Refusal::NoCredentials)?;
        let session = match state.trust(session, self.now()) {
            Trust::In(session) => session,
            Trust::Ended => return Err(Refusal::SessionEnded),
        };
        if session.site != site {
            return Err(Refusal::OtherSite);
        }
        let needed = jwt::scope(method, path);
        match &session.scopes {
            Some(scopes) if !scopes.iter().any(|one| Some(one.as_str()) == needed) => {
                Err(Refusal::OutOfScope)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// XML or JSON, or whatever there is.
fn acceptable(request: &Request) -> bool {
    let served = ["application/json", "application/xml", "text/xml", "application/*", "*/*"];
    request.header("accept").is_none() || served.iter().any(|one| request.says("accept", one))
}
