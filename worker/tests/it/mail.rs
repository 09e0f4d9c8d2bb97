//! Mails: whom they reach when one mailbox is dead, what is in doubt and what is not, and who is told
//! the password.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use afterrun_core::config::Config;
use afterrun_simulators::channels::{MailOptions, MailServer, Protection};
use afterrun_worker::Targets;
use afterrun_worker::http::{Http, Limits};
use afterrun_worker::notify::{Message, Note, Saying, Sent, Taken, Verdict};
use chrono::DateTime;
use rcgen::CertificateParams;
use rustls::ServerConfig;
use sqlx::PgPool;

use crate::harness::{Scene, Stack};
use crate::trust::{Authority, server, stranger, trusting};

const PASSWORD: &str = "CANARY-mail-password";

const NOT_SENT: Verdict = Verdict::Again { after: None, doubt: false };
const IN_DOUBT: Verdict = Verdict::Again { after: None, doubt: true };

fn channel(port: u16, more: &str) -> Targets {
    let text = format!(
        "sources: {{ prod: {{ kind: dbt, secrets: [hush] }} }}
channels:
  mail: {{ kind: email, host: localhost, port: {port}, from: a@acme.com, {more} }}"
    );
    let config = Config::from_text(Path::new("afterrun.yml"), &text, &|_| Some(PASSWORD.into()));
    let limits = Limits { operation: Duration::from_secs(2), ..Limits::default() };
    Targets::open(config.unwrap(), &Http::new(limits).unwrap()).unwrap()
}

const CLEAR: &str = "security: none, to: [b@acme.com, c@acme.com]";

async fn send(targets: &Targets) -> Sent<Taken> {
    let at = DateTime::UNIX_EPOCH;
    let note = Note {
        id: 1,
        kind: "stale".into(),
        subject: "sales".into(),
        key: "stale/sales".into(),
        saying: Saying::Open,
        telling: 0,
        title: "sales is not fresh".into(),
        detail: String::new(),
        url: None,
        opened_at: at,
        last_at: at,
        resolved_at: None,
        unwatched: false,
        occurrences: 1,
    };
    targets.channel("mail").unwrap().send(&Message { notes: vec![note] }).await
}

/// What follows from a mail that was not taken, and why it was not.
async fn refusal(targets: &Targets) -> (Verdict, String) {
    let error = send(targets).await.answer.unwrap_err();
    let text = error.to_string();
    assert!(!text.contains(PASSWORD), "{text}");
    (error.verdict(), text)
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_dead_mailbox_takes_the_mail_from_nobody_else_and_is_named(pool: PgPool) {
    let mails = MailServer::start().unwrap();
    mails.refuse_recipient("dead@acme.com", "550 5.1.1 no such user");
    let channels = format!(
        "\n  chat: {{ kind: email, host: localhost, port: {}, security: none, from: a@acme.com, to: [b@acme.com, dead@acme.com, c@acme.com] }}",
        mails.port()
    );
    let routes = "\n  - { name: tell, on: success, jobs: [1], notify: [chat] }";
    let stack = Stack::with(pool, Scene { channels, ..Scene::routes(routes) }).await;
    stack.run_ended(1, 100).await;
    stack.drain().await;
    let mails = mails.mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(mails[0].to, ["b@acme.com", "c@acme.com"]);
    let tries = "select outcome || ' ' || error from notice_attempt";
    let tries: Vec<String> = sqlx::query_scalar(tries).fetch_all(&stack.pool).await.unwrap();
    assert_eq!(tries.len(), 1, "{tries:?}");
    assert!(tries[0].starts_with("ok ") && tries[0].contains("not for dead@acme.com"), "{tries:?}");
    assert!(tries[0].contains("no such user"), "{tries:?}");
    let history = "select delivery || ' ' || last_error from notice_history";
    let history: String = sqlx::query_scalar(history).fetch_one(&stack.pool).await.unwrap();
    assert!(history.starts_with("told ") && history.contains("dead@acme.com"), "{history}");
    stack.finish().await;
}

#[tokio::test]
async fn a_mail_that_no_mailbox_takes_waits_for_one_that_does_and_one_that_none_takes_now_is_sent_again()
 {
    let mails = MailServer::start().unwrap();
    let targets = channel(mails.port(), CLEAR);
    mails.refuse_recipient("b@acme.com", "550 no such user");
    let (verdict, _) = {
        mails.refuse_recipient("c@acme.com", "451 greylisted");
        refusal(&targets).await
    };
    assert_eq!(verdict, NOT_SENT);
    let both = MailServer::start().unwrap();
    both.refuse_recipient("b@acme.com", "550 no such user");
    both.refuse_recipient("c@acme.com", "551 gone");
    let (verdict, text) = refusal(&channel(both.port(), CLEAR)).await;
    assert_eq!(verdict, Verdict::Closed);
    assert!(text.contains("not for b@acme.com") && text.contains("not for c@acme.com"), "{text}");
    assert_eq!(both.mails().len() + mails.mails().len(), 0);
}

#[tokio::test]
async fn a_server_that_takes_few_recipients_at_once_is_given_the_rest_in_another_go() {
    let mails =
        MailServer::with(MailOptions { most_recipients: 1, ..MailOptions::default() }).unwrap();
    let taken = send(&channel(mails.port(), CLEAR)).await.answer.unwrap();
    assert_eq!(taken, Taken::default());
    let to: Vec<_> = mails.mails().into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(to, ["b@acme.com", "c@acme.com"]);
}

#[tokio::test]
async fn only_a_mail_that_was_handed_over_is_in_doubt() {
    let mails = MailServer::start().unwrap();
    let targets = channel(mails.port(), CLEAR);
    for (command, answer, verdict) in [
        ("MAIL", "421 4.3.2 closing", NOT_SENT),
        ("RCPT", "421 4.3.2 closing", NOT_SENT),
        ("DATA", "451 later", NOT_SENT),
        ("MAIL", "550 5.7.1 not from you", Verdict::Closed),
        ("DATA", "554 5.7.1 no", Verdict::Closed),
    ] {
        mails.refuse_command(command, answer);
        assert_eq!(refusal(&targets).await.0, verdict, "{command} {answer}");
    }
    mails.refuse("552 5.3.4 too large");
    assert_eq!(refusal(&targets).await.0, Verdict::Never);
    mails.refuse("452 4.3.1 disk full");
    assert_eq!(refusal(&targets).await.0, NOT_SENT);
    assert_eq!(mails.mails().len(), 0);
    mails.lose_answer();
    assert_eq!(refusal(&targets).await.0, IN_DOUBT);
    mails.reset();
    assert_eq!(refusal(&targets).await.0, IN_DOUBT);
    assert_eq!(mails.mails().len(), 2);

    // It is there, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (verdict, text) = refusal(&channel(silent.local_addr().unwrap().port(), CLEAR)).await;
    assert_eq!(verdict, NOT_SENT, "{text}");
    assert!(text.contains("did not answer in time"), "{text}");
}

fn options(protection: Protection, mechanisms: &'static [&'static str]) -> MailOptions {
    let account = Some(("afterrun", PASSWORD));
    MailOptions { protection, account, mechanisms, ..MailOptions::default() }
}

fn signed_in(security: &str) -> String {
    format!("security: {security}, username: afterrun, password: '${{P}}', to: [b@acme.com]")
}

async fn over_tls(authority: Authority) {
    let named = |name: &str| CertificateParams::new(vec![name.to_owned()]).unwrap();
    let known = server(&named("localhost"), &authority);
    let tls = |config: &Arc<ServerConfig>| Protection::Tls(config.clone());
    let starttls = |config: &Arc<ServerConfig>| Protection::Starttls(config.clone());
    for (security, protection) in [("tls", tls(&known)), ("starttls", starttls(&known))] {
        for way in [&["PLAIN"], &["LOGIN"]] {
            let mails = MailServer::with(options(protection.clone(), way)).unwrap();
            let targets = channel(mails.port(), &signed_in(security));
            send(&targets).await.answer.unwrap_or_else(|error| panic!("{security}: {error}"));
            assert_eq!((mails.mails().len(), mails.signed_in()), (1, 1), "{security} {way:?}");
            let heard = mails.heard_in_the_clear();
            let foreseen = |line: &String| line.starts_with("EHLO") || line == "STARTTLS";
            assert!(heard.iter().all(foreseen), "{security}: {heard:?}");

            let found = targets.channel("mail").unwrap().check().await.answer.unwrap();
            assert!(found.contains("signed in to mail server localhost"), "{found}");

            mails.refuse_command("AUTH", "454 4.7.0 come again");
            assert_eq!(refusal(&targets).await.0, NOT_SENT, "{security}");
        }
        let wrong = MailOptions {
            account: Some(("afterrun", "another")),
            ..options(protection, &["PLAIN"])
        };
        let (verdict, text) =
            refusal(&channel(MailServer::with(wrong).unwrap().port(), &signed_in(security))).await;
        assert_eq!(verdict, Verdict::Closed, "{text}");
        assert!(text.contains("signing in") && text.contains("535"), "{text}");
    }
    for (case, protection) in [
        ("of another name", server(&named("elsewhere.example"), &authority)),
        ("of an authority that nobody knows", server(&named("localhost"), &stranger())),
    ] {
        for (security, protection) in
            [("tls", tls(&protection)), ("starttls", starttls(&protection))]
        {
            let mails = MailServer::with(options(protection, &["PLAIN"])).unwrap();
            let (verdict, text) = refusal(&channel(mails.port(), &signed_in(security))).await;
            assert_eq!(verdict, NOT_SENT, "{case}: {text}");
            assert!(text.contains("ertificate"), "{case}: {text}");
            assert_eq!((mails.signed_in(), mails.mails().len()), (0, 0), "{case}");
        }
    }
}

#[tokio::test]
async fn a_password_is_said_over_tls_to_whom_the_certificate_names_and_in_either_way() {
    let name = "mail::a_password_is_said_over_tls_to_whom_the_certificate_names_and_in_either_way";
    trusting(name, over_tls).await;
}

#[tokio::test]
async fn a_server_without_the_tls_that_is_wanted_is_told_neither_password_nor_mail() {
    let mails = MailServer::with(options(Protection::None, &["PLAIN"])).unwrap();
    let (verdict, text) = refusal(&channel(mails.port(), &signed_in("starttls"))).await;
    assert_eq!(verdict, NOT_SENT, "{text}");
    assert!(text.contains("STARTTLS is not supported"), "{text}");
    let heard = mails.heard_in_the_clear();
    assert!(
        heard.iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL")),
        "{heard:?}"
    );
    assert_eq!(mails.mails().len(), 0);
}
