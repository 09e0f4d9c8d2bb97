//! Connected apps: a JSON web token instead of a personal access token.

use super::*;
fn app_settings(tableau: &Tableau) -> Value {
    let app = tableau.with(|state| state.apps[0].clone());
    json!({
        "server": tableau.url(),
        "site": tableau.site(),
        "client_id": app.client_id,
        "secret_id": app.secret_id,
        "secret_value": app.secret_value,
        "username": app.users[0],
    })
}

impl Played {
    fn app(&self) -> Opened<Tool> {
        self.connect(app_settings(&self.tableau))
    }
}

#[tokio::test]
async fn a_connected_app_may_do_all_that_a_target_needs() {
    let played = by_hand().await;
    let flow = played.tableau.add_flow(Item::new("Prep", "Finance"));
    let orders = played.tableau.add_datasource(Item::new("Orders", "Finance"));
    let task = played.tableau.add_task(&orders, "Nightly");
    let connection = played.app();
    for target in [
        json!({ "workbook": "Sales", "project": "Finance" }),
        json!({ "task_id": task }),
        json!({ "datasource": "Orders", "incremental": true }),
        json!({ "flow_id": flow }),
    ] {
        let target = open(&connection, target);
        target.check().await.answer.unwrap();
        let since = a_moment_ago();
        let started = start(&target).await;
        assert_eq!(found(&target, since).await.started.remote_id, started.remote_id);
        played.tableau.finish_open(0);
        let polled = target.poll(&started.remote_id).await.answer.unwrap();
        assert!(matches!(polled, Polled::Succeeded { .. }), "{polled:?}");
        played.tableau.with(|state| state.jobs.clear());
    }
    assert_eq!(played.tableau.sign_ins(), 1);
}

#[tokio::test]
async fn sessions_of_a_connected_app_do_not_end_each_other() {
    let played = by_hand().await;
    let [one, other] = [played.app(), played.app()];
    let targets = [&one, &other].map(|worker| open(worker, json!({ "workbook": "Sales" })));
    let job = start(&targets[0]).await.remote_id;
    for target in targets.iter().cycle().take(6) {
        target.poll(&job).await.answer.unwrap();
    }
    assert_eq!((played.tableau.sign_ins(), played.tableau.live_sessions()), (2, 2));

    played.tableau.expire_sessions();
    targets[0].poll(&job).await.answer.unwrap();
    assert_eq!(played.tableau.sign_ins(), 3, "each sign-in has a token of its own");
}

#[tokio::test]
async fn a_refused_app_is_a_refused_credential_and_is_left_alone() {
    for key in ["client_id", "secret_id", "secret_value", "username"] {
        let played = by_hand().await;
        let mut settings = app_settings(&played.tableau);
        settings[key] = json!("CANARY-wrong");
        let connection = played.connect(settings);
        for name in ["Sales", "Orders"] {
            let error = refused(&open(&connection, json!({ "workbook": name }))).await;
            assert!(matches!(error, ConnectorError::SignInRefused { .. }), "{key}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("CANARY"), "{error:?}");
        }
        let tried = played.calls().iter().filter(|call| call.path.ends_with("/signin")).count();
        assert_eq!(tried, 1);
    }
}

#[tokio::test]
async fn a_server_too_old_for_connected_apps_is_named_as_such() {
    let options = TableauOptions { rest_api_version: "3.16".to_owned(), ..options() };
    let played = played(options).await;
    let error = played.app().check().await.answer.unwrap_err();
    assert_eq!(error.retry(), None);
    let text = error.to_string();
    assert!(text.contains("3.16") && text.contains("3.17") && text.contains("2022.3"), "{text}");
    played.connection().check().await.answer.unwrap();
}

#[tokio::test]
async fn an_app_of_a_server_that_hides_its_version_speaks_the_oldest_that_knows_apps() {
    let played = by_hand().await;
    played.faults().always("GET", "serverInfo", Fault::status(404));
    assert!(played.app().check().await.answer.unwrap().contains("API 3.17"));
}

#[tokio::test]
async fn what_no_scope_allows_is_refused_and_not_taken_for_done() {
    let played = by_hand().await;
    let target = open(&played.app(), json!({ "workbook": "Sales" }));
    let job = start(&target).await.remote_id;
    let error = target.cancel(&job).await.answer.unwrap_err();
    assert!(matches!(error, ConnectorError::Unauthorized { .. }), "{error:?}");
    assert_eq!(played.tableau.jobs()[0].status, "Pending");
}

#[tokio::test]
async fn no_text_keeps_a_web_token_that_tableau_says_back_nor_does_the_refusal_that_is_remembered()
{
    let played = by_hand().await;
    played.faults().always("POST", "/signin", Fault::Echo { status: 401 });
    let target = open(&played.app(), json!({ "workbook": "Sales" }));
    for _ in 0..2 {
        let text = refused(&target).await.to_string();
        assert!(text.contains("\"jwt\":\"[secret]\""), "{text}");
    }
    let tried = played.calls().iter().filter(|call| call.path.ends_with("/signin")).count();
    assert_eq!(tried, 1);
}

#[tokio::test]
async fn no_text_keeps_a_session_that_tableau_says_back() {
    let played = by_hand().await;
    let target = played.sales();
    start(&target).await;
    let session = played.tableau.with(|state| state.sessions.keys().next().cloned()).unwrap();
    played.faults().always("POST", "/refresh", Fault::Echo { status: 422 });
    let text = refused(&target).await.to_string();
    assert!(text.contains("[secret]") && !text.contains(&session), "{text}");
}
