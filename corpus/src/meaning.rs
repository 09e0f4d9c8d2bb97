//! Numbers 74 to 90: right JSON that means something odd.

use crate::bodies::{ACCOUNT, Answer, Body, JOB, Leads, event, event_with};

const SAMPLES: [(&[u8], &str); 3] = [
    (include_bytes!("../../ingest/tests/payloads/started.json"), "started"),
    (include_bytes!("../../ingest/tests/payloads/completed.json"), "completed"),
    (include_bytes!("../../ingest/tests/payloads/errored.json"), "errored"),
];

pub(crate) fn bodies() -> Vec<Body> {
    [samples(), ids(), ends(), times(), shapes()].concat()
}

fn samples() -> Vec<Body> {
    // They are of another account than the source's.
    let idle = |(bytes, name): (&[u8], &str)| {
        let sentence = format!("dbt's documented payload of {name}");
        Body::idle(74, &sentence, bytes, "another account")
    };
    SAMPLES.map(idle).to_vec()
}

/// An event under this id, which is JSON.
fn under(id: &str) -> String {
    event("ID").replacen("\"ID\"", id, 1)
}

fn ids() -> Vec<Body> {
    let mut all =
        vec![Body::not_understood(75, "no eventId", under("0").replacen("\"eventId\":0,", "", 1))];
    for (sentence, id) in [
        ("an eventId that is null", "null"),
        ("an eventId that is a number", "5"),
        ("an eventId that is empty", "\"\""),
        ("an eventId of blanks", "\"   \""),
        ("an eventId that is an object", "{}"),
    ] {
        all.push(Body::not_understood(75, sentence, under(id)));
    }
    for (n, id) in
        ["a/b", "it's", "100%", "../x", "😀", "Ⅷ", "e%00", "e\u{301}", "é", " e ", "$1", "--"]
            .into_iter()
            .enumerate()
    {
        let body = event(&format!("run-76-{n}")).replacen(&format!("run-76-{n}"), id, 1);
        all.push(Body::works(76, &format!("an eventId that reads {id}"), body));
    }
    for (sentence, id) in [
        ("a newline in eventId", r#""a\nb""#.to_owned()),
        ("an eventId of 201 characters", format!("\"{}\"", "x".repeat(201))),
        ("an eventId of 100 kB", format!("\"{}\"", "x".repeat(100_000))),
    ] {
        all.push(Body::not_understood(76, sentence, under(&id)));
    }
    let longest = format!("\"{}\"", "字".repeat(200));
    all.push(Body::works(76, "an eventId of 200 long characters", under(&longest)));

    let account = |n: usize, account: &str| {
        event(&format!("e78-{n}")).replacen(&format!(":{ACCOUNT},"), &format!(":{account},"), 1)
    };
    for (n, whole) in ["\"1\"", "1", "-0", "9007199254740993", "9223372036854775808", "-1", "\"\""]
        .iter()
        .enumerate()
    {
        let sentence = format!("an accountId of {whole}");
        all.push(Body::idle(78, &sentence, account(n, whole), "another account"));
    }
    all.push(Body::works(78, "the accountId as a string", account(20, "\"4711\"")));
    for (n, other) in ["1.0", "1e3", "null", "true", "[4711]", "{}"].iter().enumerate() {
        let sentence = format!("an accountId of {other}");
        all.push(Body::not_understood(78, &sentence, account(40 + n, other)));
    }
    all.push(Body::idle(
        79,
        "the event of another account",
        account(60, "999"),
        "another account: 999",
    ));

    let run = |n: usize, run: &str| {
        event(&format!("e82-{n}")).replacen(
            &format!("\"runId\":\"e82-{n}\""),
            &format!("\"runId\":{run}"),
            1,
        )
    };
    for (n, id) in [
        "-7",
        "99999999999999999999999999",
        "\"12; drop table event\"",
        "\"\\u0000\"",
        "null",
        "\"\"",
    ]
    .iter()
    .enumerate()
    {
        all.push(Body::works(82, &format!("a runId of {id}"), run(n, id)));
    }
    for (n, id) in
        [format!("\"{}\"", "7".repeat(3000)), "9".repeat(101), "1.5".to_owned()].iter().enumerate()
    {
        let sentence = format!("a runId of {} bytes that begins with {}", id.len(), &id[..3]);
        all.push(Body::not_understood(82, &sentence, run(20 + n, id)));
    }
    all
}

/// An event of this type whose run ended like this.
fn ended(id: &str, event_type: &str, status: &str) -> String {
    format!(
        r#"{{"eventId":"{id}","accountId":{ACCOUNT},"eventType":{event_type},"data":{{"jobId":"{JOB}","runId":"{id}"{status}}}}}"#
    )
}

fn ends() -> Vec<Body> {
    let mut all = Vec::new();
    let long = format!("\"{}\"", "job.".repeat(2500));
    for (n, (sentence, event_type)) in [
        ("an unknown type", "\"job.run.exploded\""),
        ("an empty type", "\"\""),
        ("a type of 10 kB", &long),
        ("a type in capitals", "\"JOB.RUN.COMPLETED\""),
        ("a type with a blank", "\"job.run.completed \""),
        ("no type", "null"),
    ]
    .into_iter()
    .enumerate()
    {
        let body = ended(&format!("e80-{n}"), event_type, r#","runStatus":"Success""#);
        all.push(Body::idle(
            80,
            sentence,
            body,
            if n == 1 || n == 5 { "an event without a type" } else { "events of type" },
        ));
    }
    let unclear = "dbt does not say clearly how the run ended";
    for (n, (sentence, event_type, status)) in [
        ("a success of type errored", "errored", r#","runStatus":"Success","runStatusCode":10"#),
        (
            "a success by its status, and errored by its type",
            "errored",
            r#","runStatus":"Success""#,
        ),
        ("an unknown status", "completed", r#","runStatus":"Wonderful","runStatusCode":10"#),
        ("a status of null", "completed", r#","runStatus":null,"runStatusCode":10"#),
        ("no status", "completed", ""),
        ("a run that is still running", "completed", r#","runStatus":"Running","runStatusCode":3"#),
        ("an unknown code", "completed", r#","runStatus":"Success","runStatusCode":11"#),
    ]
    .into_iter()
    .enumerate()
    {
        let body = ended(&format!("e83-{n}"), &format!("\"job.run.{event_type}\""), status);
        all.push(Body::idle(83, sentence, body, unclear));
    }
    for (n, (sentence, status, route)) in [
        ("a completed run of status Error", r#","runStatus":"Error""#, "broken"),
        (
            "a completed run of status Errored",
            r#","runStatus":"Errored","runStatusCode":20"#,
            "broken",
        ),
        (
            "a success with the code of an error",
            r#","runStatus":"Success","runStatusCode":20"#,
            "broken",
        ),
        (
            "an error with the code of a success",
            r#","runStatus":"Error","runStatusCode":"10""#,
            "broken",
        ),
        ("a cancelled run", r#","runStatus":"Cancelled","runStatusCode":30"#, "stopped"),
    ]
    .into_iter()
    .enumerate()
    {
        let body = ended(&format!("e84-{n}"), "\"job.run.completed\"", status);
        all.push(Body::stored(84, sentence, body, Leads::Route(route)));
    }
    all
}

fn times() -> Vec<Body> {
    let mut all = vec![Body {
        answer: Answer::Stale,
        ..Body::idle(
            85,
            "an event signed ten years ago",
            event_with("e85-old", r#","timestamp":"2013-01-31T19:30:00Z""#, ""),
            "stale",
        )
    }];
    for (n, (sentence, top, data)) in [
        ("an event signed in ten years", r#","timestamp":"2033-01-31T19:30:00Z""#, ""),
        ("a run that ends in ten years", "", r#","runFinishedAt":"2033-01-31T19:30:00Z""#),
        ("a run that ended ten years ago", "", r#","runFinishedAt":"2013-01-31T19:30:00Z""#),
        ("a time of infinity", r#","timestamp":"infinity""#, r#","runFinishedAt":"-infinity""#),
        (
            "a year of six digits",
            r#","timestamp":"294277-01-01T00:00:00Z""#,
            r#","runFinishedAt":"+10000-01-01T00:00:00Z""#,
        ),
        (
            "the year nought",
            "",
            r#","runStartedAt":"0000-01-01T00:00:00Z","runFinishedAt":"0000-12-31T23:59:59Z""#,
        ),
        ("the year 9999, west of Greenwich", "", r#","runFinishedAt":"9999-12-31T23:59:59-12:00""#),
        (
            "a leap second and nanoseconds",
            r#","timestamp":"2023-01-31T19:29:60.999999999Z""#,
            r#","runFinishedAt":"2023-01-31T19:29:59.999999999Z""#,
        ),
        (
            "a thirteenth month",
            r#","timestamp":"2023-13-45T99:99:99Z""#,
            r#","runFinishedAt":"2023-02-30""#,
        ),
        (
            "times that are no text",
            r#","timestamp":[]"#,
            r#","runFinishedAt":{"a":1},"runStartedAt":5,"runErroredAt":null"#,
        ),
        ("an offset beyond a day", "", r#","runFinishedAt":"2023-01-31T19:30:00+99:99""#),
    ]
    .into_iter()
    .enumerate()
    {
        all.push(Body::works(85, sentence, event_with(&format!("e85-{n}"), top, data)));
    }
    all
}

fn shapes() -> Vec<Body> {
    let mut all = Vec::new();
    for (sentence, data) in [
        ("no data", ""),
        ("data that is null", ",\"data\":null"),
        ("data that is a string", ",\"data\":\"x\""),
        ("data that is an array", ",\"data\":[]"),
        ("data that is an array of its values", ",\"data\":[\"1\",\"n\"]"),
    ] {
        all.push(Body::not_understood(81, sentence, format!("{{\"eventId\":\"e81\"{data}}}")));
    }
    for (sentence, data) in [
        ("a jobId that is an array", "\"jobId\":[1]"),
        ("a runId with a fraction", "\"runId\":1.5"),
        ("a jobName that is a number", "\"jobName\":5"),
        ("a runStatusCode that is a word", "\"runStatusCode\":\"ten\""),
        ("a runStatusCode beyond 64 bits", "\"runStatusCode\":99999999999999999999"),
    ] {
        let body = format!("{{\"eventId\":\"e81\",\"data\":{{{data}}}}}");
        all.push(Body::not_understood(81, sentence, body));
    }
    let run = |job: &str, id: &str| event(id).replace(JOB, job);
    all.extend([
        Body::idle(87, "a job that no route names", run("999", "e87"), "no route"),
        Body::idle(
            88,
            "dbt's test endpoint, without type and status",
            r#"{"eventId":"e88","eventType":"","accountId":4711,"data":{"jobId":"123","runId":"12345","runStatus":""}}"#,
            "an event without a type",
        ),
        Body::idle(88, "the least that is an event", r#"{"eventId":"e88-least","data":{}}"#, "an"),
        Body::works(
            89,
            "unknown fields at every level",
            event_with("e89", r#","new":{"a":[{"b":null}]},"webhooksID":[1]"#, r#","more":[[],{}],"runStatusMessage":7"#),
        ),
        Body::works(
            90,
            "fields in another order, written with blanks",
            format!(
                "\r\n{{ \"data\" : {{\n\t\"runStatus\" : \"Success\" ,\n\t\"runId\" : 90, \"jobId\" : {JOB} }},\n\
                 \"eventType\" : \"job.run.completed\", \"accountId\" : \"{ACCOUNT}\" ,\n\"eventId\" : \"e90\" }}\n\n"
            ),
        ),
    ]);
    all
}
