-- What ended long ago, and rights that somebody gave.
insert into refresh (
    target, connection, connector, state, fresh_after, due_at, created_at, tries_since, finished_at
)
select 'workbook', 'tableau', 'tableau', 'succeeded', at, at, at, at, at
from (select now() - interval '2 years' as at) as past;
insert into attempt (refresh_id, call, attempt, kind, started_at, finished_at, outcome, worker)
select id, 1, 1, 'trigger', created_at, created_at, 'ok', 'w'
from refresh where created_at < now() - interval '1 year';
grant select on refresh, delivery_history to public;
