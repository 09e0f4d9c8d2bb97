insert into source_seen (source, secret, seen_at)
values ('prod', 0, '2026-11-01'), ('prod', 1, '2026-11-03'), ('prod', 2, '2026-11-02')
on conflict (source, secret) do update set seen_at = excluded.seen_at;
