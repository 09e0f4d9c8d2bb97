//! What `afterrun.yml` says in the demo.

use afterrun_simulators::{Mode, Tableau};

use super::SECRET;
use super::account::Account;

/// What it would say for real tools, with the played ones' addresses; but all that takes minutes
/// there is done in seconds.
pub(super) fn configuration(
    dbt: &Account,
    mode: &Mode,
    tableau: &Tableau,
    [sales, churn, margin]: [&str; 3],
) -> String {
    format!(
        r#"# Written by `afterrun demo`: everything it points at is simulated on this machine.
sources:
  demo:
    kind: dbt
    secrets: ["{SECRET}"]
    account_id: {account}
    api:
      host: "{host}"
      token: {dbt_token}
      reconcile: {{ every: 1s, lag: 3s, look_back: 1h }}

connections:
  mode:
    kind: mode
    workspace: {workspace}
    token: {token}
    secret: {secret}
    base_url: {mode_url}
  tableau:
    kind: tableau
    server: {tableau_url}
    site: {site}
    token_name: {token_name}
    token_secret: {token_secret}

targets:
  sales-report: {{ connection: mode, report: {sales}, parameters: {{ region: EMEA }} }}
  churn-report: {{ connection: mode, report: {churn} }}
  margin-report: {{ connection: mode, report: {margin} }}
  sales-workbook: {{ connection: tableau, workbook: Sales, project: Finance }}

routes:
  - {{ name: nightly-sales, on: success, jobs: [282191], refresh: [sales-report] }}
  - {{ name: finance-mart, on: success, jobs: [282192], refresh: [sales-workbook] }}
  - {{ name: churn-model, on: success, jobs: [282193], refresh: [churn-report] }}
  - {{ name: both-marts, on: success, after_all: [282194, 282195], within: 6h, refresh: [margin-report] }}
  - {{ name: dashboards, on: [success, error], jobs: [282196], refresh: {{ exposures: true }} }}

defaults:
  retry: {{ initial: 500ms, multiplier: 2, max: 2s, give_up_after: 1m }}
  confirm: {{ poll: 500ms, poll_max: 1s, deadline: 1m }}
"#,
        account = dbt.id(),
        host = dbt.host(),
        dbt_token = dbt.token(),
        workspace = mode.workspace(),
        token = mode.token(),
        secret = mode.secret(),
        mode_url = mode.url(),
        tableau_url = tableau.url(),
        site = tableau.site(),
        token_name = tableau.token_name(),
        token_secret = tableau.token_secret(),
    )
}
