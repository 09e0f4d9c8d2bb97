-- What people are told of: one row for each thing and channel, from its beginning to its end. Safe
-- while the version before still runs.

create type notice_state as enum ('open', 'resolved', 'once');

create type notice_saying as enum ('open', 'resolved', 'once');

-- A channel's row is the lock by which one worker at a time tells it something, so that what begins is
-- told before its end.
create table notice_channel (
    channel text primary key,
    worker text,
    lease_until timestamptz,
    claimed_at timestamptz,
    -- Rises with each claim; only the newest may record.
    fence bigint not null default 0 check (fence >= 0),
    -- It asked to be left alone.
    rests_until timestamptz,
    check ((worker is null) = (lease_until is null) and (worker is null) = (claimed_at is null))
);

create table notice (
    id bigint generated always as identity primary key,
    channel text not null,
    -- A kind of alert, or 'run' for what a route tells of a dbt job.
    kind text not null,
    -- The name of what it is about: a target, a source, a connection, a source and a job.
    subject text not null,
    state notice_state not null,
    title text not null,
    detail text not null default '',
    url text,
    opened_at timestamptz not null,
    -- When it happened last.
    last_at timestamptz not null,
    resolved_at timestamptz,
    occurrences integer not null default 1 check (occurrences >= 1),
    -- A dbt run whose failure dbt may still explain.
    run_source text,
    run_id text,
    -- The channel is told of it no more often.
    repeat_after interval not null,
    -- What it was told last, when, and how often in all.
    told notice_saying,
    told_at timestamptz,
    tellings integer not null default 0 check (tellings >= 0),
    -- When it is to be told what is new; null when it knows all.
    due_at timestamptz,
    -- Tries of what is to be told now.
    attempts integer not null default 0 check (attempts >= 0),
    tries_since timestamptz,
    lost_leases integer not null default 0 check (lost_leases >= 0),
    -- A try may have arrived whose answer we do not have.
    in_doubt boolean not null default false,
    -- A message with several things was refused: it is told by itself.
    alone boolean not null default false,
    -- The channel's fence under which it is being told.
    claim bigint,
    saying notice_saying,
    last_error text,
    -- It could not be told, and is not tried any more.
    gave_up_at timestamptz,
    check ((state = 'open') = (resolved_at is null)),
    check ((claim is null) = (saying is null)),
    check (claim is null or due_at is not null)
);

-- One thing is open once at each channel.
create unique index notice_one_open on notice (channel, kind, subject) where state = 'open';
create index notice_due on notice (channel, due_at, id) where due_at is not null;
create index notice_open on notice (kind, subject) where state = 'open';
create index notice_by_subject on notice (channel, kind, subject, id);
create index notice_by_end on notice (resolved_at) where resolved_at is not null;

-- Each try to tell a channel.
create table notice_attempt (
    notice_id bigint not null references notice on delete cascade,
    call bigint not null,
    attempt integer not null,
    saying notice_saying not null,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    outcome attempt_outcome not null,
    http_status integer,
    error text,
    -- An earlier try may have arrived.
    possible_duplicate boolean not null default false,
    -- How many things the message told of.
    together integer not null,
    worker text not null,
    primary key (notice_id, call)
);

-- How far what happened was looked through for what people are to be told of.
create table notice_look (
    what text primary key,
    at timestamptz not null
);

create view notice_history as
select
    notice.id as notice_id,
    notice.channel,
    notice.kind,
    notice.subject,
    notice.state::text as state,
    notice.title,
    notice.detail,
    notice.url,
    notice.opened_at,
    notice.last_at,
    notice.resolved_at,
    notice.occurrences,
    notice.told::text as told,
    notice.told_at,
    notice.tellings,
    case
        when notice.due_at is not null then 'waiting'
        when notice.gave_up_at is not null then 'failed'
        when notice.told is null then 'not told'
        else 'told'
    end as delivery,
    notice.due_at,
    notice.attempts,
    notice.last_error
from notice;
