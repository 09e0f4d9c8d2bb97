-- What each role may do: all that its program does, and nothing else. Given anew by each migration,
-- so that a new table is in it. Roles that were never made are left alone.
do $$
begin
    -- Faces the world. It stores what was signed and counts repeats; what it has stored it can
    -- neither read nor change.
    if exists (select from pg_roles where rolname = 'afterrun_ingest') then
        execute format('grant usage on schema %I to afterrun_ingest', current_schema());
        execute format('revoke all on all tables in schema %I from afterrun_ingest', current_schema());
        grant select on _sqlx_migrations to afterrun_ingest;
        grant insert on event, event_conflict to afterrun_ingest;
        -- xmax is read by the version before, which may still run.
        grant select (id, source, event_key, state, body_sha256, received_at, last_delivery_at, deliveries, conflicts, xmax)
            on event to afterrun_ingest;
        grant update (last_delivery_at, deliveries, conflicts) on event to afterrun_ingest;
        grant select, insert, update on source_seen, source_refused to afterrun_ingest;
    end if;

    -- Plans, refreshes, forgets, and makes an event of what dbt says when it is asked; operators'
    -- commands work as it too. It changes nothing that dbt said, and takes no line back of what was
    -- done.
    if exists (select from pg_roles where rolname = 'afterrun_worker') then
        execute format('grant usage on schema %I to afterrun_worker', current_schema());
        execute format('revoke all on all tables in schema %I from afterrun_worker', current_schema());
        grant select on _sqlx_migrations, delivery_history, attempt_history, target_freshness, notice_history to afterrun_worker;
        grant select, insert, delete on event to afterrun_worker;
        grant select, delete on event_conflict to afterrun_worker;
        grant update (state, reason, planned_at, plan_due_at, plan_error, waits_for, body) on event
            to afterrun_worker;
        -- Locked while old ones are forgotten; its key is its hash.
        grant update (received_at) on event_conflict to afterrun_worker;
        grant select, insert, update, delete on refresh, refresh_cause, target_state, connection_state
            to afterrun_worker;
        grant select, insert, update, delete on fan_in, fan_in_job, dbt_source,
            dbt_run, dbt_manifest, run_error, model_build to afterrun_worker;
        grant select, insert, update, delete on notice, notice_channel, notice_look to afterrun_worker;
        grant select, insert on attempt, operator_action, notice_attempt to afterrun_worker;
        grant select, insert, delete on console_session to afterrun_worker;
        grant update (seen_at) on console_session to afterrun_worker;
        grant select on source_seen, source_refused to afterrun_worker;
        -- Whole weeks of refreshes and calls are made and forgotten by the owner of the tables, for it.
        grant execute on function history_partitions to afterrun_worker;
    end if;

    -- Analysts: the views, and what no view shows otherwise.
    if exists (select from pg_roles where rolname = 'afterrun_reader') then
        execute format('grant usage on schema %I to afterrun_reader', current_schema());
        execute format('revoke all on all tables in schema %I from afterrun_reader', current_schema());
        grant select on delivery_history, attempt_history, target_freshness, notice_history, notice_attempt, run_error
            to afterrun_reader;
    end if;
end
$$;
