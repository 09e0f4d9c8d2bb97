-- Notes every refresh that is made or changed, in the same transaction, on the database's clock.
create table if not exists chaos_change (
    number bigint generated always as identity primary key,
    at timestamptz not null,
    refresh_id bigint not null,
    before_state text,
    before_fence bigint,
    before_worker text,
    before_lease_until timestamptz,
    before_remote_id text,
    state text not null,
    fence bigint not null,
    worker text,
    lease_until timestamptz,
    remote_id text
);

-- A refresh that ends moves to the partition of its week, which triggers see as a row that leaves and
-- one that comes: what it was goes along.
create table if not exists chaos_moved (
    refresh_id bigint primary key,
    state text not null,
    fence bigint not null,
    worker text,
    lease_until timestamptz,
    remote_id text
);

create or replace function chaos_note_leaving() returns trigger language plpgsql as $$
begin
    insert into chaos_moved
    values (old.id, old.state::text, old.fence, old.worker, old.lease_until, old.remote_id);
    return null;
end
$$;

create or replace function chaos_note() returns trigger language plpgsql as $$
declare
    was chaos_moved;
begin
    if tg_op = 'INSERT' then
        delete from chaos_moved where refresh_id = new.id returning * into was;
    else
        was := (old.id, old.state::text, old.fence, old.worker, old.lease_until, old.remote_id);
    end if;
    insert into chaos_change (
        at, refresh_id,
        before_state, before_fence, before_worker, before_lease_until, before_remote_id,
        state, fence, worker, lease_until, remote_id
    )
    values (
        clock_timestamp(), new.id,
        was.state, was.fence, was.worker, was.lease_until, was.remote_id,
        new.state::text, new.fence, new.worker, new.lease_until, new.remote_id
    );
    return null;
end
$$;

create or replace trigger chaos_note_change
    after update on refresh for each row
    when (
        (old.state, old.fence, old.worker, old.lease_until, old.remote_id)
        is distinct from (new.state, new.fence, new.worker, new.lease_until, new.remote_id)
    )
    execute function chaos_note();

create or replace trigger chaos_note_birth
    after insert on refresh for each row execute function chaos_note();

create or replace trigger chaos_note_leaving
    after delete on refresh for each row execute function chaos_note_leaving();
