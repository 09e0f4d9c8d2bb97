-- What pgbench writes to: the program's own tables, with their indexes and checks, under other names.
create table bench_event (like event including all);
create table bench_refresh (like refresh including all);
create table bench_attempt (like attempt including all);
