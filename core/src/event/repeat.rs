//! A delivery of an event that is known.
//!
//! Invariant: the first body stands, and another one under its id is kept beside it.

use super::{Arrival, Stored};
use crate::pool::Lent;
use crate::{Doing as _, Store, StoreError};

impl Store {
    /// Counts a delivery on the event that it repeats, if there is one.
    pub(super) async fn count_repeat(
        &self,
        arrival: &Arrival<'_>,
    ) -> Result<Option<Stored>, StoreError> {
        const DOING: &str = "count a repeated delivery";
        let mut connection = Lent::from(&self.pool).await.doing(DOING)?;
        let conflict = sqlx::query_scalar!(
            r#"
            with known as (
                update event set
                    deliveries = deliveries + 1,
                    last_delivery_at = coalesce($5, now()),
                    conflicts = conflicts + (body_sha256 <> $4)::int
                where source = $1 and event_key = $2
                returning id, body_sha256 <> $4 as conflict
            ),
            noted as (
                insert into event_conflict (event_id, body_sha256, body, received_at)
                select id, $4, $3, coalesce($5, now()) from known where conflict
                on conflict do nothing
            )
            select conflict as "conflict!" from known
            "#,
            arrival.delivery.source,
            arrival.event_id,
            arrival.delivery.body,
            arrival.sha256.as_slice(),
            self.now(),
        )
        .fetch_optional(&mut *connection)
        .await
        .doing(DOING)?;
        connection.give_back();
        let event_id = || arrival.event_id.clone();
        Ok(conflict.map(|conflict| Stored::Duplicate { event_id: event_id(), conflict }))
    }
}
