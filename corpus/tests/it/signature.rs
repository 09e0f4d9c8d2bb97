//! Numbers 28 to 49: exactly one credential, over exactly the bytes that arrived.

use std::collections::BTreeMap;
use std::time::Duration;

use afterrun_core::Clock;
use afterrun_core::config::{Retention, SourceKind};
use afterrun_corpus::wire::PATH;
use afterrun_corpus::{Credential, event, wrong_credentials};
use afterrun_ingest::Limits;
use sqlx::PgPool;

use crate::harness::*;
use crate::watch::Watch;

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn every_other_credential_than_the_right_one_gets_the_same_401(pool: PgPool) {
    let front = Front::start(pool).await;
    let body = event("never");
    let unsigned = front.post(PATH, &[], &body).await;
    assert_eq!(unsigned.status, 401);
    assert!(unsigned.headers.contains_key("www-authenticate"));
    let same = |answer: &Answer, case: &str| {
        assert_eq!((answer.status, &answer.body), (401, &unsigned.body), "{case}");
        let names = |answer: &Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(answer), names(&unsigned), "{case}");
    };
    let mut watch = Watch::start();
    for Credential { number, name, values } in wrong_credentials(SECRET, OTHER_SECRET, &body) {
        let headers: Vec<_> =
            values.iter().map(|value| ("Authorization", value.as_str())).collect();
        same(&front.post(PATH, &headers, &body).await, &format!("{number} {name}"));
        // A source that nobody configured answers the same.
        same(
            &front.post("/webhooks/dbt/nobody", &headers, &body).await,
            &format!("{number} {name}"),
        );
        watch.look(name);
    }
    let right = sign(SECRET, body.as_bytes());
    for path in [
        "/webhooks/dbt/nobody",
        "/webhooks/dbt/PROD",
        "/webhooks/dbt/mode-push",
        "/webhooks/dbt/staging",
    ] {
        same(&front.post(path, &[("Authorization", &right)], &body).await, path);
    }
    // 37: bytes that are no text.
    for byte in [0x80, 0xc3, 0xff] {
        let mut sent = format!(
            "POST {PATH} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nAuthorization: ",
            body.len()
        )
        .into_bytes();
        sent.extend([byte; 64]);
        sent.extend(format!("\r\n\r\n{body}").bytes());
        let mut client = front.connect().await;
        client.send(sent).await;
        let status = client.answer().await.map(|answer| answer.status);
        assert!(matches!(status, Some(401 | 400)), "37 {byte:x}: {status:?}");
    }
    assert_eq!(front.stored().await, 0);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_right_one_counts_in_either_case_and_by_each_active_secret(pool: PgPool) {
    let front = Front::start(pool).await;
    for (name, secret, written) in [
        ("34 in upper case", SECRET, (|s| s.to_uppercase()) as fn(String) -> String),
        ("34 in both", SECRET, |s| s[..32].to_uppercase() + &s[32..]),
        ("40 by the second active secret", NEW_SECRET, |s| s),
        ("with blanks around it", SECRET, |s| format!("  {s}\t ")),
    ] {
        let body = event(&name.replace(' ', "-"));
        let signature = written(sign(secret, body.as_bytes()));
        let headers = [("authorization", signature.as_str())];
        for said in ["stored", "duplicate"] {
            let answer = front.post(PATH, &headers, &body).await;
            assert_eq!(answer.said(), (200, said.to_owned()), "{name}");
        }
    }
    // 46: nothing at all, signed.
    assert_eq!(front.deliver("").await.said(), (200, "quarantined".into()));
    // 39: what was active and is no longer.
    let only_new = BTreeMap::from([("prod".to_owned(), source(SourceKind::Dbt, &[NEW_SECRET]))]);
    front.ingest.reload(&only_new, &Retention::default());
    assert_eq!(front.deliver(event("too-late")).await.status, 401);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_replay_is_a_duplicate_a_second_later_and_after_its_body_went(pool: PgPool) {
    let day = Duration::from_secs(24 * 60 * 60);
    let clock = Clock::fixed_at("2026-11-20T06:00:00Z".parse().unwrap());
    let front = Front::start_with(pool, Limits::default(), clock.clone()).await;
    let store = afterrun_core::Store::new(front.pool.clone(), clock.clone());
    assert_eq!(front.deliver(event("e47")).await.said(), (200, "stored".into()));
    assert_eq!(front.deliver("not understood").await.said(), (200, "quarantined".into()));
    let nothing = "sources: { prod: { kind: dbt, secrets: [x] } }\nconnections: { m: { kind: mode } }\n\
                   targets: { t: { connection: m } }\nroutes: [{ name: r, on: error, refresh: [t] }]\n";
    let config = afterrun_core::config::Config::from_text(
        std::path::Path::new("afterrun.yml"),
        nothing,
        &|_| None,
    )
    .unwrap();
    store.register_targets(&config).await.unwrap();
    while store.plan_next(&config).await.unwrap().is_some() {}
    for (number, later) in [(47, Duration::from_secs(1)), (47, 30 * day), (48, 100 * day)] {
        clock.advance(later);
        while store.forget(&Retention::default()).await.unwrap() > 0 {}
        for body in [event("e47"), "not understood".to_owned()] {
            assert_eq!(front.deliver(&body).await.said(), (200, "duplicate".into()), "{number}");
        }
    }
    let bodies: Vec<Option<Vec<u8>>> =
        sqlx::query_scalar("select body from event").fetch_all(&front.pool).await.unwrap();
    assert_eq!(bodies, [None, None], "retention took the bodies");
    front.stop().await;
}

/// The numbers that stand in this file.
pub(crate) fn numbers() -> Vec<u16> {
    let wrong = wrong_credentials(SECRET, OTHER_SECRET, "").into_iter().map(|case| case.number);
    wrong.chain([34, 37, 39, 40, 46, 47, 48]).collect()
}
