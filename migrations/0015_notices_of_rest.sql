-- Channels that rest and come back, ends that claim no more than is known, keys that no other database
-- makes, and what is looked up of notices. Safe while the version before still runs.

-- Whose lists these are.
alter table operator_action drop constraint operator_action_kind_check;
alter table operator_action add constraint operator_action_kind_check
    check (kind in ('event', 'refresh', 'target', 'connection', 'session', 'notice'));

alter table notice_channel
    -- Tries in a row after which it was to be told again.
    add column failures integer not null default 0 check (failures >= 0),
    -- Why it rests, since when, and what it said.
    add column hold connection_hold,
    add column held_since timestamptz,
    add column hold_error text,
    -- When it last took what it was told.
    add column told_at timestamptz,
    add constraint notice_channel_held check ((hold is null) = (held_since is null));

alter table notice
    -- By which a channel knows the thing from its beginning to its end.
    add column key text,
    -- It ended since nobody watches it any more, and not since it is well.
    add column unwatched boolean not null default false,
    -- When a configuration was last seen by which it is watched.
    add column watched_at timestamptz not null default now();

-- What was told before is ended under the key by which it was told.
update notice set key = kind || '/' || subject;
alter table notice
    alter column key set default gen_random_uuid()::text,
    alter column key set not null;

-- When something of a kind was last known.
create index notice_by_kind on notice (kind, subject, last_at);
-- What is to be told of a thing before anything newer of it.
create index notice_due_by_subject on notice (channel, kind, subject, id) where due_at is not null;

create or replace view notice_history as
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
        when notice.told is null then 'not_told'
        else 'told'
    end as delivery,
    notice.due_at,
    notice.attempts,
    notice.last_error,
    notice.gave_up_at,
    notice.unwatched
from notice;
