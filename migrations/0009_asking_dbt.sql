-- What afterrun learns by asking dbt, beside what dbt sends. Safe while the version before still runs.

-- Sent by dbt or a BI tool, or found by asking.
create type event_arrival as enum ('webhook', 'reconcile');

alter table event add column arrived_by event_arrival not null default 'webhook';

-- Few, and looked for among many: jobs that ran and whose events did not come.
create index event_reconciled on event (source, received_at) where arrived_by = 'reconcile';

-- How far each source is known that dbt's API may be asked about.
create table dbt_source (
    source text primary key,
    -- Of all runs that ended before this is known whether their event came.
    reconciled_until timestamptz,
    -- When the whole of look_back was looked through last.
    looked_back_at timestamptz,
    reconcile_due_at timestamptz not null,
    -- One worker asks at a time; one that vanished is not waited for.
    worker text,
    lease_until timestamptz,
    -- dbt asked to be left alone (429): nobody asks it anything until then.
    paused_until timestamptz,
    last_error text,
    -- What keeps dbt's events from coming, in words.
    findings text[] not null default '{}',
    check ((worker is null) = (lease_until is null))
);

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
    coalesce(
        refresh.state::text,
        case when cause.target is not null and cause.refresh_id is null then 'waiting' end
    ) as refresh_state,
    case
        when refresh.state = 'queued' then coalesce(refresh.reason, 'waiting for its turn')
        when refresh.id is not null then refresh.reason
        when cause.refresh_id is not null then 'its refreshes are older than retention.events'
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
    event.subject_name,
    event.arrived_by::text as arrived_by
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
