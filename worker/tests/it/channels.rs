//! The channels on the wire: the longest and the strangest texts arrive, and no answer of a channel
//! tells its secrets.

use std::path::Path;

use afterrun_core::config::Config;
use afterrun_simulators::Fault;
use afterrun_simulators::channels::{Inbox, MailServer, ROUTING_KEY, SECRET, SIGNING_KEY};
use afterrun_worker::Targets;
use afterrun_worker::http::{Http, Limits};
use afterrun_worker::notify::{Message, Note, OpenChannel, Saying};
use chrono::DateTime;

fn open(channel: &str) -> Targets {
    let text = format!(
        "sources: {{ prod: {{ kind: dbt, secrets: [hush] }} }}\nchannels:\n  it: {{ {channel} }}\n"
    );
    let config = Config::from_text(Path::new("afterrun.yml"), &text, &|_| None).unwrap();
    Targets::open(config, &Http::new(Limits::default()).unwrap()).unwrap()
}

fn channel(targets: &Targets) -> &dyn OpenChannel {
    &**targets.channel("it").unwrap()
}

fn note(id: i64, text: &str) -> Note {
    let at = DateTime::UNIX_EPOCH;
    Note {
        id,
        kind: "refresh_failed".into(),
        subject: text.chars().take(300).collect(),
        key: format!("refresh_failed/{text}"),
        saying: Saying::Open,
        telling: 0,
        title: text.chars().take(1000).collect(),
        detail: text.to_owned(),
        url: Some("https://afterrun.example.com/targets/sales?a=1&b=2".into()),
        opened_at: at,
        last_at: at,
        resolved_at: None,
        unwatched: false,
        occurrences: 2,
    }
}

/// Full messages of texts that grow as they are escaped or written as UTF-8.
fn worst(most: usize) -> Vec<Message> {
    let texts = ["&", "<!channel> ", "\"\\", "\u{1F600}", "ü", "|*", "l\n", "a word and "];
    let texts = texts.iter().map(|text| text.repeat(20_000 / text.len()));
    let full = |text: String| (0..most).map(|id| note(id as i64, &text)).collect();
    texts.map(|text| Message { notes: full(text) }).collect()
}

async fn all_arrive(settings: &str) {
    let targets = open(settings);
    let it = channel(&targets);
    for message in worst(it.most()).into_iter().chain(worst(1)) {
        let title: String = message.title().chars().take(20).collect();
        let sent = it.send(&message).await.answer;
        sent.unwrap_or_else(|error| panic!("{} things, {title}: {error}", message.notes.len()));
    }
}

#[tokio::test]
async fn the_longest_texts_of_any_script_fit_each_channel_and_are_cut_between_characters() {
    let inbox = Inbox::slack().unwrap();
    all_arrive(&format!("kind: slack, url: '{}'", inbox.url())).await;
    assert_eq!(inbox.shown().len(), 16);
    for block in inbox.shown().iter().flat_map(|body| body["blocks"].as_array().unwrap()) {
        let text = block["text"]["text"].as_str().unwrap();
        let is_whole =
            |rest: &str| ["amp;", "lt;", "gt;"].iter().any(|entity| rest.starts_with(entity));
        assert!(text.split('&').skip(1).all(is_whole), "a part of an entity: {text}");
        assert!(text.ends_with("|Open>"), "{text}");
    }

    let inbox = Inbox::teams().unwrap();
    all_arrive(&format!("kind: teams, url: '{}'", inbox.url())).await;
    assert_eq!(inbox.shown().len(), 16, "what is too long is taken, and never shown");

    let inbox = Inbox::pagerduty().unwrap();
    let url = inbox.url();
    all_arrive(&format!("kind: pagerduty, routing_key: {ROUTING_KEY}, base_url: '{url}'")).await;
    assert_eq!(inbox.shown().len(), 16);

    let inbox = Inbox::hook().unwrap();
    all_arrive(&format!("kind: http, url: '{}', secret: {SIGNING_KEY}", inbox.url())).await;
    assert_eq!(inbox.shown().len(), 16);

    let mails = MailServer::start().unwrap();
    let port = mails.port();
    all_arrive(&format!(
        "kind: email, host: 127.0.0.1, port: {port}, security: none, from: a@b.com, to: [c@d.com]"
    ))
    .await;
    assert_eq!(mails.mails().len(), 16);
}

#[tokio::test]
async fn a_channel_that_says_back_what_it_was_sent_has_nobody_read_its_secrets() {
    let (slack, teams, pager, hook) = (
        Inbox::slack().unwrap(),
        Inbox::teams().unwrap(),
        Inbox::pagerduty().unwrap(),
        Inbox::hook().unwrap(),
    );
    let token = "CANARY-bearer";
    for (inbox, settings, secrets) in [
        (&slack, format!("kind: slack, url: '{}'", slack.url()), vec![SECRET]),
        (&teams, format!("kind: teams, url: '{}'", teams.url()), vec![SECRET]),
        (
            &pager,
            format!("kind: pagerduty, routing_key: {ROUTING_KEY}, base_url: '{}'", pager.url()),
            vec![ROUTING_KEY],
        ),
        (
            &hook,
            format!(
                "kind: http, url: '{}?key=hush1', token: {token}, secret: {SIGNING_KEY}",
                hook.url()
            ),
            vec![token, SIGNING_KEY, &SIGNING_KEY[6..], "hush1"],
        ),
    ] {
        let said = secrets.join(" and ");
        let json = format!(r#"{{"message":"{said}","error":{{"code":"{said}"}}}}"#);
        for body in [said.clone(), json] {
            let answer = Fault::status(403).body(body.into_bytes());
            inbox.faults().on("POST", "", 1, answer);
            let targets = open(&settings);
            let message = Message { notes: vec![note(1, "x")] };
            let error = channel(&targets).send(&message).await.answer.unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
        }
    }
}

#[tokio::test]
async fn where_a_channel_has_moved_to_is_said_in_words_that_fit_a_channel() {
    let inbox = Inbox::slack().unwrap();
    let moved = Fault::status(308).header("location", "https://elsewhere.example/CANARY");
    inbox.faults().on("POST", "", 1, moved);
    let targets = open(&format!("kind: slack, url: '{}'", inbox.url()));
    let message = Message { notes: vec![note(1, "x")] };
    let text = channel(&targets).send(&message).await.answer.unwrap_err().to_string();
    assert!(
        text.contains("a redirect to https://elsewhere.example, which is not followed"),
        "{text}"
    );
    assert!(!text.contains("connection") && !text.contains("CANARY"), "{text}");
}
