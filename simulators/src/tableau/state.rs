//! What the played Tableau knows: sites, tokens, sessions, items, tasks, jobs. No HTTP.
//!
//! One personal access token has one session: signing in anew ends the former at once. One workbook
//! or data source has at most one job that is queued or running. A job's instants may lie in the future; what status
//! it has follows from the time alone, until it is moved by hand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Utc};

use crate::pace::Pace;
use crate::token;

/// All that the server holds. Change it as you like; it is read anew for every call.
#[derive(Debug, Default)]
pub struct TableauState {
    pub sites: Vec<Site>,
    pub tokens: Vec<Token>,
    pub apps: Vec<ConnectedApp>,
    /// By the session's own token, as sent in `X-Tableau-Auth`.
    pub sessions: BTreeMap<String, Session>,
    pub workbooks: Vec<Item>,
    pub datasources: Vec<Item>,
    pub flows: Vec<Item>,
    pub tasks: Vec<Task>,
    /// Oldest first.
    pub jobs: Vec<Job>,
    /// Every call gets the HTML page that a proxy shows while the server is away.
    pub down: bool,
    pub shapes: Shapes,
    pub language: Language,
    /// Errors come as XML, even to those who asked for JSON.
    pub always_xml_errors: bool,
    pub sign_ins: usize,
}

/// The awkward turns that Tableau's JSON takes, each seen with the real one.
#[derive(Debug, Clone, Copy)]
pub struct Shapes {
    /// `{"workbooks":{}}` where one expects `{"workbooks":{"workbook":[]}}`.
    pub empty_list_absent: bool,
    /// A list of one element is that element.
    pub single_as_object: bool,
    /// `"totalAvailable":"1"`
    pub numbers_as_strings: bool,
}

impl Default for Shapes {
    fn default() -> Self {
        Self { empty_list_absent: true, single_as_object: false, numbers_as_strings: true }
    }
}

/// The language of the texts in errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
    German,
}

#[derive(Debug, Clone)]
pub struct Site {
    pub luid: String,
    /// The part of the address that names it; empty for the default site.
    pub content_url: String,
}

/// A personal access token.
#[derive(Debug, Clone)]
pub struct Token {
    pub name: String,
    pub secret: String,
    /// Revoked, or unused for too long; the real one tells neither apart from a wrong secret.
    pub revoked: bool,
}

/// A connected app with direct trust, and its one secret.
#[derive(Debug, Clone)]
pub struct ConnectedApp {
    pub client_id: String,
    pub secret_id: String,
    pub secret_value: String,
    pub enabled: bool,
    /// For whom it may sign in.
    pub users: Vec<String>,
    /// The `jti` of every token that was let in.
    pub used: BTreeSet<String>,
}

#[derive(Debug, Clone)]
pub struct Session {
    /// The personal access token it was opened with, or the connected app's client id.
    pub opened_with: String,
    /// What it may do, where it was opened by a connected app.
    pub scopes: Option<Vec<String>>,
    /// The site it is bound to.
    pub site: String,
    pub ends_at: DateTime<Utc>,
}

/// What a session token is worth.
pub(super) enum Trust<'s> {
    In(&'s Session),
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Workbook,
    Datasource,
    Flow,
}

/// A workbook, a published data source or a flow.
#[derive(Debug, Clone)]
pub struct Item {
    pub luid: String,
    pub kind: Kind,
    /// The LUID of its site; the first site when empty.
    pub site: String,
    pub name: String,
    pub project: String,
    pub project_id: String,
    /// Whether it has extracts of its own that can be refreshed.
    pub own_extracts: bool,
    pub connections: Vec<Connection>,
    /// How the next jobs end (finish code and notes), first one first; when empty, well.
    pub ends: VecDeque<(i32, String)>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Item {
    /// Something with extracts of its own, on a warehouse.
    pub fn new(name: impl Into<String>, project: impl Into<String>) -> Self {
        let project = project.into();
        Self {
            luid: token::luid(),
            kind: Kind::Workbook,
            site: String::new(),
            name: name.into(),
            project_id: format!("project-{}", project.to_lowercase().replace(' ', "-")),
            project,
            own_extracts: true,
            connections: vec![Connection::to("snowflake", None)],
            ends: VecDeque::new(),
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    /// A workbook that only shows a published data source: it has nothing of its own to refresh.
    pub fn on_published(
        name: impl Into<String>,
        project: impl Into<String>,
        datasource: &str,
        datasource_name: &str,
    ) -> Self {
        let published = (datasource.to_owned(), datasource_name.to_owned());
        let connections = vec![Connection::to("sqlproxy", Some(published))];
        Self { own_extracts: false, connections, ..Self::new(name, project) }
    }
}

/// What a workbook or data source reads from.
#[derive(Debug, Clone)]
pub struct Connection {
    pub id: String,
    /// `snowflake`, or `sqlproxy` for a published data source.
    pub kind: String,
    /// The published data source: LUID and name.
    pub datasource: Option<(String, String)>,
}

impl Connection {
    fn to(kind: &str, datasource: Option<(String, String)>) -> Self {
        Self { id: token::luid(), kind: kind.to_owned(), datasource }
    }
}

/// A schedule's extract refresh of one item.
#[derive(Debug, Clone)]
pub struct Task {
    pub luid: String,
    pub site: String,
    /// The LUID of the workbook or data source.
    pub item: String,
    pub kind: Kind,
    pub schedule: String,
    pub incremental: bool,
}

/// A refresh of extracts, or a run of a flow.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: String,
    pub site: String,
    /// The LUID of the workbook, data source or flow.
    pub item: String,
    pub kind: Kind,
    /// The item's name, by which alone a list of jobs tells what they are about.
    pub title: String,
    /// Of a flow's job: the LUID of the run it is for.
    pub flow_run: Option<String>,
    pub incremental: bool,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    /// 0 success, 1 failed, 2 cancelled, 3 completed. Seen only once the job has ended.
    pub finish_code: i32,
    pub notes: String,
    /// Texts in `statusNotes`, where `extractRefreshJob.notes` says nothing.
    pub status_notes: Vec<String>,
}

impl Job {
    pub fn started(&self, now: DateTime<Utc>) -> bool {
        self.started_at.is_some_and(|at| at <= now)
    }

    pub fn ended(&self, now: DateTime<Utc>) -> bool {
        self.completed_at.is_some_and(|at| at <= now)
    }

    /// As a list of jobs words it.
    pub fn status(&self, now: DateTime<Utc>) -> &'static str {
        match (self.ended(now), self.finish_code) {
            (true, 0 | 3) => "Success",
            (true, 2) => "Cancelled",
            (true, _) => "Failed",
            (false, _) if self.started(now) => "InProgress",
            (false, _) => "Pending",
        }
    }

    /// A backgrounder takes it up.
    pub fn start(&mut self, now: DateTime<Utc>, pace: Pace) {
        self.started_at = Some(now);
        self.completed_at = match pace {
            Pace::ByHand => None,
            Pace::Timed { running, .. } => Some(now + running),
        };
    }

    /// It ends. One that never started and was not cancelled starts at the same moment.
    pub fn finish(&mut self, code: i32, notes: &str, now: DateTime<Utc>) {
        if !self.started(now) {
            self.started_at = (code != 2).then_some(now);
        }
        self.completed_at = Some(now);
        self.finish_code = code;
        notes.clone_into(&mut self.notes);
    }
}

impl TableauState {
    pub fn items(&self, kind: Kind) -> &[Item] {
        match kind {
            Kind::Workbook => &self.workbooks,
            Kind::Datasource => &self.datasources,
            Kind::Flow => &self.flows,
        }
    }

    /// The workbook, data source or flow with this LUID.
    pub fn item_mut(&mut self, luid: &str) -> Option<&mut Item> {
        let items = self.workbooks.iter_mut().chain(&mut self.datasources).chain(&mut self.flows);
        items.into_iter().find(|item| item.luid == luid)
    }

    pub fn job_mut(&mut self, id: &str) -> Option<&mut Job> {
        self.jobs.iter_mut().rev().find(|job| job.id == id)
    }

    /// Opens a session. A personal access token's ends the one that was open with it; a connected
    /// app's, which has scopes, ends none.
    pub(super) fn open_session(&mut self, session: Session) -> String {
        if session.scopes.is_none() {
            self.sessions.retain(|_, open| open.opened_with != session.opened_with);
        }
        let id = token::session();
        self.sessions.insert(id.clone(), session);
        self.sign_ins += 1;
        id
    }

    pub(super) fn trust(&self, session: &str, now: DateTime<Utc>) -> Trust<'_> {
        match self.sessions.get(session) {
            Some(session) if now < session.ends_at => Trust::In(session),
            Some(_) | None => Trust::Ended,
        }
    }

    /// Whether a refresh of this item is queued or running.
    pub(super) fn busy(&self, item: &str, now: DateTime<Utc>) -> bool {
        let last = self.jobs.iter().rev().find(|job| job.item == item);
        last.is_some_and(|job| !job.ended(now))
    }

    /// Queues a refresh; whether that is allowed has been asked before.
    pub(super) fn queue(
        &mut self,
        luid: &str,
        incremental: bool,
        now: DateTime<Utc>,
        pace: Pace,
    ) -> Option<&Job> {
        let item = self.item_mut(luid)?;
        let (finish_code, notes) = item.ends.pop_front().unwrap_or_default();
        let plan = pace.plan(now);
        let job = Job {
            id: token::luid(),
            site: item.site.clone(),
            item: item.luid.clone(),
            kind: item.kind,
            title: item.name.clone(),
            flow_run: (item.kind == Kind::Flow).then(token::luid),
            incremental,
            created_at: now,
            started_at: plan.as_ref().map(|plan| plan.starts),
            completed_at: plan.as_ref().map(|plan| plan.ends),
            finish_code,
            notes,
            status_notes: Vec::new(),
        };
        self.jobs.push(job);
        self.jobs.last()
    }
}
