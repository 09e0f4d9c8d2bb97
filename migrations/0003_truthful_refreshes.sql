-- Events of the BI tools themselves; fan-in; connections that are paused or left alone for a while;
-- refreshes that an operator asked for or cancelled. Safe while the version before still runs.

-- Who sent it. Only dbt signs; what the others say is a hint.
alter table event
    add column sender text not null default 'dbt' check (sender in ('dbt', 'mode', 'tableau')),
    -- What a BI tool's event is about, as it says: a path such as reports/5d1b2c3d4e5f/runs/abc,
    -- and a name.
    add column subject text,
    add column subject_name text;

alter table refresh
    -- When it was first put off for more of the same; debounce_max counts from here.
    add column debounced_since timestamptz,
    -- An operator wants it now: debounce, quiet hours and the daily budget do not hold it.
    add column asked_now boolean not null default false,
    -- An operator wanted it stopped then: it ends with the events that it had.
    add column cancel_asked_at timestamptz,
    -- The refresh in the tool was found there after a lost call, and may be somebody else's.
    add column remote_found boolean not null default false,
    -- The tool called while it was being asked: it is asked once more, at once.
    add column look_again boolean not null default false;

-- A cause without a refresh is an event that a fan-in still holds.
alter table refresh_cause drop constraint refresh_cause_pkey;
alter table refresh_cause alter column refresh_id drop not null;
create unique index refresh_cause_once on refresh_cause (refresh_id, event_id, route);
create unique index refresh_cause_held_once on refresh_cause (route, target, event_id)
    where refresh_id is null;

create index refresh_held on refresh (due_at, id) where state in ('waiting', 'queued');

-- One row for each fan-in route; its row is the lock.
create table fan_in (
    route text primary key,
    -- What it waits for, in words; null when nothing has come since it fired.
    waits_for text,
    fired_at timestamptz
);

create type fan_in_outcome as enum ('succeeded', 'failed', 'fired');

-- The newest run of each job of a fan-in, and whether it still counts towards the next firing.
create table fan_in_job (
    route text not null references fan_in on delete cascade,
    job_id text not null,
    run_id text,
    run_ended_at timestamptz not null,
    outcome fan_in_outcome not null,
    primary key (route, job_id)
);

create type connection_hold as enum ('outage', 'refused', 'slow_down');

-- What all workers know of a connection.
create table connection_state (
    connection text primary key,
    paused boolean not null default false,
    -- Calls in a row that the tool was not up to.
    failures integer not null default 0 check (failures >= 0),
    -- Why nothing is started there: an outage and a refused sign-in end with a probe that succeeds,
    -- the tool's wish to slow down ends by itself.
    hold connection_hold,
    held_since timestamptz,
    -- When it is probed again, or ends.
    held_until timestamptz,
    -- How often in a row a probe has failed.
    probes integer not null default 0 check (probes >= 0),
    hold_error text,
    answered_at timestamptz,
    constraint connection_held check (
        (hold is null) = (held_until is null) and (hold is null) = (held_since is null)
    )
);
