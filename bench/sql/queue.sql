-- Refreshes for pgbench to work off: $1 of them, each of a target of its own.
insert into bench_refresh (target, connection, connector, state, fresh_after, due_at, created_at, tries_since)
select 'report-' || number, 'mode', 'mode', 'queued', now(), now(), now(), now()
from generate_series(1, $1) as number
