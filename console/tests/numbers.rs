//! Pages that say how the parts around the targets are doing.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod scene;

use afterrun_core::operator::Pausable;
use scene::{ADMIN, READ, Scene, bearer};
use sqlx::PgPool;

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_overview_counts_what_was_received_and_what_came_of_it(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    scene.succeeded("wev_1", "sales").await;
    scene.failed("wev_2", "orders", "report 4 is gone").await;
    scene.event("prod", "wev_3").await;
    let page = scene.page("/overview").await;
    assert_eq!(page.status, 200, "{}", page.body);
    for shown in
        ["<dd>3</dd>", "50.0 %", "1 succeeded, 1 failed", "href=\"/refreshes?state=queued\""]
    {
        assert!(page.body.contains(shown), "{shown} in {}", page.body);
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn each_connection_says_whether_it_is_in_use(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    let page = scene.page("/connections").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("in use"), "{}", page.body);
    scene.store.set_paused(Pausable::Connection, "mode", true).await.unwrap();
    let page = scene.page("/connections").await;
    assert!(page.body.contains("paused") && !page.body.contains("in use"), "{}", page.body);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_was_not_understood_is_counted_listed_and_given_as_it_came(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    scene.event("prod", "wev_1").await;
    scene.delivered("<script>alert(1)</script> is no JSON").await;
    let sources = scene.page("/sources").await;
    assert!(sources.body.contains("href=\"/quarantine?source=prod\""), "{}", sources.body);
    let list = scene.page("/quarantine?source=prod").await;
    assert_eq!(list.status, 200, "{}", list.body);
    let link = list.body.split("href=\"").find(|link| link.contains("/raw\"")).unwrap();
    let raw = scene.page(link.split('"').next().unwrap()).await;
    assert_eq!(raw.body, "<script>alert(1)</script> is no JSON");
    assert_eq!(raw.header("content-type"), Some("application/octet-stream"));
    assert!(raw.header("content-disposition").unwrap().starts_with("attachment"));
    assert_eq!(scene.page("/events/prod/wev_1/raw").await.status, 404);
    let guarded = Scene::guarded(&pool);
    let path = link.split('"').next().unwrap();
    assert_eq!(guarded.get(path, &bearer(READ)).await.status, 403);
    assert_eq!(guarded.get(path, &bearer(ADMIN)).await.status, 200);
    for wrong in ["x", "9.9.9", "99999999999999999999.1", "-999999999999999999.1", "1.x"] {
        let page = scene.page(&format!("/quarantine?after={wrong}")).await;
        assert_eq!(page.status, 400, "{wrong}: {}", page.body);
    }
}
