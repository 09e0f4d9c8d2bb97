//! Played channels: Slack, Microsoft Teams, PagerDuty, any receiver of webhooks, and a mail server.
//!
//! Each keeps what it would have shown to people, and shows nothing that the real one would not.

mod hook;
mod pagerduty;
mod slack;
mod smtp;
mod teams;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::call::{Call, Played, Reply, Request};
use crate::clock::SimClock;
use crate::fault::Faults;
use crate::wire::{Front, Server};

pub use smtp::{Mail, MailOptions, MailServer, Protection};

/// What the addresses of played channels hold, and no text may tell.
pub const SECRET: &str = "CANARY-channel-secret";

/// What a receiver of webhooks knows signatures by.
pub const SIGNING_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// PagerDuty's key of an integration.
pub const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";

/// What a channel makes of a call: an answer, and what people see of it.
struct Judged {
    reply: Reply,
    shown: Option<Value>,
}

/// A played channel that is called by HTTP.
pub struct Inbox {
    shared: Arc<Shared>,
    server: Server,
    path: &'static str,
}

struct Shared {
    judge: fn(&Request) -> Judged,
    shown: Mutex<Vec<Value>>,
}

impl Shared {
    fn shown(&self) -> MutexGuard<'_, Vec<Value>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Played for Shared {
    fn answer(&self, request: &Request) -> Reply {
        let Judged { reply, shown } = (self.judge)(request);
        self.shown().extend(shown);
        reply
    }
}

impl Inbox {
    /// An incoming webhook of Slack.
    pub fn slack() -> io::Result<Self> {
        Self::start(slack::judge, slack::PATH)
    }

    /// A workflow of Microsoft Teams.
    pub fn teams() -> io::Result<Self> {
        Self::start(teams::judge, teams::PATH)
    }

    /// PagerDuty's Events API.
    pub fn pagerduty() -> io::Result<Self> {
        Self::start(pagerduty::judge, "")
    }

    /// A receiver of CloudEvents that believes only what is signed.
    pub fn hook() -> io::Result<Self> {
        Self::start(hook::judge, "/hook")
    }

    fn start(judge: fn(&Request) -> Judged, path: &'static str) -> io::Result<Self> {
        let shared = Arc::new(Shared { judge, shown: Mutex::default() });
        let front = Front::new(Arc::clone(&shared) as Arc<dyn Played>, SimClock::real());
        Ok(Self { shared, server: Server::start(0, front)?, path })
    }

    /// The address that is a channel's `url`, or PagerDuty's `base_url`.
    pub fn url(&self) -> String {
        format!("{}{}", self.server.url(), self.path)
    }

    /// What people saw, oldest first.
    pub fn shown(&self) -> Vec<Value> {
        self.shared.shown().clone()
    }

    /// The same as text, to look for words in.
    pub fn text(&self) -> String {
        self.shown().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    pub fn calls(&self) -> Vec<Call> {
        self.server.calls()
    }

    pub fn faults(&self) -> &Faults {
        self.server.faults()
    }
}

fn refused(status: u16, words: &str) -> Judged {
    Judged { reply: Reply::new(status, "text/plain", words.to_owned()), shown: None }
}

fn json(request: &Request) -> Option<Value> {
    let is_json = request.says("content-type", "application/json");
    is_json.then(|| serde_json::from_slice(&request.body).ok())?
}
