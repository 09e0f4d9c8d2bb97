//! Events that change the refresh they belong to, when the one under way is tried again or given up.

use std::time::Duration;

use super::{DOING, Writing};
use crate::event::interval;
use crate::{Doing as _, StoreError};

impl Writing<'_> {
    /// A refresh that is tried again takes over the events of the one that waits behind it: one
    /// more try serves both, and only one may be queued. Their own time for tries begins now.
    pub(super) async fn absorb_waiting(&mut self) -> Result<(), StoreError> {
        sqlx::query!(
            r#"
            with behind as (
                update refresh
                set
                    state = 'skipped',
                    reason = 'coalesced: its events joined refresh ' || $1::bigint || ', which is tried again',
                    finished_at = coalesce($3, clock_timestamp())
                where target = $2 and state in ('waiting', 'queued')
                returning id
            ),
            -- An event that was replayed meanwhile is here already: its time begins anew too.
            here as (
                update refresh_cause
                set joined_at = coalesce($3, clock_timestamp())
                from behind, refresh_cause as again
                where refresh_cause.refresh_id = $1
                    and again.refresh_id = behind.id
                    and again.event_id = refresh_cause.event_id
                    and again.route = refresh_cause.route
                returning again.refresh_id, again.event_id, again.route
            ),
            again as (
                delete from refresh_cause
                using here
                where refresh_cause.refresh_id = here.refresh_id
                    and refresh_cause.event_id = here.event_id
                    and refresh_cause.route = here.route
            )
            update refresh_cause
            set refresh_id = $1, joined_at = coalesce($3, clock_timestamp())
            from behind
            where refresh_cause.refresh_id = behind.id
                and not exists (
                    select from here
                    where here.event_id = refresh_cause.event_id and here.route = refresh_cause.route
                )
            "#,
            self.claimed.id.0,
            self.claimed.target,
            self.now,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(())
    }

    /// Each event is owed tries for `give_up_after`. Those that joined after the refresh had begun
    /// its tries, and still have time, go on with the one behind it or with a new one; those that
    /// were there from the beginning end with it, also where the last wait would outlast their time.
    pub(super) async fn hand_on_late_events(
        &mut self,
        give_up_after: Duration,
        after: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            r#"
            with clock as materialized (
                select coalesce($2, clock_timestamp()) as at
            ),
            late as (
                select
                    min(joined_at) as tries_since,
                    max(fresh_after) as fresh_after
                from clock, refresh_cause
                where refresh_id = $1 and joined_at > $4 and joined_at + $3::interval > clock.at
                having count(*) > 0
            ),
            -- The target is locked, so nothing comes between the look and the insert.
            joined as (
                update refresh
                set
                    fresh_after = greatest(refresh.fresh_after, late.fresh_after),
                    tries_since = least(refresh.tries_since, late.tries_since)
                from late
                where refresh.target = $6 and refresh.state in ('waiting', 'queued')
                returning refresh.id
            ),
            made as (
                insert into refresh (
                    target, connection, connector, state, reason, fresh_after,
                    due_at, created_at, tries_since, attempts
                )
                select
                    refresh.target, refresh.connection, refresh.connector, 'queued',
                    'takes over from refresh ' || $1::bigint || ', whose time was up',
                    late.fresh_after,
                    -- The wait leaves time for the try.
                    clock.at + least($5::interval, (late.tries_since + $3::interval - clock.at) / 2),
                    clock.at, late.tries_since,
                    -- Its delays go on growing where they were.
                    refresh.attempts
                from clock, late, refresh
                where refresh.id = $1 and not exists (select from joined)
                returning id
            ),
            behind as (
                select id from joined union all select id from made
            )
            update refresh_cause
            set refresh_id = behind.id
            from clock, behind
            where refresh_cause.refresh_id = $1
                and refresh_cause.joined_at > $4
                and refresh_cause.joined_at + $3::interval > clock.at
                -- One that was replayed meanwhile is behind already.
                and not exists (
                    select from refresh_cause as again
                    where again.refresh_id = behind.id
                        and again.event_id = refresh_cause.event_id
                        and again.route = refresh_cause.route
                )
            "#,
            self.claimed.id.0,
            self.now,
            interval(give_up_after),
            self.claimed.tries_since,
            interval(after),
            self.claimed.target,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(())
    }

    /// A cancelled refresh ends with the events that it had when an operator wanted that. Those that
    /// joined since go on with the one behind it or with a new one.
    pub(super) async fn hand_on_later_events(&mut self) -> Result<(), StoreError> {
        sqlx::query!(
            r#"
            with later as (
                select max(refresh_cause.fresh_after) as fresh_after
                from refresh_cause
                join refresh on refresh.id = refresh_cause.refresh_id
                where refresh.id = $1 and refresh_cause.joined_at > refresh.cancel_asked_at
                having count(*) > 0
            ),
            -- The target is locked, so nothing comes between the look and the insert.
            joined as (
                update refresh
                set fresh_after = greatest(refresh.fresh_after, later.fresh_after)
                from later
                where refresh.target = $3 and refresh.state in ('waiting', 'queued')
                returning refresh.id
            ),
            made as (
                insert into refresh (
                    target, connection, connector, state, reason, fresh_after,
                    due_at, created_at, tries_since
                )
                select
                    refresh.target, refresh.connection, refresh.connector, 'queued',
                    'takes over from refresh ' || $1::bigint || ', which was cancelled before its event came',
                    later.fresh_after,
                    coalesce($2, clock_timestamp()), coalesce($2, clock_timestamp()),
                    coalesce($2, clock_timestamp())
                from later, refresh
                where refresh.id = $1 and not exists (select from joined)
                returning id
            ),
            behind as (
                select id from joined union all select id from made
            )
            update refresh_cause
            set refresh_id = behind.id
            from behind, refresh
            where refresh_cause.refresh_id = $1
                and refresh.id = $1
                and refresh_cause.joined_at > refresh.cancel_asked_at
                -- One that was replayed meanwhile is behind already.
                and not exists (
                    select from refresh_cause as again
                    where again.refresh_id = behind.id
                        and again.event_id = refresh_cause.event_id
                        and again.route = refresh_cause.route
                )
            "#,
            self.claimed.id.0,
            self.now,
            self.claimed.target,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(())
    }
}
