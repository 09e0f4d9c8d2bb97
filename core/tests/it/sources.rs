//! How sources are doing, as pages read it.

use std::time::Duration;

use afterrun_core::config::Config;
use afterrun_core::event::{Delivery, Seen, mark};
use afterrun_core::history::{SecretSeen, SourceRow};
use sqlx::PgPool;

use crate::scene::{DAY, body, deliver, now, store};

const TWO: &str = "
sources:
  prod: { kind: dbt, secrets: [old, new], api: { host: ab123.us1.dbt.com, token: t } }
  test: { kind: dbt, secrets: [secret] }
connections: { a: { kind: played } }
targets: { t: { connection: a } }
routes: [{ name: all, on: success, refresh: [t] }]";

fn config() -> Config {
    config_with("[old, new]")
}

fn config_with(secrets: &str) -> Config {
    let with = format!("kind: dbt, account_id: 1, secrets: {secrets}");
    let text = TWO.replacen("kind: dbt, secrets: [old, new]", &with, 1);
    Config::from_text(std::path::Path::new("afterrun.yml"), &text, &|_| None).unwrap()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_source_tells_what_came_was_refused_or_not_understood_and_by_which_secret(pool: PgPool) {
    let (store, config) = (store(&pool), config());
    let first = now(&store);
    deliver(&store, &body("wev_1", 1, first)).await;
    deliver(&store, &body("wev_1", 1, first)).await;
    deliver(&store, &body("wev_1", 2, first)).await;
    deliver(&store, "{ not json").await;
    store.clock().advance(Duration::from_secs(60));
    let refused = [("prod".to_owned(), 3)].into();
    let by = |secret: &str| ("prod".to_owned(), mark(&secret.into()));
    let proved = vec![by("new"), by("old")];
    store.note_seen(&Seen { proved, refused }).await.unwrap();
    store.clock().advance(Duration::from_secs(60));
    let refused = [("prod".to_owned(), 2)].into();
    store.note_seen(&Seen { proved: vec![by("new")], refused }).await.unwrap();
    let second = now(&store);

    let rows = store.sources(&config).await.unwrap();
    let [prod, test]: [SourceRow; 2] = rows.try_into().unwrap();
    assert_eq!((prod.events, prod.deliveries, prod.duplicates, prod.conflicts), (2, 4, 2, 1));
    assert_eq!((prod.quarantined, prod.last_quarantined_at), (1, Some(first)));
    assert_eq!((prod.refused, prod.last_refused_at), (5, Some(second)));
    assert_eq!((prod.secrets, prod.last_event_at, prod.counted_since), (2, Some(second), None));
    let seen = |secret, minutes: u64| SecretSeen {
        secret,
        seen_at: first + Duration::from_secs(60 * minutes),
    };
    assert_eq!(prod.secrets_seen, [seen(2, 2), seen(1, 1)]);
    let other = config_with("[newer, new]");
    let turned = store.sources(&other).await.unwrap();
    assert_eq!(turned[0].secrets_seen, [seen(2, 2), seen(0, 1)], "the old one is out of the list");
    let other = config_with("[new, old]");
    let turned = store.sources(&other).await.unwrap();
    assert_eq!(turned[0].secrets_seen, [seen(1, 2), seen(2, 1)], "whatever the order");
    assert_eq!(prod.asked, None, "nobody has asked yet");
    assert_eq!((test.events, test.refused, test.last_event_at), (0, 0, None));

    store.clock().advance(DAY);
    let prod = &store.sources(&config).await.unwrap()[0];
    assert_eq!((prod.events, prod.quarantined, prod.last_event_at), (0, 1, Some(second)));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_was_not_understood_is_listed_and_its_bytes_are_as_they_came(pool: PgPool) {
    let store = store(&pool);
    let odd: [&[u8]; 3] = [b"{", b"\xff\x00<script>", b"[]"];
    for (body, source) in odd.into_iter().zip(["prod", "prod", "test"]) {
        store.clock().advance(Duration::from_secs(1));
        store.store(&Delivery { source, body, keys_kept: 400 * DAY }).await.unwrap();
    }
    deliver(&store, &body("wev_1", 1, now(&store))).await;
    let all = store.quarantined(None, None, 10).await.unwrap();
    let lengths: Vec<_> = all.iter().map(|row| row.bytes.unwrap()).collect();
    assert_eq!(lengths, [2, 10, 1], "newest first");
    assert!(all.iter().all(|row| row.reason.is_some()), "{all:?}");
    let second = store.quarantined(None, Some(all[0].cursor()), 1).await.unwrap();
    assert_eq!(second, all[1..2]);
    let of_prod = store.quarantined(Some("prod"), None, 10).await.unwrap();
    assert_eq!(of_prod, all[1..]);
    let bytes = store.body("prod", &second[0].event_id).await.unwrap().unwrap();
    assert_eq!(bytes, odd[1]);
    assert_eq!(store.body("test", &second[0].event_id).await.unwrap(), None);
}
