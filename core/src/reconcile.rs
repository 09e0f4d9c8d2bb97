//! Reconciliation: which ended runs dbt tells of whose event never came.
//!
//! Invariants: a source is asked about by one worker at a time, and how far it is known moves only
//! past runs that are in the table; a run that is found twice is stored once, by its event's id.

mod webhook;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::Reconcile;
use crate::dbt::run::{EndedRun, Names};
use crate::event::{Delivery, Stored, interval};
use crate::store::column;
use crate::{Store, StoreError};

pub use webhook::{Noted, SilentJob};

/// How far a look goes back before the end of the one before: dbt lists some runs late.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// How often the whole of `look_back` is looked through, for what is listed later still.
const LOOK_BACK_EVERY: TimeDelta = TimeDelta::hours(1);

/// Of what one list is asked for: so much is done again if a worker vanishes.
const SLICE: TimeDelta = TimeDelta::hours(6);

/// A worker that asks says so at least this often.
const LEASE: Duration = Duration::from_secs(2 * 60);

/// dbt's clock and the database's may differ by so much.
const CLOCKS: TimeDelta = TimeDelta::hours(1);

/// The pause that dbt asks for with a 429, of all calls of the account
/// (docs.getdbt.com/docs/dbt-apis/rate-limits).
pub const COOLDOWN: Duration = Duration::from_secs(5 * 60);

/// A source that it is this worker's turn to ask about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub source: String,
    /// Runs that ended in this time are meant.
    pub window: Window,
    /// Whether all of `look_back` is in it.
    looks_back: bool,
}

/// A closed time, in which runs ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

impl Window {
    /// In parts that one list is asked for, oldest first. Their ends belong to both neighbours.
    pub fn slices(self) -> impl Iterator<Item = Self> {
        let mut from = self.from;
        std::iter::from_fn(move || {
            if from >= self.to {
                return None;
            }
            let to = self.to.min(from + SLICE);
            Some(Self { from: std::mem::replace(&mut from, to), to })
        })
    }
}

/// What is known of a source.
struct Known {
    reconciled_until: Option<DateTime<Utc>>,
    looked_back_at: Option<DateTime<Utc>>,
}

/// The time to look through now.
fn window(known: &Known, settings: &Reconcile, now: DateTime<Utc>) -> (Window, bool) {
    let to = now - delta(settings.lag);
    let whole = to - delta(settings.look_back);
    let looks_back = known.looked_back_at.is_none_or(|at| now - at >= LOOK_BACK_EVERY);
    let from = match known.reconciled_until {
        None => whole,
        // Also after a database was restored that knows little of the last week.
        Some(until) if looks_back => whole.min(until - OVERLAP),
        Some(until) => until - OVERLAP,
    };
    (Window { from: from.min(to), to }, looks_back)
}

fn delta(length: Duration) -> TimeDelta {
    TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX)
}

impl Store {
    /// Takes the source if it is time to ask dbt about it, and nobody does.
    pub async fn take_reconciliation(
        &self,
        worker: &str,
        source: &str,
        settings: &Reconcile,
    ) -> Result<Option<Turn>, StoreError> {
        let taken = self
            .step("look whether dbt is to be asked about runs", async |connection| {
                sqlx::query!(
                    r#"
            insert into dbt_source as known (source, reconcile_due_at, worker, lease_until)
            values ($1, coalesce($2, now()), $3, coalesce($2, now()) + $4::interval)
            on conflict (source) do update
            set worker = excluded.worker, lease_until = excluded.lease_until
            where known.reconcile_due_at <= excluded.reconcile_due_at
                -- Its own is one that it could not give back.
                and (
                    coalesce(known.lease_until <= excluded.reconcile_due_at, true)
                    or known.worker = excluded.worker
                )
                and coalesce(known.paused_until <= excluded.reconcile_due_at, true)
            returning reconciled_until, looked_back_at, coalesce($2, now()) as "now!"
            "#,
                    source,
                    self.now(),
                    worker,
                    interval(LEASE),
                )
                .fetch_optional(connection)
                .await
            })
            .await?;
        Ok(taken.map(|row| {
            let known = Known {
                reconciled_until: row.reconciled_until,
                looked_back_at: row.looked_back_at,
            };
            let (window, looks_back) = window(&known, settings, row.now);
            Turn { source: source.to_owned(), window, looks_back }
        }))
    }

    /// Of these runs of one account, those of which the source knows no end.
    pub async fn unknown_runs(
        &self,
        source: &str,
        runs: Vec<EndedRun>,
    ) -> Result<Vec<EndedRun>, StoreError> {
        // By the job, since the arrival of its events has an index.
        let known = self
            .step("look which runs are known", async |connection| {
                sqlx::query_scalar!(
                    r#"
            select exists (
                select from event
                where event.source = $1
                    and event.job_id = run.job_id
                    and event.run_id = run.run_id
                    and event.received_at >= run.finished_at - $5::interval
                    and event.event_type in ('job.run.completed', 'job.run.errored')
            ) as "known!"
            from unnest($2::text[], $3::text[], $4::timestamptz[])
                with ordinality as run (run_id, job_id, finished_at, place)
            order by run.place
            "#,
                    source,
                    &column(&runs, |run| run.run_id.as_str()) as _,
                    &column(&runs, |run| run.job_id.as_deref()) as _,
                    &column(&runs, |run| run.finished_at),
                    interval(CLOCKS.to_std().unwrap_or_default()),
                )
                .fetch_all(connection)
                .await
            })
            .await?;
        Ok(runs.into_iter().zip(known).filter_map(|(run, known)| (!known).then_some(run)).collect())
    }

    /// What the last event of a job called it, its project and its environment.
    pub async fn names_of_job(&self, source: &str, job_id: &str) -> Result<Names, StoreError> {
        let named = self
            .step("look what a job is called", async |connection| {
                sqlx::query_as!(
                    Names,
                    r#"
            select job_name as job, project_name as project, environment_name as environment
            from event
            where source = $1 and job_id = $2 and state <> 'quarantined'
            order by received_at desc
            limit 1
            "#,
                    source,
                    job_id,
                )
                .fetch_optional(connection)
                .await
            })
            .await?;
        Ok(named.unwrap_or_default())
    }

    /// Takes runs in as events; gives those that are new. Their planning is the workers' as ever.
    pub async fn take_in(
        &self,
        source: &str,
        runs: &[EndedRun],
        keys_kept: Duration,
    ) -> Result<Vec<String>, StoreError> {
        let bodies: Vec<_> = runs.iter().map(EndedRun::body).collect();
        let events: Vec<_> =
            bodies.iter().map(|body| Delivery { source, body, keys_kept }).collect();
        let stored = self.store_found(&events).await?;
        let new: Vec<_> =
            stored.iter().flatten().map(Stored::event_id).map(str::to_owned).collect();
        if !new.is_empty() {
            self.wake_after_commit().await;
        }
        Ok(new)
    }

    /// Notes that all runs that ended before this are known, and holds the source a while longer.
    pub async fn reconciled_until(
        &self,
        worker: &str,
        source: &str,
        until: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.step("note how far runs are known", async |connection| {
            sqlx::query!(
                r#"
            update dbt_source
            set
                reconciled_until = greatest(reconciled_until, $3),
                lease_until = coalesce($4, now()) + $5::interval
            where source = $1 and worker = $2
            "#,
                source,
                worker,
                until,
                self.now(),
                interval(LEASE),
            )
            .execute(connection)
            .await
        })
        .await?;
        Ok(())
    }

    /// Gives the source back: looked through, or the error that kept it from that.
    pub async fn end_reconciliation(
        &self,
        worker: &str,
        turn: &Turn,
        next: Duration,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        self.step("note that runs were looked through", async |connection| {
            sqlx::query!(
                r#"
            update dbt_source
            set
                reconcile_due_at = coalesce($5, now()) + $4::interval,
                looked_back_at = case when $3 then coalesce($5, now()) else looked_back_at end,
                worker = null, lease_until = null, last_error = $6
            where source = $1 and worker = $2
            "#,
                turn.source,
                worker,
                turn.looks_back && error.is_none(),
                interval(next),
                self.now(),
                error,
            )
            .execute(connection)
            .await
        })
        .await?;
        Ok(())
    }

    /// Until when dbt wants to be left alone with this source's account; `None` if it may be asked.
    pub async fn paused_by_dbt(&self, source: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.step("look whether dbt may be asked", async |connection| {
            sqlx::query_scalar!(
                r#"
            select paused_until as "paused_until!" from dbt_source
            where source = $1 and paused_until > coalesce($2, now())
            "#,
                source,
                self.now(),
            )
            .fetch_optional(connection)
            .await
        })
        .await
    }

    /// dbt said 429 to one of these sources, which share an account: nobody asks about any of them
    /// for so long, [`COOLDOWN`] or more.
    pub async fn pause_account(
        &self,
        sources: &[String],
        rest: Duration,
    ) -> Result<(), StoreError> {
        self.step("note that dbt asked for a pause", async |connection| {
            sqlx::query!(
                r#"
            insert into dbt_source as known (source, reconcile_due_at, paused_until)
            select source, coalesce($2, now()), coalesce($2, now()) + $3::interval
            from unnest($1::text[]) as paused (source)
            order by source
            on conflict (source) do update
            set paused_until = greatest(known.paused_until, excluded.paused_until)
            "#,
                sources,
                self.now(),
                interval(rest),
            )
            .execute(connection)
            .await
        })
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap()
    }

    fn seen(until: Option<i64>, looked_back: Option<i64>, now: i64) -> (i64, i64, bool) {
        let known = Known { reconciled_until: until.map(at), looked_back_at: looked_back.map(at) };
        let (Window { from, to }, back) = window(&known, &Reconcile::default(), at(now));
        ((from - at(0)).num_minutes(), (to - at(0)).num_minutes(), back)
    }

    #[test]
    fn the_first_look_and_one_each_hour_go_back_all_the_way_and_others_overlap() {
        const DAY: i64 = 24 * 60;
        assert_eq!(seen(None, None, 0), (-2 - DAY, -2, true));
        assert_eq!(seen(Some(-2), Some(0), 5), (-12, 3, false));
        assert_eq!(seen(Some(53), Some(0), 60), (58 - DAY, 58, true));
    }

    #[test]
    fn a_database_that_knows_nothing_of_the_last_week_is_brought_up_to_date() {
        const WEEK: i64 = 7 * 24 * 60;
        assert_eq!(seen(Some(0), Some(0), WEEK), (-10, WEEK - 2, true));
    }

    #[test]
    fn a_window_is_cut_into_slices_that_leave_nothing_out() {
        let whole = Window { from: at(0), to: at(13 * 60) };
        let slices: Vec<_> = whole.slices().collect();
        assert_eq!(slices.len(), 3);
        assert_eq!((slices[0].from, slices[2].to), (whole.from, whole.to));
        assert!(slices.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert_eq!(Window { from: at(0), to: at(0) }.slices().count(), 0);
    }
}
