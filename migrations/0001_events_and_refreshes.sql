-- Events as dbt sent them, the refreshes they lead to, and every call made for those.
-- Illegal rows cannot be written: see the checks and the partial unique indexes.

create type event_state as enum ('stored', 'planned', 'quarantined');

create type refresh_state as enum (
    'waiting', 'queued', 'running', 'confirming', 'succeeded', 'failed', 'cancelled', 'skipped'
);

create type attempt_kind as enum ('trigger', 'poll');

create type attempt_outcome as enum ('ok', 'wait', 'retry', 'fail', 'lost');

create table event (
    id bigint generated always as identity primary key,
    source text not null,
    -- dbt's eventId, or 'sha256:<hex>' of a body that was not understood.
    event_key text collate "C" not null,
    state event_state not null,
    -- Why it led to no refresh.
    reason text,
    -- The bytes that were signed; null once they are older than retention.events.
    body bytea,
    body_sha256 bytea not null check (length(body_sha256) = 32),
    event_type text,
    account_id text,
    project_id text,
    project_name text,
    environment_id text,
    environment_name text,
    job_id text,
    job_name text,
    run_id text,
    run_status text,
    run_status_code bigint,
    run_reason text,
    occurred_at timestamptz,
    run_started_at timestamptz,
    run_finished_at timestamptz,
    received_at timestamptz not null,
    last_delivery_at timestamptz not null,
    deliveries bigint not null default 1 check (deliveries >= 1),
    -- How many deliveries carried another body than the first.
    conflicts bigint not null default 0 check (conflicts >= 0),
    planned_at timestamptz,
    -- An event that could not be planned is tried again then, and holds up no other.
    plan_due_at timestamptz not null,
    plan_error text,
    unique (source, event_key),
    check ((state = 'planned') = (planned_at is not null)),
    check (state <> 'quarantined' or reason is not null),
    check (state <> 'stored' or body is not null)
);

create index event_to_plan on event (plan_due_at, id) where state = 'stored';
create index event_by_arrival on event (received_at, id);
create index event_with_body on event (received_at, id) where body is not null;
create index event_by_job on event (job_id, received_at);

-- The other bodies that came under an event's id; the first one stands.
create table event_conflict (
    event_id bigint not null references event on delete cascade,
    body_sha256 bytea not null check (length(body_sha256) = 32),
    body bytea not null,
    received_at timestamptz not null,
    primary key (event_id, body_sha256)
);

create table refresh (
    id bigint generated always as identity primary key,
    target text not null,
    connection text not null,
    connector text not null,
    state refresh_state not null,
    -- Why it waits, was skipped, failed or was cancelled, in words.
    reason text,
    -- The newest end of a run that this refresh must show.
    fresh_after timestamptz not null,
    due_at timestamptz not null,
    created_at timestamptz not null,
    -- When the tries began that retry.give_up_after bounds.
    tries_since timestamptz not null,
    attempts integer not null default 0 check (attempts >= 0),
    -- How often in a row the tool was asked how it is getting on.
    polls integer not null default 0 check (polls >= 0),
    lost_leases smallint not null default 0 check (lost_leases >= 0),
    -- Rises with each claim; only the newest may record.
    fence bigint not null default 0 check (fence >= 0),
    claimed_at timestamptz,
    lease_until timestamptz,
    worker text,
    -- Set while a trigger may have arrived whose answer we do not have.
    unsure_since timestamptz,
    remote_id text,
    remote_url text,
    -- The refresh in the tool was not started by us: its start must be proven.
    remote_adopted boolean not null default false,
    remote_started_at timestamptz,
    deadline_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    last_error text,
    constraint refresh_ended check (
        (state in ('succeeded', 'failed', 'cancelled', 'skipped')) = (finished_at is not null)
    ),
    constraint refresh_leased check (
        (lease_until is null) = (worker is null) and (lease_until is null) = (claimed_at is null)
        and (lease_until is null or state in ('running', 'confirming'))
        and (state <> 'running' or lease_until is not null)
    ),
    constraint refresh_confirmable check (
        state <> 'confirming' or (remote_id is not null and deadline_at is not null)
    ),
    constraint refresh_explained check (
        state not in ('waiting', 'failed', 'cancelled', 'skipped') or reason is not null
    )
);

create unique index refresh_one_behind on refresh (target) where state in ('waiting', 'queued');
create unique index refresh_one_under_way on refresh (target) where state in ('running', 'confirming');
create index refresh_due on refresh (due_at, id) where state in ('queued', 'running', 'confirming');
create index refresh_ended_at on refresh (finished_at) where finished_at is not null;
create index refresh_by_target on refresh (target, id);
create index refresh_by_creation on refresh (created_at, id);

-- Which events a refresh serves, and by which route.
create table refresh_cause (
    refresh_id bigint not null references refresh on delete cascade,
    event_id bigint not null references event,
    route text not null,
    target text not null,
    -- The end of this event's own run: what it asks of the refresh.
    fresh_after timestamptz not null,
    joined_at timestamptz not null,
    -- Account, run and phase; null where the event is not the first of its run.
    run_key text collate "C",
    primary key (refresh_id, event_id, route)
);

create unique index refresh_cause_one_per_run on refresh_cause (run_key, route, target)
    where run_key is not null;
create index refresh_cause_by_event on refresh_cause (event_id);
create index refresh_cause_by_target on refresh_cause (target, fresh_after);

-- One row for each call made, or for each claim whose worker vanished.
create table attempt (
    refresh_id bigint not null references refresh on delete cascade,
    -- The fence under which the call was made.
    call bigint not null,
    -- Which try of the refresh the call belongs to.
    attempt integer not null,
    kind attempt_kind not null,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    outcome attempt_outcome not null,
    http_status integer,
    error text,
    -- The tool could not say whether an earlier try had arrived.
    possible_duplicate boolean not null default false,
    worker text not null,
    primary key (refresh_id, call)
);

-- What is known of each target; its row is the lock for planning and for recording on it.
create table target_state (
    target text primary key,
    connection text not null,
    connector text not null,
    configured boolean not null default true,
    paused boolean not null default false,
    -- The newest run that should show, and the newest that does.
    last_run_finished_at timestamptz,
    fresh_as_of timestamptz,
    last_success_at timestamptz,
    last_error text
);
