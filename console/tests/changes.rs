//! What programs change by the API.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod scene;

use serde_json::{Value, json};
use sqlx::PgPool;

use self::scene::{ADMIN, Answer, READ, Scene, bearer};

const JSON: &str = "Content-Type: application/json\r\n";

async fn post(scene: &Scene, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    scene.ask("POST", path, &format!("{}{JSON}", bearer(ADMIN)), &body).await
}

async fn done(scene: &Scene, path: &str, body: &Value) -> Value {
    let answer = post(scene, path, body).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

async fn end_all(pool: &PgPool, state: &str) {
    let end = format!(
        "update refresh set state = '{state}', reason = 'x', finished_at = now() where finished_at is null"
    );
    sqlx::query(sqlx::AssertSqlSafe(end)).execute(pool).await.unwrap();
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn each_change_is_made_once_and_noted_with_who_and_from_where(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    scene.store.register_targets(&scene.config).await.unwrap();
    scene.event("prod", "e1").await;
    let paused = done(&scene, "/api/v1/targets/sales/pause", &Value::Null).await;
    assert_eq!(paused, json!({ "name": "sales", "paused": true, "changed": true }));
    let again = done(&scene, "/api/v1/targets/sales/pause", &Value::Null).await;
    assert_eq!(again["changed"], false);
    done(&scene, "/api/v1/targets/sales/resume", &Value::Null).await;
    done(&scene, "/api/v1/connections/mode/pause", &Value::Null).await;
    done(&scene, "/api/v1/connections/mode/resume", &Value::Null).await;
    let tried = done(&scene, "/api/v1/refreshes/1/retry", &Value::Null).await;
    assert_eq!(tried, json!({ "refresh_id": 1, "tried_by": 1 }));
    let stopped = done(&scene, "/api/v1/refreshes/1/cancel", &Value::Null).await;
    assert_eq!(stopped, json!({ "refresh_id": 1, "ended": true }));
    let ended = post(&scene, "/api/v1/refreshes/1/cancel", &Value::Null).await;
    assert_eq!((ended.status, ended.json()["status"].as_u64()), (409, Some(409)));
    let shown = done(&scene, "/api/v1/events/e1/replay?dry_run=true", &Value::Null).await;
    assert_eq!(shown["routes"], json!([{ "route": "nightly", "targets": ["sales"] }]));
    let led = done(&scene, "/api/v1/events/e1/replay?route=nightly", &Value::Null).await;
    assert_eq!(
        led,
        json!({ "event_id": "e1", "source": "prod", "refresh_ids": [2], "reason": null })
    );

    let lines: Vec<(String, String, String, String)> = sqlx::query_as(
        "select action, subject, operator, host(address) from operator_action order by id",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let who = lines.iter().all(|line| (&*line.2, &*line.3) == ("admin token", "127.0.0.1"));
    assert!(who, "{lines:?}");
    let what: Vec<_> = lines.iter().map(|line| format!("{} {}", line.0, line.1)).collect();
    assert_eq!(
        what,
        [
            "pause sales",
            "pause sales",
            "resume sales",
            "pause mode",
            "resume mode",
            "retry 1",
            "cancel 1",
            "cancel 1",
            "replay e1"
        ]
    );
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn many_are_changed_only_when_these_very_ones_are_confirmed(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    for number in 0..3 {
        scene.event("prod", &format!("e{number}")).await;
        end_all(&pool, "failed").await;
    }
    let asked = json!({ "state": ["failed"], "target": "sales" });
    let told = done(&scene, "/api/v1/bulk/retry", &asked).await;
    assert_eq!((&told["count"], &told["items"]), (&json!(3), &json!([3, 2, 1])));
    let open = "select count(*) from refresh where finished_at is null";
    assert_eq!(sqlx::query_scalar::<_, i64>(open).fetch_one(&pool).await.unwrap(), 0);
    // As many, but others.
    let others = json!({ "refresh_ids": [1, 2], "confirm": told["confirm"] });
    let others = post(&scene, "/api/v1/bulk/retry", &others).await;
    assert_eq!(others.status, 409, "{others:?}");
    let right =
        confirmed(&scene, "/api/v1/bulk/retry", json!({ "refresh_ids": [1, 2, 404, 2] })).await;
    assert_eq!(right["granted"].as_array().unwrap().len(), 2);
    assert_eq!(right["missing"], json!(["404"]));

    let told = done(&scene, "/api/v1/bulk/cancel", &json!({ "target": "sales" })).await;
    assert_eq!(told["count"], 1, "what has ended is not meant");
    confirmed(&scene, "/api/v1/bulk/cancel", json!({ "target": "sales" })).await;
    assert_eq!(sqlx::query_scalar::<_, i64>(open).fetch_one(&pool).await.unwrap(), 0);

    let asked = json!({ "since": "1h", "state": ["failed"], "route": "nightly" });
    let told = done(&scene, "/api/v1/bulk/replay", &asked).await;
    assert_eq!(told["count"], 3);
    assert_eq!(told["items"][0]["event_id"], "e0");
    let asked = json!({ "event_ids": ["e0", "e2", "none"] });
    let led = confirmed(&scene, "/api/v1/bulk/replay", asked).await;
    assert_eq!(led["missing"], json!(["none"]));
    assert_eq!(led["granted"].as_array().unwrap().len(), 2, "{led}");
    assert_eq!(sqlx::query_scalar::<_, i64>(open).fetch_one(&pool).await.unwrap(), 1, "coalesced");
}

/// Asks which are meant, and has it done for these.
async fn confirmed(scene: &Scene, path: &str, mut asked: Value) -> Value {
    let told = done(scene, path, &asked).await;
    asked["confirm"] = told["confirm"].clone();
    done(scene, path, &asked).await
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_target_is_refreshed_again_and_a_connection_tested(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    let again = post(&scene, "/api/v1/targets/sales/refresh", &Value::Null).await;
    assert_eq!(again.status, 409, "nothing was refreshed so far: {again:?}");
    scene.event("prod", "e1").await;
    end_all(&pool, "failed").await;
    let again = done(&scene, "/api/v1/targets/sales/refresh", &Value::Null).await;
    assert_eq!(again["refresh_id"], 1, "{again}");
    let open = "select count(*) from refresh where finished_at is null";
    assert_eq!(sqlx::query_scalar::<_, i64>(open).fetch_one(&pool).await.unwrap(), 1);

    let tested = post(&scene, "/api/v1/connections/mode/test", &Value::Null).await;
    assert_eq!(tested.status, 202, "{tested:?}");
    let asked = "select count(*) from connection_state where connection = 'mode' and test_asked_at is not null";
    assert_eq!(sqlx::query_scalar::<_, i64>(asked).fetch_one(&pool).await.unwrap(), 1);
    let noted = "select action || ' ' || kind from operator_action order by id desc limit 1";
    assert_eq!(
        sqlx::query_scalar::<_, String>(noted).fetch_one(&pool).await.unwrap(),
        "test connection"
    );
    for path in ["/api/v1/targets/none/refresh", "/api/v1/connections/none/test"] {
        assert_eq!(post(&scene, path, &Value::Null).await.status, 404, "{path}");
    }
    let explained = scene.get("/api/v1/events/e1/explain", &bearer(ADMIN)).await;
    assert_eq!(explained.status, 200, "{explained:?}");
    assert!(explained.body.contains("nightly"), "{explained:?}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_change_that_is_asked_for_wrongly_changes_nothing(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    scene.event("prod", "e1").await;
    scene.event("other", "e1").await;
    for (path, body, status) in [
        ("/api/v1/events/e1/replay", "", 409),
        ("/api/v1/events/none/replay", "", 404),
        ("/api/v1/events/%00/replay", "", 404),
        ("/api/v1/events/e1/replay?source=prod&route=none", "", 400),
        ("/api/v1/events/e1/replay?dry_run=perhaps", "", 400),
        ("/api/v1/refreshes/404/retry", "", 404),
        ("/api/v1/refreshes/x/cancel", "", 404),
        ("/api/v1/targets/none/pause", "", 404),
        ("/api/v1/targets/%00/pause", "", 404),
        ("/api/v1/connections/none/resume", "", 404),
        ("/api/v1/bulk/retry", "", 400),
        ("/api/v1/bulk/retry", "[]", 400),
        ("/api/v1/bulk/retry", "{}", 400),
        ("/api/v1/bulk/retry", r#"{"refresh_ids": [1], "target": "sales"}"#, 400),
        ("/api/v1/bulk/retry", r#"{"state": ["skipped"]}"#, 400),
        ("/api/v1/bulk/cancel", r#"{"state": ["failed"]}"#, 400),
        ("/api/v1/bulk/retry", r#"{"state": ["lost"]}"#, 400),
        ("/api/v1/bulk/retry", r#"{"target": "\u0000"}"#, 400),
        ("/api/v1/bulk/retry", r#"{"targets": ["sales"]}"#, 400),
        ("/api/v1/bulk/retry", r#"{"state": ["failed"], "confirm": -1}"#, 400),
        ("/api/v1/bulk/cancel", r#"{"since": "soon"}"#, 400),
        ("/api/v1/bulk/replay", "{}", 400),
        ("/api/v1/bulk/replay", r#"{"source": "prod"}"#, 400),
        ("/api/v1/bulk/replay", r#"{"event_ids": ["\u0000"]}"#, 400),
        ("/api/v1/bulk/replay", r#"{"since": "36500d", "route": "none"}"#, 400),
    ] {
        let headers = format!("{}{JSON}", bearer(ADMIN));
        let answer = scene.ask("POST", path, &headers, body).await;
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
        assert_eq!(answer.json()["status"], status, "{path} {body}");
    }
    let form = format!("{}{}", bearer(ADMIN), scene::FORM);
    assert_eq!(scene.ask("POST", "/api/v1/bulk/retry", &form, "a=b").await.status, 415);
    let long = json!({ "event_ids": vec!["x".repeat(900); 400] });
    assert_eq!(post(&scene, "/api/v1/bulk/replay", &long).await.status, 413);
    let get = scene.get("/api/v1/refreshes/1/retry", &bearer(ADMIN)).await;
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    let noted = "select count(*) from operator_action where granted";
    assert_eq!(sqlx::query_scalar::<_, i64>(noted).fetch_one(&pool).await.unwrap(), 0);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn neither_the_read_only_token_nor_another_page_changes_anything(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    scene.event("prod", "e1").await;
    let cookie = scene.session(ADMIN).await;
    for path in [
        "/api/v1/events/e1/replay",
        "/api/v1/refreshes/1/retry",
        "/api/v1/refreshes/1/cancel",
        "/api/v1/targets/sales/pause",
        "/api/v1/connections/mode/pause",
        "/api/v1/bulk/retry",
        "/api/v1/bulk/cancel",
        "/api/v1/bulk/replay",
    ] {
        let all = r#"{"state": ["queued"], "confirm": 1}"#;
        for headers in
            [bearer(READ), cookie.clone(), format!("{cookie}Origin: https://evil.example\r\n")]
        {
            let answer = scene.ask("POST", path, &format!("{headers}{JSON}"), all).await;
            assert_eq!(answer.status, 403, "{path} {headers}: {answer:?}");
        }
        assert_eq!(scene.ask("POST", path, JSON, all).await.status, 401, "{path}");
    }
    let noted = "select count(*) from operator_action where action <> 'sign_in'";
    assert_eq!(sqlx::query_scalar::<_, i64>(noted).fetch_one(&pool).await.unwrap(), 0);
    let own = format!("{cookie}{}", scene.origin());
    assert_eq!(scene.ask("POST", "/api/v1/refreshes/1/retry", &own, "").await.status, 200);
}
