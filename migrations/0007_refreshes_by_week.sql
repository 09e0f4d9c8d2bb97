-- Refreshes that have ended, and calls, lie by the week and are dropped by the week. What is open has
-- no `finished_at`, so it is in the default partition, which stays as small as the work at hand;
-- `set finished_at` moves a refresh to its week. See docs/decisions/0011.
--
-- The version before may still run. All that it says to `refresh` and `attempt` it says to the
-- partitioned ones, but for one statement: `on conflict (target)`, which hands on the events of a
-- refresh that was cancelled or whose time was up. That fails; the refresh stays under its lease until
-- this runs out, and is asked for again by whoever claims it then, in the end a worker of this version.
--
-- Nothing refers to a refresh by a foreign key any more, since a key over all weeks does not exist, and
-- a week could not be dropped without a look at each of its rows. What keeps the rows whole instead:
-- - a cause or a call is only written beside its refresh, in a transaction that has made it or holds
--   its lock, and neither the refresh nor its number ever changes or comes back;
-- - a cause goes with its event, so that the repeats of a run are known as long as its key; until
--   then it may outlive its refresh, which the views tell;
-- - calls are never later than the end of their refresh by more than a moment, and go by themselves.

-- All at once, before any work: whoever does not get them steps aside. `event` is not touched.
lock table refresh, refresh_cause, attempt in access exclusive mode;
set local timezone = 'UTC';

alter table refresh_cause drop constraint refresh_cause_refresh_id_fkey;
alter table attempt drop constraint attempt_refresh_id_fkey;

alter table refresh rename to refresh_before;
alter index refresh_pkey rename to refresh_before_pkey;
alter index refresh_by_target rename to refresh_before_by_target;
alter index refresh_by_creation rename to refresh_before_by_creation;
alter index refresh_one_behind rename to refresh_before_one_behind;
alter index refresh_one_under_way rename to refresh_before_one_under_way;
alter index refresh_due rename to refresh_before_due;
alter index refresh_held rename to refresh_before_held;
alter table attempt rename to attempt_before;
alter index attempt_pkey rename to attempt_before_pkey;

create table refresh (like refresh_before including defaults including constraints)
    partition by range (finished_at);
create table attempt (like attempt_before including defaults including constraints)
    partition by range (started_at);

-- Numbers go on where they were.
do $$
declare
    next bigint := nextval(pg_get_serial_sequence('refresh_before', 'id'));
begin
    alter table refresh_before alter column id drop identity;
    execute format(
        'alter table refresh alter column id add generated always as identity (start with %s)', next
    );
end $$;

-- Few rows that change all the time, as 0006 says of others.
create table refresh_open partition of refresh (primary key (id)) default with (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 500,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 500,
    vacuum_index_cleanup = on
);
-- Calls of weeks that have no partition yet: none, as a rule.
create table attempt_rest partition of attempt (primary key (refresh_id, call)) default;

create unique index refresh_one_behind on refresh_open (target) where state in ('waiting', 'queued');
create unique index refresh_one_under_way on refresh_open (target)
    where state in ('running', 'confirming');
create index refresh_due on refresh_open (due_at, id) where state in ('queued', 'running', 'confirming');
create index refresh_held on refresh_open (due_at, id) where state in ('waiting', 'queued');

-- Roles have their rights at once, and not only when all migrations are done.
do $$
declare
    held record;
begin
    for held in
        select
            replace(relname, '_before', '') as name,
            privilege_type as what,
            case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as who
        from pg_class
        cross join aclexplode(relacl)
        where oid in ('refresh_before'::regclass, 'attempt_before'::regclass) and grantee <> relowner
    loop
        execute format('grant %s on %I to %s', held.what, held.name, held.who);
    end loop;
end $$;

-- The views looked at the tables that were renamed. As they were, but for causes whose refreshes are
-- gone.

create or replace view delivery_history as
select
    event.event_key as event_id,
    event.source,
    event.event_type,
    event.account_id,
    event.project_id,
    event.project_name,
    event.environment_id,
    event.environment_name,
    event.job_id,
    event.job_name,
    event.run_id,
    event.run_status,
    event.run_reason,
    event.occurred_at,
    event.run_started_at,
    event.run_finished_at,
    event.received_at,
    event.deliveries,
    event.state::text as event_state,
    cause.route,
    coalesce(refresh.target, cause.target) as target,
    coalesce(refresh.connection, held_for.connection) as connection,
    coalesce(refresh.connector, held_for.connector) as connector,
    refresh.id as refresh_id,
    -- What a fan-in holds waits, although no refresh has been made for it yet.
    coalesce(
        refresh.state::text,
        case when cause.target is not null and cause.refresh_id is null then 'waiting' end
    ) as refresh_state,
    case
        when refresh.state = 'queued' then coalesce(refresh.reason, 'waiting for its turn')
        when refresh.id is not null then refresh.reason
        when cause.refresh_id is not null then 'its refreshes are older than retention.events'
        when cause.target is not null then cause.waits_for
        when event.state = 'stored' then coalesce('could not be planned yet: ' || event.plan_error, 'not yet planned')
        else event.reason
    end as reason,
    refresh.attempts,
    refresh.last_error,
    refresh.remote_id,
    refresh.remote_url,
    refresh.started_at as refresh_started_at,
    refresh.finished_at as refresh_finished_at,
    case
        when refresh.state = 'succeeded'
        then (extract(epoch from refresh.finished_at - event.received_at) * 1000)::bigint
    end as latency_ms,
    event.conflicts,
    event.sender,
    event.subject,
    event.subject_name
from event
left join lateral (
    select
        refresh_cause.refresh_id,
        refresh_cause.target,
        string_agg(refresh_cause.route, ', ' order by refresh_cause.route) as route,
        string_agg(fan_in.waits_for, '; ' order by refresh_cause.route) as waits_for
    from refresh_cause
    left join fan_in on refresh_cause.refresh_id is null and fan_in.route = refresh_cause.route
    where refresh_cause.event_id = event.id
    group by refresh_cause.refresh_id, refresh_cause.target
) as cause on true
left join refresh on refresh.id = cause.refresh_id
left join target_state as held_for on cause.refresh_id is null and held_for.target = cause.target;

create or replace view attempt_history as
select
    refresh_id,
    attempt,
    kind::text as kind,
    started_at,
    finished_at,
    round(extract(epoch from finished_at - started_at) * 1000)::bigint as duration_ms,
    outcome::text as outcome,
    http_status,
    error,
    worker,
    call,
    possible_duplicate
from attempt;

-- The lag of a target that is not fresh runs from the end of the oldest run that should show and does
-- not. A run that nobody has planned yet, of a job that led to the target before, is such a run.
create or replace view target_freshness as
select
    target_state.target,
    target_state.connection,
    target_state.connector,
    greatest(target_state.last_run_finished_at, unplanned.newest) as last_run_finished_at,
    target_state.fresh_as_of,
    case
        when target_state.last_run_finished_at is null then null
        when target_state.fresh_as_of >= target_state.last_run_finished_at and unplanned.oldest is null then 0
        else greatest(
            0,
            extract(
                epoch from now()
                    - coalesce(least(unseen.since, unplanned.oldest), target_state.last_run_finished_at)
            )
        )
    end::double precision as lag_seconds,
    case
        when target_state.paused or coalesce(known.paused, false) then 'paused'
        when target_state.last_run_finished_at is null then 'unknown'
        when target_state.fresh_as_of >= target_state.last_run_finished_at and unplanned.oldest is null then 'fresh'
        when exists (
            select from refresh
            where refresh.target = target_state.target
                and refresh.finished_at is null and refresh.state in ('running', 'confirming')
        ) then 'refreshing'
        when unplanned.oldest is null and latest.state = 'failed' then 'failed'
        else 'stale'
    end as state,
    target_state.last_success_at,
    coalesce(under_way.last_error, target_state.last_error) as last_error
from target_state
left join connection_state as known on known.connection = target_state.connection
left join lateral (
    select refresh.state
    from refresh
    where refresh.target = target_state.target and refresh.state <> 'skipped'
    order by refresh.id desc
    limit 1
) as latest on true
left join lateral (
    select refresh.last_error
    from refresh
    where refresh.target = target_state.target
        and refresh.finished_at is null
        and refresh.last_error is not null
    order by refresh.id
    limit 1
) as under_way on true
left join lateral (
    select refresh_cause.fresh_after as since
    from refresh_cause
    join refresh on refresh.id = refresh_cause.refresh_id
    where refresh_cause.target = target_state.target
        and refresh.state <> 'skipped'
        and refresh_cause.fresh_after > coalesce(target_state.fresh_as_of, '-infinity')
    order by refresh_cause.fresh_after
    limit 1
) as unseen on true
left join lateral (
    select min(event.run_finished_at) as oldest, max(event.run_finished_at) as newest
    from event
    where event.state = 'stored'
        and coalesce(event.run_status_code, 10) = 10
        and event.run_finished_at > coalesce(target_state.fresh_as_of, '-infinity')
        and exists (
            select from refresh_cause
            join event as before on before.id = refresh_cause.event_id
            where refresh_cause.target = target_state.target
                and before.source = event.source and before.job_id = event.job_id
        )
) as unplanned on true
where target_state.configured;

-- What is open, found by the indexes of what is open.
with open as (
    delete from refresh_before where state in ('waiting', 'queued') returning *
)
insert into refresh overriding system value select * from open;
with open as (
    delete from refresh_before where state in ('running', 'confirming') returning *
)
insert into refresh overriding system value select * from open;
-- By the last it was found what to forget, row by row.
drop index refresh_before_one_behind, refresh_before_one_under_way, refresh_before_due, refresh_before_held,
    refresh_ended_at;

-- All that has ended stays where it is, as one partition that ends with a week, and is dropped when
-- its newest is old enough. It is read once, to prove that all of it belongs there.
do $$
declare
    ends timestamptz;
begin
    if not exists (select from refresh_before) and not exists (select from attempt_before) then
        drop table refresh_before, attempt_before;
        return;
    end if;
    select date_trunc('week', greatest(
        now(),
        (select max(finished_at) from refresh_before),
        (select max(started_at) from attempt_before)
    )) + interval '1 week'
    into ends;
    execute format(
        'alter table refresh_before '
            || 'add constraint refresh_not_open check (state in (''succeeded'', ''failed'', ''cancelled'', ''skipped'')), '
            || 'add constraint refresh_before_ends check (finished_at is not null and finished_at < %L)',
        ends
    );
    execute format('alter table refresh attach partition refresh_before for values from (minvalue) to (%L)', ends);
    alter table refresh_before drop constraint refresh_before_ends;
    execute format('alter table attempt attach partition attempt_before for values from (minvalue) to (%L)', ends);
end $$;

-- Of all weeks, those to come included, which the workers' upkeep makes as soon as one is at work.
create index refresh_by_target on refresh (target, id);
create index refresh_by_creation on refresh (created_at, id);
