-- The views with what fan-in, pauses and the BI tools' own events add. Columns are added at the end.

create or replace view delivery_history as
select
    event.event_key as event_id,
    event.source,
    event.event_type,
    event.account_id,
    event.project_id,
    event.project_name,
    event.environment_id,
    event.environment_name,
    event.job_id,
    event.job_name,
    event.run_id,
    event.run_status,
    event.run_reason,
    event.occurred_at,
    event.run_started_at,
    event.run_finished_at,
    event.received_at,
    event.deliveries,
    event.state::text as event_state,
    cause.route,
    coalesce(refresh.target, cause.target) as target,
    coalesce(refresh.connection, held_for.connection) as connection,
    coalesce(refresh.connector, held_for.connector) as connector,
    refresh.id as refresh_id,
    -- What a fan-in holds waits, although no refresh has been made for it yet.
    coalesce(refresh.state::text, case when cause.target is not null then 'waiting' end) as refresh_state,
    case
        when refresh.state = 'queued' then coalesce(refresh.reason, 'waiting for its turn')
        when refresh.id is not null then refresh.reason
        when cause.target is not null then cause.waits_for
        when event.state = 'stored' then coalesce('could not be planned yet: ' || event.plan_error, 'not yet planned')
        else event.reason
    end as reason,
    refresh.attempts,
    refresh.last_error,
    refresh.remote_id,
    refresh.remote_url,
    refresh.started_at as refresh_started_at,
    refresh.finished_at as refresh_finished_at,
    case
        when refresh.state = 'succeeded'
        then (extract(epoch from refresh.finished_at - event.received_at) * 1000)::bigint
    end as latency_ms,
    event.conflicts,
    event.sender,
    event.subject,
    event.subject_name
from event
left join lateral (
    select
        refresh_cause.refresh_id,
        refresh_cause.target,
        string_agg(refresh_cause.route, ', ' order by refresh_cause.route) as route,
        string_agg(fan_in.waits_for, '; ' order by refresh_cause.route) as waits_for
    from refresh_cause
    left join fan_in on refresh_cause.refresh_id is null and fan_in.route = refresh_cause.route
    where refresh_cause.event_id = event.id
    group by refresh_cause.refresh_id, refresh_cause.target
) as cause on true
left join refresh on refresh.id = cause.refresh_id
left join target_state as held_for on cause.refresh_id is null and held_for.target = cause.target;

-- The lag of a target that is not fresh runs from the end of the oldest run that should show and does
-- not. A run that nobody has planned yet, of a job that led to the target before, is such a run.
create or replace view target_freshness as
select
    target_state.target,
    target_state.connection,
    target_state.connector,
    greatest(target_state.last_run_finished_at, unplanned.newest) as last_run_finished_at,
    target_state.fresh_as_of,
    case
        when target_state.last_run_finished_at is null then null
        when target_state.fresh_as_of >= target_state.last_run_finished_at and unplanned.oldest is null then 0
        else greatest(
            0,
            extract(
                epoch from now()
                    - coalesce(least(unseen.since, unplanned.oldest), target_state.last_run_finished_at)
            )
        )
    end::double precision as lag_seconds,
    case
        when target_state.paused or coalesce(known.paused, false) then 'paused'
        when target_state.last_run_finished_at is null then 'unknown'
        when target_state.fresh_as_of >= target_state.last_run_finished_at and unplanned.oldest is null then 'fresh'
        when exists (
            select from refresh
            where refresh.target = target_state.target and refresh.state in ('running', 'confirming')
        ) then 'refreshing'
        when unplanned.oldest is null and latest.state = 'failed' then 'failed'
        else 'stale'
    end as state,
    target_state.last_success_at,
    coalesce(under_way.last_error, target_state.last_error) as last_error
from target_state
left join connection_state as known on known.connection = target_state.connection
left join lateral (
    select refresh.state
    from refresh
    where refresh.target = target_state.target and refresh.state <> 'skipped'
    order by refresh.id desc
    limit 1
) as latest on true
left join lateral (
    select refresh.last_error
    from refresh
    where refresh.target = target_state.target
        and refresh.state in ('waiting', 'queued', 'running', 'confirming')
        and refresh.last_error is not null
    order by refresh.id
    limit 1
) as under_way on true
left join lateral (
    select min(refresh_cause.fresh_after) as since
    from refresh_cause
    join refresh on refresh.id = refresh_cause.refresh_id
    where refresh_cause.target = target_state.target
        and refresh.state <> 'skipped'
        and (target_state.fresh_as_of is null or refresh_cause.fresh_after > target_state.fresh_as_of)
) as unseen on true
left join lateral (
    select min(event.run_finished_at) as oldest, max(event.run_finished_at) as newest
    from event
    where event.state = 'stored'
        and coalesce(event.run_status_code, 10) = 10
        and event.run_finished_at > coalesce(target_state.fresh_as_of, '-infinity')
        and exists (
            select from refresh_cause
            join event as before on before.id = refresh_cause.event_id
            where refresh_cause.target = target_state.target
                and before.source = event.source and before.job_id = event.job_id
        )
) as unplanned on true
where target_state.configured;
