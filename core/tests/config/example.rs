//! The example that users copy.

use std::time::Duration;

use afterrun_core::config::{Outcome, SourceKind};
use secrecy::ExposeSecret;

use crate::{EXAMPLE, accepted};

#[test]
fn the_example_is_accepted_and_means_what_it_says() {
    let config = accepted(EXAMPLE);
    assert_eq!(config.warnings(), []);

    let prod = &config.sources["prod"];
    assert_eq!(prod.kind, SourceKind::Dbt);
    assert_eq!(prod.secrets[0].expose_secret(), "dbt-webhook-key");
    assert_eq!(prod.account_id, None);

    let mode = &config.connections["mode"];
    assert_eq!((mode.kind.as_str(), mode.max_concurrent), ("mode", 4));
    assert_eq!(mode.settings["secret"], "mode-api-secret");
    assert!(mode.settings.get("kind").is_none());
    let tableau = &config.connections["tableau"];
    assert_eq!(tableau.max_concurrent, 2);
    assert_eq!(tableau.settings["server"], "https://10ax.online.tableau.com");
    assert_eq!(tableau.settings["site"], "");
    assert!(tableau.settings.get("max_concurrent").is_none());

    let report = &config.targets["sales-report"];
    assert_eq!(report.connection, "mode");
    assert_eq!(report.settings["parameters"]["user_id"], 123);
    assert!(report.settings.get("connection").is_none());
    assert_eq!(report.retry.give_up_after, Duration::from_secs(12 * 3600));
    assert_eq!(report.confirm.poll_max, Duration::from_secs(60));

    assert_eq!(config.routes[0].name, "nightly-sales");
    assert_eq!(config.routes[0].on, [Outcome::Success]);
    assert_eq!(config.routes[0].jobs, ["282191"]);
    assert_eq!(config.routes[0].refresh, ["sales-report", "sales-workbook"]);
    assert_eq!(config.routes[1].job_names, ["orders *"]);
    assert_eq!(config.retention.keys, Duration::from_secs(400 * 24 * 3600));
}

/// The example with its indented comments that hold keys made keys.
pub(crate) fn in_full() -> String {
    let key = |text: &str| {
        let text = text.trim().trim_start_matches("- ");
        let key = text.split_once(": ").map(|(key, _)| key).or(text.strip_suffix(':'));
        key.is_some_and(|key| key.chars().all(|c| c.is_ascii_lowercase() || "_-".contains(c)))
    };
    let uncommented = |line: &str| match line.trim_start().strip_prefix("# ") {
        Some(text) if line.starts_with(' ') && key(text.split(" #").next().unwrap_or(text)) => {
            line.replacen("# ", "", 1)
        }
        Some(_) | None => line.to_owned(),
    };
    EXAMPLE.lines().map(|line| uncommented(line) + "\n").collect()
}

#[test]
fn what_the_example_leaves_to_be_uncommented_is_accepted_as_well() {
    let config = accepted(&in_full());
    assert_eq!(config.warnings(), []);
    assert_eq!(config.sources["mode-push"].kind, SourceKind::Mode);
    assert_eq!(config.sources["prod"].account_id.as_deref(), Some("4711"));
    assert_eq!(config.connections["tableau"].requests_per_second, Some(0.5));
    let orders = &config.targets["orders-source"];
    assert_eq!((orders.per_day, orders.debounce.wait), (Some(8), Duration::from_secs(120)));
    assert_eq!(orders.not_between[0].to_string(), "08:00-09:30 Europe/Berlin");
    assert_eq!(config.connections["dbt"].kind, "dbt");
    assert_eq!(config.targets["bi-marts"].settings["job"], 282_193);
    let names: Vec<&str> = config.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "nightly-sales",
            "orders",
            "both-marts",
            "dashboards",
            "orders-mart",
            "tell-of-failures",
            "after-the-import"
        ]
    );
    assert_eq!(config.routes[5].notify, ["data-slack"]);
    assert_eq!(config.alerts.len(), 2);
    assert_eq!(config.channels["mail"].kind, "email");
    assert_eq!(config.routes[2].after_all, ["282191", "282192"]);
    assert!(config.routes[3].exposures.is_some());
    assert_eq!(config.routes[4].models.len(), 1);
    assert_eq!(config.routes[6].on_events, ["report_run_completed"]);
}
