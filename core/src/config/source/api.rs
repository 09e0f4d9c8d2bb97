//! dbt's own API as a source names it: where it is, and how often it is asked what.

use std::time::Duration;

use super::super::{
    ApiSettings, Reconcile,
    address::{check_address, host_address},
    file,
    policy::positive,
    report::Report,
    trail::Trail,
};

/// Nothing without the account's id: there is no address to ask.
pub(super) fn api(
    report: &mut Report,
    trail: &Trail,
    file: file::Api,
    account_id: Option<&str>,
) -> Option<ApiSettings> {
    if file.token.is_none() {
        report.add(&trail.key("token"), "is missing; dbt's API takes a service token");
    }
    let reconcile = reconcile(report, &trail.key("reconcile"), file.reconcile);
    let Some(host) = file.host else {
        report.add(&trail.key("host"), "is missing; write dbt's host, such as ab123.us1.dbt.com");
        return None;
    };
    let at = trail.key("host");
    let shown = report.shown(&at);
    let base = host_address(&host);
    if base.is_none() {
        let what = format!("expected a bare host name such as ab123.us1.dbt.com, found {shown}");
        report.add(&at, what);
    } else if let Err(why) = check_address(&format!("https://{host}")) {
        report.add(&at, format!("{shown} {why}"));
    }
    if !report.is_wrong(trail) && !has_account(report, trail, account_id) {
        return None;
    }
    Some(ApiSettings {
        base: base?,
        token: file.token?.0,
        repair: file.repair.unwrap_or(false),
        reconcile,
    })
}

/// Without one dbt is not asked, which is no reason to take in nothing.
fn has_account(report: &mut Report, trail: &Trail, account_id: Option<&str>) -> bool {
    let is_number = |id: &str| id.chars().all(|c| c.is_ascii_digit());
    if account_id.is_some_and(is_number) {
        return true;
    }
    let what = "is not used without the source's `account_id`, a number, which stands in every \
                address of dbt's API";
    report.warn(trail, what);
    false
}

fn reconcile(report: &mut Report, trail: &Trail, file: Option<file::Reconcile>) -> Reconcile {
    let base = Reconcile::default();
    let Some(file) = file else { return base };
    positive(report, trail, "every", file.every);
    positive(report, trail, "look_back", file.look_back);
    Reconcile {
        every: file.every.map_or(base.every, |given| given.0),
        lag: file.lag.map_or(base.lag, |given| given.0),
        look_back: file.look_back.map_or(base.look_back, |given| given.0),
    }
}

impl Default for Reconcile {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            every: Duration::from_secs(5 * MINUTE),
            lag: Duration::from_secs(2 * MINUTE),
            look_back: Duration::from_secs(24 * 60 * MINUTE),
        }
    }
}
