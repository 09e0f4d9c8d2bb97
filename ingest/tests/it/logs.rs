//! What the log holds, and what it must never hold.

use std::io::Write;
use std::sync::{Arc, Mutex};

use sqlx::PgPool;

use crate::harness::*;

/// Everything that anybody logs, down to the last detail.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// One test for all of this: a process has one log, and the other tests write to it as well.
#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_log_tells_each_delivery_on_one_line_and_never_a_secret(pool: PgPool) {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .init();

    // A cause is told at once, and within a second not again: each service begins anew.
    let front = Front::start(pool.clone()).await;
    front.post(&format!("/webhooks/dbt/{SECRET}"), &[], "").await;
    front.stop().await;
    let front = Front::start(pool.clone()).await;
    front.post("/webhooks/mode/mode-push/CANARY-wrong-token-of-mode", &[], "").await;
    front.stop().await;
    let front = Front::start(pool).await;
    let body = event_with("logged-event", "", r#","jobName":"x\r\nlevel=error msg=\"fake\"""#);
    let signature = sign(SECRET, body.as_bytes());
    front.deliver(&body).await;
    let newer = event_with("signed-with-the-second", "", "");
    let with_second = [("Authorization", &*sign(NEW_SECRET, newer.as_bytes()))];
    front.post("/webhooks/dbt/prod", &with_second, &newer).await;
    front.deliver("CANARY-of-a-body-that-is-not-understood").await;
    front.post("/webhooks/dbt/prod", &[("Authorization", SECRET)], &body).await;
    front.post("/webhooks/dbt/prod?CANARY-in-a-query", &[("Authorization", "CANARY")], "x").await;
    front.mode("CANARY-nudge").await;
    front.mode(r#"{"event":"report_created","report_url":"https://h/w/reports/CANARY"}"#).await;
    front.tableau(r#"{"event_type":"ViewDeleted","resource_name":"CANARY"}"#).await;
    front.post(&format!("/webhooks/tableau/mode-push/{PATH_TOKEN}"), &[], "").await;
    let mut client = front.connect().await;
    client.send(request("GET", &mode_path(), &[], b"")).await;
    assert_eq!(client.answer().await.unwrap().status, 405);
    tracing::info!(
        "{:?} {:?}",
        front.ingest,
        source(afterrun_core::config::SourceKind::Dbt, &[SECRET])
    );
    front.stop().await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for secret in ["CANARY", &signature] {
        let leak = log.lines().find(|line| line.contains(secret));
        assert_eq!(leak, None, "{secret} is in the log");
    }
    let refused: Vec<_> = log.lines().filter(|line| line.contains("refused with 401")).collect();
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert!(!refused[0].contains("\"source\""), "{}", refused[0]);
    assert!(refused[1].contains("\"source\":\"mode-push\""), "{}", refused[1]);
    assert!(refused[2].contains("\"source\":\"prod\""), "{}", refused[2]);
    assert!(
        log.contains(r#"dbt: [\"prod\", \"staging\"]"#),
        "a service that is printed names them"
    );
    let told: Vec<_> =
        log.lines().filter(|line| line.contains("\"event.id\":\"logged-event\"")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("delivery stored") && told[0].contains("\"source\":\"prod\""),
        "{}",
        told[0]
    );
    for (event, secret) in [("logged-event", 1), ("signed-with-the-second", 2)] {
        let which = format!("\"secret\":{secret}");
        let event = format!("\"event.id\":\"{event}\"");
        assert!(
            log.lines().any(|line| line.contains(&event) && line.contains(&which)),
            "a secret that nobody uses any more can be told: {log}"
        );
    }
    let quarantined = log.lines().find(|line| line.contains("delivery quarantined")).unwrap();
    assert!(
        quarantined.contains("\"level\":\"WARN\"") && quarantined.contains("\"why\""),
        "{quarantined}"
    );
    let nudges: Vec<_> = log.lines().filter(|line| line.contains("\"sender\"")).collect();
    assert_eq!(nudges.len(), 3, "{nudges:?}");
    assert!(nudges.iter().all(|line| line.contains("\"event.id\":\"sha256:")), "{nudges:?}");
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}
