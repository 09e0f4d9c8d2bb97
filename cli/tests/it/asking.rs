//! `afterrun reconcile` and `afterrun webhook`, and what `check --live` says of dbt's webhook.

use std::os::unix::fs::PermissionsExt as _;

use afterrun_simulators::SimClock;
use afterrun_simulators::dbt::admin::{Job, Run, Subscription};
use afterrun_simulators::dbt::{Admin, AdminOptions, RunStatus};
use chrono::TimeDelta;
use sqlx::PgPool;

use crate::harness::Home;

const TOKEN: &str = "CANARY-dbt-api-token";

pub(crate) async fn played() -> Admin {
    let options = AdminOptions { token: TOKEN.to_owned(), ..AdminOptions::default() };
    let admin = Admin::start(options).await.unwrap();
    admin.add_job(Job::new(7, "Nightly"));
    admin
}

pub(crate) fn configured(home: Home, admin: &Admin) -> Home {
    home.configure(&format!(
        "sources:\n  prod:\n    kind: dbt\n    secrets: [a]\n    account_id: 4711\n    \
         api: {{ host: \"{}\", token: \"${{DBT_API_TOKEN}}\" }}\n",
        admin.host()
    ));
    home.with("DBT_API_TOKEN", TOKEN)
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn reconcile_takes_in_runs_whose_event_never_came_and_says_which(pool: PgPool) {
    let admin = played().await;
    let ended = SimClock::real().now() - TimeDelta::hours(30);
    let job = Job::new(7, "Nightly");
    admin.add_run(Run::ended(&job, 100, RunStatus::Success, ended - TimeDelta::hours(1), ended));
    let home = configured(Home::with_database(&pool), &admin);
    let nothing = home.run(&["reconcile", "--output", "json"]).exits(0).json();
    assert_eq!(nothing[0]["taken_in"], serde_json::json!([]), "{nothing}");
    let found = home.run(&["reconcile", "prod", "--since", "2d"]).exits(0);
    assert!(found.out.contains("recon:4711:100:10"), "{found}");
    let again = home.run(&["reconcile", "--since", "2d", "--output", "json"]).exits(0).json();
    assert_eq!((&again[0]["ended"], &again[0]["taken_in"]), (&1.into(), &serde_json::json!([])));
    let shown = home.run(&["events", "show", "recon:4711:100:10"]).exits(0);
    assert!(shown.out.contains("found by asking dbt"), "{shown}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn reconcile_fails_with_what_dbt_said_and_names_what_is_missing(pool: PgPool) {
    let admin = played().await;
    admin.with(|state| state.token = "another".to_owned());
    let home = configured(Home::with_database(&pool), &admin);
    let refused = home.run(&["reconcile"]).exits(1);
    assert!(refused.out.contains("401"), "{refused}");
    assert!(!format!("{refused}").contains(TOKEN), "{refused}");
    let unknown = home.run(&["reconcile", "prd"]).exits(2);
    assert!(unknown.err.contains("did you mean `prod`"), "{unknown}");
    let bare = Home::with_database(&pool);
    bare.configure_source();
    let none = bare.run(&["reconcile"]).exits(2);
    assert!(none.err.contains("no source with an `api`"), "{none}");
}

#[tokio::test]
async fn a_new_webhooks_secret_goes_into_a_file_of_its_owner_alone_and_nowhere_else() {
    let admin = played().await;
    let home = configured(Home::new(), &admin);
    let create = ["webhook", "create", "prod", "--url", "https://hooks.example.com"];
    let made = home.run(&[&create[..], &["--secret-file", "key"]].concat()).exits(0);
    let kept = std::fs::read_to_string(home.path().join("key")).unwrap();
    let mode = std::fs::metadata(home.path().join("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (secret, url) = admin.with(|state| {
        let one = &state.subscriptions[0];
        (one.hmac_secret.clone(), one.client_url.clone())
    });
    assert_eq!(kept.trim_end(), secret);
    assert_eq!(url, "https://hooks.example.com/webhooks/dbt/prod");
    assert!(!format!("{made}").contains(&secret), "{made}");
    assert!(made.out.contains("${file:key}"), "{made}");
    // Nothing is made where the secret could not be kept.
    let again = home.run(&[&create[..], &["--secret-file", "key"]].concat()).exits(1);
    assert!(again.err.contains("could not make key"), "{again}");
    assert_eq!(admin.with(|state| state.subscriptions.len()), 1);
}

#[tokio::test]
async fn a_webhook_is_made_before_there_is_its_secret_or_anything_but_the_token() {
    let admin = played().await;
    let home = Home::new().with("DBT_API_TOKEN", admin.token());
    home.configure(&format!(
        "sources:
  prod:
    kind: dbt
    secrets: [\"${{DBT_WEBHOOK_KEY}}\"]
    account_id: 4711
    api: {{ host: \"{}\", token: \"${{DBT_API_TOKEN}}\" }}
connections:
  tableau:
    kind: tableau
    server: ${{TABLEAU_SITE_URL}}
    site: ${{TABLEAU_SITE_NAME}}
    token_name: ${{TABLEAU_API_TOKEN_NAME}}
    token_secret: ${{TABLEAU_API_TOKEN_SECRET}}
",
        admin.host()
    ));
    let env = home.path().join(".env");
    std::fs::write(&env, "DBT_WEBHOOK_KEY=\n").unwrap();
    let create =
        ["webhook", "create", "prod", "--url", "https://hooks.example.com", "--env-file", ".env"];
    home.run(&create).exits(0);
    let secret = admin.with(|state| state.subscriptions[0].hmac_secret.clone());
    let text = std::fs::read_to_string(&env).unwrap();
    assert_eq!(text, format!("DBT_WEBHOOK_KEY=\nDBT_WEBHOOK_KEY={secret}\n"));
    // Without the token nobody is asked, and all that is unset is named.
    let none = home.with("DBT_API_TOKEN", "").run(&["webhook", "list"]).exits(2);
    assert!(none.err.contains("sources.prod.api.token"), "{none}");
    assert!(none.err.contains("DBT_WEBHOOK_KEY"), "{none}");
}

#[tokio::test]
async fn a_new_webhooks_secret_is_added_to_a_file_of_variables() {
    let admin = played().await;
    let home = configured(Home::new(), &admin);
    let env = home.path().join(".env");
    std::fs::write(&env, "OTHER=1").unwrap();
    let create =
        ["webhook", "create", "prod", "--url", "https://hooks.example.com", "--env-file", ".env"];
    home.run(&create).exits(0);
    let secret = admin.with(|state| state.subscriptions[0].hmac_secret.clone());
    let text = std::fs::read_to_string(&env).unwrap();
    assert_eq!(text, format!("OTHER=1\nDBT_WEBHOOK_KEY={secret}\n"));
    assert_eq!(std::fs::metadata(&env).unwrap().permissions().mode() & 0o777, 0o600);
    let again = home.run(&create).exits(1);
    assert!(again.err.contains("sets DBT_WEBHOOK_KEY already"), "{again}");
    assert_eq!(admin.with(|state| state.subscriptions.len()), 1);
}

#[tokio::test]
async fn a_webhook_that_is_off_is_told_of_and_repaired() {
    let admin = played().await;
    let webhook = admin.add_subscription(Subscription::new("https://h.example/webhooks/dbt/prod"));
    let home = configured(Home::new(), &admin);
    home.run(&["check", "--live"]).exits(0);
    admin.deactivate(&webhook, "too many failures", 503);
    let check = home.run(&["check", "--live"]).exits(1);
    assert!(check.out.contains("too many failures"), "{check}");
    let list = home.run(&["webhook", "list"]).exits(0);
    assert!(list.out.contains("off") && list.err.contains("afterrun webhook repair"), "{list}");
    let repaired = home.run(&["webhook", "repair", "prod"]).exits(0);
    assert!(repaired.out.contains("is on"), "{repaired}");
    assert!(admin.with(|state| state.subscriptions[0].active));
    home.run(&["check", "--live"]).exits(0);
}
