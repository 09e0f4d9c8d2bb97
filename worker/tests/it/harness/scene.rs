//! What is configured, and what there is at the tools.

use std::path::Path;
use std::sync::{Arc, Mutex};

use afterrun_core::config::{Config, ConfigError};
use afterrun_simulators::dbt::admin::Job;
use afterrun_simulators::dbt::{Admin, AdminOptions};
use afterrun_simulators::mode::Report;
use afterrun_simulators::tableau::Item;
use afterrun_simulators::{Mode, ModeOptions, Pace, SimClock, Tableau, TableauOptions};
use chrono::{DateTime, Utc};

pub(crate) const SECRET: &str = "CANARY-webhook-secret";

/// What the tools' own sources are known by.
pub(crate) const PATH_TOKEN: &str = "CANARY-path-token-of-20";

/// The report of the target `sales-report`.
pub(crate) const REPORT: &str = "5d1b2c3d4e5f";

/// `afterrun.yml` in its parts. The connections are always the played tools.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) sources: String,
    /// Beside those of Mode and Tableau, a line each.
    pub(crate) connections: String,
    /// Of Mode's connection.
    pub(crate) max_concurrent: u32,
    pub(crate) targets: String,
    pub(crate) routes: String,
    pub(crate) defaults: String,
    pub(crate) channels: String,
    pub(crate) alerts: String,
    /// The reports that Mode has.
    pub(crate) reports: Vec<String>,
    /// dbt's own API, where the sources name it.
    pub(crate) admin: Option<AdminOptions>,
}

impl Default for Scene {
    /// One job for each kind of target, and a report for the failures of the first.
    fn default() -> Self {
        Self {
            sources: r#"{ prod: { kind: dbt, secrets: ["${DBT_WEBHOOK_KEY}"] } }"#.to_owned(),
            connections: String::new(),
            max_concurrent: 4,
            targets: "
  sales-report: { connection: mode, report: 5d1b2c3d4e5f, parameters: { user_id: 123, location: San Francisco } }
  sales-workbook: { connection: tableau, workbook: Sales, project: Finance }
  orders-source: { connection: tableau, datasource: Orders, project: Finance }"
                .to_owned(),
            routes: "
  - { name: report, on: success, jobs: [1], refresh: [sales-report] }
  - { name: workbook, on: success, jobs: [2], refresh: [sales-workbook] }
  - { name: source, on: success, jobs: [3], refresh: [orders-source] }"
                .to_owned(),
            defaults: "{}".to_owned(),
            channels: String::new(),
            alerts: String::new(),
            reports: vec![REPORT.to_owned()],
            admin: None,
        }
    }
}

impl Scene {
    pub(crate) fn routes(routes: &str) -> Self {
        Self { routes: routes.to_owned(), ..Self::default() }
    }

    pub(crate) fn defaults(defaults: &str) -> Self {
        Self { defaults: defaults.to_owned(), ..Self::default() }
    }

    /// dbt can be asked. `more`: other keys of the source's `api`.
    pub(crate) fn asking(self, more: &str) -> Self {
        let api = format!("host: \"${{DBT_HOST}}\", token: \"${{DBT_API_TOKEN}}\"{more}");
        let sources = format!(
            "{{ prod: {{ kind: dbt, secrets: [\"${{DBT_WEBHOOK_KEY}}\"], account_id: 4711, \
             api: {{ {api} }} }} }}"
        );
        Self { sources, admin: Some(AdminOptions::default()), ..self }
    }

    /// dbt's API with the jobs 1, 2 and 3.
    pub(super) async fn admin(&self, clock: &Arc<Mutex<DateTime<Utc>>>) -> Option<Admin> {
        let options = self.admin.clone()?;
        let clock = SimClock::fixed(Arc::clone(clock));
        let admin = Admin::start(AdminOptions { clock, ..options }).await.unwrap();
        for id in 1..=3 {
            admin.add_job(Job::new(id, format!("Job {id}")));
        }
        Some(admin)
    }

    /// So many reports, each a target of its own (`target-0`, ..); job 7 refreshes them all.
    pub(crate) fn many(count: usize, max_concurrent: u32) -> Self {
        let reports: Vec<String> = (0..count).map(|n| format!("abc{n:09}")).collect();
        let target = |(n, report): (usize, &String)| {
            format!("\n  target-{n}: {{ connection: mode, report: {report} }}")
        };
        let names: Vec<String> = (0..count).map(|n| format!("target-{n}")).collect();
        Self {
            max_concurrent,
            targets: reports.iter().enumerate().map(target).collect(),
            routes: format!(
                "\n  - {{ name: all, on: success, jobs: [7], refresh: [{}] }}",
                names.join(", ")
            ),
            reports,
            ..Self::default()
        }
    }

    /// Mode and Tableau with what the targets name. A run or job waits 10 s and works for 20 s.
    pub(super) async fn tools(&self, clock: &Arc<Mutex<DateTime<Utc>>>) -> (Mode, Tableau) {
        let clock = SimClock::fixed(Arc::clone(clock));
        let pace = Pace::millis(10_000, 20_000);
        let mode =
            Mode::start(ModeOptions { clock: clock.clone(), pace, ..ModeOptions::default() });
        let options = TableauOptions { clock, pace, ..TableauOptions::default() };
        let (mode, tableau) = (mode.await.unwrap(), Tableau::start(options).await.unwrap());
        for report in &self.reports {
            mode.add_report(Report::new(report, "Sales"));
        }
        tableau.add_workbook(Item::new("Sales", "Finance"));
        tableau.add_datasource(Item::new("Orders", "Finance"));
        (mode, tableau)
    }

    pub(super) fn config(
        &self,
        mode: &Mode,
        tableau: &Tableau,
        admin: Option<&Admin>,
    ) -> Result<Config, ConfigError> {
        let text = format!(
            r#"
sources: {sources}
connections:
  mode:
    kind: mode
    workspace: acme
    token: ${{MODE_API_TOKEN}}
    secret: ${{MODE_API_SECRET}}
    base_url: ${{MODE_URL}}
    max_concurrent: {max}
  tableau:
    kind: tableau
    server: ${{TABLEAU_URL}}
    site: ${{TABLEAU_SITE_NAME}}
    token_name: ${{TABLEAU_API_TOKEN_NAME}}
    token_secret: ${{TABLEAU_API_TOKEN_SECRET}}{connections}
targets: {targets}
routes: {routes}
defaults: {defaults}
channels: {channels}
alerts: {alerts}
"#,
            sources = self.sources,
            connections = self.connections,
            max = self.max_concurrent,
            targets = self.targets,
            routes = self.routes,
            defaults = self.defaults,
            channels = self.channels,
            alerts = self.alerts,
        );
        let env = |name: &str| {
            Some(match name {
                "DBT_WEBHOOK_KEY" => SECRET.to_owned(),
                "DBT_HOST" => admin?.host(),
                "DBT_API_TOKEN" => admin?.token().to_owned(),
                "PATH_TOKEN" => PATH_TOKEN.to_owned(),
                "MODE_API_TOKEN" => mode.token().to_owned(),
                "MODE_API_SECRET" => mode.secret().to_owned(),
                "MODE_URL" => mode.url(),
                "TABLEAU_URL" => tableau.url(),
                "TABLEAU_SITE_NAME" => tableau.site().to_owned(),
                "TABLEAU_API_TOKEN_NAME" => tableau.token_name().to_owned(),
                "TABLEAU_API_TOKEN_SECRET" => tableau.token_secret().to_owned(),
                _ => return None,
            })
        };
        Config::from_text(Path::new("afterrun.yml"), &text, &env)
    }
}
