//! Claiming: leases on what is due, one call's worth each.
//!
//! Invariant: a claim and the count of what is under way on its connection are one step, which all
//! workers take in turn.

use sqlx::Connection as _;

use super::looks::looking;
use super::{Claimed, Gates, Judged, LEASE, Limit, RefreshId, State, Work};
use crate::connection::NOTED;
use crate::event::interval;
use crate::pool::Lent;
use crate::store::{bounded, unless_moved};
use crate::{Doing as _, Store, StoreError};

const CLAIMING: &str = "claim refreshes";

/// How a claim begins: claims take turns under this advisory lock, so that `max_concurrent` is counted right.
const IN_TURN: &str = "begin; select pg_advisory_xact_lock(x'616674657272756e'::bigint)";

/// For a connection that is not in this worker's configuration any more.
const DEFAULT_LIMIT: i32 = 4;

impl Store {
    /// Leases up to `slots` refreshes of these targets that are due, oldest first, within each
    /// connection's limit; also of targets that are in nobody's configuration any more. Starts only
    /// what [`Store::settle`] has just let go.
    ///
    /// A refresh whose lease ran out is due at once: its lost call is noted, and if that was a
    /// trigger, the claim says so in `unsure_since`.
    pub async fn claim(
        &self,
        worker: &str,
        slots: usize,
        limits: &[Limit],
        gates: &Gates,
        judged: &Judged,
    ) -> Result<Vec<Claimed>, StoreError> {
        let claim = || self.claim_unbounded(worker, slots, limits, gates, judged);
        unless_moved(|| bounded(CLAIMING, claim())).await
    }

    async fn claim_unbounded(
        &self,
        worker: &str,
        slots: usize,
        limits: &[Limit],
        gates: &Gates,
        judged: &Judged,
    ) -> Result<Vec<Claimed>, StoreError> {
        const DOING: &str = CLAIMING;
        let slots = i64::try_from(slots).unwrap_or(i64::MAX);
        let names: Vec<String> = limits.iter().map(|limit| limit.connection.clone()).collect();
        let most: Vec<i32> = limits
            .iter()
            .map(|limit| i32::try_from(limit.max_concurrent).unwrap_or(i32::MAX))
            .collect();
        let free: Vec<i64> = judged.free.iter().map(|(id, _)| id.0).collect();
        let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
        let mut transaction = lent.begin_with(IN_TURN).await.doing(DOING)?;
        let rows = looking!(
            r#"
            , busy as (
                select connection, count(*) as under_way from under_way group by connection
            ),
            open as (
                select
                    refresh.ctid as place,
                    refresh.id,
                    refresh.due_at,
                    refresh.state = 'queued' as starts,
                    row_number() over (
                        partition by refresh.connection, refresh.state = 'queued'
                        order by refresh.due_at, refresh.id
                    ) as turn,
                    coalesce(most.max_concurrent, $8) - coalesce(busy.under_way, 0) as room
                from clock, refresh
                left join unnest($6::text[], $7::integer[]) as most (connection, max_concurrent)
                    on most.connection = refresh.connection
                left join busy on busy.connection = refresh.connection
                where refresh.finished_at is null
                    and refresh.due_at >= coalesce($2::timestamptz, '-infinity')
                    and refresh.due_at <= (select at from clock)
                    and refresh.state <> 'waiting'
                    -- Hashed, which `any` is not: as many as there are targets may be due.
                    and (refresh.state <> 'queued' or refresh.id in (select unnest($12::bigint[])))
                    and (refresh.lease_until is null or refresh.lease_until <= clock.at)
                    -- What is watched there is left alone with it, until its time is up.
                    and not (
                        refresh.state = 'confirming'
                        and refresh.cancel_asked_at is null
                        and refresh.deadline_at > clock.at
                        and exists (
                            select from connection_state
                            where connection_state.connection = refresh.connection
                                and connection_state.hold is not null
                                and (connection_state.hold <> 'slow_down' or connection_state.held_until > clock.at)
                        )
                    )
                    -- What another worker knows of is left to it; what nobody does, ends.
                    and (
                        refresh.target in (select unnest($10::text[])) or not exists (
                            select from target_state
                            where target_state.target = refresh.target and target_state.configured
                        )
                    )
                    and not (
                        refresh.state = 'queued' and (
                            refresh.target in (select target from under_way)
                            or (
                                refresh.cancel_asked_at is null
                                and exists (
                                    select from target_state
                                    where target_state.target = refresh.target
                                        and target_state.paused and target_state.configured
                                )
                            )
                            or (
                                refresh.cancel_asked_at is null
                                and exists (
                                    select from connection_state
                                    where connection_state.connection = refresh.connection
                                        and connection_state.paused
                                )
                            )
                        )
                    )
            ),
            due as (
                select refresh.ctid as place, refresh.state as was, refresh.due_at
                from refresh
                join open on refresh.ctid = open.place
                where refresh.finished_at is null and (not open.starts or open.turn <= open.room)
                order by open.due_at, open.id
                limit $5
                for update of refresh skip locked
            ),
            lost as (
                insert into attempt (
                    refresh_id, call, attempt, kind, started_at, finished_at, outcome, error, worker
                )
                select
                    refresh.id,
                    refresh.fence,
                    refresh.attempts,
                    (case refresh.state when 'running' then 'trigger' else 'poll' end)::attempt_kind,
                    refresh.claimed_at,
                    clock.at,
                    'lost',
                    'the worker vanished during the call, and its lease ran out',
                    refresh.worker
                from clock, due
                join refresh on refresh.ctid = due.place
                where refresh.finished_at is null and refresh.lease_until is not null
                -- A late worker may have recorded this call while we waited for the row.
                on conflict do nothing
            )
            update refresh
            set
                state = (case refresh.state when 'confirming' then 'confirming' else 'running' end)::refresh_state,
                reason = null,
                attempts = refresh.attempts + (refresh.state <> 'confirming')::integer,
                lost_leases = refresh.lost_leases + (refresh.lease_until is not null)::integer,
                unsure_since = case
                    when refresh.state = 'running' then coalesce(refresh.unsure_since, refresh.claimed_at)
                    else refresh.unsure_since
                end,
                fence = refresh.fence + 1,
                claimed_at = clock.at,
                lease_until = clock.at + $9::interval,
                -- When it came to be under way, for short looks. A poll leaves the indexes as they are.
                due_at = case when refresh.state = 'queued' then clock.at else refresh.due_at end,
                worker = $4,
                started_at = coalesce(refresh.started_at, clock.at),
                -- Waiting for its turn was no try; what was handed on brings its own beginning.
                tries_since = case
                    when refresh.started_at is null and refresh.tries_since = refresh.created_at
                    then clock.at
                    else refresh.tries_since
                end
            from clock, due
            where refresh.ctid = due.place
                and refresh.finished_at is null
                and refresh.state = due.was
                and (refresh.lease_until is null or refresh.lease_until <= clock.at)
            returning
                refresh.id as "id: RefreshId",
                refresh.target,
                refresh.connection,
                refresh.connector,
                refresh.state as "state: State",
                refresh.remote_id,
                refresh.remote_adopted,
                refresh.deadline_at,
                refresh.fresh_after,
                refresh.attempts,
                refresh.polls,
                refresh.tries_since,
                refresh.claimed_at as "claimed_at!",
                due.due_at,
                refresh.unsure_since,
                refresh.cancel_asked_at is not null as "cancel_asked!",
                refresh.remote_found,
                due.was = 'running' and refresh.cancel_asked_at is null as "orphaned!",
                (
                    select
                        connection_state.failures > 0 or connection_state.hold is not null
                        or connection_state.answered_at is null
                        or connection_state.answered_at <= clock.at - $11::interval
                    from connection_state
                    where connection_state.connection = refresh.connection
                ) as troubled,
                refresh.fence
            "#,
            self.now(),
            judged.reach,
            worker,
            slots,
            &names,
            &most,
            DEFAULT_LIMIT,
            interval(LEASE),
            &gates.targets,
            interval(NOTED),
            &free,
        )
        .fetch_all(&mut *transaction)
        .await
        .doing(DOING)?;
        transaction.commit().await.doing(DOING)?;
        lent.give_back();
        let claims = rows.into_iter().map(|row| Claimed {
            id: row.id,
            target: row.target,
            connection: row.connection,
            connector: row.connector,
            work: match (row.state, row.remote_id, row.deadline_at) {
                (State::Confirming, Some(remote_id), Some(deadline_at)) => {
                    Work::Poll { remote_id, adopted: row.remote_adopted, deadline_at }
                }
                _ => Work::Trigger,
            },
            fresh_after: row.fresh_after,
            attempts: u32::try_from(row.attempts).unwrap_or_default(),
            polls: u32::try_from(row.polls).unwrap_or_default(),
            tries_since: row.tries_since,
            claimed_at: row.claimed_at,
            due_at: row.due_at,
            unsure_since: row.unsure_since,
            cancel_asked: row.cancel_asked,
            found: row.remote_found,
            orphaned: row.orphaned,
            troubled: row.troubled.unwrap_or(true),
            fence: row.fence,
            worker: worker.to_owned(),
        });
        Ok(claims.collect())
    }
}
