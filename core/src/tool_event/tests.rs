use super::*;

const RUN: &str = r#"{"event":"report_run_completed","report_run_url":"https://modeanalytics.com/api/acme/reports/abc123/runs/f2lkg3hwjj9"}"#;

const REFRESH: &str = r#"{"resource":"WORKBOOK","event_type":"WorkbookRefreshSucceeded","resource_name":"Sales","site_luid":"8b2a95d8-0000-4000-8000-000000000000","resource_luid":"3cc6cd06-0000-4000-8000-000000000000","created_at":"2026-11-20T06:41:03Z"}"#;

fn mode(body: &str) -> ToolEvent {
    read(Sender::Mode, body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn tableau(body: &str) -> ToolEvent {
    read(Sender::Tableau, body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn refused(sender: Sender, body: &str) -> bool {
    read(sender, body.as_bytes()).is_err()
}

fn with(sample: &str, from: &str, to: &str) -> String {
    assert!(sample.contains(from), "{from} stands in the sample");
    sample.replacen(from, to, 1)
}

#[test]
fn the_documented_bodies_are_read_whole() {
    assert_eq!(
        mode(RUN),
        ToolEvent {
            event_type: "report_run_completed".into(),
            subject: Some("reports/abc123/runs/f2lkg3hwjj9".into()),
            subject_name: None,
            occurred_at: None,
        }
    );
    assert_eq!(
        tableau(REFRESH),
        ToolEvent {
            event_type: "WorkbookRefreshSucceeded".into(),
            subject: Some("workbooks/3cc6cd06-0000-4000-8000-000000000000".into()),
            subject_name: Some("Sales".into()),
            occurred_at: Some("2026-11-20T06:41:03Z".parse().unwrap()),
        }
    );
}

#[test]
fn each_of_modes_addresses_names_the_subject() {
    for (key, path, subject) in [
        ("report_run_url", "api/acme/reports/a/runs/b", "reports/a/runs/b"),
        ("report_url", "api/acme/reports/a", "reports/a"),
        ("report_run_url", "acme/reports/a", "reports/a"),
        ("definition_url", "api/acme/definitions/a", "definitions/a"),
        ("connection_url", "api/acme/data_sources/a", "data_sources/a"),
        ("member_url", "api/acme/memberships/a", "memberships/a"),
        ("report_url", "api/acme/reports/a?token=x#y", "reports/a"),
    ] {
        let read = mode(&format!(r#"{{"event":"e","{key}":"https://app.mode.com/{path}"}}"#));
        assert_eq!(read.subject.as_deref(), Some(subject), "{path}");
    }
    let both = r#"{"event":"e","report_url":"https://h/w/reports/a","report_run_url":"nonsense"}"#;
    assert_eq!(mode(both).subject.as_deref(), Some("reports/a"));
}

#[test]
fn an_address_of_another_shape_names_no_subject() {
    let long = format!("https://h/w/reports/{}", "a".repeat(LONGEST_WORD + 1));
    let many = format!("https://h/w/{}", ["a"; MOST_WORDS + 1].join("/"));
    for url in [
        "",
        "reports/abc",
        "//h/w/reports/abc",
        "file:///w/reports/abc",
        "javascript:alert(1)",
        "data:text/html,x/y/z",
        "https://",
        "https://h",
        "https://h/",
        "https://h/api/acme",
        "https://h/api/acme/reports",
        "https://h/api/acme/reports/",
        "https://h/api/acme/reports//runs",
        "https://h/api/acme/reports/%2e%2e%2fadmin",
        "https://h/api/acme/reports/a b",
        "https://h/api/acme/reports/<script>",
        "https://h/api/acme/reports/ä",
        "https://h/api/acme/../../reports",
        long.as_str(),
        many.as_str(),
    ] {
        let body = serde_json::json!({ "event": "e", "report_url": url }).to_string();
        assert_eq!(mode(&body).subject, None, "{url}");
    }
}

#[test]
fn what_tableau_tells_of_is_known_by_the_type_of_the_event() {
    let luid = "3cc6cd06-0000-4000-8000-000000000000";
    for (event_type, resource, kind) in [
        ("WorkbookRefreshFailed", "EXTRACTS", "workbooks"),
        ("DatasourceRefreshStarted", "EXTRACTS", "datasources"),
        ("DatasourceUpdated", "WORKBOOK", "datasources"),
        ("ViewDeleted", "VIEW", "view"),
        ("SiteCreated", "SITE", "site"),
    ] {
        let read = tableau(&format!(
            r#"{{"event_type":"{event_type}","resource":"{resource}","resource_luid":"{luid}"}}"#
        ));
        assert_eq!(read.subject, Some(format!("{kind}/{luid}")), "{event_type}");
    }
    for rest in [
        "",
        r#","resource":"VIEW""#,
        r#","resource_luid":"a""#,
        r#","resource":null,"resource_luid":"a""#,
        r#","resource":"VIEW","resource_luid":"""#,
        r#","resource":"VIEW","resource_luid":"../../admin""#,
        r#","resource":"'); drop table event;--","resource_luid":"a""#,
    ] {
        let read = tableau(&format!(r#"{{"event_type":"ViewDeleted"{rest}}}"#));
        assert_eq!(read.subject, None, "{rest}");
    }
}

#[test]
fn a_time_that_cannot_be_read_is_null_whatever_its_type() {
    for given in ["5", "null", "[]", "{}", "\"\"", "\"today\"", "\"\\ud800\"", "1e400"] {
        let read = tableau(&with(REFRESH, "\"2026-11-20T06:41:03Z\"", given));
        assert_eq!(read.occurred_at, None, "{given}");
    }
}

#[test]
fn a_type_must_be_usable() {
    let longest = format!("\"{}\"", "ä".repeat(LONGEST_TYPE));
    let longer = format!("\"{}\"", "a".repeat(LONGEST_TYPE + 1));
    for given in ["null", "5", "\"\"", "\" \"", "\"a\\u0000\"", "\"a\\nb\"", "\"\\ud800\"", &longer]
    {
        assert!(refused(Sender::Mode, &format!("{{\"event\":{given}}}")), "{given}");
        assert!(refused(Sender::Tableau, &format!("{{\"event_type\":{given}}}")), "{given}");
    }
    mode(&format!("{{\"event\":{longest}}}"));
    assert!(refused(Sender::Mode, REFRESH), "each tool has its own key");
    assert!(refused(Sender::Tableau, RUN));
}

#[test]
fn a_key_that_is_read_may_not_come_twice_nor_with_another_type_and_others_may() {
    for twice in ["\"event\"", "\"report_run_url\""] {
        let body = with(RUN, twice, &format!("{twice}:\"x\",{twice}"));
        assert!(refused(Sender::Mode, &body), "{twice}");
    }
    for key in ["event_type", "resource", "resource_luid", "resource_name", "created_at"] {
        let key = format!("\"{key}\"");
        assert!(refused(Sender::Tableau, &with(REFRESH, &key, &format!("{key}:\"x\",{key}"))));
    }
    for key in ["report_run_url", "report_url", "definition_url", "connection_url", "member_url"] {
        assert!(refused(Sender::Mode, &format!(r#"{{"event":"e","{key}":[]}}"#)), "{key}");
    }
    for key in ["resource", "resource_luid", "resource_name"] {
        assert!(refused(Sender::Tableau, &format!(r#"{{"event_type":"e","{key}":5}}"#)), "{key}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for junk in [r#""a\u0000b""#, r#""\ud800""#, "1e400", deep.as_str(), "{\"a\":1,\"a\":2}"] {
        mode(&with(RUN, "{", &format!("{{\"x\":{junk},\"x\":{junk},")));
        tableau(&with(REFRESH, "\"8b2a95d8-0000-4000-8000-000000000000\"", junk));
    }
}

#[test]
fn a_name_is_kept_as_text_cleaned_and_no_longer_than_needed() {
    let name = |given: &str| tableau(&with(REFRESH, "Sales", given)).subject_name.unwrap();
    assert_eq!(name("a\\u0000b"), "a\u{fffd}b");
    assert_eq!(name("<b>'); drop table event;--"), "<b>'); drop table event;--");
    assert_eq!(name(&"ä".repeat(LONGEST_NAME)), "ä".repeat(LONGEST_NAME));
    assert_eq!(name(&"ä".repeat(5_000)), "ä".repeat(LONGEST_NAME));
}

#[test]
fn what_is_no_object_or_no_json_is_not_understood() {
    for sender in [Sender::Mode, Sender::Tableau] {
        for body in
            ["", " ", "null", "5", "\"x\"", "[]", "[\"e\"]", "{", "{}", "{\"event\":", "\u{feff}{}"]
        {
            assert!(refused(sender, body), "{body}");
        }
        assert!(read(sender, b"{\"event\":\"e\",\"event_type\":\"e\",\"x\":\"\xff\"}").is_err());
    }
    assert!(refused(Sender::Mode, &format!("{RUN} x")));
}

#[test]
fn an_error_does_not_repeat_the_value() {
    let long = format!(r#"{{"event":"{}"}}"#, "CANARY".repeat(100));
    for body in [r#"{"event":["CANARY"]}"#, r#"{"event":"e","member_url":{"CANARY":1}}"#, &long] {
        let error = read(Sender::Mode, body.as_bytes()).unwrap_err();
        assert!(!error.to_string().contains("CANARY"), "{error}");
    }
}
