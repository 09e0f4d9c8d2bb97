//! Where each fuzz target begins: the corpus, and answers and files that are right.

use crate::bodies::bodies;

/// Right configurations, and such as come near.
const CONFIGURATIONS: [&str; 6] = [
    include_str!("../../afterrun.example.yml"),
    "sources: { prod: { kind: dbt, secrets: [hush] } }\nroutes: []\n",
    "sources:\n  a: { kind: dbt, secrets: ['${UNSET}', \"${K}\"] }\nroutes: {\n",
    "a: &a [*a, *a]\nsources: *b\n<<: {x: 1}\n",
    "sources: &s { prod: { kind: dbt, secrets: [h] } }\ndefaults: { retention: { keys: 1d } }\n---\nsources: *s\n",
    "\u{feff}sources:\r\n  \"\\u0000\": !!binary aGk=\n  ? [x]\n  : |\n   y\n",
];

/// What Mode and Tableau answer; the first two bytes say who was asked, and the status.
const ANSWERS: [&[u8]; 18] = [
    b"\0\0{\"token\":\"f2lkg3hwjj9\",\"state\":\"succeeded\",\"created_at\":\"2026-11-20T06:41:03Z\"}",
    b"\0\0{\"token\":\"f2lkg3hwjj9\",\"state\":\"completed\",\"_embedded\":{\"query_runs\":[{\"state\":\"succeeded\"}]}}",
    b"\0\0{\"token\":\"a\",\"state\":[\"succeeded\"]}",
    b"\x08\0{\"token\":\"f2lkg3hwjj9\",\"state\":\"failed\"}",
    b"\x01\x05{\"token\":\"f2lkg3hwjj9\",\"state\":\"pending\",\"_links\":{\"web\":{\"href\":\"//evil.example/x\"}}}",
    b"\x02\0{\"pagination\":{\"page\":1,\"total_pages\":1},\"_embedded\":{\"report_runs\":[{\"token\":\"f2\",\"created_at\":\"2026-11-20T06:41:03Z\"}]}}",
    b"\x03\0{\"job\":{\"id\":\"j\",\"finishCode\":\"0\",\"completedAt\":\"2026-11-20T06:41:03Z\",\"startedAt\":\"2026-11-20T06:40:03Z\"}}",
    b"\x03\0{\"job\":{\"id\":\"j\",\"finishCode\":0,\"completedAt\":\"\"}}",
    b"\x03\0{\"job\":{\"finishCode\":\"1\",\"completedAt\":\"x\",\"statusNotes\":{\"statusNote\":[{\"text\":\"\\u001b[2J\\u0000\"}]}}}",
    b"\x03\x09<?xml version='1.0'?><tsResponse xmlns=\"http://tableau.com/api\"><error code=\"409093\"><summary>S</summary><detail>D&#0;</detail></error></tsResponse>",
    b"\x03\x0b<!DOCTYPE html><html><body><h1>503 \x1b[31m</h1></body></html>",
    b"\x04\0{\"workbook\":{\"id\":\"3cc6cd06-89ce-4fdc-b935-5294135d6d42\",\"name\":\"S\",\"webpageUrl\":\"javascript:alert(1)\"},\"job\":{\"id\":\"a/../b\"}}",
    b"\x04\0{\"workbook\":{\"id\":\"3cc6cd06-89ce-4fdc-b935-5294135d6d42\",\"name\":\"S\"},\"job\":{\"id\":\"3cc6\"}}",
    b"\x05\0{\"workbook\":{\"id\":\"3cc6cd06-89ce-4fdc-b935-5294135d6d42\",\"name\":\"S\"},\"backgroundJobs\":{\"backgroundJob\":{\"id\":\"j1\",\"createdAt\":\"2026-11-20T06:41:03Z\"}},\"job\":{\"extractRefreshJob\":{\"workbook\":{\"id\":\"3cc6cd06-89ce-4fdc-b935-5294135d6d42\"}},\"createdAt\":\"2026-11-20T06:41:03Z\"}}",
    b"\x06\0{\"credentials\":{\"token\":\"CANARY-7f3a\\r\\nX: y\",\"site\":{\"id\":\"../../x\"}},\"serverInfo\":{\"restApiVersion\":\"3.999999999999999999\"},\"job\":{}}",
    b"\x06\0<tsResponse><serverInfo><restApiVersion>3.4</restApiVersion></serverInfo></tsResponse>",
    b"\x07\0{\"flowRun\":{\"id\":\"r\",\"status\":\"Success\",\"completedAt\":\"2026-11-20T06:41:03Z\"}}",
    b"\x07\0{\"flowRun\":{\"status\":\"Failed\",\"backgroundJobId\":\"../x\",\"completedAt\":1}}",
];

const NUDGES: [&str; 5] = [
    r#"{"event":"report_run_completed","report_run_url":"https://app.mode.com/api/acme/reports/abc/runs/f2"}"#,
    r#"{"event":"x","report_url":"file:///etc/passwd","member_url":"https://h/w/../../a/b"}"#,
    r#"{"event_type":"WorkbookRefreshSucceeded","resource":"EXTRACTS","resource_luid":"3cc6cd06-89ce","resource_name":"Sa\u0000les","created_at":"2026-11-20T06:41:03Z"}"#,
    r#"{"event_type":"ViewDeleted","resource":"VIEW","resource_luid":"../x","created_at":5}"#,
    r#"{"event_type":"a","event_type":"b"}"#,
];

/// A pattern and a name.
const NAMES: [&str; 8] = [
    "Nightly*\nNightly build",
    "*a*a*a*a*a*a*a*a*b\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "Done?\nDone!",
    "a\\*b\na*b",
    "[a-z]\nb",
    "*\n",
    "\u{130}\ni\u{307}",
    "**x**\nx",
];

/// What a target of this name begins with.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    let of_corpus = || bodies().into_iter().map(|body| body.bytes).collect::<Vec<_>>();
    let mut all: Vec<Vec<u8>> = match target {
        "verify_then_parse" => {
            of_corpus().into_iter().map(|body| [&[b'0'; 80][..], &body].concat()).collect()
        }
        "parse_event" => of_corpus(),
        "match_routes" => [of_corpus(), texts(&NAMES)].concat(),
        "nudges" => [of_corpus(), texts(&NUDGES)].concat(),
        "configuration" => texts(&CONFIGURATIONS),
        "tool_answer" => ANSWERS.map(<[u8]>::to_vec).to_vec(),
        other => panic!("there is no target {other}"),
    };
    if target == "tool_answer" {
        // Elements and arrays within each other, as deep as an answer can hold.
        for (open, close) in [("<a>", "</a>"), ("[", "]"), ("{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
            for who in [0, 3, 6, 7] {
                all.push([&[who, 0][..], nested.as_bytes()].concat());
                all.push([&[who, 7][..], nested.as_bytes()].concat());
            }
        }
    }
    all.extend([Vec::new(), vec![0], vec![0xff; 300]]);
    all
}
