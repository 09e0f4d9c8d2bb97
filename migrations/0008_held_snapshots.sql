-- What a reader's snapshot keeps is passed over by every look, so there is as little of it as can be.

-- All versions of a target's row stay. Where its page has room for them, they lie one behind the other
-- and are passed in one go; else each has an entry of its own in the index.
alter table target_state set (fillfactor = 10);

-- One index of all that is open, by the time at which somebody has to look at it, in place of two that
-- both had what is queued. It has no condition, so that no statement reads it as a whole because the
-- condition is the same.
drop index refresh_due, refresh_held;
create index refresh_due on refresh_open (due_at);

-- Made anew: of two indexes that look equally good, as they do for a table that was empty when it was
-- analyzed last, the newer one is taken.
alter table refresh_open drop constraint refresh_open_pkey, add primary key (id);
