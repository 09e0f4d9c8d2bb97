//! The API as programs ask it.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod scene;

use sqlx::PgPool;

use self::scene::{ADMIN, READ, Scene, bearer};

async fn items(scene: &Scene, path: &str, of: &str) -> (Vec<String>, Option<String>) {
    let answer = scene.get(path, "").await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    let page = answer.json();
    let items = page["items"].as_array().unwrap().iter();
    let items = items.map(|item| item[of].to_string().trim_matches('"').to_owned()).collect();
    let next = page["next"].as_str().map(str::to_owned);
    let link = next.as_ref().map(|next| format!("<{next}>; rel=\"next\""));
    assert_eq!(answer.header("link"), link.as_deref());
    (items, next)
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn pages_leave_nothing_out_and_show_nothing_twice_while_rows_arrive(pool: PgPool) {
    let scene = Scene::open(&pool);
    for number in 0..5 {
        scene.event("prod", &format!("e{number}")).await;
    }
    let (mut next, mut seen) = (Some("/api/v1/events?limit=2&job=Nightly".to_owned()), vec![]);
    while let Some(path) = next {
        let (rows, further) = items(&scene, &path, "event_id").await;
        seen.extend(rows);
        scene.event("prod", &format!("late-{}", seen.len())).await;
        next = further;
    }
    assert_eq!(seen, ["e4", "e3", "e2", "e1", "e0"]);

    for _ in 0..3 {
        scene.event("prod", &uuid(&pool).await).await;
        sqlx::query("update refresh set state = 'cancelled', reason = 'x', finished_at = now()")
            .execute(&pool)
            .await
            .unwrap();
    }
    let (mut next, mut seen) = (Some("/api/v1/refreshes?limit=1&target=sales".to_owned()), 0);
    while let Some(path) = next {
        let (rows, further) = items(&scene, &path, "refresh_id").await;
        seen += rows.len();
        next = further;
    }
    assert_eq!(seen, 3);

    scene.store.register_targets(&scene.config).await.unwrap();
    let (mut next, mut seen) = (Some("/api/v1/targets?limit=1".to_owned()), vec![]);
    while let Some(path) = next {
        let (rows, further) = items(&scene, &path, "target").await;
        seen.extend(rows);
        next = further;
    }
    assert!(seen.iter().eq(scene.config.targets.keys()), "{seen:?}");
}

async fn uuid(pool: &PgPool) -> String {
    sqlx::query_scalar("select gen_random_uuid()::text").fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn everything_that_is_listed_can_be_asked_for_by_itself(pool: PgPool) {
    let scene = Scene::open(&pool);
    scene.store.register_targets(&scene.config).await.unwrap();
    scene.event("prod", "a/b c").await;
    scene.store.retry(afterrun_core::refresh::RefreshId(404)).await.unwrap_err();
    for (path, of, wanted) in [
        ("/api/v1/events/a%2Fb%20c", "/refreshes/0/target", "\"sales\""),
        ("/api/v1/events/a%2Fb%20c", "/body", "null"),
        ("/api/v1/refreshes/1", "/causes/0/event_id", "\"a/b c\""),
        ("/api/v1/targets/sales", "/newest_run/run_id", "\"a/b c\""),
        ("/api/v1/targets/churn?lag_over=1h", "/state", "\"unknown\""),
        ("/api/v1/connections/mode", "/waiting", "1"),
        ("/api/v1/sources/prod", "/events", "1"),
        ("/api/v1/overview", "/total/events", "1"),
        ("/api/v1/overview", "/targets/stale", "1"),
        ("/api/v1/audit/1", "/subject", "\"404\""),
        ("/api/v1/audit?kind=refresh&subject=404", "/items/0/granted", "false"),
        ("/api/v1/connections", "/items/0/connection", "\"mode\""),
        ("/api/v1/sources", "/items/0/source", "\"prod\""),
        ("/api/v1/targets?state=unknown,failed&connection=mode", "/items/0/target", "\"churn\""),
        ("/api/v1/targets?name=ALES", "/items/0/target", "\"sales\""),
    ] {
        let answer = scene.get(path, "").await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(answer.json().pointer(of).unwrap().to_string(), wanted, "{path}");
    }
    let url = scene.get("/api/v1/events/a%2Fb%20c", "").await.json();
    let body = scene.get(url["body_url"].as_str().unwrap(), "").await;
    assert!(body.body.contains("\"jobName\": \"Nightly\""), "{body:?}");
    assert_eq!(body.header("content-type"), Some("application/octet-stream"));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_id_of_several_sources_is_of_the_one_that_is_named(pool: PgPool) {
    let scene = Scene::open(&pool);
    scene.event("prod", "e1").await;
    scene.event("other", "e1").await;
    let which = scene.get("/api/v1/events/e1", "").await;
    assert_eq!(which.status, 409);
    assert!(which.json()["detail"].as_str().unwrap().contains("?source="));
    let one = scene.get("/api/v1/events/e1?source=other", "").await.json();
    assert_eq!(one["source"], "other");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_asked_wrongly_is_said_and_never_fails(pool: PgPool) {
    let scene = Scene::open(&pool);
    let cursor = "OTIyMzM3MjAzNjg1NDc3NTgwNyAx"; // of the last microsecond that 64 bits know
    for (path, status) in [
        ("/api/v1/events?limit=0", 400),
        ("/api/v1/events?limit=501", 400),
        ("/api/v1/events?limit=-1", 400),
        ("/api/v1/events?limit=1&limit=2", 400),
        ("/api/v1/events?sate=failed", 400),
        ("/api/v1/events?state=failed", 400),
        ("/api/v1/events?since=soon", 400),
        ("/api/v1/events?since=36500d", 200),
        ("/api/v1/events?since=36501d", 400),
        ("/api/v1/events?job=%00", 400),
        ("/api/v1/events?job=%ff", 200),
        ("/api/v1/events?cursor=x", 400),
        ("/api/v1/targets?cursor=AA", 400), // a NUL, which no page gave
        (&format!("/api/v1/events?cursor={cursor}"), 400),
        ("/api/v1/events/%00", 404),
        ("/api/v1/events/%ff", 404),
        ("/api/v1/events/none", 404),
        ("/api/v1/events/none/body", 404),
        ("/api/v1/refreshes?state=succeeded&state=failed,skipped", 200),
        ("/api/v1/refreshes?cursor=MQ", 200),
        ("/api/v1/refreshes/x", 404),
        ("/api/v1/refreshes/99999999999999999999", 404),
        ("/api/v1/refreshes/-1", 404),
        ("/api/v1/targets/%00", 404),
        ("/api/v1/targets/sales?lag_over=36500d", 404),
        ("/api/v1/connections/%00", 404),
        ("/api/v1/audit/x", 404),
        ("/api/v1/audit?kind=%00", 400),
        ("/api/v1/nowhere", 404),
        ("/api/v1", 404),
    ] {
        let answer = scene.get(path, scene::HTML).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        if status != 200 {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
            assert_eq!(answer.json()["status"], status, "{path}");
            assert!(answer.json()["detail"].is_string(), "{path}");
        }
    }
    let put = scene.ask("PUT", "/api/v1/events", "", "").await;
    assert_eq!((put.status, put.header("allow")), (405, Some("GET")));
    assert_eq!(put.json()["status"], 405);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_read_only_token_reads_all_but_bodies(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    scene.event("prod", "e1").await;
    for (token, path, status) in [
        (READ, "/api/v1/events/e1", 200),
        (READ, "/api/v1/events/e1/body", 403),
        (ADMIN, "/api/v1/events/e1/body", 200),
        ("wrong", "/api/v1/events/e1", 401),
    ] {
        let answer = scene.get(path, &bearer(token)).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    let nobody = scene.get("/api/v1/events", scene::HTML).await;
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.json()["status"], 401, "no program is led to a form");
}

#[tokio::test]
async fn while_the_database_is_away_it_is_said_with_when_to_try_again() {
    let away = sqlx::postgres::PgConnectOptions::new().host("127.0.0.1").port(1).username("p");
    let pool = afterrun_core::pool::console_pool(away, 1);
    let scene = Scene::open(&pool);
    for path in ["/api/v1/events", "/api/v1/targets"] {
        let answer = scene.get(path, "").await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.header("retry-after").is_some());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn whoever_may_only_look_is_told_of_nobody_by_their_address(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    scene.store.register_targets(&scene.config).await.unwrap();
    let body = serde_json::json!({
        "eventId": "wev_1", "eventType": "job.run.completed",
        "data": {
            "jobId": 1, "jobName": "Nightly", "runId": "91", "runStatus": "Success",
            "runReason": "Kicked off from the UI by jane.doe@example.com",
        },
    });
    scene.delivered(&body.to_string()).await;
    scene.store.plan_next(&scene.config).await.unwrap().unwrap();
    sqlx::query(
        "update refresh set state = 'cancelled', finished_at = now(),
            reason = 'jane.doe@example.com: https://tool.example/?token=abc123'",
    )
    .execute(&pool)
    .await
    .unwrap();
    let mut told = 0;
    for path in [
        "/events",
        "/events/wev_1",
        "/events/wev_1/explain",
        "/refreshes",
        "/refreshes/1",
        "/targets",
        "/targets/sales",
        "/sources",
        "/overview",
        "/audit",
    ] {
        let path = format!("/api/v1{path}");
        let all = scene.get(&path, &bearer(ADMIN)).await;
        let masked = scene.get(&path, &bearer(READ)).await;
        assert_eq!((all.status, masked.status), (200, 200), "{path}: {masked:?}");
        assert_eq!(masked.header("content-type"), all.header("content-type"));
        for hidden in ["jane.doe", "abc123"] {
            assert!(!masked.body.contains(hidden), "{path}: {masked:?}");
        }
        told += usize::from(all.body.contains("jane.doe@example.com"));
        let unmasked =
            all.body.replace("jane.doe@", "j•••@").replace("?token=abc123", "?token=•••");
        let unmasked: serde_json::Value = serde_json::from_str(&unmasked).unwrap();
        if !path.ends_with("audit") && !path.ends_with("overview") {
            assert_eq!(masked.json(), unmasked, "nothing else differs");
        }
    }
    assert!(told >= 3, "{told}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_takes_too_long_to_find_is_to_be_narrowed(pool: PgPool) {
    let impatient = pool.connect_options().as_ref().clone().options([("statement_timeout", "300")]);
    let scene = Scene::open(&sqlx::PgPool::connect_lazy_with(impatient));
    let mut held = pool.begin().await.unwrap();
    sqlx::query("lock table event in access exclusive mode").execute(&mut *held).await.unwrap();
    let answer = scene.get("/api/v1/events", "").await;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(answer.json()["detail"].as_str().unwrap().contains("narrow it"), "{answer:?}");
    held.rollback().await.unwrap();
    assert_eq!(scene.get("/api/v1/events", "").await.status, 200);
}
