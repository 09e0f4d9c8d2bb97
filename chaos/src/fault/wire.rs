//! The bytes by which a moment is known on an ingest's road to the database.
//!
//! They are what Postgres and the driver make of the statement that stores events, so a test holds
//! each of them against that statement itself.

/// The beginning of the answer to an event: a row of its source, its key, and whether it is stale.
pub(super) const STORED: &[u8] = b"\0\x03\0\0\0\x04prod\0\0\0\x1fwev_";

/// The end of one such row, of an event that is not stale, and the beginning of the next: these
/// events share a commit.
pub(super) const STORED_TOGETHER: &[u8] =
    b"\0\0\0\x01\0D\0\0\0\x36\0\x03\0\0\0\x04prod\0\0\0\x1fwev_";

/// The key of an event with that of another behind it, on their way into one statement.
pub(super) fn not_last(event_id: &str) -> Vec<u8> {
    // Each key of the array has its length before it, and all of dbt's are of one length.
    let length = u32::try_from(event_id.len()).expect("an id is short").to_be_bytes();
    [event_id.as_bytes(), &length, b"wev_"].concat()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use afterrun_core::event::Delivery;
    use afterrun_core::pool::ingest_pool;
    use afterrun_core::{Clock, Store};
    use afterrun_simulators::dbt::new_event_id;
    use afterrun_simulators::network::{Road, Way};
    use sqlx::PgPool;

    use super::*;

    /// Which of the watched bytes pass when such events are stored in one statement.
    async fn pass(pool: &PgPool, ids: &[String], watched: &[(Way, &[u8])]) -> Vec<bool> {
        let options = pool.connect_options();
        let road = Road::to_host(options.get_host(), options.get_port()).await.unwrap();
        let options = options.as_ref().clone().host("127.0.0.1").port(road.address().port());
        let store = Store::new(ingest_pool(options, 1), Clock::Database);
        let bodies: Vec<_> =
            ids.iter().map(|id| format!(r#"{{"eventId":"{id}","data":{{}}}}"#)).collect();
        let keys_kept = Duration::from_secs(3600);
        let deliveries: Vec<_> = bodies
            .iter()
            .map(|body| Delivery { source: "prod", body: body.as_bytes(), keys_kept })
            .collect();
        let watching = watched.iter().map(|(way, bytes)| {
            let (way, bytes, road) = (*way, *bytes, &road);
            async move { road.hold(way, bytes, Duration::from_millis(500)).await.is_some() }
        });
        let watching = futures_util::future::join_all(watching);
        let (passed, stored) = tokio::join!(watching, store.store_new(&deliveries));
        assert!(stored.unwrap().iter().all(Option::is_some));
        passed
    }

    #[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
    async fn they_are_those_of_the_statement_that_stores_events(pool: PgPool) {
        let mut ids: Vec<_> = (0..4).map(|_| new_event_id()).collect();
        // As they stand in the statement.
        ids[1..].sort();
        let (first, last) = (not_last(&ids[1]), not_last(&ids[3]));
        let one = [(Way::Back, STORED), (Way::Back, STORED_TOGETHER)];
        assert_eq!(pass(&pool, &ids[..1], &one).await, [true, false]);
        let several = [
            (Way::There, &first[..]),
            (Way::There, &last),
            (Way::Back, STORED),
            (Way::Back, STORED_TOGETHER),
        ];
        // The two watches of one answer would be met by the same bytes.
        assert_eq!(pass(&pool, &ids[1..], &several[..3]).await, [true, false, true]);
        let more: Vec<_> = (0..4).map(|_| new_event_id()).collect();
        assert_eq!(pass(&pool, &more, &several[3..]).await, [true]);
    }
}
