-- Which token a session was begun with, so that those of one make no room by ending those of the
-- other. Safe while the version before still runs, which does not say it.

alter table console_session add column role text check (role in ('admin', 'read-only'));
