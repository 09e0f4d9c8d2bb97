-- Indexes by which pages find among many what they show, and what ingest notes of its sources. Safe
-- while the version before still runs.

-- Ends of the last hours. Each week's own, and so appended to.
create index refresh_by_end on refresh (finished_at) where finished_at is not null;
-- Few, and looked for among many.
create index refresh_unwell on refresh (id) where state in ('failed', 'cancelled', 'skipped');
create index refresh_by_connection on refresh (connection, id);
create index event_quarantined on event (received_at, id, source) where state = 'quarantined';
create index event_by_run on event (run_id, source) where run_id is not null;

-- When something last came that one of a source's secrets proved, noted once a minute at most.
create table source_seen (
    source text not null,
    -- Its place among the secrets, from 1; 0 where it is a token in the path, or not known.
    secret smallint not null check (secret >= 0),
    seen_at timestamptz not null,
    primary key (source, secret)
);

insert into source_seen (source, secret, seen_at)
select source, 0, max(last_delivery_at) from event where arrived_by = 'webhook' group by source;

-- What was refused under the name of a source for want of a right signature or token.
create table source_refused (
    source text primary key,
    refused bigint not null check (refused > 0),
    refused_at timestamptz not null
);
