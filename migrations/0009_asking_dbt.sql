-- What afterrun learns by asking dbt, beside what dbt sends. Safe while the version before still runs.

-- Sent by dbt or a BI tool, or found by asking.
create type event_arrival as enum ('webhook', 'reconcile');

alter table event add column arrived_by event_arrival not null default 'webhook';

-- Few, and looked for among many: jobs that ran and whose events did not come.
create index event_reconciled on event (source, received_at) where arrived_by = 'reconcile';

-- How far each source is known that dbt's API may be asked about.
create table dbt_source (
    source text primary key,
    -- Of all runs that ended before this is known whether their event came.
    reconciled_until timestamptz,
    -- When the whole of look_back was looked through last.
    looked_back_at timestamptz,
    reconcile_due_at timestamptz not null,
    -- One worker asks at a time; one that vanished is not waited for.
    worker text,
    lease_until timestamptz,
    -- dbt asked to be left alone (429): nobody asks it anything until then.
    paused_until timestamptz,
    last_error text,
    -- What keeps dbt's events from coming, in words.
    findings text[] not null default '{}',
    check ((worker is null) = (lease_until is null))
);
