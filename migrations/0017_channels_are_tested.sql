-- Channels are tested by hand. Safe while the version before still runs.

alter table operator_action drop constraint operator_action_kind_check;
alter table operator_action add constraint operator_action_kind_check
    check (kind in ('event', 'refresh', 'target', 'connection', 'session', 'notice', 'channel'));
