//! The console as a browser asks for it.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod scene;

use sqlx::PgPool;

use self::scene::{ADMIN, HTML, Scene, bearer};

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_first_page_loads_nothing_from_elsewhere(pool: PgPool) {
    let answer = Scene::open(&pool).get("/", HTML).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains("<h1>Freshness</h1>"), "{answer:?}");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    // With no-referrer a browser sends its own forms with `Origin: null`.
    assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn where_there_is_a_token_no_page_is_shown_without_it(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    assert_eq!(scene.get("/", "").await.status, 401);
    assert_eq!(scene.get("/", &bearer(ADMIN)).await.status, 200);
}
