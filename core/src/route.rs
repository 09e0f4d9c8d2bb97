//! Which routes an event takes: pure, from the event's own columns and today's configuration.
//!
//! Invariant: a run counts as a success only when nothing that dbt says contradicts it.

use wildmatch::WildMatchPattern;

use crate::config::{Outcome, Route};

/// `*` stands for anything. The crate wants a second wildcard, for one character: a NUL, which no
/// text from the database holds, since `?` is a part of people's names for things.
type Pattern = WildMatchPattern<'*', '\0'>;

/// What a route can look at.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub source: String,
    /// Not a BI tool's own event.
    pub is_of_dbt: bool,
    /// What a BI tool's event is about, as it says: a path, and a name.
    pub subject: Option<String>,
    pub subject_name: Option<String>,
    pub event_type: Option<String>,
    pub account_id: Option<String>,
    pub project_id: Option<String>,
    pub project_name: Option<String>,
    pub environment_id: Option<String>,
    pub environment_name: Option<String>,
    pub job_id: Option<String>,
    pub job_name: Option<String>,
    pub run_status: Option<String>,
    pub run_status_code: Option<i64>,
    pub run_reason: Option<String>,
}

/// What an event tells of, in the words of `on:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// How a dbt run went.
    Run(Outcome),
    /// A BI tool's event, by its type.
    Event(String),
}

impl Facts {
    /// What happened.
    ///
    /// # Errors
    /// Says why the event is one that nothing acts on.
    pub fn happened(&self) -> Result<Happened, String> {
        match (self.is_of_dbt, &self.event_type) {
            (true, _) => self.outcome().map(Happened::Run),
            (false, Some(event_type)) => Ok(Happened::Event(event_type.clone())),
            (false, None) => Err("an event without a type starts nothing".into()),
        }
    }

    /// What happened to the run, in the words of `on:`.
    ///
    /// # Errors
    /// Says why the event is one that nothing acts on.
    pub fn outcome(&self) -> Result<Outcome, String> {
        let ended = self.ended();
        match self.event_type.as_deref() {
            Some("job.run.started") => Ok(Outcome::Started),
            Some("job.run.completed") => ended.ok_or_else(|| self.unclear()),
            Some("job.run.errored") => match ended {
                Some(Outcome::Error) => Ok(Outcome::Error),
                None if self.run_status.is_none() && self.run_status_code.is_none() => {
                    Ok(Outcome::Error)
                }
                _ => Err(self.unclear()),
            },
            Some(other) if !other.is_empty() => {
                Err(format!("events of type `{}` start nothing", shorten(other)))
            }
            _ => Err("an event without a type starts nothing".into()),
        }
    }

    /// How the run ended, by its code and by its status (docs.getdbt.com/docs/deploy/webhooks;
    /// the Admin API spells `Errored` as `Error`). Where they differ, it was no success.
    fn ended(&self) -> Option<Outcome> {
        let by_code = match self.run_status_code {
            Some(10) => Some(Outcome::Success),
            Some(20) => Some(Outcome::Error),
            Some(30) => Some(Outcome::Cancelled),
            _ => None,
        };
        let status = self.run_status.as_deref().map(str::to_ascii_lowercase);
        let by_status = match status.as_deref() {
            Some("success") => Some(Outcome::Success),
            Some("error" | "errored") => Some(Outcome::Error),
            Some("cancelled" | "canceled") => Some(Outcome::Cancelled),
            _ => None,
        };
        match (by_code, by_status) {
            (Some(Outcome::Success), by_status) => by_status,
            (Some(by_code), _) => Some(by_code),
            // The earliest payloads had no code; an unknown one is no success.
            (None, Some(Outcome::Success)) if self.run_status_code.is_some() => None,
            (None, by_status) => by_status,
        }
    }

    fn unclear(&self) -> String {
        let status = self.run_status.as_deref().map_or("none".into(), shorten);
        let code = self.run_status_code.map_or("none".into(), |code| code.to_string());
        format!("dbt does not say clearly how the run ended (status {status}, code {code})")
    }
}

impl Route {
    /// Whether an event that tells of this takes the route by itself: `on` and every key that is
    /// given. A fan-in is never taken by one event; see [`Route::gathers`].
    pub fn matches(&self, happened: &Happened, facts: &Facts) -> bool {
        self.listens_for(happened) && self.after_all.is_empty() && self.keys_match(facts)
    }

    /// Whether the route is a fan-in, and the event is of one of its jobs, however its run went.
    pub fn gathers(&self, facts: &Facts) -> bool {
        let job = facts.job_id.as_ref();
        job.is_some_and(|job| self.after_all.contains(job)) && self.keys_match(facts)
    }

    /// Whether what the run built decides, which no event tells and dbt must be asked for.
    pub fn asks_what_was_built(&self) -> bool {
        self.exposures.is_some() || !self.models.is_empty()
    }

    /// The keys of the route that the event does not fit, `on` among them.
    pub fn misses(&self, happened: &Happened, facts: &Facts) -> Vec<Miss> {
        let on = (!self.listens_for(happened)).then(|| Miss {
            key: "on",
            wants: self
                .on
                .iter()
                .map(|on| on.as_str().into())
                .chain(self.on_events.clone())
                .collect(),
            has: vec![happened.as_str().to_owned()],
        });
        let keys = self.keys(facts).into_iter().filter(|key| !key.fits());
        on.into_iter().chain(keys.map(Miss::from)).collect()
    }

    fn listens_for(&self, happened: &Happened) -> bool {
        match happened {
            Happened::Run(outcome) => self.on.contains(outcome),
            Happened::Event(event_type) => self.on_events.contains(event_type),
        }
    }

    fn keys_match(&self, facts: &Facts) -> bool {
        self.keys(facts).iter().all(Key::fits)
    }

    fn keys<'a>(&'a self, facts: &'a Facts) -> [Key<'a>; 8] {
        let key = |name, wanted, is_pattern, given: [&'a Option<String>; 2]| Key {
            name,
            wanted,
            is_pattern,
            given: given.map(Option::as_deref),
        };
        [
            key("jobs", &self.jobs, false, [&facts.job_id, &None]),
            Key {
                given: [Some(&facts.source), None],
                ..key("sources", &self.sources, false, [&None; 2])
            },
            key("accounts", &self.accounts, false, [&facts.account_id, &None]),
            key("job_names", &self.job_names, true, [&facts.job_name, &None]),
            key(
                "environments",
                &self.environments,
                true,
                [&facts.environment_id, &facts.environment_name],
            ),
            key("projects", &self.projects, true, [&facts.project_id, &facts.project_name]),
            key("reasons", &self.reasons, true, [&facts.run_reason, &None]),
            key("subjects", &self.subjects, true, [&facts.subject, &facts.subject_name]),
        ]
    }
}

impl Happened {
    /// As routes name it in `on:`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Run(outcome) => outcome.as_str(),
            Self::Event(event_type) => event_type,
        }
    }
}

/// A key of a route that an event does not fit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Miss {
    /// As it stands in `afterrun.yml`.
    pub key: &'static str,
    /// Any of these would do.
    pub wants: Vec<String>,
    /// What the event says; nothing if it does not say.
    pub has: Vec<String>,
}

impl From<Key<'_>> for Miss {
    fn from(key: Key<'_>) -> Self {
        let has = key.given.into_iter().flatten().map(str::to_owned).collect();
        Self { key: key.name, wants: key.wanted.to_vec(), has }
    }
}

/// One key of a route beside what an event says to it.
struct Key<'a> {
    name: &'static str,
    /// Empty if the route does not give the key.
    wanted: &'a [String],
    is_pattern: bool,
    given: [Option<&'a str>; 2],
}

impl Key<'_> {
    fn fits(&self) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|wanted| self.is_met_by(wanted))
    }

    fn is_met_by(&self, wanted: &str) -> bool {
        let mut given = self.given.iter().flatten();
        if self.is_pattern {
            let pattern = Pattern::new(wanted);
            given.any(|given| pattern.matches(given))
        } else {
            given.any(|given| *given == wanted)
        }
    }
}

fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(status: Option<&str>, code: Option<i64>) -> Facts {
        Facts {
            is_of_dbt: true,
            event_type: Some("job.run.completed".into()),
            run_status: status.map(Into::into),
            run_status_code: code,
            job_id: Some("282191".into()),
            job_name: Some("Nightly build".into()),
            environment_id: Some("7".into()),
            environment_name: Some("Production".into()),
            ..Facts::default()
        }
    }

    fn route(on: &[Outcome]) -> Route {
        Route {
            name: "r".into(),
            on: on.to_vec(),
            on_events: vec![],
            sources: vec![],
            subjects: vec![],
            jobs: vec![],
            job_names: vec![],
            environments: vec![],
            projects: vec![],
            accounts: vec![],
            reasons: vec![],
            refresh: vec![],
            notify: vec![],
            after_all: vec![],
            within: None,
            models: vec![],
            exposures: None,
            after_all_upstream: None,
        }
    }

    #[test]
    fn a_run_is_a_success_only_when_nothing_contradicts_it() {
        for (status, code, outcome) in [
            (Some("Success"), Some(10), Some(Outcome::Success)),
            (Some("success"), None, Some(Outcome::Success)),
            (Some("Errored"), Some(20), Some(Outcome::Error)),
            (Some("Error"), None, Some(Outcome::Error)),
            (Some("Error"), Some(10), Some(Outcome::Error)),
            (Some("Success"), Some(20), Some(Outcome::Error)),
            (Some("Cancelled"), Some(30), Some(Outcome::Cancelled)),
            (Some("Cancelled"), Some(10), Some(Outcome::Cancelled)),
            (None, Some(20), Some(Outcome::Error)),
            (None, Some(10), None),
            (None, None, None),
            (Some("Whatever"), Some(10), None),
            (Some("Success"), Some(3), None),
            (Some("Running"), Some(3), None),
        ] {
            assert_eq!(completed(status, code).outcome().ok(), outcome, "{status:?} {code:?}");
        }
    }

    #[test]
    fn an_errored_event_is_an_error_and_never_a_success() {
        let errored = |status, code| Facts {
            event_type: Some("job.run.errored".into()),
            ..completed(status, code)
        };
        assert_eq!(errored(Some("Errored"), Some(20)).outcome(), Ok(Outcome::Error));
        assert_eq!(errored(None, None).outcome(), Ok(Outcome::Error));
        assert!(errored(Some("Success"), Some(10)).outcome().is_err());
    }

    #[test]
    fn an_event_of_another_type_starts_nothing_and_says_so() {
        for event_type in [None, Some(""), Some("JOB.RUN.COMPLETED"), Some("job.deleted")] {
            let facts = Facts {
                event_type: event_type.map(Into::into),
                ..completed(Some("Success"), Some(10))
            };
            assert!(facts.outcome().is_err(), "{event_type:?}");
        }
    }

    #[test]
    fn a_question_mark_in_a_name_stands_for_itself() {
        let asks = Route { job_names: vec!["Done?".into()], ..route(&[Outcome::Success]) };
        for (name, taken) in [("Done?", true), ("Done!", false), ("Done", false)] {
            let facts =
                Facts { job_name: Some(name.into()), ..completed(Some("Success"), Some(10)) };
            assert_eq!(asks.matches(&Happened::Run(Outcome::Success), &facts), taken, "{name}");
        }
    }

    #[test]
    fn all_keys_given_must_match_and_a_list_matches_any_of_its_values() {
        let facts = completed(Some("Success"), Some(10));
        let any = route(&[Outcome::Success]);
        assert!(any.matches(&Happened::Run(Outcome::Success), &facts));
        assert!(!any.matches(&Happened::Run(Outcome::Error), &facts));
        let both = Route {
            jobs: vec!["1".into(), "282191".into()],
            job_names: vec!["Nightly*".into()],
            environments: vec!["Prod*".into()],
            ..any.clone()
        };
        assert!(both.matches(&Happened::Run(Outcome::Success), &facts));
        assert!(
            Route { environments: vec!["7".into()], ..any.clone() }
                .matches(&Happened::Run(Outcome::Success), &facts)
        );
        for other in [
            Route { jobs: vec!["28219".into()], ..both.clone() },
            Route { job_names: vec!["nightly*".into()], ..both.clone() },
            Route { projects: vec!["*".into()], ..both.clone() },
            Route { accounts: vec!["4711".into()], ..both },
        ] {
            assert!(!other.matches(&Happened::Run(Outcome::Success), &facts), "{other:?}");
        }
    }
}
