-- Finished work of the past: the rows numbered $1 to $2 of $3 in all, spread over 85 days, each an
-- event with its body, the refresh that it led to, the cause between them, and the two calls made.
-- $4 is a body of ours; $5, $6 and $7 are what in it is the event's own: chance, run and job.
with old as materialized (
    select
        number,
        now() - interval '1 hour' - interval '85 days' * (1 - number::float8 / $3) as at,
        left(md5(number::text), 12) as chance,
        (100000000 + number)::text as run_id,
        (282000 + number % 500)::text as job_id,
        number % 500 as place
    from generate_series($1::bigint, $2::bigint) as number
),
events as (
    insert into event (
        id, source, event_key, state, body, body_sha256, event_type, account_id, project_id, project_name,
        environment_id, environment_name, job_id, job_name, run_id, run_status, run_status_code, run_reason,
        occurred_at, run_started_at, run_finished_at, received_at, last_delivery_at, planned_at, plan_due_at
    )
    overriding system value
    select
        number, 'bench', 'wev_' || chance || run_id || job_id, 'planned', body, sha256(body),
        'job.run.completed', '4711', '242841', 'Analytics', '189767', 'Production', job_id,
        'Nightly build of the sales and finance marts in production', run_id, 'Success', 10,
        'Kicked off from UI by analytics-engineer@acme.example',
        at, at - interval '20 minutes', at - interval '1 minute', at, at, at + interval '3 milliseconds', at
    from old, lateral (
        select convert_to(replace(replace(replace($4, $5, chance), $6, run_id), $7, job_id), 'UTF8') as body
    ) as made
),
refreshes as (
    insert into refresh (
        id, target, connection, connector, state, fresh_after, due_at, created_at, tries_since, attempts,
        fence, remote_id, remote_url, remote_started_at, deadline_at, started_at, finished_at
    )
    overriding system value
    select
        number, 'report-' || place, 'mode', 'mode', 'succeeded', at - interval '1 minute',
        at + interval '5 seconds', at + interval '3 milliseconds', at + interval '5 milliseconds', 1, 2, chance,
        'https://app.mode.com/acme/reports/5d1b' || lpad(place::text, 8, '0') || '/runs/' || chance,
        at + interval '10 milliseconds', at + interval '2 hours', at + interval '5 milliseconds',
        at + interval '5 seconds'
    from old
),
causes as (
    insert into refresh_cause (refresh_id, event_id, route, target, fresh_after, joined_at, run_key)
    select
        number, number, 'job-' || place, 'report-' || place, at - interval '1 minute',
        at + interval '3 milliseconds', '["4711","' || run_id || '","ended"]'
    from old
)
insert into attempt (
    refresh_id, call, attempt, kind, started_at, finished_at, outcome, http_status, worker
)
select
    number, call, 1, kind::attempt_kind, at + began, at + began + interval '20 milliseconds', 'ok', status,
    '4711-0badcafe'
from old, (
    values
        (1, 'trigger', interval '5 milliseconds', 202), (2, 'poll', interval '4980 milliseconds', 200)
) as calls (call, kind, began, status)
