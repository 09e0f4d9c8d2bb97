//! What a BI tool says is kept under the right token, whatever it is, and under no other.

use std::collections::BTreeMap;

use afterrun_core::config::{Retention, SourceKind};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgListener;
use sqlx::{FromRow, PgPool};

use crate::harness::*;
use crate::wire::{MIB, chunked};

#[derive(Debug, FromRow)]
struct Kept {
    source: String,
    sender: String,
    state: String,
    reason: Option<String>,
    event_type: Option<String>,
    subject: Option<String>,
    subject_name: Option<String>,
    occurred_at: Option<String>,
    job_id: Option<String>,
}

async fn kept(front: &Front, answer: &Answer) -> Kept {
    let answer = answer.json();
    sqlx::query_as(
        "select source, sender, state::text, reason, event_type, subject, subject_name,
            occurred_at::text, job_id
        from event where event_key = $1",
    )
    .bind(answer["event_id"].as_str().unwrap())
    .fetch_one(&front.pool)
    .await
    .unwrap()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn every_event_that_mode_documents_is_stored_with_what_it_is_about(pool: PgPool) {
    let front = Front::start(pool).await;
    let host = "https://modeanalytics.com/api/acme";
    for (event, key, subject) in [
        ("report_created", "report_run_url", "reports/abc123/runs/f2lkg3hwjj9"),
        ("report_created", "report_url", "reports/abc123"),
        ("report_run_started", "report_run_url", "reports/abc123/runs/f2lkg3hwjj9"),
        ("report_run_completed", "report_run_url", "reports/abc123/runs/f2lkg3hwjj9"),
        ("definition_created", "definition_url", "definitions/d1"),
        ("definition_updated", "definition_url", "definitions/d1"),
        ("new_database_connection", "connection_url", "data_sources/c1"),
        ("member_joined_organization", "member_url", "memberships/m1"),
        ("member_removed_from_organization", "member_url", "memberships/m1"),
    ] {
        let body = format!(r#"{{"event":"{event}","{key}":"{host}/{subject}"}}"#);
        let answer = front.mode(&body).await;
        assert_eq!(answer.said(), (200, "stored".into()), "{event}");
        let key = answer.json()["event_id"].as_str().unwrap().to_owned();
        let hash = hex::encode(Sha256::digest(&body));
        assert!(key.starts_with(&format!("sha256:{hash}@")), "{key}");
        assert_eq!(front.body_of(&key).await, body.as_bytes());
        let kept = kept(&front, &answer).await;
        assert_eq!((kept.source.as_str(), kept.sender.as_str()), ("mode-push", "mode"));
        assert_eq!((kept.state.as_str(), kept.reason), ("stored", None));
        assert_eq!(kept.event_type.as_deref(), Some(event));
        assert_eq!(kept.subject.as_deref(), Some(subject));
        assert_eq!((kept.subject_name, kept.occurred_at, kept.job_id), (None, None, None));
    }
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn every_refresh_that_tableau_tells_of_is_stored_with_what_it_is_about(pool: PgPool) {
    let front = Front::start(pool).await;
    let luid = "3cc6cd06-89ce-4fdc-b935-5294135d6d42";
    for (event_type, resource, kind) in [
        ("WorkbookRefreshStarted", "WORKBOOK", "workbooks"),
        ("WorkbookRefreshSucceeded", "EXTRACTS", "workbooks"),
        ("WorkbookRefreshFailed", "WORKBOOK", "workbooks"),
        ("DatasourceRefreshStarted", "EXTRACTS", "datasources"),
        ("DatasourceRefreshSucceeded", "DATASOURCE", "datasources"),
        ("DatasourceRefreshFailed", "EXTRACTS", "datasources"),
        ("ViewDeleted", "VIEW", "view"),
    ] {
        let body = json!({
            "resource": resource, "event_type": event_type, "resource_name": "Sales",
            "site_luid": "8b2a95d8-89ce-4fdc-b935-5294135d6d42", "resource_luid": luid,
            "created_at": "2026-11-20T06:41:03Z",
        });
        let answer = front.tableau(body.to_string()).await;
        assert_eq!(answer.said(), (200, "stored".into()), "{event_type}");
        let kept = kept(&front, &answer).await;
        assert_eq!((kept.source.as_str(), kept.sender.as_str()), ("tableau-push", "tableau"));
        assert_eq!(kept.state, "stored");
        assert_eq!(kept.event_type.as_deref(), Some(event_type));
        assert_eq!(kept.subject, Some(format!("{kind}/{luid}")));
        assert_eq!(kept.subject_name.as_deref(), Some("Sales"));
        assert!(kept.occurred_at.is_some_and(|at| at.contains("41:03")));
    }
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_type_that_nobody_knows_is_stored_and_what_is_not_understood_is_quarantined(
    pool: PgPool,
) {
    let front = Front::start(pool).await;
    for body in [r#"{"event":"report_exploded"}"#, r#"{"event":"e","x":[1,{"event":2}]}"#] {
        assert_eq!(front.mode(body).await.said(), (200, "stored".into()), "{body}");
    }
    let odd = front.tableau(r#"{"event_type":"FlowRan","created_at":7}"#).await;
    assert_eq!(odd.said(), (200, "stored".into()));
    let deep = "[".repeat(MIB);
    for body in [
        "",
        "not JSON",
        "null",
        "[]",
        "{}",
        r#"{"test":true}"#,
        r#"{"event":5,"event_type":5}"#,
        r#"{"event":"","event_type":""}"#,
        r#"{"event":"e","event":"e","event_type":"e","event_type":"e"}"#,
        r#"{"event":"e","report_run_url":{},"event_type":"e","resource_name":{}}"#,
        deep.as_str(),
    ] {
        for answer in [front.mode(body).await, front.tableau(body).await] {
            assert_eq!(answer.said(), (200, "quarantined".into()), "{:.60}", body);
            let key = answer.json()["event_id"].as_str().unwrap().to_owned();
            let source: String = kept(&front, &answer).await.source;
            let same: bool = sqlx::query_scalar(
                "select body = $1 from event where event_key = $2 and source = $3",
            )
            .bind(body.as_bytes())
            .bind(&key)
            .bind(source)
            .fetch_one(&front.pool)
            .await
            .unwrap();
            assert!(same, "{body:.60}");
            let kept = kept(&front, &answer).await;
            assert_eq!((kept.state.as_str(), kept.event_type), ("quarantined", None));
            assert!(kept.reason.is_some());
        }
    }
    let invalid = front.mode(b"{\"event\":\"e\",\"x\":\"\xff\"}").await;
    assert_eq!(invalid.said(), (200, "quarantined".into()));
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn every_other_token_than_the_right_one_gets_the_401_of_a_wrong_signature(pool: PgPool) {
    let front = Front::start(pool).await;
    let unsigned = front.post("/webhooks/dbt/prod", &[], "{}").await;
    assert_eq!(unsigned.status, 401);
    let body = r#"{"event":"report_created","event_type":"WorkbookCreated"}"#;
    for path in [
        format!("/webhooks/mode/mode-push/{}", PATH_TOKEN.to_uppercase()),
        format!("/webhooks/mode/mode-push/{PATH_TOKEN}x"),
        format!("/webhooks/mode/mode-push/{}", &PATH_TOKEN[1..]),
        format!("/webhooks/mode/mode-push/{PATH_TOKEN}%00"),
        "/webhooks/mode/mode-push/%20".to_owned(),
        // Right, but of another source, of the other tool, or of nobody.
        format!("/webhooks/mode/mode-push/{OTHER_PATH_TOKEN}"),
        format!("/webhooks/mode/mode-other/{PATH_TOKEN}"),
        format!("/webhooks/mode/mode-push/{TABLEAU_PATH_TOKEN}"),
        format!("/webhooks/tableau/mode-push/{PATH_TOKEN}"),
        format!("/webhooks/tableau/tableau-push/{PATH_TOKEN}"),
        format!("/webhooks/mode/tableau-push/{TABLEAU_PATH_TOKEN}"),
        format!("/webhooks/mode/nobody/{PATH_TOKEN}"),
        format!("/webhooks/mode/prod/{SECRET}"),
        format!("/webhooks/mode/prod/{PATH_TOKEN}"),
    ] {
        let answer = front.post(&path, &[], body).await;
        assert_eq!((answer.status, &answer.body), (401, &unsigned.body), "{path}");
        assert_eq!(
            answer.headers.keys().collect::<Vec<_>>(),
            unsigned.headers.keys().collect::<Vec<_>>()
        );
    }
    assert_eq!(front.stored().await, 0);
    let other = format!("/webhooks/mode/mode-other/{OTHER_PATH_TOKEN}");
    assert_eq!(front.post(&other, &[], body).await.said(), (200, "stored".into()));
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_token_that_was_changed_lets_nobody_in_any_more(pool: PgPool) {
    let front = Front::start(pool).await;
    assert_eq!(front.mode("{}").await.status, 200);
    let changed = BTreeMap::from([("tableau-push".to_owned(), source(SourceKind::Tableau, &[]))]);
    front.ingest.reload(&changed, &Retention::default());
    assert_eq!(front.mode("{}").await.status, 401);
    assert_eq!(front.tableau("{}").await.status, 200);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_byte_over_a_mebibyte_of_a_nudge_is_413_and_a_mebibyte_is_not(pool: PgPool) {
    let front = Front::start(pool).await;
    assert_eq!(front.mode(vec![b' '; MIB]).await.said(), (200, "quarantined".into()));
    let over = vec![b' '; MIB + 1];
    assert_eq!(front.mode(&over).await.status, 413);
    let mut client = front.connect().await;
    let path = tableau_path();
    let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(head).await;
    client.send(chunked(&over, 60_000)).await;
    assert_eq!(client.answer().await.unwrap().status, 413);
    assert_eq!(front.stored().await, 1);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_a_nudge_names_is_stored_as_text_and_called_by_nobody(pool: PgPool) {
    let front = Front::start(pool).await;
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let trapped = format!("http://{}/api/acme/reports/a/runs/b", trap.local_addr().unwrap());
    let cases = [
        (trapped.as_str(), Some("reports/a/runs/b")),
        (
            "http://169.254.169.254/latest/meta-data/iam/security-credentials",
            Some("meta-data/iam/security-credentials"),
        ),
        ("https://user:password@evil.example/api/acme/reports/a", Some("reports/a")),
        ("file:///etc/passwd", None),
        ("gopher://h/w/reports/a", None),
        ("https://h/api/acme/reports/'); drop table event;--", None),
        ("https://h/api/acme/reports/<script>alert(1)</script>", None),
        ("https://h/api/acme/reports/a\r\nlevel=error", None),
        ("https://h/api/acme/reports/\u{0}", None),
    ];
    for (url, subject) in cases {
        let body = json!({ "event": "report_run_completed", "report_run_url": url }).to_string();
        let answer = front.mode(&body).await;
        assert_eq!(answer.said(), (200, "stored".into()), "{url}");
        assert_eq!(kept(&front, &answer).await.subject.as_deref(), subject, "{url}");
    }
    for (luid, name) in [
        ("../../admin", "<img src=x onerror=alert(1)>"),
        ("'); drop table event;--", "'); drop table event;--"),
        (trapped.as_str(), trapped.as_str()),
    ] {
        let body = json!({
            "event_type": "WorkbookRefreshSucceeded", "resource_luid": luid, "resource_name": name,
        });
        let answer = front.tableau(body.to_string()).await;
        assert_eq!(answer.said(), (200, "stored".into()), "{luid}");
        let kept = kept(&front, &answer).await;
        assert_eq!((kept.subject, kept.subject_name.as_deref()), (None, Some(name)));
    }
    front.stop().await;
    // Nobody has knocked: no connection waits to be accepted.
    let trap = trap.into_std().unwrap();
    assert_eq!(trap.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn every_nudge_wakes_the_workers_be_it_new_repeated_or_not_understood(pool: PgPool) {
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen(afterrun_core::event::WAKE_CHANNEL).await.unwrap();
    let front = Front::start(pool).await;
    let body = r#"{"event":"report_run_completed"}"#;
    for (body, word) in
        [(body, "stored"), (body, "duplicate"), ("junk", "quarantined"), ("junk", "duplicate")]
    {
        assert_eq!(front.mode(body).await.said(), (200, word.into()));
        listener.recv().await.unwrap();
    }
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_of_a_tool_stands_in_the_history_and_its_token_nowhere(pool: PgPool) {
    let front = Front::start(pool).await;
    front.mode(r#"{"event":"report_created"}"#).await;
    front.mode("junk").await;
    let shown: Vec<(String, Option<String>, String)> = sqlx::query_as(
        "select source, event_type, event_state from delivery_history order by received_at",
    )
    .fetch_all(&front.pool)
    .await
    .unwrap();
    assert_eq!(
        shown,
        [
            ("mode-push".into(), Some("report_created".into()), "stored".into()),
            ("mode-push".into(), None, "quarantined".into()),
        ]
    );
    let rows: Vec<String> =
        sqlx::query_scalar("select event::text || encode(body, 'escape') from event")
            .fetch_all(&front.pool)
            .await
            .unwrap();
    assert!(rows.iter().all(|row| !row.contains("CANARY")), "{rows:?}");
    front.stop().await;
}
