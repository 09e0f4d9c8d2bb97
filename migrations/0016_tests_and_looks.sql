-- That a connection is to be tested and what came of it, and an index by which pages find a job by its
-- name. Safe while the version before still runs.

alter table connection_state
    -- No probe begins before: one is under way, or the last told nothing.
    add column probe_after timestamptz,
    -- Somebody wants to know now.
    add column test_asked_at timestamptz,
    add column tested_at timestamptz,
    -- Why the last test failed; null if it signed us in.
    add column test_error text;

alter table operator_action drop constraint operator_action_action_check;
alter table operator_action add constraint operator_action_action_check
    check (action in ('replay', 'retry', 'cancel', 'pause', 'resume', 'sign_in', 'sign_out', 'test'));

-- By its beginning: a name may be longer than an entry of an index.
create index event_by_job_name on event (left(job_name, 200), received_at) where job_name is not null;
