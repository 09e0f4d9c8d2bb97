-- What dbt says of single runs when it is asked: what they built, and why they failed. Safe while the
-- version before still runs.

-- A project's graph, as far as it is needed, kept once for all runs that it is the same for.
create table dbt_manifest (
    id bigint generated always as identity primary key,
    source text not null,
    -- Job, commit and versions: what a manifest is made of.
    key text not null,
    graph bytea not null,
    -- What of it was not understood.
    notes text[] not null default '{}',
    read_at timestamptz not null,
    unique (source, key)
);

create table dbt_run (
    source text not null,
    run_id text not null,
    -- Some route asks what it built; else only why it failed is of interest.
    wants_built boolean not null,
    asked_for_at timestamptz not null,
    -- When dbt is asked next; null once it has answered, or is asked no more.
    ask_due_at timestamptz,
    asks integer not null default 0 check (asks >= 0),
    worker text,
    lease_until timestamptz,
    ask_error text,
    answered_at timestamptz,
    url text,
    -- Why it failed, on one line.
    error text,
    manifest_id bigint references dbt_manifest,
    -- How each node ended, as JSON.
    results bytea,
    primary key (source, run_id),
    check ((worker is null) = (lease_until is null)),
    check (results is null or answered_at is not null)
);

create index dbt_run_to_ask on dbt_run (ask_due_at) where ask_due_at is not null;
create index dbt_run_by_age on dbt_run (asked_for_at);
create index dbt_run_by_manifest on dbt_run (manifest_id) where manifest_id is not null;

-- Why a run failed, in full: an array of what failed in each step, or of the end of the step's log.
create table run_error (
    source text not null,
    run_id text not null,
    detail jsonb not null,
    primary key (source, run_id),
    foreign key (source, run_id) references dbt_run on delete cascade
);

-- When what exposures read was last built, for routes that wait until all of it was.
create table model_build (
    source text not null,
    environment_id text not null,
    -- dbt's unique_id.
    model text not null,
    built_at timestamptz,
    -- It failed, was skipped, or failed a test.
    failed_at timestamptz,
    run_id text not null,
    primary key (source, environment_id, model)
);

-- What a route waits for, where it is a matter of this target alone.
alter table refresh_cause add column waits_for text;

-- The rest of an event's routes wait for dbt to say this. The others have been taken.
alter table event add column waits_for text;

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
        when event.state = 'stored' then coalesce(
            'could not be planned yet: ' || event.plan_error,
            event.waits_for || coalesce(' (' || dbt_run.ask_error || ')', ''),
            'not yet planned'
        )
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
    event.arrived_by::text as arrived_by,
    dbt_run.error as run_error
from event
left join lateral (
    select
        refresh_cause.refresh_id,
        refresh_cause.target,
        string_agg(refresh_cause.route, ', ' order by refresh_cause.route) as route,
        string_agg(
            coalesce(refresh_cause.waits_for, fan_in.waits_for), '; ' order by refresh_cause.route
        ) as waits_for
    from refresh_cause
    left join fan_in on refresh_cause.refresh_id is null and fan_in.route = refresh_cause.route
    where refresh_cause.event_id = event.id
    group by refresh_cause.refresh_id, refresh_cause.target
) as cause on true
left join refresh on refresh.id = cause.refresh_id
left join target_state as held_for on cause.refresh_id is null and held_for.target = cause.target
left join dbt_run on dbt_run.source = event.source and dbt_run.run_id = event.run_id;
