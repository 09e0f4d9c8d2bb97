-- Who is signed in to the console, and from where something was done by hand. Safe while the version
-- before still runs.

create table console_session (
    id bigint generated always as identity primary key,
    -- Of what the browser keeps, by the token that was shown: whoever reads this can sign in by none
    -- of it, and another token makes none of it true any more.
    cookie_mac bytea not null unique check (length(cookie_mac) = 32),
    signed_in_at timestamptz not null,
    seen_at timestamptz not null
);

-- Where a browser or a script called from; none for commands.
alter table operator_action add column address inet;

alter table operator_action drop constraint operator_action_action_check;
alter table operator_action add constraint operator_action_action_check
    check (action in ('replay', 'retry', 'cancel', 'pause', 'resume', 'sign_in', 'sign_out'));
alter table operator_action drop constraint operator_action_kind_check;
alter table operator_action add constraint operator_action_kind_check
    check (kind in ('event', 'refresh', 'target', 'connection', 'session'));
