//! The OpenAPI document as programs fetch it.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod scene;

use sqlx::PgPool;

use self::scene::{READ, Scene, bearer};

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_document_is_there_for_whoever_may_read(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    assert_eq!(scene.get("/api/v1/openapi.json", "").await.status, 401);
    let document = scene.get("/api/v1/openapi.json", &bearer(READ)).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    for (at, wanted) in [
        ("/paths/~1api~1v1~1events/get/responses/503/description", "The database is away"),
        ("/components/schemas/EventRow/properties/event_id/type", "string"),
        ("/components/securitySchemes/token/scheme", "bearer"),
    ] {
        let found = document.pointer(at).and_then(|found| found.as_str()).unwrap_or_default();
        assert!(found.starts_with(wanted), "{at}: {found}");
    }
}
