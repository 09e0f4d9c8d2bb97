//! The pages as a browser asks for them, on real sockets and a real database.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod scene;

use scene::{ADMIN, HTML, READ, Scene};
use sqlx::PgPool;

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_first_page_names_every_target_and_says_how_fresh_it_is(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    scene.succeeded("wev_1", "sales").await;
    scene.failed("wev_2", "orders", "report 4 is gone").await;
    let page = scene.page("/").await;
    assert_eq!(page.status, 200, "{}", page.body);
    for shown in ["sales", "orders", "churn", "report 4 is gone", "href=\"/targets/sales\""] {
        assert!(page.body.contains(shown), "{shown} in {}", page.body);
    }
    let only = scene.page("/?state=failed").await;
    assert!(only.body.contains("href=\"/targets/orders\""), "{}", only.body);
    assert!(!only.body.contains("href=\"/targets/sales\""), "{}", only.body);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_target_that_failed_is_refreshed_again_on_the_first_page_which_stays_as_it_was(
    pool: PgPool,
) {
    let scene = Scene::with_targets(&pool).await;
    scene.succeeded("wev_1", "sales").await;
    scene.failed("wev_2", "orders", "report 4 is gone").await;
    let page = scene.page("/?state=failed&connection=mode").await;
    assert!(page.body.contains("action=\"/targets/orders/retry\""), "{}", page.body);
    let form = "list=yes&state=failed&connection=mode";
    for part in form.split('&') {
        let (key, value) = part.split_once('=').unwrap();
        let field = format!("name=\"{key}\" value=\"{value}\"");
        assert!(page.body.contains(&field), "{field} in {}", page.body);
    }
    let whole = scene.page("/").await;
    assert!(!whole.body.contains("action=\"/targets/sales/retry\""), "a fresh one has no need");
    let again = scene.post("/targets/orders/retry", form).await;
    let back = again.header("location").unwrap();
    assert_eq!(back, "/?state=failed&connection=mode&done=anew-3");
    let said = scene.page(back).await;
    assert!(said.body.contains("tries the same events again"), "{}", said.body);
    assert!(scene.page("/").await.body.contains("Refresh now"), "it waits, and may be hurried");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_page_of_the_first_list_leads_to_those_that_are_less_urgent_and_finds_by_name(
    pool: PgPool,
) {
    let scene = Scene::with_targets(&pool).await;
    scene.failed("wev_1", "orders", "gone").await;
    sqlx::query(
        "insert into target_state (target, connection, connector, configured)
        select 'more-' || n, 'mode', 'mode', true from generate_series(100, 299) as n",
    )
    .execute(&pool)
    .await
    .unwrap();
    let targets = |body: &str| body.matches("<th scope=\"row\">").count();
    let first = scene.page("/").await;
    assert_eq!(targets(&first.body), 100);
    assert!(first.body.contains("/targets/orders\"") && first.body.contains("page=2\""));
    let last = scene.page("/?page=3").await;
    assert_eq!(targets(&last.body), 3, "{}", last.body);
    assert!(last.body.contains("page=2\"") && !last.body.contains("page=4\""));
    // Those of later pages are found, by their names and by their states.
    let named = scene.page("/?name=RE-299").await;
    assert_eq!((targets(&named.body), named.body.contains("/targets/more-299")), (1, true));
    assert_eq!(targets(&scene.page("/?state=unknown&page=3").await.body), 2);
    assert_eq!(targets(&scene.page("/?name=%25&page=10000").await.body), 0);
    for wrong in ["/?page=0", "/?page=10001", "/?page=x"] {
        assert_eq!(scene.page(wrong).await.status, 400, "{wrong}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_targets_page_shows_its_refreshes_and_how_its_lag_was(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    scene.succeeded("wev_1", "sales").await;
    for over in ["24h", "7d", "30d"] {
        let page = scene.page(&format!("/targets/sales?over={over}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        for shown in ["<h1>sales</h1>", "Lag over time", "As a table", "succeeded", "wev_1"] {
            assert!(page.body.contains(shown), "{shown} in {}", page.body);
        }
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_overview_draws_each_hour_and_tells_the_same_in_words_and_as_a_table(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    scene.succeeded("wev_1", "sales").await;
    scene.failed("wev_2", "orders", "report 4 is gone").await;
    sqlx::query("update refresh set fresh_after = fresh_after - interval '90 seconds'")
        .execute(&pool)
        .await
        .unwrap();
    let page = scene.page("/overview").await;
    assert_eq!(page.status, 200, "{}", page.body);
    for shown in [
        "From run end to confirmed refresh: half within, 19 in 20 within",
        ": half within 1 min 30 s, 19 in 20 within 1 min 30 s",
        ": 1 of 2 succeeded",
        ": 1 succeeded, 1 failed, 0 skipped, 0 cancelled",
        "<td class=\"number\">50.0 %</td>",
    ] {
        assert!(page.body.contains(shown), "{shown} in {}", page.body);
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_not_there_or_not_understood_is_said_on_a_page(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    for (path, status) in [
        ("/targets/nothing", 404),
        ("/targets/%00", 400),
        ("/targets/%3Cscript%3E", 404),
        ("/targets/sales?over=1y", 400),
        ("/?state=sad", 400),
        ("/?state=fresh&state=stale", 400),
        ("/?state=%00", 400),
        ("/assets/afterrun-0.css", 404),
    ] {
        let page = scene.page(path).await;
        assert_eq!(page.status, status, "{path}: {}", page.body);
        assert!(page.body.contains("class=\"problem\""), "{path}: {}", page.body);
        assert!(!page.body.contains("<script>"), "{path}: {}", page.body);
    }
    let posted = scene.ask("DELETE", "/", &format!("{HTML}{}", scene.origin()), "").await;
    assert_eq!(posted.status, 405);
    assert_eq!(posted.header("allow"), Some("GET, HEAD"));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_a_page_loads_is_served_here_and_kept_for_long(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    let page = scene.page("/").await;
    let loaded: Vec<&str> =
        page.body.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert_eq!(loaded.len(), 2, "{}", page.body);
    for path in loaded {
        let asset = scene.page(path).await;
        assert_eq!(asset.status, 200, "{path}");
        assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"));
    }
    assert!(!page.body.contains("style="), "{}", page.body);
    assert_eq!(page.header("cache-control"), Some("no-store"));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_shows_its_way_to_the_end_and_which_routes_took_it_and_why_not(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    scene.succeeded("wev_1", "sales").await;
    let list = scene.page("/events?state=planned&target=sales&job=1&since=24h").await;
    assert!(list.body.contains("href=\"/events/prod/wev_1\""), "{}", list.body);
    let page = scene.page("/events/prod/wev_1").await;
    assert_eq!(page.status, 200, "{}", page.body);
    for shown in [
        "Received and stored",
        "Asked the tool to start it",
        "succeeded",
        "of-orders",
        "<code>jobs</code> wants <bdi>2</bdi>, the event has <bdi>1</bdi>",
        "&quot;eventType&quot;: &quot;job.run.completed&quot;",
    ] {
        assert!(page.body.contains(shown), "{shown} in {}", page.body);
    }
    for gone in ["/events/prod/wev_2", "/events/other/wev_1", "/event?source=prod&id=.."] {
        assert_eq!(scene.page(gone).await.status, 404, "{gone}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn lists_go_on_where_the_page_before_ended(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    for number in 0..51 {
        scene.told(&format!("wev_{number}"), 7, "Of no route").await;
    }
    let first = scene.page("/events?since=1h").await;
    let older = first.body.split('"').find(|part| part.contains("after=")).unwrap();
    let older = scene.page(&older.replace("&amp;", "&")).await;
    assert!(older.body.contains("/events/prod/wev_0\""), "{}", older.body);
    assert!(!older.body.contains("/events/prod/wev_50\""), "{}", older.body);
    for wrong in [
        "/events?after=1",
        "/events?after=9223372036854775807.1",
        "/events?after=-9223372036854775808.1",
        "/events?since=9999999999d",
        "/events?since=1y",
        "/events?job=%00",
        "/refreshes?after=x",
        "/refreshes?after=99999999999999999999",
        "/refreshes?state=sad",
    ] {
        assert_eq!(scene.page(wrong).await.status, 400, "{wrong}");
    }
    for fine in
        ["/refreshes?after=9223372036854775807", "/refreshes?connection=none", "/events?job="]
    {
        assert_eq!(scene.page(fine).await.status, 200, "{fine}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_failed_refresh_says_why_and_is_retried_by_a_form(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    let id = scene.failed("wev_1", "orders", "report 4 is gone").await;
    let page = scene.page(&format!("/refreshes/{id}")).await;
    for shown in ["failed for good", "report 4 is gone", "404", "href=\"/events/prod/wev_1\""] {
        assert!(page.body.contains(shown), "{shown} in {}", page.body);
    }
    let retried = scene.post(&format!("/refreshes/{id}/retry"), "").await;
    assert_eq!(retried.status, 303, "{retried:?}");
    let next = retried.header("location").unwrap();
    assert!(scene.page(next).await.body.contains("tries the same events again"));
    let open = scene.page("/refreshes?state=open&target=orders&connection=mode").await;
    assert!(open.body.contains("name=\"id\" value=\"2\""), "{}", open.body);
    let cancelled = scene.post("/refreshes/2/cancel", "").await;
    assert_eq!(cancelled.header("location"), Some("/refreshes/2?done=cancelled"));
    assert_eq!(scene.post("/refreshes/2/cancel", "").await.status, 409);
    assert_eq!(scene.post("/refreshes/99/cancel", "").await.status, 404);
    let again = scene.post("/targets/orders/retry", "").await;
    assert_eq!(again.header("location"), Some("/targets/orders?done=anew-3"));
    let (operator, granted): (String, i64) = sqlx::query_as(
        "select max(operator), count(*) from operator_action where granted and action in ('retry', 'cancel')",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!((operator.as_str(), granted), ("admin, without a token", 3));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn many_refreshes_are_changed_only_once_these_very_ones_are_confirmed(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    scene.told("wev_1", 1, "Nightly build").await;
    scene.told("wev_2", 2, "Orders").await;
    let asked = scene.post("/refreshes/selected", "id=1&id=2&id=2&action=cancel").await;
    assert_eq!(asked.status, 200);
    assert!(asked.body.contains("Cancel 2 refreshes?"), "{}", asked.body);
    let (_, mark) = asked.body.split_once("name=\"confirmed\" value=\"").unwrap();
    let (mark, _) = mark.split_once('"').unwrap();
    let others = format!("id=1&action=cancel&confirmed={mark}");
    let others = scene.post("/refreshes/selected", &others).await;
    assert_eq!(others.status, 200);
    assert!(others.body.contains("Nothing was changed"), "{}", others.body);
    let these = format!("id=1&id=2&action=cancel&confirmed={mark}");
    let done = scene.post("/refreshes/selected", &these).await;
    assert_eq!(done.header("location"), Some("/refreshes?done=many-2-2"));
    let list = scene.page("/refreshes?state=cancelled&done=many-2-2").await;
    assert!(list.body.contains("Done for all 2."), "{}", list.body);
    assert_eq!(scene.post("/refreshes/selected", "action=cancel").await.status, 400);
    assert_eq!(scene.post("/refreshes/selected", "id=1&action=burn").await.status, 400);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn targets_and_connections_are_paused_and_an_event_is_planned_again(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    scene.succeeded("wev_1", "sales").await;
    for (path, next) in [
        ("/targets/sales/pause", "/targets/sales?done=paused"),
        ("/targets/sales/pause", "/targets/sales?done=unchanged"),
        ("/targets/sales/resume", "/targets/sales?done=resumed"),
        ("/connections/mode/pause", "/connections?done=paused"),
        ("/connections/mode/resume", "/connections?done=resumed"),
    ] {
        assert_eq!(scene.post(path, "").await.header("location"), Some(next), "{path}");
    }
    assert_eq!(scene.post("/targets/nothing/pause", "").await.status, 404);
    let replayed = scene.post("/replay", "source=prod&id=wev_1&route=of-sales").await;
    assert_eq!(replayed.status, 409, "it does not take that route: {replayed:?}");
    let replayed = scene.post("/replay", "source=prod&id=wev_1&route=").await;
    assert_eq!(replayed.header("location"), Some("/events/prod/wev_1?done=replayed"));
    let page = scene.page("/events/prod/wev_1?done=replayed").await;
    assert!(page.body.contains("href=\"/refreshes/2\""), "{}", page.body);
    assert_eq!(scene.post("/replay", "source=prod&id=none").await.status, 404);
    assert_eq!(scene.post("/replay", "source=prod").await.status, 400);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn whoever_may_only_look_is_offered_no_change(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    scene.store.register_targets(&scene.config).await.unwrap();
    let id = scene.failed("wev_1", "orders", "gone").await;
    for (token, offered) in [(ADMIN, true), (READ, false)] {
        let headers = format!("{HTML}{}", scene.session(token).await);
        for path in
            [format!("/refreshes/{id}"), "/targets/orders".into(), "/events/prod/wev_1".into()]
        {
            let page = scene.get(&path, &headers).await;
            assert_eq!(page.status, 200, "{path}");
            assert_eq!(page.body.contains("class=\"actions\""), offered, "{token} {path}");
        }
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn names_from_outside_are_shown_as_text_wherever_they_stand(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    for id in ["<script>alert(1)</script>", "..", "a/b?c#d%2F e", "\u{202E}evil", "ü\"'&"] {
        scene
            .told(id, 2, &format!("\u{202E}<img src=x onerror=alert(1)>{}", "x".repeat(100_000)))
            .await;
    }
    let list = scene.page("/events").await;
    assert!(list.body.len() < 60_000, "{}", list.body.len());
    let links: Vec<String> = list
        .body
        .split('"')
        .filter(|part| part.starts_with("/events/prod/") || part.starts_with("/event?"))
        .map(|part| part.replace("&amp;", "&"))
        .collect();
    assert_eq!(links.len(), 5, "{links:?}");
    for path in
        links.iter().map(String::as_str).chain(["/events", "/refreshes/1", "/", "/targets/orders"])
    {
        let page = scene.page(path).await;
        assert_eq!(page.status, 200, "{path}");
        // What a form sends back is whole.
        let shown = page.body.replace("value=\"\u{202E}", "");
        for wrong in ["<script>a", "<img", "\u{202E}"] {
            assert!(!shown.contains(wrong), "{path} has {wrong}");
        }
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_shows_its_events_and_a_connection_is_tested_by_a_form(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    scene.succeeded("wev_1", "sales").await;
    let run = scene.page("/runs/prod/91").await;
    for shown in ["<h1>Run 91</h1>", "href=\"/events/prod/wev_1\"", "dbt was not asked"] {
        assert!(run.body.contains(shown), "{shown} in {}", run.body);
    }
    assert_eq!(scene.page("/runs/other/91").await.status, 404);
    assert_eq!(scene.page("/run?source=prod&id=..").await.status, 404);
    let connections = scene.page("/connections").await;
    assert!(connections.body.contains("action=\"/connections/mode/test\""), "{}", connections.body);
    let tested = scene.post("/connections/mode/test", "").await;
    assert_eq!(tested.header("location"), Some("/connections?done=tested"));
    let due = scene.store.claim_probes(&["mode".to_owned()]).await.unwrap();
    assert_eq!(due, ["mode"]);
    assert_eq!(scene.post("/connections/none/test", "").await.status, 404);
}
