//! Lists of runs and of what was done by hand, as a browser asks for them.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod scene;

use scene::Scene;
use sqlx::PgPool;

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn runs_are_listed_once_each_with_what_they_led_to_and_found_by_filters(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    scene.succeeded("wev_1", "sales").await;
    scene.told("wev_again", 1, "Nightly build").await;
    scene.told("wev_2", 2, "Orders").await;
    let list = scene.page("/runs").await;
    assert_eq!(list.status, 200, "{}", list.body);
    for shown in [
        "<h1>Runs</h1>",
        "aria-current=\"page\">Runs</a>",
        "href=\"/runs/prod/91\"",
        "2 events",
        "Nightly build",
        "href=\"/refreshes/1\"",
    ] {
        assert!(list.body.contains(shown), "{shown} in {}", list.body);
    }
    assert_eq!(list.body.matches("href=\"/runs/prod/").count(), 2, "{}", list.body);
    for (filter, first, second) in [
        ("job=Orders", false, true),
        ("job=1&state=success&source=prod&since=24h", true, false),
        ("state=error", false, false),
        ("source=other", false, false),
    ] {
        let list = scene.page(&format!("/runs?{filter}")).await;
        assert_eq!(list.status, 200, "{filter}: {}", list.body);
        assert_eq!(list.body.contains("/runs/prod/91\""), first, "{filter}");
        assert_eq!(list.body.contains("/runs/prod/92\""), second, "{filter}");
    }
    for wrong in ["/runs?state=sad", "/runs?after=1", "/runs?since=1y", "/runs?job=%00"] {
        assert_eq!(scene.page(wrong).await.status, 400, "{wrong}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_list_of_runs_goes_on_where_the_page_before_ended(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    for number in 100..151 {
        scene.told(&format!("wev_{number}"), number, "Of no route").await;
    }
    let first = scene.page("/runs?since=24h").await;
    let older = first.body.split('"').find(|part| part.contains("after=")).unwrap();
    assert!(older.contains("since=24h"), "{older}");
    let older = scene.page(&older.replace("&amp;", "&")).await;
    assert_eq!(older.body.matches("href=\"/runs/prod/").count(), 1, "{}", older.body);
    assert!(older.body.contains("/runs/prod/9100\""), "{}", older.body);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_was_done_by_hand_is_told_with_who_did_it_from_where_and_what_came_of_it(
    pool: PgPool,
) {
    let scene = Scene::with_targets(&pool).await;
    scene.failed("wev_1", "orders", "report 4 is gone").await;
    assert_eq!(scene.post("/targets/sales/pause", "").await.status, 303);
    assert_eq!(scene.post("/refreshes/1/cancel", "").await.status, 409);
    let page = scene.page("/audit").await;
    assert_eq!(page.status, 200, "{}", page.body);
    for shown in [
        "admin, without a token",
        "from <bdi>127.0.0.1</bdi>",
        "href=\"/targets/sales\"",
        "href=\"/refreshes/1\"",
        "granted",
        "refused",
        "has ended",
    ] {
        assert!(page.body.contains(shown), "{shown} in {}", page.body);
    }
    let of_channels = scene.page("/audit?kind=channel").await;
    assert_eq!(of_channels.status, 200, "{}", of_channels.body);
    assert!(of_channels.body.contains("Nothing like that"), "{}", of_channels.body);
    let of_target = scene.page("/audit?kind=target&subject=sales").await;
    assert!(of_target.body.contains("href=\"/targets/sales\""), "{}", of_target.body);
    assert!(!of_target.body.contains("href=\"/refreshes/1\""), "{}", of_target.body);
    let (oldest,): (i64,) =
        sqlx::query_as("select min(id) from operator_action").fetch_one(&pool).await.unwrap();
    let before = scene.page(&format!("/audit?after={oldest}")).await;
    assert!(before.body.contains("Nothing like that was done by hand."), "{}", before.body);
    for wrong in ["/audit?kind=thing", "/audit?after=x", "/audit?subject=%00"] {
        assert_eq!(scene.page(wrong).await.status, 400, "{wrong}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn all_that_fit_a_filter_are_changed_once_their_number_is_confirmed(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    scene.told("wev_1", 1, "Nightly build").await;
    scene.told("wev_2", 2, "Orders").await;
    let list = scene.page("/refreshes?state=open&target=sales").await;
    assert!(list.body.contains(" all 1 that fit this filter"), "{}", list.body);
    assert!(!scene.page("/refreshes").await.body.contains("value=\"filter\""), "nothing narrows");
    let asked = "scope=filter&state=open&since=24h&action=cancel";
    let asked = scene.post("/refreshes/selected", asked).await;
    assert!(asked.body.contains("Cancel 2 refreshes?"), "{asked:?}");
    let one = scene.post("/refreshes/selected", "scope=filter&target=sales&action=cancel").await;
    assert!(one.body.contains("Cancel 1 refresh?"), "{}", one.body);
    let (_, mark) = one.body.split_once("name=\"confirmed\" value=\"").unwrap();
    let (mark, _) = mark.split_once('"').unwrap();
    let these = format!("id=1&action=cancel&confirmed={mark}");
    let done = scene.post("/refreshes/selected", &these).await;
    assert_eq!(done.header("location"), Some("/refreshes?done=many-1-1"));
    for wrong in [
        "scope=filter&action=cancel",
        "scope=filter&state=succeeded&action=cancel",
        "scope=filter&state=running&action=retry",
        "scope=filter&target=sales&action=retry",
        "scope=some&target=sales&action=retry",
    ] {
        assert_eq!(scene.post("/refreshes/selected", wrong).await.status, 400, "{wrong}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_copied_is_the_whole_id_however_it_is_shown(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    let long = "x".repeat(200);
    scene.told(&long, 1, "Nightly build").await;
    for (path, whole) in [
        (format!("/events/prod/{long}"), long.as_str()),
        ("/runs/prod/91".into(), "91"),
        ("/refreshes/1".into(), "1"),
        ("/targets/sales".into(), "sales"),
    ] {
        let page = scene.page(&path).await;
        let button = format!("class=\"quiet copy\" type=\"button\" value=\"{whole}\"");
        assert!(page.body.contains(&button), "{path}: {}", page.body);
    }
}
