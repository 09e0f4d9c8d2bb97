//! What routes tell of dbt's runs.

use afterrun_simulators::channels::{Inbox, MailServer};
use afterrun_simulators::dbt::{self, Event, Run, RunStatus, admin};
use sqlx::PgPool;

use super::{MINUTE, slack};
use crate::harness::{Scene, Stack, seconds};

const HOSTILE: &str = "<!channel> <@U1> \r\nBcc: evil@example.com\u{202e} *x* &lt;";

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_route_tells_of_a_failed_run_once_and_that_the_job_succeeded_again(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let routes = "\n  - { name: tell, on: [error, success], jobs: [1], notify: [chat] }";
    let scene = Scene { channels: slack(&inbox), ..Scene::routes(routes) };
    let stack = Stack::with(pool, scene).await;
    let events = stack.run_ended_with(1, 100, RunStatus::Errored).await;
    stack.drain().await;
    assert_eq!(inbox.shown().len(), 1, "{}", inbox.text());
    assert!(inbox.text().contains(" failed*"), "{}", inbox.text());
    let reason = "select reason from event where event_key = $1";
    let reason: String =
        sqlx::query_scalar(reason).bind(&events[0]).fetch_one(&stack.pool).await.unwrap();
    assert_eq!(reason, "only told chat");

    stack.advance(seconds(10 * MINUTE));
    stack.run_ended(1, 101).await;
    stack.drain().await;
    assert_eq!(inbox.shown().len(), 2, "{}", inbox.text());
    assert!(inbox.text().contains("Resolved: dbt job"), "{}", inbox.text());

    stack.advance(seconds(10 * MINUTE));
    stack.run_ended(1, 102).await;
    stack.drain().await;
    assert_eq!(inbox.shown().len(), 3, "{}", inbox.text());
    assert!(inbox.text().contains(" succeeded*"), "{}", inbox.text());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_whose_start_was_told_is_told_of_when_it_fails(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let routes = "\n  - { name: tell, on: [started, error], jobs: [1], notify: [chat] }";
    let scene = Scene { channels: slack(&inbox), ..Scene::routes(routes) };
    let stack = Stack::with(pool, scene).await;
    stack.deliver(dbt::started(&Event::of(stack.run(1, 100), stack.now()))).await;
    stack.drain().await;
    assert!(inbox.text().contains(" started*"), "{}", inbox.text());
    stack.run_ended_with(1, 100, RunStatus::Errored).await;
    stack.drain().await;
    assert_eq!(inbox.shown().len(), 2, "{}", inbox.text());
    assert!(inbox.text().contains(" failed*"), "{}", inbox.text());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn names_and_errors_from_outside_ping_nobody(pool: PgPool) {
    let (chat, mails) = (Inbox::slack().unwrap(), MailServer::start().unwrap());
    let channels = format!(
        "{}\n  mail: {{ kind: email, host: 127.0.0.1, port: {}, security: none, from: a@acme.com, to: [b@acme.com] }}",
        slack(&chat),
        mails.port()
    );
    let routes = "\n  - { name: tell, on: error, notify: [chat, mail] }";
    let stack = Stack::with(pool, Scene { channels, ..Scene::routes(routes) }).await;
    let run = Run { job_name: HOSTILE.to_owned(), ..stack.run(1, 100) };
    let run = Run { status: RunStatus::Errored, ..run };
    stack.deliver(dbt::errored(&Event::of(run, stack.now()))).await;
    stack.drain().await;
    let text = chat.text();
    assert!(text.contains("&lt;!channel&gt;") && !text.contains("<!channel>"), "{text}");
    let mails = mails.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, ["b@acme.com"]);
    assert_eq!(mails[0].header("Bcc"), None, "{}", mails[0].data);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_failed_run_is_told_with_what_dbt_says_of_it_in_the_channels_own_words(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let channels = format!(
        "\n  chat: {{ kind: slack, url: '{}', template: \"{{{{ state }}}} {{{{ subject }}}}\\n{{{{ detail }}}}\" }}",
        inbox.url()
    );
    let routes = "\n  - { name: tell, on: error, notify: [chat] }";
    let stack = Stack::with(pool, Scene { channels, ..Scene::routes(routes) }.asking("")).await;
    let end = stack.now() - seconds(3);
    stack.admin().with(|state| {
        let job = state.job(1).expect("a job").clone();
        let mut run = admin::Run::ended(&job, 100, RunStatus::Errored, end - seconds(60), end);
        let step = run.steps.last_mut().expect("a step");
        step.ended = Some(RunStatus::Errored);
        step.debug_logs = "starting\nCompilation Error in model <!here>\n".into();
        state.runs.push(run);
    });
    stack.run_ended_with(1, 100, RunStatus::Errored).await;
    stack.settle().await;
    stack.drain().await;
    let text = inbox.text();
    assert_eq!(inbox.shown().len(), 1, "{text}");
    assert!(text.contains("*open prod/1*"), "{text}");
    assert!(text.contains("Compilation Error in model &lt;!here&gt;"), "{text}");
    stack.finish().await;
}
