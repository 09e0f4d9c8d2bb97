//! What people are told: of what is wrong, once, and of its end; whatever becomes of the messages.

mod histories;
mod looks;
mod rest;
mod runs;

use afterrun_core::config::Retention;
use afterrun_simulators::Fault;
use afterrun_simulators::channels::{Inbox, MailServer, ROUTING_KEY, SIGNING_KEY};
use sqlx::PgPool;

use crate::harness::{Scene, Stack, seconds};

const MINUTE: u64 = 60;

/// One try for each refresh, so that a refusal is a failure for good.
const AT_ONCE: &str = "{ retry: { give_up_after: 0s } }";

fn scene(channels: &str, alerts: &str) -> Scene {
    Scene { channels: channels.to_owned(), alerts: alerts.to_owned(), ..Scene::defaults(AT_ONCE) }
}

fn slack(inbox: &Inbox) -> String {
    format!("\n  chat: {{ kind: slack, url: '{}' }}", inbox.url())
}

const FAILED: &str = "\n  - { on: refresh_failed, notify: [chat] }";

/// A run whose refresh fails for good, by the tool's wish.
async fn fails(stack: &Stack, run: u64) {
    stack.foresee(429);
    stack.mode.rate_limit(1, None);
    stack.run_ended(1, run).await;
    stack.settle().await;
}

async fn succeeds(stack: &Stack, run: u64) {
    stack.advance(seconds(MINUTE));
    stack.run_ended(1, run).await;
    stack.settle().await;
    stack.drain().await;
}

/// Each try to tell: its outcome, its status, and whether it may be a repeat.
async fn tries(stack: &Stack) -> Vec<(String, Option<i32>, bool)> {
    sqlx::query_as(
        "select outcome::text, http_status, possible_duplicate from notice_attempt order by call, notice_id",
    )
    .fetch_all(&stack.pool)
    .await
    .unwrap()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_that_failed_for_good_is_told_of_once_and_then_that_it_is_well_again(
    pool: PgPool,
) {
    let inbox = Inbox::slack().unwrap();
    let stack = Stack::with(pool, scene(&slack(&inbox), FAILED)).await;
    fails(&stack, 100).await;
    stack.drain().await;
    assert_eq!(inbox.shown().len(), 1, "{}", inbox.text());
    assert!(inbox.text().contains("The refresh of sales-report failed"), "{}", inbox.text());

    succeeds(&stack, 101).await;
    assert_eq!(inbox.shown().len(), 2, "{}", inbox.text());
    assert!(
        inbox.text().contains("Resolved: The refresh of sales-report failed"),
        "{}",
        inbox.text()
    );
    stack.advance(seconds(2 * MINUTE));
    stack.drain().await;
    assert_eq!(inbox.shown().len(), 2, "what is over is over");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_happens_again_within_the_window_is_told_together_at_its_end(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let stack = Stack::with(pool, scene(&slack(&inbox), FAILED)).await;
    for run in 100..103 {
        fails(&stack, run).await;
        stack.advance(seconds(2 * MINUTE));
        stack.drain().await;
    }
    assert_eq!(inbox.shown().len(), 1, "{}", inbox.text());
    stack.advance(seconds(30 * MINUTE));
    stack.drain().await;
    assert_eq!(inbox.shown().len(), 2, "{}", inbox.text());
    assert!(inbox.text().contains("(3 times)"), "{}", inbox.text());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_comes_and_goes_within_the_window_is_not_told_again(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let stack = Stack::with(pool, scene(&slack(&inbox), FAILED)).await;
    for run in [100, 102, 104] {
        fails(&stack, run).await;
        stack.drain().await;
        succeeds(&stack, run + 1).await;
        stack.advance(seconds(MINUTE));
    }
    assert_eq!(inbox.shown().len(), 2, "{}", inbox.text());
    stack.advance(seconds(60 * MINUTE));
    stack.drain().await;
    assert_eq!(inbox.shown().len(), 2, "{}", inbox.text());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_message_whose_answer_was_lost_is_sent_again_and_its_tries_say_so(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let stack = Stack::with(pool, scene(&slack(&inbox), FAILED)).await;
    inbox.faults().on("POST", "/services", 1, Fault::LoseAnswer);
    inbox.faults().on(
        "POST",
        "/services",
        1,
        Fault::Answer { status: 503, headers: vec![], body: b"busy".to_vec() },
    );
    fails(&stack, 100).await;
    for _ in 0..3 {
        stack.advance(seconds(MINUTE));
        stack.drain().await;
    }
    assert_eq!(inbox.calls().len(), 3, "{:?}", inbox.calls());
    let tries = tries(&stack).await;
    let outcomes: Vec<_> = tries.iter().map(|(outcome, ..)| outcome.as_str()).collect();
    assert_eq!(outcomes, ["lost", "lost", "ok"], "{tries:?}");
    assert_eq!(tries[1].1, Some(503));
    assert!(!tries[0].2 && tries[1].2 && tries[2].2, "{tries:?}");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_worker_that_vanished_while_it_told_is_followed_by_another(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let stack = Stack::with(pool, scene(&slack(&inbox), FAILED)).await;
    stack.foresee(429);
    stack.mode.rate_limit(1, None);
    stack.run_ended(1, 100).await;
    let config = stack.worker.targets().config().clone();
    // The channel rests, so the worker tells nothing before the other does.
    sqlx::query("insert into notice_channel (channel, rests_until) values ('chat', 'infinity')")
        .execute(&stack.pool)
        .await
        .unwrap();
    stack.settle().await;
    sqlx::query("update notice_channel set rests_until = null").execute(&stack.pool).await.unwrap();
    stack.store.look_for_alerts(&config, seconds(0)).await.unwrap();
    let room = afterrun_core::notice::Room { channel: "chat".into(), most: 10 };
    let vanished = stack.store.claim_notices("killed", &[room]).await.unwrap();
    assert_eq!(vanished.len(), 1);
    stack.drain().await;
    assert_eq!(inbox.shown().len(), 0, "the lease is kept to");

    stack.advance(seconds(31));
    stack.drain().await;
    assert_eq!(inbox.shown().len(), 1);
    let outcomes: Vec<_> = tries(&stack).await.into_iter().map(|(it, ..)| it).collect();
    assert_eq!(outcomes, ["lost", "ok"]);
    let came = afterrun_core::notice::Came::Told { but: None };
    let late = stack.store.record_notices(&vanished[0], &came, None).await.unwrap();
    assert_eq!(late, afterrun_core::notice::Recorded::NotOurs);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn pagerduty_is_told_of_the_beginning_and_the_end_under_one_key(pool: PgPool) {
    let inbox = Inbox::pagerduty().unwrap();
    let channels = format!(
        "\n  chat: {{ kind: pagerduty, routing_key: {ROUTING_KEY}, base_url: '{}' }}",
        inbox.url()
    );
    let stack = Stack::with(pool, scene(&channels, FAILED)).await;
    fails(&stack, 100).await;
    stack.drain().await;
    succeeds(&stack, 101).await;
    let shown = inbox.shown();
    let actions: Vec<_> = shown.iter().map(|it| it["event_action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["trigger", "resolve"]);
    assert_eq!(shown[0]["dedup_key"], shown[1]["dedup_key"]);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn every_kind_of_channel_is_told_the_same_in_its_own_form(pool: PgPool) {
    let (teams, hook, mails) =
        (Inbox::teams().unwrap(), Inbox::hook().unwrap(), MailServer::start().unwrap());
    let channels = format!(
        "\n  teams: {{ kind: teams, url: '{}' }}\n  hook: {{ kind: http, url: '{}', secret: {SIGNING_KEY} }}\n  mail: {{ kind: email, host: 127.0.0.1, port: {}, security: none, from: a@acme.com, to: [b@acme.com, c@acme.com] }}",
        teams.url(),
        hook.url(),
        mails.port()
    );
    let alerts = "\n  - { on: refresh_failed, notify: [teams, hook, mail] }";
    let stack = Stack::with(pool, scene(&channels, alerts)).await;
    mails.lose_answer();
    fails(&stack, 100).await;
    stack.advance(seconds(MINUTE));
    stack.drain().await;
    assert!(teams.text().contains("The refresh of sales-report failed"), "{}", teams.text());
    assert_eq!(hook.shown()[0]["type"], "afterrun.refresh_failed.open");
    assert_eq!(hook.shown()[0]["subject"], "sales-report");
    let mails = mails.mails();
    assert_eq!(mails.len(), 2, "{mails:?}");
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"), "known as a repeat");
    assert!(mails[0].header("Message-ID").unwrap().ends_with("@acme.com>"), "{mails:?}");
    assert_eq!(mails[0].header("Subject").unwrap(), "The refresh of sales-report failed");
    assert_eq!(mails[0].to, ["b@acme.com", "c@acme.com"]);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_wrong_at_once_is_one_message(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let scene = Scene { channels: slack(&inbox), alerts: FAILED.into(), ..Scene::many(5, 5) };
    let stack = Stack::with(pool, Scene { defaults: AT_ONCE.to_owned(), ..scene }).await;
    stack.foresee(429);
    stack.mode.rate_limit(5, None);
    stack.run_ended(7, 100).await;
    stack.settle().await;
    stack.drain().await;
    let told: i64 = sqlx::query_scalar("select count(*) from notice where told = 'open'")
        .fetch_one(&stack.pool)
        .await
        .unwrap();
    assert!(told >= 1 && inbox.shown().len() <= 2, "{told}: {}", inbox.text());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_was_not_understood_and_who_fell_silent_is_told_of(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let alerts = "\n  - { on: [quarantined, source_silent], notify: [chat] }";
    let sources = r#"
  prod: { kind: dbt, secrets: ["${DBT_WEBHOOK_KEY}"] }
  spare: { kind: dbt, secrets: ["${DBT_WEBHOOK_KEY}"], expect_every: 1h }"#;
    let scene = Scene { sources: sources.to_owned(), ..scene(&slack(&inbox), alerts) };
    let stack = Stack::with(pool, scene).await;
    stack.deliver("[]").await;
    stack.drain().await;
    assert!(inbox.text().contains("Source prod sent what was not understood"), "{}", inbox.text());
    assert_eq!(inbox.shown().len(), 1);

    stack.advance(seconds(62 * MINUTE));
    stack.drain().await;
    assert!(inbox.text().contains("Nothing comes from source spare"), "{}", inbox.text());
    // What ingest notes of its sources it notes by and by.
    sqlx::query("insert into source_seen (source, secret, seen_at) values ('spare', 1, $1)")
        .bind(stack.now())
        .execute(&stack.pool)
        .await
        .unwrap();
    stack.drain().await;
    assert!(inbox.text().contains("Resolved: Nothing comes from source spare"), "{}", inbox.text());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_target_that_stays_stale_and_a_connection_that_is_left_alone_are_told_of(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let alerts = "\n  - { on: [stale, breaker_open], notify: [chat] }";
    let scene = Scene { defaults: "{ stale_after: 20m }".into(), ..scene(&slack(&inbox), alerts) };
    let mut stack = Stack::with(pool, scene).await;
    stack.mode.stop().await;
    stack.run_ended(1, 100).await;
    for _ in 0..10 {
        stack.drain().await;
        stack.advance(seconds(3 * MINUTE));
    }
    stack.drain().await;
    let text = inbox.text();
    assert!(text.contains("sales-report is not fresh"), "{text}");
    assert!(text.contains("Connection mode does not answer"), "{text}");
    let before = inbox.shown().len();

    stack.mode.restart().await.unwrap();
    stack.settle().await;
    for _ in 0..4 {
        stack.advance(seconds(5 * MINUTE));
        stack.settle().await;
    }
    let text = inbox.text();
    assert!(text.contains("Resolved: sales-report is not fresh"), "{text}");
    assert!(text.contains("Resolved: Connection mode does not answer"), "{text}");
    assert!(inbox.shown().len() <= before + 2, "{text}");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_over_is_forgotten_with_the_history(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let stack = Stack::with(pool, scene(&slack(&inbox), FAILED)).await;
    fails(&stack, 100).await;
    succeeds(&stack, 101).await;
    stack.advance(seconds(91 * 24 * 60 * MINUTE));
    stack.store.forget(&Retention::default()).await.unwrap();
    let left = "select (select count(*) from notice) + (select count(*) from notice_attempt)";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&stack.pool).await.unwrap();
    assert_eq!(left, 0);
    stack.finish().await;
}
