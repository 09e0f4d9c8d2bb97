use super::*;

const COMPLETED: &str = r#"{"accountId":4711,"webhookId":"wsu_1","eventId":"wev_1","timestamp":"2026-11-20T06:29:35.78926593Z","eventType":"job.run.completed","webhookName":"bi-refresh","data":{"jobId":"282191","jobName":"Nightly build","runId":"146889586","environmentId":"189767","environmentName":"Production","dbtVersion":"2026.9.30+21d3fd7","projectName":"Analytics","projectId":"242841","runStatus":"Success","runStatusCode":10,"runStatusMessage":"None","runReason":"Kicked off by the scheduler","runStartedAt":"2026-11-20T06:10:02Z","runFinishedAt":"2026-11-20T06:29:32Z"}}"#;

fn with(from: &str, to: &str) -> String {
    assert!(COMPLETED.contains(from), "{from} stands in the sample");
    COMPLETED.replacen(from, to, 1)
}

fn refused(body: &str) -> bool {
    read(body.as_bytes()).is_err()
}

fn fields(body: &str) -> Fields {
    read(body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn the_documented_body_is_read_whole() {
    let read = fields(COMPLETED);
    assert_eq!(read.event_id, "wev_1");
    assert_eq!(read.account_id.as_deref(), Some("4711"));
    assert_eq!(read.job_id.as_deref(), Some("282191"));
    assert_eq!(read.run_status_code, Some(10));
    assert_eq!(read.occurred_at.unwrap().to_rfc3339(), "2026-11-20T06:29:35.789265930+00:00");
    assert_eq!(read.run_finished_at.unwrap().to_rfc3339(), "2026-11-20T06:29:32+00:00");
}

#[test]
fn ids_are_taken_as_whole_numbers_or_strings_and_as_nothing_else() {
    for (given, text) in [
        ("\"1\"", "1"),
        ("-1", "-1"),
        ("9007199254740993", "9007199254740993"),
        ("9223372036854775808", "9223372036854775808"),
        ("\"12; drop table\"", "12; drop table"),
    ] {
        let read = fields(&with("4711", given));
        assert_eq!(read.account_id.as_deref(), Some(text));
    }
    assert!(fields(&with("4711", "-0")).account_id.is_some());
    for given in ["1.0", "1e3", "null", "true", "[1]", "{}"] {
        assert!(refused(&with("4711", given)), "accountId {given}");
    }
    assert_eq!(fields(&with("\"282191\"", "282191")).job_id.as_deref(), Some("282191"));
    assert_eq!(fields(&with("\"282191\"", "null")).job_id, None);
}

#[test]
fn an_event_id_must_be_usable() {
    let longest = format!("\"{}\"", "ä".repeat(200));
    for given in ["\"a/b'c%../😀\"", longest.as_str()] {
        fields(&with("\"wev_1\"", given));
    }
    let too_long = format!("\"{}\"", "a".repeat(201));
    for given in ["null", "5", "\"\"", "\"  \"", "\"a\\u0000b\"", "\"a\\nb\"", too_long.as_str()] {
        assert!(refused(&with("\"wev_1\"", given)), "eventId {given}");
    }
    assert!(refused(&with("\"eventId\"", "\"EventId\"")), "names match byte for byte");
}

#[test]
fn a_key_that_is_read_may_not_come_twice_and_others_may() {
    assert!(refused(&with("{\"accountId\"", "{\"eventId\":\"x\",\"accountId\"")));
    assert!(refused(&with("\"data\":{", "\"data\":{},\"data\":{")));
    assert!(refused(&with("\"jobId\"", "\"jobId\":\"1\",\"jobId\"")));
    fields(&with("{\"accountId\"", "{\"x\":1,\"x\":2,\"accountId\""));
    fields(&with("\"webhookId\"", "\"webhooksID\""));
    fields(&with("\"webhookId\":\"wsu_1\",", ""));
}

#[test]
fn what_nobody_reads_never_matters() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for junk in
        [r#""a\u0000b""#, r#""\ud800""#, "1e400", "1e-400", deep.as_str(), "{\"\\u0000\":1}"]
    {
        fields(&with("\"wsu_1\"", junk));
        fields(&with("\"2026.9.30+21d3fd7\"", junk));
    }
}

#[test]
fn a_time_that_cannot_be_read_is_null_whatever_its_type() {
    for given in [
        "5",
        "null",
        "[]",
        "{}",
        "\"\"",
        "\"infinity\"",
        "\"\\ud800\"",
        "1e400",
        "\"294277-01-01T00:00:00Z\"",
    ] {
        assert_eq!(fields(&with("\"2026-11-20T06:29:35.78926593Z\"", given)).occurred_at, None);
        assert_eq!(fields(&with("\"2026-11-20T06:29:32Z\"", given)).run_finished_at, None);
    }
}

#[test]
fn the_end_of_an_errored_run_is_when_it_errored() {
    let read = fields(&with("runFinishedAt", "runErroredAt"));
    assert_eq!(read.run_finished_at.unwrap().to_rfc3339(), "2026-11-20T06:29:32+00:00");
}

#[test]
fn a_nul_in_a_name_is_shown_cleaned() {
    let read = fields(&with("Nightly build", "a\\u0000b"));
    assert_eq!(read.job_name.as_deref(), Some("a\u{fffd}b"));
}

#[test]
fn what_is_no_object_or_no_json_is_not_understood() {
    for body in [
        "",
        "  ",
        "null",
        "true",
        "5",
        "\"x\"",
        "[]",
        "[{}]",
        "{",
        "{\"a\":1",
        "{}",
        "[1,\"e\",\"t\",null]",
        "\u{feff}{}",
        "{'a':1}",
        "{\"a\":NaN}",
    ] {
        assert!(refused(body), "{body}");
    }
    for data in ["null", "\"x\"", "[]", "5"] {
        assert!(refused(&format!("{{\"eventId\":\"e\",\"data\":{data}}}")), "data {data}");
    }
    assert!(refused(r#"{"eventId":"e"}"#));
    assert!(refused(&format!("{COMPLETED} x")));
    assert!(refused(&with("Nightly build", "\\ud800")));
    assert!(refused(&with("\"Nightly build\"", "5")));
    for bytes in [&b"\xc3\x28"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xff"] {
        let body = [b"{\"eventId\":\"e\",\"data\":{},\"x\":\"", bytes, b"\"}"].concat();
        assert!(read(&body).is_err());
    }
    let unclosed = "[".repeat(1 << 20);
    assert!(refused(&unclosed));
    fields(r#"{"eventId":"e","data":{}}"#);
}

#[test]
fn an_error_does_not_repeat_the_value() {
    let error = read(with("\"Nightly build\"", "[\"CANARY\"]").as_bytes()).unwrap_err();
    assert!(!error.to_string().contains("CANARY"), "{error}");
}
