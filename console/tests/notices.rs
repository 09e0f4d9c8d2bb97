//! What people were told, could not be told, and are told again; and what a run built.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod scene;

use afterrun_core::notice::Came;
use serde_json::{Value, json};
use sqlx::PgPool;

use self::scene::{ADMIN, READ, Scene, bearer};

async fn json(scene: &Scene, path: &str) -> Value {
    let answer = scene.get(path, &bearer(READ)).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

async fn ids(scene: &Scene, path: &str) -> Vec<i64> {
    let page = json(scene, path).await;
    page["items"].as_array().unwrap().iter().map(|it| it["notice_id"].as_i64().unwrap()).collect()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn notices_are_listed_page_by_page_and_narrowed_by_every_filter(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    scene.ran_into("r1", "Nightly").await;
    scene.answered(Came::Refused { error: "answered 404: no_service".into() }, Some(404)).await;
    sqlx::query("update notice set subject = 'prod/8'").execute(&pool).await.unwrap();
    scene.ran_into("r3", "Nightly").await;
    let first = json(&scene, "/api/v1/notices?limit=1").await;
    let newest = first["items"][0]["notice_id"].as_i64().unwrap();
    assert_eq!(ids(&scene, first["next"].as_str().unwrap()).await, [1]);
    for (query, wanted) in [
        ("?state=open&channel=chat&kind=run", vec![newest, 1]),
        ("?subject=prod%2F8", vec![1]),
        ("?delivery=waiting&since=1h&subject=prod%2F7", vec![newest]),
        ("?delivery=told,not_told", vec![]),
        ("?state=resolved", vec![]),
        ("?channel=pager", vec![]),
    ] {
        assert_eq!(ids(&scene, &format!("/api/v1/notices{query}")).await, wanted, "{query}");
    }
    let one = json(&scene, "/api/v1/notices/1").await;
    assert_eq!(one["attempt_history"][0]["http_status"], 404, "{one}");
    for (path, status) in [
        ("/api/v1/notices/404", 404),
        ("/api/v1/notices/x", 404),
        ("/api/v1/notices?state=closed", 400),
        ("/api/v1/notices?delivery=lost", 400),
        ("/api/v1/notices?since=soon", 400),
        ("/api/v1/notices?channel=%00", 400),
        ("/api/v1/notices?cursor=x", 400),
        ("/api/v1/channels?cursor=x", 400),
        ("/api/v1/runs?state=odd", 400),
        ("/api/v1/runs?cursor=x", 400),
        ("/api/v1/runs/prod/none", 404),
        ("/api/v1/runs/%00/1", 404),
    ] {
        assert_eq!(scene.get(path, &bearer(READ)).await.status, status, "{path}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_was_given_up_is_told_again_by_whoever_may_change_and_noted(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    scene.ran_into("r1", "Nightly").await;
    scene.answered(Came::Refused { error: "answered 404: no_service".into() }, Some(404)).await;
    let post = async |path: &str, token: &str| scene.ask("POST", path, &bearer(token), "").await;
    assert_eq!(post("/api/v1/notices/1/retry", READ).await.status, 403);
    assert_eq!(json(&scene, "/api/v1/notices/1").await["delivery"], "failed");
    let again = post("/api/v1/notices/1/retry", ADMIN).await;
    assert_eq!(again.json(), json!({ "notice_id": 1, "was_given_up": true }), "{again:?}");
    let again = post("/api/v1/notices/1/retry", ADMIN).await;
    assert_eq!(again.json()["was_given_up"], false, "it waits: {again:?}");
    scene.answered(Came::Told { but: None }, Some(200)).await;
    assert_eq!(json(&scene, "/api/v1/notices/1").await["delivery"], "told");
    let known = post("/api/v1/notices/1/retry", ADMIN).await;
    assert_eq!(known.status, 409, "{known:?}");
    assert_eq!(post("/api/v1/notices/404/retry", ADMIN).await.status, 404);
    let noted = "select operator || ' ' || action || ' ' || subject from operator_action
                 where kind = 'notice' and granted order by id";
    let noted: Vec<String> = sqlx::query_scalar(noted).fetch_all(&pool).await.unwrap();
    assert_eq!(noted, ["admin token retry 1", "admin token retry 1"]);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn each_channel_tells_how_it_is_doing_whether_it_was_ever_told_something_or_not(
    pool: PgPool,
) {
    let scene = Scene::guarded(&pool);
    let channels = json(&scene, "/api/v1/channels").await["items"].clone();
    assert_eq!([&channels[0]["channel"], &channels[1]["channel"]], ["chat", "pager"]);
    assert_eq!(channels[1]["kind"], "pagerduty");
    assert!(!channels.to_string().contains("hush"), "{channels}");

    scene.ran_into("r1", "Nightly").await;
    scene.answered(Came::Refused { error: "answered 404: no_service".into() }, Some(404)).await;
    let held = "update notice_channel set hold = 'outage', held_since = now()";
    sqlx::query(held).execute(&pool).await.unwrap();
    sqlx::query("insert into notice_channel (channel) values ('before')")
        .execute(&pool)
        .await
        .unwrap();
    let channels = json(&scene, "/api/v1/channels?limit=2").await;
    assert_eq!(channels["items"][0]["channel"], "before");
    assert_eq!(channels["items"][0]["kind"], Value::Null, "no longer configured");
    assert_eq!(channels["items"][1]["failed"], 1, "{channels}");
    assert_eq!(channels["items"][1]["hold"], "outage", "{channels}");
    let next = json(&scene, channels["next"].as_str().unwrap()).await;
    assert_eq!(next["items"][0]["channel"], "pager");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn runs_are_listed_and_one_tells_its_events_and_that_dbt_was_not_asked(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    scene.event("prod", "e1").await;
    scene.ran_into("a/b", "Later").await;
    let runs = json(&scene, "/api/v1/runs?limit=1").await;
    assert_eq!(runs["items"][0]["run_id"], "a/b", "{runs}");
    assert_eq!(runs["items"][0]["run_state"], "error", "{runs}");
    let next = json(&scene, runs["next"].as_str().unwrap()).await;
    assert_eq!(next["items"][0]["led_to"][0]["target"], "sales", "{next}");
    let narrowed = json(&scene, "/api/v1/runs?state=success&source=prod&job=Nightly").await;
    assert_eq!(narrowed["items"][0]["run_id"], "e1", "{narrowed}");
    let one = json(&scene, "/api/v1/runs/prod/a%2Fb").await;
    assert_eq!(one["events"][0]["event_id"], "a/b", "{one}");
    assert_eq!(one["asked"], Value::Null, "{one}");
    assert_eq!(one["run"], runs["items"][0], "a run is told as the list tells it");

    sqlx::query(
        "insert into dbt_run (source, run_id, wants_built, asked_for_at, url, error)
         values ('prod', 'e1', true, now(), 'https://dbt.example/runs/1', 'Database Error')",
    )
    .execute(&pool)
    .await
    .unwrap();
    let one = json(&scene, "/api/v1/runs/prod/e1").await;
    assert_eq!(one["asked"]["error"], "Database Error", "{one}");
    assert!(one["asked"]["nodes_unknown"].is_string(), "{one}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn pages_tell_what_nobody_was_told_and_have_it_told_again(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    for path in ["/", "/overview"] {
        assert!(!scene.page(path).await.body.contains("could not be told"), "{path}");
    }
    scene.ran_into("r1", "<b>Nightly\u{202e}").await;
    scene.answered(Came::Refused { error: "answered 404: no_<i>service".into() }, Some(404)).await;
    for path in ["/", "/overview"] {
        let page = scene.page(path).await.body;
        let link = "<a href=\"/notices?delivery=failed&amp;state=open\">1 notice</a>";
        assert!(page.contains(link), "{path}: {page}");
    }
    let list = scene.page("/notices?delivery=failed&state=open").await.body;
    assert!(list.contains("&lt;b&gt;Nightly") && list.contains("U+202E"), "{list}");
    assert!(list.contains("no_&lt;i&gt;service") && list.contains("href=\"/notices/1\""), "{list}");
    assert!(list.contains("pagerduty") && !list.contains("hush"), "channels stand there: {list}");
    let none = scene.page("/notices?delivery=told&channel=pager&since=1h").await;
    assert!(none.body.contains("There are no notices like that"), "{none:?}");

    let shown = scene.page("/notices/1").await.body;
    assert!(shown.contains("Given up") && shown.contains("404"), "{shown}");
    assert!(!shown.contains("analyst@acme.example"), "addresses of people are masked: {shown}");
    let told = scene.post("/notices/1/retry", "").await;
    assert_eq!(told.header("location"), Some("/notices/1?done=told"));
    let told = scene.post("/notices/1/retry", "").await;
    assert_eq!(told.header("location"), Some("/notices/1?done=retried"), "it waits by now");
    scene.answered(Came::Told { but: None }, Some(200)).await;
    let shown = scene.page("/notices/1?done=told").await.body;
    assert!(shown.contains("that it began") && !shown.contains("/notices/1/retry"), "{shown}");
    assert_eq!(scene.post("/notices/1/retry", "").await.status, 409);

    for (path, status) in [
        ("/notices?state=odd", 400),
        ("/notices?delivery=odd", 400),
        ("/notices?after=x", 400),
        ("/notices?channel=%00", 400),
        ("/notices/x", 404),
        ("/notices/404", 404),
    ] {
        assert_eq!(scene.page(path).await.status, status, "{path}");
    }
    assert_eq!(scene.post("/notices/404/retry", "").await.status, 404);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_channel_that_is_left_alone_is_told_of_where_people_look_anyway(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    scene.ran_into("r1", "Nightly").await;
    let error = "could not connect".to_owned();
    scene.answered(Came::Again { error, after: None, doubt: false }, None).await;
    let held = "update notice_channel set hold = 'outage', held_since = now(),
                    hold_error = 'could not connect'";
    sqlx::query(held).execute(&pool).await.unwrap();
    let home = scene.page("/").await.body;
    assert!(home.contains("is left alone, and 1 notice waits"), "{home}");
    let list = scene.page("/notices").await.body;
    assert!(list.contains("does not answer") && list.contains("could not connect"), "{list}");
    let shown = scene.page("/notices/1").await.body;
    assert!(shown.contains("Tell it now") && shown.contains("does not answer"), "{shown}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_channel_is_sent_a_test_which_stands_as_a_notice_and_is_noted(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    let post = async |path: &str, token: &str| scene.ask("POST", path, &bearer(token), "").await;
    assert_eq!(post("/api/v1/channels/chat/test", READ).await.status, 403);
    assert_eq!(post("/api/v1/channels/none/test", ADMIN).await.status, 404);
    assert_eq!(post("/api/v1/channels/%00/test", ADMIN).await.status, 404);
    let asked = post("/api/v1/channels/chat/test", ADMIN).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let url = asked.json()["notice_url"].as_str().unwrap().to_owned();
    let again = post("/api/v1/channels/chat/test", ADMIN).await;
    assert_eq!(again.json()["notice_url"], url, "one message for both: {again:?}");
    // What is wrong besides is not in the same message.
    scene.ran_into("r1", "Nightly").await;
    scene.answered(Came::Refused { error: "answered 404: no_service".into() }, Some(404)).await;
    let told = json(&scene, &url).await;
    assert_eq!([&told["kind"], &told["delivery"]], ["test", "failed"], "{told}");
    assert!(told["title"].as_str().unwrap().starts_with("Test message"), "{told}");
    assert_eq!(ids(&scene, "/api/v1/notices?delivery=failed").await.len(), 1);
    let noted = "select operator || ' ' || action || ' ' || kind || ' ' || subject
                 from operator_action order by id limit 1";
    let noted: String = sqlx::query_scalar(noted).fetch_one(&pool).await.unwrap();
    assert_eq!(noted, "admin token test channel chat");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_test_is_tried_at_once_even_where_the_channel_was_left_alone_and_not_for_hours(
    pool: PgPool,
) {
    let scene = Scene::guarded(&pool);
    scene.ran_into("r1", "Nightly").await;
    scene.answered(Came::Refused { error: "answered 404".into() }, Some(404)).await;
    let held = "update notice_channel
                set hold = 'outage', held_since = now(), rests_until = now() + interval '100 years'";
    sqlx::query(held).execute(&pool).await.unwrap();
    let asked = scene.ask("POST", "/api/v1/channels/chat/test", &bearer(ADMIN), "").await;
    let url = asked.json()["notice_url"].as_str().unwrap().to_owned();
    for tried in 1..=5 {
        assert_eq!(json(&scene, &url).await["delivery"], "waiting", "after {tried} tries");
        let error = "could not connect".to_owned();
        scene.answered(Came::Again { error, after: None, doubt: false }, None).await;
        for free in [
            "update notice_channel set rests_until = null",
            "update notice set due_at = '2020-01-01' where due_at is not null",
        ] {
            sqlx::query(free).execute(&pool).await.unwrap();
        }
    }
    assert_eq!(json(&scene, &url).await["delivery"], "failed");
}
