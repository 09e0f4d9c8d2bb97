//! A channel that takes nothing: it is left alone, what it is to be told waits, and nothing is lost.

use afterrun_core::connection::circuit::Hold;
use afterrun_core::history::{Delivery, NoticeFilter, NoticeRow};
use afterrun_core::operator::Again;
use afterrun_simulators::Fault;
use afterrun_simulators::channels::{Inbox, MailServer, ROUTING_KEY, SECRET};
use afterrun_simulators::dbt::RunStatus;
use sqlx::PgPool;

use super::{FAILED, MINUTE, fails, scene, slack, succeeds};
use crate::harness::{Scene, Stack, seconds};

const HOUR: u64 = 60 * MINUTE;

fn answer(status: u16) -> Fault {
    Fault::Answer { status, headers: vec![], body: b"no".to_vec() }
}

/// As the channel and the lists have it, newest first.
async fn notices(stack: &Stack) -> Vec<NoticeRow> {
    stack.store.notices(&NoticeFilter::default(), 100).await.unwrap()
}

async fn hold(stack: &Stack) -> Option<Hold> {
    let channels = stack.store.channels().await.unwrap();
    channels.iter().find(|row| row.channel == "chat").and_then(|row| row.hold)
}

/// Lets that much time pass in steps in which every rest may end.
async fn pass(stack: &Stack, time: u64) {
    for _ in 0..time.div_ceil(10 * MINUTE) {
        stack.advance(seconds(10 * MINUTE));
        stack.drain().await;
    }
}

/// What was shown of the beginnings and the ends, oldest first: `+` and `-`.
fn told(inbox: &Inbox) -> String {
    let ends = |shown: &serde_json::Value| shown.to_string().contains("Resolved: ");
    inbox.shown().iter().map(|shown| if ends(shown) { '-' } else { '+' }).collect()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_channel_that_takes_nothing_rests_and_is_told_all_once_its_settings_are_right(
    pool: PgPool,
) {
    let inbox = Inbox::slack().unwrap();
    let gone = inbox.url().replace("/B0/", "/B1/");
    let wrong = scene(&format!("\n  chat: {{ kind: slack, url: '{gone}' }}"), FAILED);
    let stack = Stack::with(pool, wrong).await;
    fails(&stack, 100).await;
    assert_eq!(hold(&stack).await, Some(Hold::Refused));
    pass(&stack, 24 * HOUR).await;
    // 1, 2, 4, .. minutes, and an hour at last, each of them half as long or longer by half.
    let calls = inbox.calls().len();
    assert!((15..=60).contains(&calls), "{calls}");
    let row = &notices(&stack).await[0];
    assert_eq!(row.delivery, Delivery::Waiting);
    let error = row.last_error.clone().unwrap();
    assert!(error.contains("no_service") && !error.contains(SECRET), "{error}");

    stack.worker.reload(stack.config(&scene(&slack(&inbox), FAILED)).unwrap()).unwrap();
    stack.drain().await;
    assert_eq!(told(&inbox), "+", "{}", inbox.text());
    assert_eq!((hold(&stack).await, notices(&stack).await[0].delivery), (None, Delivery::Told));
    succeeds(&stack, 101).await;
    assert_eq!(told(&inbox), "+-", "{}", inbox.text());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_began_and_ended_while_a_channel_rested_is_not_told_and_what_was_told_is_ended_first(
    pool: PgPool,
) {
    let inbox = Inbox::slack().unwrap();
    let stack = Stack::with(pool, scene(&slack(&inbox), FAILED)).await;
    inbox.faults().always("POST", "", answer(403));
    fails(&stack, 100).await;
    succeeds(&stack, 101).await;
    pass(&stack, 2 * HOUR).await;
    inbox.faults().clear();
    pass(&stack, 2 * HOUR).await;
    assert_eq!(told(&inbox), "", "nobody was told that it began: {}", inbox.text());

    fails(&stack, 102).await;
    pass(&stack, HOUR).await;
    assert_eq!(told(&inbox), "+");
    inbox.faults().always("POST", "", answer(410));
    succeeds(&stack, 103).await;
    stack.advance(seconds(MINUTE));
    fails(&stack, 104).await;
    pass(&stack, 2 * HOUR).await;
    succeeds(&stack, 105).await;
    stack.advance(seconds(MINUTE));
    fails(&stack, 106).await;
    let rows = notices(&stack).await;
    let known: Vec<_> = rows.iter().rev().map(|row| row.delivery).collect();
    let untold = Delivery::NotTold;
    assert_eq!(known, [untold, Delivery::Waiting, untold, Delivery::Waiting], "{rows:#?}");
    pass(&stack, 14 * HOUR).await;
    assert_eq!(told(&inbox), "+");
    inbox.faults().clear();
    pass(&stack, 2 * HOUR).await;
    assert_eq!(told(&inbox), "+-+", "{}", inbox.text());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_outage_of_any_length_loses_nothing_and_ends_with_one_message_as_a_probe(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let scene = Scene { channels: slack(&inbox), alerts: FAILED.into(), ..Scene::many(5, 5) };
    let stack = Stack::with(pool, Scene { defaults: super::AT_ONCE.to_owned(), ..scene }).await;
    inbox.faults().always("POST", "", answer(503));
    stack.foresee(429);
    stack.mode.rate_limit(5, None);
    stack.run_ended(7, 100).await;
    stack.settle().await;
    pass(&stack, 36 * HOUR).await;
    assert_eq!(hold(&stack).await, Some(Hold::Outage));
    let rows = notices(&stack).await;
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|row| row.delivery == Delivery::Waiting), "{rows:#?}");

    let before = inbox.calls().len();
    inbox.faults().clear();
    pass(&stack, 2 * HOUR).await;
    assert_eq!(inbox.calls().len(), before + 2, "a probe, and all the others at once");
    let blocks: Vec<_> =
        inbox.shown().iter().map(|it| it["blocks"].as_array().unwrap().len()).collect();
    assert_eq!(blocks, [1, 4], "{}", inbox.text());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn whoever_retries_a_notice_ends_the_rest_of_its_channel(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let stack = Stack::with(pool, scene(&slack(&inbox), FAILED)).await;
    inbox.faults().always("POST", "", answer(401));
    fails(&stack, 100).await;
    inbox.faults().clear();
    stack.drain().await;
    assert_eq!(told(&inbox), "", "it is left alone");
    let id = notices(&stack).await[0].notice_id;
    assert_eq!(stack.store.retry_notice(id).await.unwrap(), Again::Now);
    stack.drain().await;
    assert_eq!((told(&inbox).as_str(), hold(&stack).await), ("+", None));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn only_what_is_wrong_with_a_message_gives_it_up_and_others_are_told(pool: PgPool) {
    for (status, delivery) in [
        (400, Delivery::Failed),
        (413, Delivery::Failed),
        (415, Delivery::Failed),
        (422, Delivery::Failed),
        (401, Delivery::Waiting),
        (402, Delivery::Waiting),
        (404, Delivery::Waiting),
        (405, Delivery::Waiting),
        (409, Delivery::Waiting),
        (410, Delivery::Waiting),
    ] {
        sqlx::query("truncate notice, notice_channel cascade").execute(&pool).await.unwrap();
        let inbox = Inbox::hook().unwrap();
        let key = afterrun_simulators::channels::SIGNING_KEY;
        let channels = format!("\n  chat: {{ kind: http, url: '{}', secret: {key} }}", inbox.url());
        let routes = "\n  - { name: tell, on: success, notify: [chat] }";
        let stack = Stack::with(pool.clone(), Scene { channels, ..Scene::routes(routes) }).await;
        inbox.faults().next(1, answer(status));
        stack.run_ended(1, u64::from(status)).await;
        stack.drain().await;
        stack.run_ended(2, u64::from(status) + 1000).await;
        stack.drain().await;
        let rows = notices(&stack).await;
        assert_eq!(rows[1].delivery, delivery, "{status}: {rows:#?}");
        let is_told = delivery == Delivery::Failed;
        assert_eq!(inbox.shown().len(), usize::from(is_told), "{status}: {}", inbox.text());
        assert_eq!(hold(&stack).await.is_none(), is_told, "{status}");
        stack.finish().await;
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_key_that_pagerduty_does_not_know_and_a_refused_sign_in_are_the_channels_fault(
    pool: PgPool,
) {
    let (pager, mails) = (Inbox::pagerduty().unwrap(), MailServer::start().unwrap());
    let wrong = ROUTING_KEY.replace('0', "9");
    let channels = format!(
        "\n  chat: {{ kind: pagerduty, routing_key: {wrong}, base_url: '{}' }}
  mail: {{ kind: email, host: localhost, port: {}, security: none, from: a@acme.com, to: [b@acme.com] }}",
        pager.url(),
        mails.port()
    );
    let alerts = "\n  - { on: refresh_failed, notify: [chat, mail] }";
    let stack = Stack::with(pool, scene(&channels, alerts)).await;
    mails.refuse_command("MAIL", "550 5.7.1 not from you");
    fails(&stack, 100).await;
    let channels = stack.store.channels().await.unwrap();
    assert!(channels.iter().all(|row| row.hold == Some(Hold::Refused)), "{channels:#?}");
    pass(&stack, HOUR).await;
    assert_eq!(mails.mails().len(), 1);
    assert!(notices(&stack).await.iter().any(|row| row.delivery == Delivery::Waiting));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn news_of_a_run_that_no_channel_took_for_a_day_is_not_told_any_more(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let routes = "\n  - { name: tell, on: [success, error], notify: [chat] }";
    let scene = Scene { channels: slack(&inbox), ..Scene::routes(routes) };
    let stack = Stack::with(pool, scene).await;
    inbox.faults().always("POST", "", answer(403));
    stack.run_ended(1, 100).await;
    stack.run_ended_with(2, 101, RunStatus::Errored).await;
    stack.drain().await;
    pass(&stack, 25 * HOUR).await;
    let rows = notices(&stack).await;
    let [failure, success] = &rows[..] else { panic!("{rows:#?}") };
    assert_eq!((success.delivery, failure.delivery), (Delivery::Failed, Delivery::Waiting));
    let error = success.last_error.clone().unwrap();
    assert!(error.contains("no news any more") && error.contains("403"), "{error}");
    inbox.faults().clear();
    pass(&stack, 2 * HOUR).await;
    assert_eq!(inbox.shown().len(), 1, "a failure lasts until the job succeeds: {}", inbox.text());
    stack.finish().await;
}
