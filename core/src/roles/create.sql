-- Roles without a password are groups: make logins in them. Another may make them at the same time.
do $$
declare
    name text;
begin
    foreach name in array array['afterrun_ingest', 'afterrun_worker', 'afterrun_reader'] loop
        begin
            if not exists (select from pg_roles where rolname = name) then
                execute format('create role %I', name);
            end if;
        exception when duplicate_object or unique_violation then
            null;
        end;
    end loop;
end
$$;
