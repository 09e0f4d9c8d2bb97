//! What holds a refresh back although its time has come: each of those that are due is held with
//! its reason, or let go.
//!
//! Invariant: what is let go may be started now; what may not is `waiting` and says why. What is
//! under way is not touched.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::looks::looking;
use super::{Judged, Reach, RefreshId};
use crate::pool::Lent;
use crate::store::{bounded, unless_moved};
use crate::{Doing as _, Store, StoreError};

const DOING: &str = "hold back or let go what is due";

/// What today's configuration says of when a target may be refreshed.
#[derive(Debug, Clone)]
pub struct Gate {
    pub target: String,
    /// At most so many starts in any 24 hours.
    pub per_day: Option<u32>,
    /// Quiet hours: until then, and why, in words.
    pub closed: Option<(DateTime<Utc>, String)>,
    /// A refresh that has been tried for so long gets its last try, whatever holds its connection.
    pub give_up_after: Duration,
}

/// The same of all targets, as the statement reads it. Most have nothing of their own, and a judge
/// that is asked a hundred times a second is not told so of each.
#[derive(Debug, Clone, Default)]
pub struct Gates {
    pub(super) targets: Vec<String>,
    /// In seconds, as most have it.
    give_up_after: f64,
    /// What some have of their own.
    own: BTreeMap<String, Own>,
}

#[derive(Debug, Clone, serde::Serialize)]
struct Own {
    per_day: Option<i32>,
    closed_until: Option<DateTime<Utc>>,
    closed_why: Option<String>,
    /// In seconds.
    give_up_after: f64,
}

impl Gates {
    pub fn new(gates: impl IntoIterator<Item = Gate>) -> Self {
        let mut all = Self::default();
        let mut patience: HashMap<Duration, usize> = HashMap::new();
        for gate in gates {
            *patience.entry(gate.give_up_after).or_default() += 1;
            let closed = gate.closed.unzip();
            let own = Own {
                per_day: gate.per_day.and_then(|most| i32::try_from(most).ok()),
                closed_until: closed.0,
                closed_why: closed.1,
                give_up_after: gate.give_up_after.as_secs_f64(),
            };
            all.own.insert(gate.target.clone(), own);
            all.targets.push(gate.target);
        }
        let usual = patience.into_iter().max_by_key(|(_, targets)| *targets);
        all.give_up_after = usual.map_or(0.0, |(usual, _)| usual.as_secs_f64());
        all.own.retain(|_, own| {
            own.per_day.is_some()
                || own.closed_until.is_some()
                || own.give_up_after != all.give_up_after
        });
        all
    }
}

impl Store {
    /// The time by which everything is judged.
    pub async fn time(&self) -> Result<DateTime<Utc>, StoreError> {
        if let Some(fixed) = self.now() {
            return Ok(fixed);
        }
        const DOING: &str = "read the database's clock";
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let now = sqlx::query_scalar!(r#"select now() as "now!""#)
                .fetch_one(&mut *lent)
                .await
                .doing(DOING)?;
            lent.give_back();
            Ok(now)
        })
        .await
    }

    /// Judges every refresh of these targets that waits and is due. Gives those that may start:
    /// only these are to be claimed, or one that falls due in between would escape its judge.
    pub async fn settle(&self, gates: &Gates, reach: Reach) -> Result<Judged, StoreError> {
        unless_moved(|| self.settle_once(gates, reach.clone())).await
    }

    async fn settle_once(&self, gates: &Gates, reach: Reach) -> Result<Judged, StoreError> {
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let judged = looking!(
                r#"
                , due as (
                    select
                        refresh.id,
                        refresh.ctid as place,
                        refresh.state,
                        refresh.reason,
                        refresh.due_at,
                        case
                            when refresh.cancel_asked_at is not null then null
                            when ahead.is_there
                                then 'behind refresh '
                                    || (select id from under_way where target = refresh.target)
                                    || ', which was under way already'
                            -- Nobody knows the target any more: it is let go to end, and say so.
                            when not today.is_known then null
                            when target_state.paused then 'paused'
                            when known.paused then 'paused: connection ' || refresh.connection
                            when known.hold = 'outage' and not last_try.is_due
                                then 'connection ' || refresh.connection
                                    || ' does not answer and is probed until it does: '
                                    || left(known.hold_error, 500)
                            when known.hold = 'refused' and not last_try.is_due
                                then 'connection ' || refresh.connection
                                    || ' refuses to sign us in; put its credentials right: '
                                    || left(known.hold_error, 500)
                            when known.hold = 'slow_down' and known.held_until > clock.at and not last_try.is_due
                                then 'connection ' || refresh.connection || ' asked us to slow down'
                            when refresh.asked_now then null
                            when gate.closed_until is not null then gate.closed_why
                            when spent.at is not null
                                then 'daily budget: it was started ' || gate.per_day
                                    || ' times within 24 hours (per_day)'
                        end as held,
                        case
                            when ahead.is_there or target_state.paused or known.paused
                                or refresh.asked_now
                                then refresh.due_at
                            when known.hold is not null and not last_try.is_due
                                and (known.hold <> 'slow_down' or known.held_until > clock.at)
                                then refresh.due_at
                            when gate.closed_until is not null then gate.closed_until
                            when spent.at is not null then spent.at + interval '24 hours'
                            else refresh.due_at
                        end as look_at
                    from clock, refresh
                    -- As many may be due as there are targets: hashed, and in a document, each is
                    -- found at once, however the statement is planned.
                    cross join lateral (
                        select
                            refresh.target in (select unnest($4::text[])) as is_known,
                            $5::jsonb -> refresh.target as own
                        offset 0
                    ) as today
                    cross join lateral (
                        select
                            (today.own ->> 'per_day')::integer as per_day,
                            (today.own ->> 'closed_until')::timestamptz as closed_until,
                            today.own ->> 'closed_why' as closed_why,
                            coalesce((today.own ->> 'give_up_after')::float8, $6) * interval '1 second' as patience
                    ) as gate
                    left join target_state on target_state.target = refresh.target
                    left join connection_state as known on known.connection = refresh.connection
                    cross join lateral (
                        select refresh.target in (select target from under_way) as is_there
                    ) as ahead
                    cross join lateral (
                        select coalesce(
                            refresh.started_at is not null
                                and refresh.tries_since + gate.patience <= clock.at,
                            false
                        ) as is_due
                    ) as last_try
                    left join lateral (
                        select started.at
                        from refresh as other
                        cross join lateral (
                            select attempt.started_at as at
                            from attempt
                            where attempt.refresh_id = other.id
                                and attempt.kind = 'trigger'
                                and attempt.started_at > clock.at - interval '24 hours'
                                and (
                                    attempt.outcome = 'ok'
                                    -- A start whose answer was lost is the one that is found when it is
                                    -- asked for, or never was; its own refresh must not wait to ask.
                                    or attempt.outcome = 'lost'
                                        and not (
                                            other.id = refresh.id
                                            and coalesce(refresh.unsure_since <= attempt.started_at, false)
                                        )
                                        and not exists (
                                            select from attempt as later
                                            where later.refresh_id = attempt.refresh_id
                                                and later.call > attempt.call
                                                and later.started_at >= attempt.started_at
                                                and later.kind = 'trigger' and later.outcome = 'ok'
                                                and not later.possible_duplicate
                                        )
                                )
                            -- Refresh by refresh, and not all calls of the week.
                            offset 0
                        ) as started
                        where gate.per_day is not null
                            and other.target = refresh.target
                            -- What ended before was started before: older weeks are not looked at.
                            and (
                                other.finished_at is null
                                or other.finished_at > clock.at - interval '24 hours'
                            )
                        order by started.at desc
                        offset gate.per_day - 1
                        limit 1
                    ) as spent on true
                    where refresh.finished_at is null
                        and refresh.due_at >= coalesce($2::timestamptz, '-infinity')
                        and refresh.due_at <= (select at from clock)
                        and refresh.state not in ('running', 'confirming')
                        and (today.is_known or not coalesce(target_state.configured, false))
                ),
                news as (
                    select refresh.ctid as place, due.held, due.look_at
                    from due
                    join refresh on refresh.ctid = due.place
                    where (
                            (due.held is null and due.state = 'waiting')
                            or (
                                due.held is not null
                                and (due.reason, due.due_at) is distinct from (due.held, due.look_at)
                            )
                        )
                        and refresh.finished_at is null
                        and refresh.state = due.state
                    -- Whoever holds it has news of its own; it is judged again in the next round.
                    for update of refresh skip locked
                ),
                noted as (
                    update refresh
                    set
                        state = (case when news.held is null then 'queued' else 'waiting' end)::refresh_state,
                        reason = news.held,
                        due_at = news.look_at
                    from news
                    where refresh.ctid = news.place and refresh.finished_at is null
                )
                select
                    clock.at as "at!",
                    extract(epoch from clock_timestamp() - statement_timestamp())::float8 as "took!",
                    coalesce(array_agg(free.id) filter (where free.id is not null), '{}') as "ids!",
                    coalesce(array_agg(free.due_at) filter (where free.id is not null), '{}') as "due!"
                from clock
                left join due as free on free.held is null
                group by clock.at
                "#,
                self.now(),
                reach,
                &gates.targets,
                Json(&gates.own) as _,
                gates.give_up_after,
            )
            .fetch_one(&mut *lent)
            .await
            .doing(DOING)?;
            lent.give_back();
            let ids = judged.ids.into_iter().map(RefreshId);
            let took = Duration::try_from_secs_f64(judged.took).unwrap_or_default();
            Ok(Judged { reach, at: judged.at, free: ids.zip(judged.due).collect(), took })
        })
        .await
    }
}
