-- The weeks of the past, before they are filled: what is put into a week that there is none of has to
-- be moved later.
do $$
begin
    for week in reverse 13..0 loop
        loop
            exit when history_partitions(now() - week * interval '1 week', null) is null;
        end loop;
    end loop;
end
$$
