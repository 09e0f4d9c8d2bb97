//! How a played Admin API is set up.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Timelike, Utc};

use crate::clock::SimClock;
use crate::pace::Pace;

/// How to start a played Admin API: one account, one token.
#[derive(Debug, Clone)]
pub struct AdminOptions {
    /// 0 takes a free one.
    pub port: u16,
    pub account_id: u64,
    pub token: String,
    pub clock: SimClock,
    /// How the runs move on that are started here or over the API.
    pub pace: Pace,
    /// How long after its end a run is still missing from the list. Its own address knows it.
    pub appears_after: Duration,
    /// How long after its end a run has no artifacts yet, and so no `completed` event either.
    pub artifacts_after: Duration,
    /// Documented: 5,000 for the account as a whole.
    pub requests_per_minute: u32,
    /// How long every call is refused once one was too many. Documented: five minutes.
    pub cooldown: Duration,
    pub dates: Dates,
    /// A subscription's `job_ids` and `account_id` as the strings of the published samples, not as
    /// the integers of the published description.
    pub job_ids_as_strings: bool,
    /// The test of a subscription is answered with an event's id, as the newer description says,
    /// and not with what the endpoint said.
    pub test_tells_event: bool,
    /// What the token may not see or do at first.
    pub forbidden: Vec<Area>,
    pub denial: Denial,
    /// After so many failed deliveries in a row a subscription is switched off: 1,000 since June
    /// 2026. Before, it was five failed tries, which one event uses up: that is 1 here.
    pub deactivated_after: u32,
    /// How long deliveries may fail, one and all, before that switches a subscription off as well.
    pub failing_for: Duration,
    /// How long the deliveries of a subscription can be read.
    pub log_kept: Duration,
    /// How often an event is sent at most.
    pub tries: u32,
    /// The time between two tries. What dbt does here is not documented.
    pub spacing: Duration,
}

impl Default for AdminOptions {
    fn default() -> Self {
        const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
        Self {
            port: 0,
            account_id: 4711,
            token: "dbt-token".to_owned(),
            clock: SimClock::real(),
            pace: Pace::default(),
            appears_after: Duration::ZERO,
            artifacts_after: Duration::ZERO,
            requests_per_minute: 5000,
            cooldown: Duration::from_secs(5 * 60),
            dates: Dates::default(),
            job_ids_as_strings: true,
            test_tells_event: false,
            forbidden: Vec::new(),
            denial: Denial::default(),
            deactivated_after: 1000,
            failing_for: WEEK,
            log_kept: WEEK,
            tries: 5,
            spacing: Duration::from_millis(100),
        }
    }
}

/// How times are written. The description says only that they are strings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dates {
    /// `2026-11-20 06:29:32.114203+00:00`, as captures of runs have them.
    #[default]
    Spaced,
    /// `2026-11-20T06:29:32.114203Z`
    Rfc3339,
}

impl Dates {
    /// To the microsecond. A whole second has no decimals at all, as Python writes times.
    pub fn write(self, at: DateTime<Utc>) -> String {
        let whole = at.nanosecond() / 1000 == 0;
        match (self, whole) {
            (Self::Spaced, false) => at.format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string(),
            (Self::Spaced, true) => at.format("%Y-%m-%d %H:%M:%S+00:00").to_string(),
            (Self::Rfc3339, false) => at.to_rfc3339_opts(SecondsFormat::Micros, true),
            (Self::Rfc3339, true) => at.to_rfc3339_opts(SecondsFormat::Secs, true),
        }
    }
}

/// What a token may or may not see or do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    Runs,
    /// The files of runs, not the runs.
    Artifacts,
    Jobs,
    /// To start a job, or to cancel a run.
    Trigger,
    Webhooks,
    Projects,
}

/// How a call to a forbidden area is refused: dbt does both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Denial {
    /// 404, with a message that speaks of permissions.
    #[default]
    Hidden,
    /// 403.
    Forbidden,
}
