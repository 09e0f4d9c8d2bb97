//! One login for all, and what ends it.

use super::*;

#[tokio::test]
async fn all_targets_of_a_connection_share_one_session() {
    let played = by_hand().await;
    let orders = played.tableau.add_datasource(Item::new("Orders", "Finance"));
    let connection = played.connection();
    let targets = [
        open(&connection, json!({ "workbook": "Sales" })),
        open(&connection, json!({ "workbook_id": played.sales })),
        open(&connection, json!({ "datasource": "Orders" })),
        open(&connection, json!({ "datasource_id": orders })),
    ];
    for checked in join_all(targets.iter().map(|target| target.check())).await {
        checked.answer.unwrap();
    }
    assert_eq!(played.tableau.sign_ins(), 1);
}

#[tokio::test]
async fn a_session_that_lapsed_is_renewed_once_for_all() {
    let played = by_hand().await;
    let connection = played.connection();
    let target = open(&connection, json!({ "workbook": "Sales" }));
    let job = start(&target).await.remote_id;
    played.tableau.expire_sessions();
    for polled in join_all((0..8).map(|_| target.poll(&job))).await {
        polled.answer.unwrap();
    }
    assert_eq!(played.tableau.sign_ins(), 2);
}

#[tokio::test]
async fn two_workers_on_one_token_sign_each_other_out_and_still_get_there() {
    let played = by_hand().await;
    let [one, other] = [played.sales(), played.sales()];
    let job = start(&one).await.remote_id;
    for _ in 0..5 {
        for worker in [&one, &other] {
            worker.poll(&job).await.answer.unwrap();
        }
    }
}

#[tokio::test]
async fn a_session_that_ends_again_and_again_tells_of_a_shared_token() {
    let played = by_hand().await;
    let target = played.sales();
    let job = start(&target).await.remote_id;
    played.faults().always("GET", "/sites/", Fault::status(401));
    let error = target.poll(&job).await.answer.unwrap_err();
    assert!(matches!(error, ConnectorError::SignedOut { .. }), "{error:?}");
    assert!(error.retry().is_some() && error.to_string().contains("same token"));
}

#[tokio::test]
async fn a_refused_token_is_not_tried_again_by_the_next_target() {
    let played = by_hand().await;
    played.tableau.revoke_token();
    let connection = played.connection();
    for name in ["Sales", "Orders", "Stock"] {
        let error = refused(&open(&connection, json!({ "workbook": name }))).await;
        assert!(matches!(error, ConnectorError::SignInRefused { .. }), "{error:?}");
        assert!(matches!(error.signal(), Signal::Refused { .. }), "{error:?}");
    }
    let tried = played.calls().iter().filter(|call| call.path.ends_with("/signin")).count();
    assert_eq!(tried, 1);
}

#[tokio::test]
async fn a_check_signs_in_anew_and_the_targets_go_on_with_what_it_got() {
    let played = by_hand().await;
    let connection = played.connection();
    let target = open(&connection, json!({ "workbook": "Sales" }));
    let job = start(&target).await.remote_id;
    for sign_ins in 2..4 {
        connection.check().await.answer.unwrap();
        assert_eq!(played.tableau.sign_ins(), sign_ins);
    }
    target.poll(&job).await.answer.unwrap();
    assert_eq!(played.tableau.sign_ins(), 3);
}

#[tokio::test]
async fn a_check_does_not_answer_from_memory() {
    let played = by_hand().await;
    let connection = played.connection();
    connection.check().await.answer.unwrap();
    played.tableau.with(|state| state.down = true);
    let error = connection.check().await.answer.unwrap_err();
    assert!(matches!(error, ConnectorError::Unavailable { .. }), "{error:?}");
    played.tableau.with(|state| state.down = false);
    connection.check().await.answer.unwrap();

    // The open session outlives the token here, so only a sign-in can tell.
    played.tableau.with(|state| state.tokens[0].revoked = true);
    let error = connection.check().await.answer.unwrap_err();
    assert!(matches!(error, ConnectorError::SignInRefused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_check_tries_a_refused_token_again_and_frees_the_targets_that_wait() {
    let played = by_hand().await;
    played.tableau.revoke_token();
    let connection = played.connection();
    let target = open(&connection, json!({ "workbook": "Sales" }));
    let error = refused(&target).await;
    assert!(matches!(error, ConnectorError::SignInRefused { .. }), "{error:?}");
    let error = connection.check().await.answer.unwrap_err();
    assert!(matches!(error, ConnectorError::SignInRefused { .. }), "{error:?}");

    played.tableau.with(|state| state.tokens[0].revoked = false);
    let error = refused(&target).await;
    assert!(matches!(error, ConnectorError::SignInRefused { .. }), "only a check tries: {error:?}");
    let tried = played.calls().iter().filter(|call| call.path.ends_with("/signin")).count();
    assert_eq!(tried, 2);
    connection.check().await.answer.unwrap();
    start(&target).await;
}
