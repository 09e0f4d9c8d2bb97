-- What its target showed already when a refresh succeeded, so that one more of the same is not taken
-- for a lag that ended. Safe while the version before still runs, which does not say it: null is not
-- known, or that it was the first.

alter table refresh add column showed_before timestamptz;
