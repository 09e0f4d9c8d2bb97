insert into notice_channel (channel, rests_until) values ('chat', now());

insert into notice (
    channel, kind, subject, state, title, opened_at, last_at, resolved_at, repeat_after, told, told_at, due_at
)
values
    ('chat', 'stale', 'report', 'open', 'report is not fresh', now(), now(), null, '30 min', 'open', now(), null),
    ('chat', 'stale', 'report', 'resolved', 'report is not fresh', now(), now(), now(), '30 min', 'open', now(), now()),
    ('chat', 'run', 'prod/1', 'once', 'dbt job 1 succeeded', now(), now(), now(), '0', null, null, now());
