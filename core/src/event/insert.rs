//! Events that are new, any number in one statement: what one commit costs, they share.
//!
//! Invariant: all of them are committed or none is. Events are written in the order of their keys,
//! so that two such statements never wait for each other in a circle. What was found by asking is
//! written, and so planned, in the order of the ends of runs: an order as fixed, of other keys.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::{Arrival, ArrivedBy, Stored, interval};
use crate::dbt::Fields;
use crate::pool::Lent;
use crate::store::column;
use crate::{Doing as _, Store, StoreError};

impl Store {
    /// Inserts those that are not known; the first of several with one key. `None` stands for the
    /// others.
    pub(super) async fn insert(
        &self,
        arrivals: &[Arrival<'_>],
        arrived_by: ArrivedBy,
    ) -> Result<Vec<Option<Stored>>, StoreError> {
        const DOING: &str = "store events";
        // In an order of their own, and of several with one key the first counts.
        let mut order: Vec<usize> = (0..arrivals.len()).collect();
        order.sort_by_key(|place| {
            let ended = arrivals[*place].fields().and_then(|fields| fields.run_finished_at);
            let found = arrived_by == ArrivedBy::Reconcile;
            (ended.filter(|_| found), arrivals[*place].key())
        });
        let sorted: Vec<_> = order.iter().map(|place| &arrivals[*place]).collect();
        let text = |of: fn(&Fields) -> &Option<String>| {
            column(&sorted, move |arrival| arrival.fields().and_then(|it| of(it).as_deref()))
        };
        let time = |of: fn(&Fields) -> Option<DateTime<Utc>>| {
            column(&sorted, move |arrival| arrival.fields().and_then(of))
        };
        let mut connection = Lent::from(&self.pool).await.doing(DOING)?;
        let inserted = sqlx::query!(
            r#"
            insert into event (
                source, event_key, body, body_sha256, state, reason, planned_at,
                event_type, account_id, occurred_at,
                project_id, project_name, environment_id, environment_name,
                job_id, job_name, run_id, run_status, run_status_code, run_reason,
                run_started_at, run_finished_at, received_at, last_delivery_at, plan_due_at, arrived_by
            )
            select
                source, event_key, body, body_sha256,
                (case
                    when not_understood is not null then 'quarantined'
                    when occurred_at < clock.at - keys_kept then 'planned'
                    else 'stored'
                end)::event_state,
                case
                    when not_understood is not null then not_understood
                    when occurred_at < clock.at - keys_kept
                        then 'stale: dbt signed it longer ago than retention.keys'
                end,
                case when occurred_at < clock.at - keys_kept then clock.at end,
                event_type, account_id, occurred_at,
                project_id, project_name, environment_id, environment_name,
                job_id, job_name, run_id, run_status, run_status_code, run_reason,
                run_started_at, run_finished_at, clock.at, clock.at, clock.at, $23
            from
                unnest(
                    $1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::interval[],
                    $6::text[], $7::text[], $8::text[], $9::timestamptz[],
                    $10::text[], $11::text[], $12::text[], $13::text[],
                    $14::text[], $15::text[], $16::text[], $17::text[], $18::bigint[],
                    $19::text[], $20::timestamptz[], $21::timestamptz[]
                ) as arrival (
                    source, event_key, body, body_sha256, keys_kept,
                    not_understood, event_type, account_id, occurred_at,
                    project_id, project_name, environment_id, environment_name,
                    job_id, job_name, run_id, run_status, run_status_code,
                    run_reason, run_started_at, run_finished_at
                ),
                (select coalesce($22, now()) as at) as clock
            on conflict (source, event_key) do nothing
            returning source, event_key, state = 'planned' as "stale!"
            "#,
            &column(&sorted, |arrival| arrival.delivery.source) as _,
            &column(&sorted, |arrival| arrival.event_id.as_str()) as _,
            &column(&sorted, |arrival| arrival.delivery.body) as _,
            &column(&sorted, |arrival| arrival.sha256.as_slice()) as _,
            &column(&sorted, |arrival| interval(arrival.delivery.keys_kept)) as _,
            &column(&sorted, |arrival| arrival.read.as_ref().err()) as _,
            &text(|fields| &fields.event_type) as _,
            &text(|fields| &fields.account_id) as _,
            &time(|fields| fields.occurred_at) as _,
            &text(|fields| &fields.project_id) as _,
            &text(|fields| &fields.project_name) as _,
            &text(|fields| &fields.environment_id) as _,
            &text(|fields| &fields.environment_name) as _,
            &text(|fields| &fields.job_id) as _,
            &text(|fields| &fields.job_name) as _,
            &text(|fields| &fields.run_id) as _,
            &text(|fields| &fields.run_status) as _,
            &column(&sorted, |arrival| arrival.fields()?.run_status_code) as _,
            &text(|fields| &fields.run_reason) as _,
            &time(|fields| fields.run_started_at) as _,
            &time(|fields| fields.run_finished_at) as _,
            self.now(),
            arrived_by as ArrivedBy,
        )
        .fetch_all(&mut *connection)
        .await
        .doing(DOING)?;
        connection.give_back();
        let mut stale: HashMap<_, _> = inserted
            .iter()
            .map(|row| ((row.source.as_str(), row.event_key.as_str()), row.stale))
            .collect();
        let mut all = vec![None; arrivals.len()];
        for (place, arrival) in order.into_iter().zip(sorted) {
            all[place] = stale.remove(&arrival.key()).map(|stale| arrival.stored(stale));
        }
        Ok(all)
    }
}

impl Arrival<'_> {
    fn key(&self) -> (&str, &str) {
        (self.delivery.source, &self.event_id)
    }

    fn stored(&self, stale: bool) -> Stored {
        let event_id = self.event_id.clone();
        match &self.read {
            Err(why) => Stored::Quarantined { event_id, why: why.clone() },
            Ok(_) if stale => Stored::Stale { event_id },
            Ok(_) => Stored::New { event_id },
        }
    }

    fn fields(&self) -> Option<&Fields> {
        self.read.as_ref().ok()
    }
}
