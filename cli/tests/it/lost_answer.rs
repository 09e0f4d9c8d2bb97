//! What `afterrun webhook` says when dbt made the change and its answer was lost, or may have.

use std::time::Duration;

use afterrun_simulators::Fault;
use afterrun_simulators::dbt::Admin;
use afterrun_simulators::dbt::admin::Subscription;

use crate::asking::{configured, played};
use crate::harness::{Ended, Home};

const POSTS_TO: &str = "https://hooks.example.com/webhooks/dbt/prod";

fn create(home: &Home) -> Ended {
    let url = ["--url", "https://hooks.example.com", "--secret-file", "key"];
    home.run(&[&["webhook", "create", "prod"], &url[..]].concat())
}

/// An older webhook of the same name and address, which is not taken for the new one.
fn with_an_older_one(admin: &Admin) -> String {
    let mut older = Subscription::new(POSTS_TO);
    older.name = "afterrun".to_owned();
    admin.add_subscription(older)
}

#[tokio::test]
async fn a_webhook_whose_making_was_not_answered_is_looked_up_and_named() {
    let admin = played().await;
    let home = configured(Home::new(), &admin);
    let older = with_an_older_one(&admin);
    for fault in [Fault::LoseAnswer, Fault::HalfBody, Fault::GarbageBody] {
        admin.faults().on("POST", "subscriptions", 1, fault.clone());
        let failed = create(&home).exits(1);
        let (id, secret) = admin.with(|state| {
            assert_eq!(state.subscriptions.len(), 2, "{fault:?} comes after the change");
            let made = state.subscriptions.pop().unwrap();
            (made.id, made.hmac_secret)
        });
        assert!(
            failed.err.contains(&format!("a new webhook {id}, whose secret is lost")),
            "{failed}"
        );
        assert!(failed.err.contains("delete it in dbt"), "{failed}");
        assert!(!failed.all().contains(&secret) && !failed.all().contains(&older), "{failed}");
        assert!(!home.path().join("key").exists(), "{failed}");
    }
    create(&home).exits(0);
}

#[tokio::test]
async fn a_webhook_that_may_have_been_made_and_cannot_be_found_is_told_of_too() {
    let admin = played().await;
    let home = configured(Home::new(), &admin);
    with_an_older_one(&admin);
    admin.faults().on("POST", "subscriptions", 1, Fault::status(503));
    let failed = create(&home).exits(1);
    assert!(failed.err.contains("dbt lists no new webhook by the name afterrun"), "{failed}");
    assert!(failed.err.contains("`afterrun webhook list`"), "{failed}");
    // The first list comes, the second does not.
    admin.faults().on("POST", "subscriptions", 1, Fault::LoseAnswer);
    admin.faults().on("GET", "subscriptions", 1, Fault::Late(Duration::ZERO));
    admin.faults().on("GET", "subscriptions", 1, Fault::status(503));
    let failed = create(&home).exits(1);
    assert!(failed.err.contains("whether dbt made the webhook is not known"), "{failed}");
    assert!(failed.err.contains("`afterrun webhook list`"), "{failed}");
    assert_eq!(admin.faults().left(), 0);
}

#[tokio::test]
async fn a_webhook_that_was_refused_or_never_asked_for_leaves_no_doubt() {
    let mut admin = played().await;
    let home = configured(Home::new(), &admin);
    admin.faults().on("POST", "subscriptions", 1, Fault::status(400));
    let refused = create(&home).exits(1);
    assert!(!refused.err.contains("webhook list") && refused.err.contains("400"), "{refused}");
    admin.stop().await;
    let away = create(&home).exits(1);
    assert!(away.err.contains("no webhook was made"), "{away}");
}

#[tokio::test]
async fn a_repair_whose_answer_was_lost_is_judged_by_what_dbt_lists() {
    let admin = played().await;
    let home = configured(Home::new(), &admin);
    let webhook = admin.add_subscription(Subscription::new(POSTS_TO));
    admin.deactivate(&webhook, "too many failures", 503);
    let repair = || home.run(&["webhook", "repair", "prod"]);
    admin.faults().on("PUT", "subscription", 1, Fault::status(502));
    let failed = repair().exits(1);
    assert!(failed.err.contains(&format!("dbt did not change webhook {webhook}")), "{failed}");

    admin.faults().on("PUT", "subscription", 1, Fault::LoseAnswer);
    admin.faults().on("GET", "subscriptions", 1, Fault::Late(Duration::ZERO));
    admin.faults().on("GET", "subscriptions", 1, Fault::status(503));
    let unknown = repair().exits(1);
    assert!(unknown.err.contains("to repair it again does no harm"), "{unknown}");

    admin.deactivate(&webhook, "too many failures", 503);
    admin.faults().on("PUT", "subscription", 1, Fault::LoseAnswer);
    let repaired = repair().exits(0);
    assert!(repaired.out.contains("is on"), "{repaired}");
    assert!(repaired.err.contains("was read from its list"), "{repaired}");
    assert!(admin.with(|state| state.subscriptions[0].active));
}
