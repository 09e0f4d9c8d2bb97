//! Which routes an event takes: `on: success` only for what is one, and names by `*` alone.

use afterrun_core::config::{Outcome, Route};
use afterrun_core::dbt;
use afterrun_core::route::{Facts, Happened};

use super::timed;

/// An event as the whole of the bytes, and a pattern and a name as the two sides of a newline.
pub fn match_routes(bytes: &[u8]) {
    if let Ok(fields) = dbt::read(bytes) {
        let facts = Facts {
            source: "prod".to_owned(),
            is_of_dbt: true,
            event_type: fields.event_type,
            run_status: fields.run_status,
            run_status_code: fields.run_status_code,
            job_name: fields.job_name,
            ..Facts::default()
        };
        successes_are_successes(&facts);
    }
    // No text from the database holds a NUL, nor does a pattern that can fit one.
    let text = String::from_utf8_lossy(bytes).replace('\0', "");
    let (pattern, name) = text.split_once('\n').unwrap_or((&*text, ""));
    // Names are as long as a body; the reference below takes the product of both.
    let [pattern, name] = [pattern, name].map(|text| text.chars().take(300).collect::<String>());
    let facts = Facts { is_of_dbt: true, job_name: Some(name.clone()), ..Facts::default() };
    let route = Route { job_names: vec![pattern.clone()], ..to_all() };
    let taken =
        timed("matching a name", || route.matches(&Happened::Run(Outcome::Success), &facts));
    assert_eq!(taken, like(&pattern, &name), "{name:?} by {pattern:?}");
}

fn successes_are_successes(facts: &Facts) {
    let happened = facts.happened();
    let taken = happened.as_ref().is_ok_and(|happened| to_all().matches(happened, facts));
    let status = facts.run_status.as_deref().unwrap_or_default();
    let is_one = facts.event_type.as_deref() == Some("job.run.completed")
        && status.eq_ignore_ascii_case("success")
        && facts.run_status_code.is_none_or(|code| code == 10);
    assert_eq!(taken, is_one, "{facts:?}");
    if let Err(why) = happened {
        assert!(
            !why.is_empty() && why.len() < 500 && !why.chars().any(char::is_control),
            "{why:?}"
        );
    }
}

/// Takes every success.
fn to_all() -> Route {
    Route {
        name: "all".to_owned(),
        on: vec![Outcome::Success],
        on_events: vec![],
        sources: vec![],
        subjects: vec![],
        jobs: vec![],
        job_names: vec![],
        environments: vec![],
        projects: vec![],
        accounts: vec![],
        reasons: vec![],
        refresh: vec!["sales".to_owned()],
        notify: vec![],
        after_all: vec![],
        within: None,
        models: vec![],
        exposures: None,
        after_all_upstream: None,
    }
}

/// The rule in its plainest form: `*` stands for anything, and everything else for itself.
fn like(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    // Whether the pattern so far fits the first n characters of the name.
    let mut fits = vec![false; name.len() + 1];
    fits[0] = true;
    for wanted in pattern.chars() {
        let mut next = vec![false; name.len() + 1];
        next[0] = wanted == '*' && fits[0];
        for (n, given) in name.iter().enumerate() {
            next[n + 1] =
                if wanted == '*' { fits[n + 1] || next[n] } else { fits[n] && wanted == *given };
        }
        fits = next;
    }
    fits[name.len()]
}
