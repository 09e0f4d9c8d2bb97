-- Where the history lies by the week, the weeks of the past are made before they are filled: what is
-- put into a week that there is none of has to be moved later.
do $$
begin
    if to_regprocedure('history_partitions(timestamptz, interval)') is null then
        return;
    end if;
    for week in reverse 13..0 loop
        loop
            exit when history_partitions(now() - week * interval '1 week', null) is null;
        end loop;
    end loop;
end
$$
