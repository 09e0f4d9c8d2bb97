//! `afterrun send`, against a real `afterrun ingest`.

use sqlx::PgPool;

use crate::harness::{Home, SECRET, source};

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn five_deliveries_of_one_event_are_all_answered_and_stored_once(pool: PgPool) {
    let home = Home::with_database(&pool);
    home.configure_source();
    let ingest = home.ingest();
    let url = ingest.webhooks();
    let ended =
        home.run(&["send", "--url", &url, "--times", "5", "--event-id", "wev_five"]).exits(0);
    assert_eq!(ended.out.matches("200 stored wev_five").count(), 1, "{ended}");
    assert_eq!(ended.out.matches("200 duplicate wev_five").count(), 4, "{ended}");
    let stored: (i64, i64) = sqlx::query_as("select count(*), max(deliveries) from event")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(stored, (1, 5));
    assert_eq!(ingest.ends_on("TERM"), Some(0));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_not_taken_ends_with_1_and_shows_the_answer(pool: PgPool) {
    let home = Home::with_database(&pool);
    home.configure_source();
    let ingest = home.ingest();
    let url = ingest.webhooks();
    let wrong = home.run(&["send", "--url", &url, "--secret", "not-it"]).exits(1);
    assert!(wrong.out.contains("401"), "{wrong}");
    assert!(wrong.err.contains("did not take the event"), "{wrong}");
    drop(ingest);
    let nobody = home.run(&["send", "--url", &url]).exits(1);
    assert!(nobody.out.contains("no answer"), "{nobody}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_body_from_a_file_is_signed_and_sent_as_it_stands(pool: PgPool) {
    let home = Home::with_database(&pool).with("AFTERRUN_SEND_SECRET", SECRET);
    home.configure_source();
    let ingest = home.ingest();
    let body = r#"{"eventId": "wev_file",  "data": {"jobId": 7}, "eventType": "job.run.odd"}"#;
    std::fs::write(home.path().join("body.json"), body).unwrap();
    home.run(&["send", "--url", &ingest.webhooks(), "--file", "body.json"]).exits(0);
    let stored: Vec<u8> =
        sqlx::query_scalar("select body from event").fetch_one(&pool).await.unwrap();
    assert_eq!(stored, body.as_bytes());
}

#[test]
fn without_a_secret_it_says_where_one_can_be_given() {
    let ended = Home::new().run(&["send"]).exits(2);
    assert!(ended.err.contains("AFTERRUN_SEND_SECRET or DBT_WEBHOOK_KEY"), "{ended}");
}

/// The same port, on every address of the machine.
fn everywhere(address: &str) -> String {
    let port = address.parse::<url::Url>().unwrap().port().unwrap();
    format!("0.0.0.0:{port}")
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn without_an_address_the_listeners_of_the_environment_are_asked(pool: PgPool) {
    let home = Home::with_database(&pool);
    home.configure_source();
    let ingest = home.ingest();
    let home = home
        .with("AFTERRUN_LISTEN", &everywhere(&ingest.webhooks()))
        .with("AFTERRUN_ADMIN_LISTEN", &everywhere(&ingest.private()));
    home.run(&["send"]).exits(0);
    home.run(&["health"]).exits(0);
    let away = home.run(&["health", "--url", "http://127.0.0.1:1"]).exits(1);
    assert!(away.err.contains("127.0.0.1:1/readyz"), "{away}");
    let away = home.run(&["send", "--url", "http://127.0.0.1:1/webhooks/dbt/prod"]).exits(1);
    assert!(away.out.contains("no answer"), "{away}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_source_that_is_named_signs_with_its_own_secret(pool: PgPool) {
    let home = Home::with_database(&pool).with("DBT_WEBHOOK_KEY", SECRET);
    let staging = "  staging: { kind: dbt, secrets: [another-secret] }\n";
    home.configure(&format!("{}{staging}", source("${DBT_WEBHOOK_KEY}")));
    let ingest = home.ingest();
    let home = home.with("AFTERRUN_LISTEN", &everywhere(&ingest.webhooks()));
    home.run(&["send", "--source", "staging"]).exits(0);
    home.run(&["send", "--source", "prod"]).exits(0);
    home.run(&["send", "--url", &ingest.webhooks()]).exits(0);
    let wrong = home.run(&["send", "--source", "prod", "--secret", "not-it"]).exits(1);
    assert!(wrong.err.contains("one of its own"), "{wrong}");
    for arguments in [&["send"][..], &["send", "--source", "prud"]] {
        let unclear = home.run(arguments).exits(2);
        assert!(unclear.err.contains("there is prod, staging"), "{unclear}");
    }
    let home = home.with("AFTERRUN_SEND_SECRET", "not-it");
    home.run(&["send", "--source", "staging"]).exits(1);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_wrong_address_is_answered_with_what_is_wrong_with_it(pool: PgPool) {
    let home = Home::with_database(&pool);
    home.configure_source();
    let ingest = home.ingest();
    let nowhere = ingest.webhooks().replace("/dbt/prod", "");
    let wrong = home.run(&["send", "--url", &nowhere]).exits(1);
    assert!(wrong.err.contains("the path is /webhooks/dbt/SOURCE"), "{wrong}");
    for address in ["localhost:8080/webhooks/dbt/prod", "127.0.0.1:8080/webhooks/dbt/prod"] {
        let wrong = home.run(&["send", "--url", address]).exits(2);
        assert!(wrong.err.contains("http:// is missing"), "{wrong}");
    }
    let home = home.with("AFTERRUN_LISTEN", "8080");
    let wrong = home.run(&["send"]).exits(2);
    assert!(wrong.err.contains("AFTERRUN_LISTEN: "), "{wrong}");
    let wrong = home.run(&["ingest"]).exits(2);
    for word in ["0.0.0.0:8080", "--listen or AFTERRUN_LISTEN"] {
        assert!(wrong.err.contains(word), "{wrong}");
    }
}
