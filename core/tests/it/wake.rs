//! Who is told that there is work.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::timeout;

use crate::scene::{claim, config, planned, store};

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_operators_wish_wakes_the_workers(pool: PgPool) {
    let store = store(&pool);
    planned(&store, &config(&[("a", 1)]), "wev_1", 1).await;
    let claimed = claim(&store, "w", 1, &[]).await.pop().unwrap();
    let id = claimed.id;
    store.hand_back(claimed).await.unwrap();

    let mut workers = store.listen().await.unwrap();
    store.retry(id).await.unwrap();
    timeout(Duration::from_secs(30), workers.heard()).await.unwrap().unwrap();
}
