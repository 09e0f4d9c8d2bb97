-- What makes the weeks of the history and drops them, and tables that are vacuumed by what happens in
-- them and not by how large they are. Safe while the version before still runs.

-- One step of the upkeep of `refresh` and `attempt`, as they are from 0007 on: makes a partition that
-- is missing (of this week or the next three, or of a week of which rows lie in the default partition,
-- and moves these), or else drops one that ended longer ago than is kept. Gives what it did, or null
-- when nothing is left to do, or somebody else does it. To be called in a transaction of its own, which
-- waits for each lock no longer than half a second, since all that comes later waits behind it: who
-- does not get them comes again.
--
-- Run by the worker's role, which may neither make nor drop tables itself.
create function history_partitions(at timestamptz, keep interval) returns text
language plpgsql
security definer
set lock_timeout = '500ms'
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
declare
    step record;
    rest text;
    moment text;
    rules text;
begin
    -- Two at once would make the same week.
    if not pg_try_advisory_xact_lock(hashtext('afterrun history')) then
        return null;
    end if;

    with part as (
        select
            parent.relname as kind,
            child.relname as name,
            coalesce(substring(bound from $re$FROM \('([^']+)'\)$re$)::timestamptz, '-infinity') as starts,
            substring(bound from $re$TO \('([^']+)'\)$re$)::timestamptz as ends
        from pg_inherits
        join pg_class as parent on parent.oid = inhparent
        join pg_class as child on child.oid = inhrelid
        cross join pg_get_expr(child.relpartbound, child.oid) as bound
        where inhparent in ('refresh'::regclass, 'attempt'::regclass)
    ),
    week as (
        select kind, date_trunc('week', at) + n * interval '1 week' as starts
        from unnest(array['refresh', 'attempt']) as kind, generate_series(0, 3) as n
        union
        select 'refresh', date_trunc('week', finished_at) from refresh_open where finished_at is not null
        union
        select 'attempt', date_trunc('week', started_at) from attempt_rest
    )
    select * into step
    from (
        select true as makes, week.kind, week.kind || to_char(week.starts, '_YYYYMMDD') as name, week.starts
        from week
        where not exists (
            select from part
            where part.kind = week.kind
                and part.starts < week.starts + interval '1 week' and part.ends > week.starts
        )
        union all
        select false, kind, name, starts from part where ends <= at - keep
    ) as steps
    order by makes desc, starts, kind
    limit 1;

    if step is null then
        return null;
    end if;
    if not step.makes then
        execute format('drop table %I', step.name);
        return 'dropped ' || step.name;
    end if;

    if step.kind = 'refresh' then
        rest := 'refresh_open';
        moment := 'finished_at';
        -- By its check the planner knows that no open refresh is here.
        rules := $rules$
            primary key (id),
            constraint refresh_not_open check (state in ('succeeded', 'failed', 'cancelled', 'skipped'))
        $rules$;
    else
        rest := 'attempt_rest';
        moment := 'started_at';
        rules := 'primary key (refresh_id, call)';
    end if;
    -- In the order in which they are taken when the partition is attached.
    execute format('lock table only %I in share update exclusive mode', step.kind);
    execute format('lock table %I in access exclusive mode', rest);
    execute format(
        'create table %I (like %I including defaults including constraints, ' || rules || ')',
        step.name, step.kind
    );
    execute format(
        'with moved as (delete from %I where %I >= %L and %I < %L returning *) insert into %I select * from moved',
        rest, moment, step.starts, moment, step.starts + interval '1 week', step.name
    );
    execute format(
        'alter table %I attach partition %I for values from (%L) to (%L)',
        step.kind, step.name, step.starts, step.starts + interval '1 week'
    );
    return 'made ' || step.name;
end
$$;

-- Names are looked up where the tables are, and never where a caller says.
do $$ begin
    execute format('alter function history_partitions set search_path = %I, pg_temp', current_schema());
end $$;

revoke execute on function history_partitions from public;

-- Few rows that change all the time: a scan is short as long as their dead versions go soon, index
-- entries included.
alter table target_state set (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, vacuum_index_cleanup = on
);
alter table connection_state set (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, vacuum_index_cleanup = on
);
-- Only their end is at work: what is new is vacuumed however much lies before it.
alter table event set (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 20000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000
);
alter table refresh_cause set (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 20000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000
);
