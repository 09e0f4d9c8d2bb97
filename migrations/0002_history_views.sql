-- What analysts query. Columns are added, never renamed.

create view delivery_history as
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
    refresh.target,
    refresh.connection,
    refresh.connector,
    refresh.id as refresh_id,
    refresh.state::text as refresh_state,
    case
        when refresh.state = 'queued' then coalesce(refresh.reason, 'waiting for its turn')
        when refresh.id is not null then refresh.reason
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
    event.conflicts
from event
left join lateral (
    select refresh_cause.refresh_id, string_agg(refresh_cause.route, ', ' order by refresh_cause.route) as route
    from refresh_cause
    where refresh_cause.event_id = event.id
    group by refresh_cause.refresh_id
) as cause on true
left join refresh on refresh.id = cause.refresh_id;

create view attempt_history as
select
    refresh_id,
    attempt,
    kind::text as kind,
    started_at,
    finished_at,
    round(extract(epoch from finished_at - started_at) * 1000)::bigint as duration_ms,
    outcome::text as outcome,
    http_status,
    error,
    worker,
    call,
    possible_duplicate
from attempt;

-- The lag of a target that is not fresh runs from the end of the oldest run that should show and does not.
create view target_freshness as
select
    target_state.target,
    target_state.connection,
    target_state.connector,
    target_state.last_run_finished_at,
    target_state.fresh_as_of,
    case
        when target_state.last_run_finished_at is null then null
        when target_state.fresh_as_of >= target_state.last_run_finished_at then 0
        else greatest(0, extract(epoch from now() - coalesce(unseen.since, target_state.last_run_finished_at)))
    end::double precision as lag_seconds,
    case
        when target_state.paused then 'paused'
        when target_state.last_run_finished_at is null then 'unknown'
        when target_state.fresh_as_of >= target_state.last_run_finished_at then 'fresh'
        when exists (
            select from refresh
            where refresh.target = target_state.target and refresh.state in ('running', 'confirming')
        ) then 'refreshing'
        when exists (
            select from refresh
            where refresh.target = target_state.target and refresh.state in ('waiting', 'queued')
        ) then 'stale'
        else 'failed'
    end as state,
    target_state.last_success_at,
    coalesce(under_way.last_error, target_state.last_error) as last_error
from target_state
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
where target_state.configured;
