-- What was done by hand, by whom, and what came of it: written with the effect, or neither is. Safe
-- while the version before still runs.

create table operator_action (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    action text not null check (action in ('replay', 'retry', 'cancel', 'pause', 'resume')),
    -- Of what the subject is the name: of a target, a connection, a refresh (its number), an event.
    kind text not null check (kind in ('event', 'refresh', 'target', 'connection')),
    subject text not null,
    -- What else was asked for: the source of an event, the one route by which it is replayed.
    arguments jsonb not null default '{}',
    granted boolean not null,
    -- What came of it, or why it was refused, in words.
    result text not null,
    -- As whom the database knows them, and as whom their machine does; the latter is what it says.
    database_user text not null default session_user,
    operator text not null
);

create index operator_action_by_subject on operator_action (kind, subject, id);
