-- One event in each state, and a refresh in each state with its causes and calls.
insert into event (
    source, event_key, state, reason, body, body_sha256, event_type, account_id, job_id, run_id,
    run_finished_at, received_at, last_delivery_at, planned_at, plan_due_at, plan_error
)
values
    ('prod', 'wev_stored', 'stored', null, '\x00', sha256('a'), 'job.run.completed', '1', '2', '3',
        now(), now(), now(), null, now(), 'could not'),
    ('prod', 'wev_planned', 'planned', null, '\x01', sha256('b'), 'job.run.completed', '1', '2', '4',
        now(), now(), now(), now(), now(), null),
    ('prod', 'wev_forgotten', 'planned', 'no route', null, sha256('c'), null, null, null, null,
        null, now(), now(), now(), now(), null),
    ('prod', 'sha256:00', 'quarantined', 'quarantined: not valid JSON', '\x02', sha256('d'), null,
        null, null, null, null, now(), now(), null, now(), null);

insert into event_conflict values (2, sha256('e'), '\x03', now());

insert into target_state (target, connection, connector, last_run_finished_at, fresh_as_of)
values ('report', 'mode', 'mode', now(), now()), ('workbook', 'tableau', 'tableau', now(), null);

insert into refresh (
    target, connection, connector, state, reason, fresh_after, due_at, created_at, tries_since,
    claimed_at, lease_until, worker, remote_id, deadline_at, finished_at
)
values
    ('report', 'mode', 'mode', 'waiting', 'behind', now(), now(), now(), now(),
        null, null, null, null, null, null),
    ('workbook', 'tableau', 'tableau', 'queued', null, now(), now(), now(), now(),
        null, null, null, null, null, null),
    ('report', 'mode', 'mode', 'running', null, now(), now(), now(), now(),
        now(), now(), 'w', null, null, null),
    ('workbook', 'tableau', 'tableau', 'confirming', null, now(), now(), now(), now(),
        null, null, null, 'job', now(), null),
    ('report', 'mode', 'mode', 'succeeded', null, now(), now(), now(), now(),
        null, null, null, 'run', null, now()),
    ('report', 'mode', 'mode', 'failed', 'given up', now(), now(), now(), now(),
        null, null, null, null, null, now()),
    ('report', 'mode', 'mode', 'cancelled', 'by hand', now(), now(), now(), now(),
        null, null, null, null, null, now()),
    ('report', 'mode', 'mode', 'skipped', 'same run', now(), now(), now(), now(),
        null, null, null, null, null, now());

insert into refresh_cause
select id, 2, 'route-' || id, target, now(), now(), case when id = 5 then '["1","4","ended"]' end
from refresh;

insert into attempt (refresh_id, call, attempt, kind, started_at, finished_at, outcome, worker)
values
    (5, 1, 1, 'trigger', now(), now(), 'lost', 'w'),
    (5, 2, 2, 'trigger', now(), now(), 'ok', 'w'),
    (5, 3, 2, 'poll', now(), now(), 'ok', 'w');
