//! What a route matches, and which of its keys go together.

use std::time::Duration;

use afterrun_core::{
    config::Outcome,
    tool_event::{MODE_EVENTS, TABLEAU_EVENTS},
};

use crate::{accepted, mistakes, with};

#[test]
fn ids_are_taken_as_numbers_and_as_text_and_outcomes_one_or_many() {
    let lines = "routes:\n  - name: a\n    on: [error, cancelled]\n    jobs: [1, '2', \"${NUMBER}\"]\n    environments: [3, 'prod*']\n    projects: [4]\n    accounts: [5]\n    reasons: [scheduled]\n    refresh: [sales]\n";
    let config = accepted(&with("routes", lines));
    let route = &config.routes[0];
    assert_eq!(route.on, [Outcome::Error, Outcome::Cancelled]);
    assert_eq!(route.jobs, ["1", "2", "7"]);
    assert_eq!(route.environments, ["3", "prod*"]);
    assert_eq!((route.projects[0].as_str(), route.accounts[0].as_str()), ("4", "5"));
}

/// A file with a source and a target at each tool, and a route with these lines in it.
fn routed(lines: &str) -> String {
    format!(
        "sources:\n  prod: {{ kind: dbt, secrets: [hush] }}\n  \
         push: {{ kind: mode, connection: mode, path_token: 01234567890123456789 }}\n  \
         tableau: {{ kind: tableau, connection: tab, path_token: 01234567890123456789 }}\n\
         connections: {{ mode: {{ kind: mode }}, tab: {{ kind: tableau }} }}\n\
         targets: {{ sales: {{ connection: mode }}, orders: {{ connection: tab }} }}\n\
         routes:\n  - name: a\n    refresh: [orders]\n{lines}"
    )
}

fn warnings(text: &str) -> Vec<String> {
    let config = accepted(text);
    let short = |warning: &afterrun_core::config::Warning| {
        warning.to_string().replacen("afterrun.yml:", "", 1)
    };
    config.warnings().iter().map(short).collect()
}

#[test]
fn outcomes_of_runs_and_events_of_tools_may_stand_side_by_side() {
    let config = accepted(&routed(
        "    on: [success, report_run_completed, error, WorkbookRefreshSucceeded]\n    \
         sources: [prod, push, tableau]\n    subjects: [reports/5d1b2c3d4e5f/*, 7]\n    jobs: [1]\n",
    ));
    let route = &config.routes[0];
    assert_eq!(route.on, [Outcome::Success, Outcome::Error]);
    assert_eq!(route.on_events, ["report_run_completed", "WorkbookRefreshSucceeded"]);
    assert_eq!(route.sources, ["prod", "push", "tableau"]);
    assert_eq!(route.subjects, ["reports/5d1b2c3d4e5f/*", "7"]);
    assert_eq!(config.warnings(), []);
}

#[test]
fn every_event_of_both_tools_can_be_a_routes_only_one() {
    for event in MODE_EVENTS.iter().chain(&TABLEAU_EVENTS) {
        let config = accepted(&routed(&format!("    on: {event}\n    subjects: ['*']\n")));
        assert_eq!(config.routes[0].on_events, [*event]);
        assert_eq!(config.routes[0].on, []);
        assert_eq!(config.warnings(), []);
    }
}

#[test]
fn keys_that_do_not_go_with_what_the_route_is_for_are_mistakes() {
    for (lines, expected) in [
        (
            "    on: [success, WorkbookRefreshSucceded, 5]\n    subjects: [x]\n",
            &[
                concat!(
                    "10:19: routes[0].on[1]: ",
                    expected_one_of!(),
                    ", found `WorkbookRefreshSucceded`; did you mean `WorkbookRefreshSucceeded`?"
                ),
                concat!("10:44: routes[0].on[2]: ", expected_one_of!(), ", found `5`"),
            ] as &[&str],
        ),
        (
            "    on: 5\n    subjects: [x]\n",
            &[
                "10:9: routes[0].on: expected one of started, success, error, cancelled, an event such as `report_run_completed`, or a list of them, found `5`",
            ],
        ),
        (
            "    on: [report_created, report_created]\n    sources: [pusch, prod, prod]\n",
            &[
                "10:26: routes[0].on[1]: is listed twice",
                "11:15: routes[0].sources[0]: there is no source `pusch`; did you mean `push`? (sources: prod, push, tableau)",
                "11:28: routes[0].sources[2]: is listed twice",
            ],
        ),
        (
            "    on: [success]\n    sources: []\n    subjects: [x, '']\n",
            &[
                "11:5: routes[0].sources: is empty and would match nothing; list at least one, or remove the key",
                "12:5: routes[0].subjects: is for events of BI tools, such as `report_run_completed`, and `on` has none; add one to `on`, or remove this",
                "12:19: routes[0].subjects[1]: is empty",
            ],
        ),
        (
            "    on: report_created\n    jobs: [1]\n    job_names: [x]\n    environments: [x]\n    projects: [x]\n    accounts: [1]\n    reasons: [x]\n",
            &[
                "11:5: routes[0].jobs: a Mode event has no job; remove this, or add an outcome of dbt runs to `on`",
                "12:5: routes[0].job_names: a Mode event has no job; remove this, or add an outcome of dbt runs to `on`",
                "13:5: routes[0].environments: a Mode event has no environment; remove this, or add an outcome of dbt runs to `on`",
                "14:5: routes[0].projects: a Mode event has no dbt project; remove this, or add an outcome of dbt runs to `on`",
                "15:5: routes[0].accounts: a Mode event has no dbt account; remove this, or add an outcome of dbt runs to `on`",
                "16:5: routes[0].reasons: a Mode event has no reason; remove this, or add an outcome of dbt runs to `on`",
            ],
        ),
        (
            "    on: [DatasourceRefreshFailed, report_created]\n    jobs: [1]\n",
            &[
                "11:5: routes[0].jobs: a Mode or Tableau event has no job; remove this, or add an outcome of dbt runs to `on`",
            ],
        ),
        (
            "    on: success\n    subject: [x]\n    afterall: [1]\n",
            &[
                "11:5: routes[0].subject: there is no such key; did you mean `subjects`? (keys: name, on, sources, subjects, jobs, job_names, environments, projects, accounts, reasons, models, refresh, notify, after_all_upstream, after_all, within)",
                "12:5: routes[0].afterall: there is no such key; did you mean `after_all`? (keys: name, on, sources, subjects, jobs, job_names, environments, projects, accounts, reasons, models, refresh, notify, after_all_upstream, after_all, within)",
            ],
        ),
    ] {
        let text = routed(lines);
        assert_eq!(mistakes(&text), expected, "{text}");
    }
}

#[test]
fn a_fan_in_takes_ids_of_jobs_and_how_far_apart_they_may_end() {
    let config = accepted(&routed(
        "    on: [success]\n    after_all: [282191, '282192', \"${NUMBER}\"]\n    within: 6h\n",
    ));
    let route = &config.routes[0];
    assert_eq!(route.after_all, ["282191", "282192", "7"]);
    assert_eq!(route.within, Some(Duration::from_secs(6 * 3600)));
    let without = accepted(&routed("    on: success\n    after_all: [1, 2]\n"));
    assert_eq!(without.routes[0].within, None);
    assert_eq!(without.routes[0].after_all, ["1", "2"]);
}

#[test]
fn a_fan_in_that_could_never_fire_or_says_two_things_is_a_mistake() {
    for (lines, expected) in [
        (
            "    on: success\n    after_all: [1]\n    within: 0s\n",
            &[
                "11:5: routes[0].after_all: takes two jobs or more; one by itself goes into `jobs`",
                "12:13: routes[0].within: must be longer than 0s",
            ] as &[&str],
        ),
        (
            "    on: success\n    after_all: [1, nightly, 1]\n    within: soon\n",
            &[
                "11:20: routes[0].after_all[1]: expected an id, which is a number, found `nightly`",
                "11:29: routes[0].after_all[2]: is listed twice",
                "12:13: routes[0].within: expected a duration such as `500ms`, `5s`, `15m`, `2h` or `90d`, found `soon`",
            ],
        ),
        (
            "    on: [success, error]\n    after_all: [1, 2]\n    jobs: [1]\n",
            &[
                "10:5: routes[0].on: must be `success` alone beside `after_all`, which waits for jobs to succeed",
                "12:5: routes[0].jobs: does not go with `after_all`, which names the jobs already; use one of the two",
            ],
        ),
        (
            "    on: error\n    after_all: 5\n",
            &[
                "10:9: routes[0].on: must be `success` alone beside `after_all`, which waits for jobs to succeed",
                "11:16: routes[0].after_all: expected a list, found `5`; write `[5]`",
            ],
        ),
        (
            "    on: [success, report_created]\n    after_all: [1, 2]\n",
            &[
                "10:5: routes[0].on: must be `success` alone beside `after_all`, which waits for jobs to succeed",
            ],
        ),
        (
            "    on: success\n    after_all: []\n    within: 6h\n",
            &[
                "11:5: routes[0].after_all: is empty and would match nothing; list at least one, or remove the key",
            ],
        ),
        (
            "    on: success\n    within: 6h\n",
            &[
                "11:5: routes[0].within: goes only with `after_all`; list the jobs there, or remove this",
            ],
        ),
        (
            "    after_all: [1, 2]\n",
            &[
                "8:5: routes[0].on: is missing; write one or several of success, error, cancelled, started",
            ],
        ),
    ] {
        let text = routed(lines);
        assert_eq!(mistakes(&text), expected, "{text}");
    }
}

#[test]
fn a_refresh_that_may_cause_its_own_next_one_is_warned_of() {
    let what = |source: &str| {
        format!(
            "is on the connection that source `{source}` tells of, so each refresh of it may cause \
             the next one; say in `subjects` which events are meant"
        )
    };
    assert_eq!(
        warnings(&routed("    on: [success, WorkbookRefreshSucceeded]\n")),
        [format!("9:15: routes[0].refresh[0]: {}", what("tableau"))]
    );
    let own = |lines: &str| routed(lines).replace("[orders]", "[orders, sales]");
    assert_eq!(
        warnings(&own("    on: report_run_completed\n")),
        [format!("9:23: routes[0].refresh[1]: {}", what("push"))]
    );
    for harmless in [
        "    on: report_run_completed\n    subjects: [reports/5d1b2c3d4e5f/*]\n",
        // No refresh creates a report or changes its definition.
        "    on: [report_created, definition_updated]\n",
        "    on: success\n",
    ] {
        assert_eq!(warnings(&own(harmless)), [""; 0], "{harmless}");
    }
    assert_eq!(warnings(&routed("    on: report_run_completed\n")), [""; 0], "another connection");
}

#[test]
fn a_route_that_runs_the_very_job_on_whose_runs_it_acts_is_warned_of() {
    let text = |lines: &str, source: &str| {
        format!(
            "sources:\n  prod: {{ kind: dbt, secrets: [hush]{source} }}\n  \
             push: {{ kind: mode, connection: mode, path_token: 01234567890123456789 }}\n\
             connections: {{ mode: {{ kind: mode }}, dbt: {{ kind: dbt, account_id: 4711 }} }}\n\
             targets: {{ sales: {{ connection: mode, job: 7 }}, marts: {{ connection: dbt, job: '7' }} }}\n\
             routes:\n  - name: a\n    refresh: [sales, marts]\n{lines}"
        )
    };
    let what = |shown: &str| {
        format!(
            "8:22: routes[0].refresh[1]: runs job {shown}, and this route acts on that job's runs, so \
             each refresh of it may cause the next one, for ever; say in `jobs` which others are meant"
        )
    };
    for (lines, source) in [
        ("    on: success\n", ""),
        ("    on: [error, started]\n    jobs: [6, 7]\n", ", account_id: 4711"),
        ("    on: success\n    environments: [Production]\n    accounts: [4711]\n", ""),
        ("    on: [success, report_created]\n    subjects: [x]\n", ""),
    ] {
        assert_eq!(warnings(&text(lines, source)), [what("`7`")], "{lines}");
    }
    for (harmless, source) in [
        ("    on: success\n    jobs: [6, 77]\n", ""),
        ("    on: success\n    job_names: [orders *]\n", ""),
        ("    on: success\n    after_all: [6, 7]\n", ""),
        ("    on: success\n    accounts: [12]\n", ""),
        ("    on: success\n", ", account_id: 12"),
        ("    on: report_created\n", ""),
    ] {
        assert_eq!(warnings(&text(harmless, source)), [""; 0], "{harmless}");
    }
}

#[test]
fn a_route_on_what_no_source_tells_is_warned_of() {
    assert_eq!(
        warnings(&routed("    on: [success, report_created]\n    sources: [tableau]\n")),
        [
            "10:5: routes[0].on: `sources` names no source of kind dbt, so nobody ever tells how a dbt run went",
            "10:5: routes[0].on: `sources` names no source of kind mode, so nobody ever tells report_created",
        ]
    );
    let lines = "routes: [{ name: a, on: WorkbookRefreshFailed, refresh: [sales] }]\n";
    assert_eq!(
        warnings(&with("routes", lines)),
        [
            "5:25: routes[0].on: there is no source of kind tableau, so nobody ever tells WorkbookRefreshFailed"
        ]
    );
}
