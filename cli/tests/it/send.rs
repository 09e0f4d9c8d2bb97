//! `afterrun send`, against a real `afterrun ingest`.

use sqlx::PgPool;

use crate::harness::{Home, SECRET};

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
