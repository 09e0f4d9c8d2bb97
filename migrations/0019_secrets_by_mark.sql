-- What proved a delivery is known by the secret itself, not by its place in a list that may be put in
-- another order. What was noted by place is kept as not known. Safe while the version before still
-- runs: what it goes on to note by place is taken for a secret that is no longer in the list.

insert into source_seen (source, secret, seen_at)
select source, 0, max(seen_at)
from source_seen
where secret > 0
group by source
on conflict (source, secret) do update
set seen_at = greatest(source_seen.seen_at, excluded.seen_at);

delete from source_seen where secret > 0;

comment on column source_seen.secret is
'15 bits of a digest of the secret, from 1; 0 where it is a token in the path, or not known';
