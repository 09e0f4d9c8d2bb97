//! Which secret proves what comes, and how much is refused, as those see it who exchange a secret.

use afterrun_core::event::mark;
use sqlx::PgPool;

use crate::harness::*;

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn it_is_noted_by_which_secret_of_which_source_something_came_and_what_was_refused(
    pool: PgPool,
) {
    let front = Front::start(pool).await;
    for secret in [SECRET, NEW_SECRET] {
        let body = event(&format!("wev_{}", secret.len()));
        let signed = sign(secret, body.as_bytes());
        let answer = front.post("/webhooks/dbt/prod", &[("Authorization", &signed)], &body).await;
        assert_eq!(answer.said().0, 200);
    }
    front.mode("{}").await;
    for path in ["/webhooks/dbt/prod", "/webhooks/dbt/prod", "/webhooks/dbt/nobody"] {
        assert_eq!(front.post(path, &[("Authorization", "00")], "{}").await.status, 401);
    }
    let wrong = format!("/webhooks/mode/mode-push/{OTHER_PATH_TOKEN}");
    assert_eq!(front.post(&wrong, &[], "{}").await.status, 401);

    let mut marks = [SECRET, NEW_SECRET].map(|secret| mark(&secret.into()));
    marks.sort_unstable();
    let [first, second] = marks;
    let wanted = [
        ("mode-push".to_owned(), 0, None),
        ("prod".to_owned(), first, None),
        ("prod".to_owned(), second, None),
        ("mode-push".to_owned(), -1, Some(1)),
        ("prod".to_owned(), -1, Some(2)),
    ];
    let mut noted: Vec<(String, i16, Option<i64>)> = vec![];
    while noted != wanted {
        assert!(noted.len() <= wanted.len(), "{noted:?}");
        noted = sqlx::query_as(
            "(select source, secret, null::bigint from source_seen order by 1, 2)
            union all (select source, '-1'::smallint, refused from source_refused order by 1)",
        )
        .fetch_all(&front.pool)
        .await
        .unwrap();
    }
    front.stop().await;
}
