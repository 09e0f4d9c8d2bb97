//! The pages as a browser asks for them, on real sockets and a real database.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod scene;

use scene::{HTML, Scene};
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
