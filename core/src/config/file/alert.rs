//! Channels and alerts as the file writes them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{super::alert::AlertKind, Item, OneOrMany, Written};

/// Core's part of a channel.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Channel {
    /// How it is reached.
    #[schemars(required)]
    pub(in crate::config) kind: Option<String>,
    /// The words of each thing that is told, in the manner of Jinja: the first line is the title. It
    /// can use state (open, resolved, once), kind, subject, title, detail, url, occurrences,
    /// opened_at, last_at and resolved_at.
    pub(in crate::config) template: Option<String>,
}

/// What people are told of, and where.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Alert {
    /// What is told of.
    #[schemars(required)]
    pub(in crate::config) on: Option<OneOrMany<AlertKind>>,
    /// Names of channels.
    #[schemars(required, length(min = 1))]
    pub(in crate::config) notify: Option<Vec<String>>,
    /// One thing is told of no more often than this; what happens meanwhile is told together.
    #[schemars(extend("default" = "30m"))]
    pub(in crate::config) window: Option<Written>,
}

impl Item for AlertKind {
    const EXPECTED: &'static str = "one of refresh_failed, stale, source_silent, quarantined, \
                                    breaker_open";
    const LEAST: usize = 1;
}
