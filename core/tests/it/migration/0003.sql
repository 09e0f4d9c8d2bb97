insert into connection_state (connection, failures, hold, held_since, held_until, hold_error)
values ('tableau', 3, 'outage', now(), now(), '503');
insert into fan_in (route, waits_for) values ('both', 'waiting for job 2');
insert into fan_in_job (route, job_id, run_ended_at, outcome) values ('both', '1', now(), 'succeeded');
insert into refresh_cause (event_id, route, target, fresh_after, joined_at)
select id, 'both', 'report', now(), now() from event where state = 'planned' order by id limit 1;
