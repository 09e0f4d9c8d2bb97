//! Numbers 91 to 96: text from users that means something to whoever handles it without care.

use serde_json::json;

use crate::bodies::{Body, event_with};

/// What people who mean harm write where a name belongs.
pub const HARMFUL: [(u16, &str); 24] = [
    (91, "'); drop table event;--"),
    (91, "$1"),
    (91, "%s%n"),
    (91, "\\x00"),
    (91, "?"),
    (91, "\" or 1=1"),
    (91, "{{7*7}}${7*7}<%= 7 %>"),
    (92, "<script>alert(1)</script>"),
    (92, "\"><img src=x onerror=alert(1)>"),
    (92, "javascript:alert(1)"),
    (92, "</title></style><!--"),
    (93, "\r\nlevel=error msg=\"fake\""),
    (93, "\n{\"level\":\"ERROR\",\"message\":\"fake\"}"),
    (93, "\u{2028}\u{2029}\u{85}"),
    (94, "\u{1b}[2J"),
    (94, "\u{1b}]0;title\u{7}"),
    (94, "\u{9b}31m"),
    (95, "=cmd|'/c calc'!A0"),
    (95, "@SUM(1+1)*cmd|' /C calc'!A0"),
    (95, "-1+1\t+cmd"),
    (96, "http://169.254.169.254/latest/meta-data"),
    (96, "file:///etc/passwd"),
    (96, "gopher://127.0.0.1:6379/_FLUSHALL"),
    (96, "../../../../etc/passwd"),
];

pub(crate) fn bodies() -> Vec<Body> {
    HARMFUL
        .iter()
        .enumerate()
        .map(|(n, (number, text))| {
            let written = json!(text);
            let id = format!("e{number}-{n}");
            let body = event_with(
                &id,
                &format!(",\"webhookName\":{written}"),
                &format!(
                    ",\"jobName\":{written},\"projectName\":{written},\"environmentName\":{written},\
                     \"runReason\":{written},\"runStatusMessage\":{written}"
                ),
            );
            Body::works(*number, &format!("names that read {}", text.escape_debug()), body)
        })
        .collect()
}
