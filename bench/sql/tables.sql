-- What pgbench writes to: the program's own columns and checks under other names, and the indexes
-- that a queue of the same rows needs, whatever the program's own tables are divided into.
create table bench_event (like event including all);
create table bench_refresh (like refresh including all excluding indexes, primary key (id));
create unique index on bench_refresh (target) where state in ('waiting', 'queued');
create unique index on bench_refresh (target) where state in ('running', 'confirming');
create index on bench_refresh (due_at, id) where state in ('queued', 'running', 'confirming');
create index on bench_refresh (due_at, id) where state in ('waiting', 'queued');
create index on bench_refresh (target, id);
create index on bench_refresh (created_at, id);
create table bench_attempt (like attempt including all excluding indexes, primary key (refresh_id, call));
