//! Events that BI tools send themselves.

/// The types of Mode's webhooks.
pub const MODE_EVENTS: [&str; 8] = [
    "report_created",
    "report_run_started",
    "report_run_completed",
    "definition_created",
    "definition_updated",
    "new_database_connection",
    "member_joined_organization",
    "member_removed_from_organization",
];

/// The types of Tableau's webhooks that are about refreshes.
pub const TABLEAU_EVENTS: [&str; 6] = [
    "WorkbookRefreshStarted",
    "WorkbookRefreshSucceeded",
    "WorkbookRefreshFailed",
    "DatasourceRefreshStarted",
    "DatasourceRefreshSucceeded",
    "DatasourceRefreshFailed",
];
