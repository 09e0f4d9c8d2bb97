//! What every history is played with: five targets, five jobs, and a little model of which run
//! leads to which target.

use std::time::Duration;

use crate::harness::Scene;

use super::generate::End;

pub(super) const PUSH_TOKEN: &str = "a-path-that-nobody-guesses";

pub(super) const DEBOUNCE: Duration = Duration::from_secs(30);
pub(super) const DEBOUNCE_MAX: Duration = Duration::from_secs(120);
pub(super) const WITHIN: Duration = Duration::from_secs(60 * 60);
pub(super) const PER_DAY: usize = 2;
pub(super) const MOST_AT_MODE: usize = 2;

/// The jobs of the fan-in.
pub(super) const GATHERED: [u64; 2] = [3, 4];

/// A target of the configuration, and the thing at the tool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) connection: &'static str,
    /// A report's token, or a workbook's or a data source's name.
    pub(super) item: &'static str,
}

const fn target(name: &'static str, connection: &'static str, item: &'static str) -> Target {
    Target { name, connection, item }
}

/// Leaves the configuration and comes back.
pub(super) const COMES_AND_GOES: Target = target("plain", "mode", "5d1b2c3d4e5f");
pub(super) const DEBOUNCED: Target = target("debounced", "mode", "aaaaaaaaaaaa");
pub(super) const BUDGETED: Target = target("budgeted", "mode", "bbbbbbbbbbbb");
pub(super) const GATHERING: Target = target("gathering", "tableau", "Sales");
pub(super) const QUIET: Target = target("quiet", "tableau", "Orders");

pub(super) const TARGETS: [Target; 5] = [COMES_AND_GOES, DEBOUNCED, BUDGETED, GATHERING, QUIET];

/// `QUIET` is left alone from 20:00 to 20:30 UTC.
pub(super) const QUIET_MINUTES: std::ops::Range<u32> = 1200..1230;

pub(super) fn scene(whole: bool) -> Scene {
    let (plain, to_plain) = if whole {
        (
            "\n  plain: { connection: mode, report: 5d1b2c3d4e5f, parameters: { user_id: 123 } }",
            "\n  - { name: plain, on: success, jobs: [1], refresh: [plain] }",
        )
    } else {
        ("", "")
    };
    Scene {
        sources: format!(
            r#"
  prod: {{ kind: dbt, secrets: ["${{DBT_WEBHOOK_KEY}}"] }}
  spare: {{ kind: dbt, secrets: ["${{DBT_WEBHOOK_KEY}}"] }}
  mode-push: {{ kind: mode, connection: mode, path_token: {PUSH_TOKEN} }}
  tableau-push: {{ kind: tableau, connection: tableau, path_token: {PUSH_TOKEN} }}"#
        ),
        connections: String::new(),
        channels: String::new(),
        alerts: String::new(),
        max_concurrent: u32::try_from(MOST_AT_MODE).unwrap(),
        targets: format!(
            "{plain}
  debounced: {{ connection: mode, report: aaaaaaaaaaaa, debounce: 30s, debounce_max: 2m }}
  budgeted: {{ connection: mode, report: bbbbbbbbbbbb, per_day: {PER_DAY} }}
  gathering: {{ connection: tableau, workbook: Sales, project: Finance }}
  quiet: {{ connection: tableau, datasource: Orders, project: Finance, not_between: '20:00-20:30 UTC' }}"
        ),
        routes: format!(
            "{to_plain}
  - {{ name: debounced, on: success, jobs: [1, 2], refresh: [debounced] }}
  - {{ name: budgeted, on: success, jobs: [2], refresh: [budgeted] }}
  - {{ name: alarm, on: error, jobs: [1], refresh: [budgeted] }}
  - {{ name: both, on: success, after_all: [3, 4], within: 1h, refresh: [gathering] }}
  - {{ name: quiet, on: [success, cancelled], jobs: [4, 5], refresh: [quiet] }}"
        ),
        defaults: "{}".to_owned(),
        reports: [COMES_AND_GOES, DEBOUNCED, BUDGETED].map(|it| it.item.to_owned()).into(),
        admin: None,
    }
}

/// The targets that one run leads to by itself; what the fan-in gathers is not among them.
pub(super) fn led_to(job: u64, end: End, whole: bool) -> Vec<&'static str> {
    let mut targets = match (job, end) {
        (1, End::Well) => vec![COMES_AND_GOES.name, DEBOUNCED.name],
        (1, End::Badly) => vec![BUDGETED.name],
        (2, End::Well) => vec![DEBOUNCED.name, BUDGETED.name],
        (4 | 5, End::Well | End::Cancelled) => vec![QUIET.name],
        _ => vec![],
    };
    targets.retain(|name| whole || *name != COMES_AND_GOES.name);
    targets
}
