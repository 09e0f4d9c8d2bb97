//! Fan-in in the database: what each job's newest run means for a route, and the events that wait
//! for the others.
//!
//! Invariant: the route's row was locked before anything is read, and before any target's, so that
//! workers which plan the last two jobs at once fire once.

use chrono::{DateTime, Utc};

use super::DOING;
use super::join::Asked;
use super::lead::{Planning, Told};
use super::read::Event;
use crate::config::{self, Route};
use crate::fan_in::{JobRun, Judged, Outcome, judge};
use crate::refresh::RefreshId;
use crate::{Doing as _, StoreError};

/// What an event of one of its jobs means for a fan-in.
pub(super) enum Gathered {
    /// All jobs have succeeded: the targets are to be refreshed.
    Fires,
    /// Another event of the same run has been here.
    Known,
    /// The event waits for the others, in words.
    Holds(String),
    /// It leads to nothing, and this is why.
    Nothing(String),
}

impl Planning<'_> {
    /// Takes an event of one of the route's jobs into account.
    pub(super) async fn gather(
        &mut self,
        told: &Told<'_>,
        route: &Route,
        outcome: config::Outcome,
    ) -> Result<Gathered, StoreError> {
        let event = told.event;
        let asked: Vec<_> =
            route.refresh.iter().map(|target| Asked::of(told, route, target, false)).collect();
        let succeeded = outcome == config::Outcome::Success;
        if succeeded && self.is_known(&asked).await? {
            return Ok(Gathered::Known);
        }
        let counted = self.note_run(told, route, succeeded).await?;
        let runs = self.newest_runs(route).await?;
        match judge(&route.after_all, route.within, &runs) {
            Judged::Fires if succeeded => {
                self.fire(route).await?;
                Ok(Gathered::Fires)
            }
            Judged::Fires => {
                Ok(Gathered::Nothing(format!("route {} counts a newer run already", route.name)))
            }
            Judged::Waits(for_what) => {
                self.note_wait(route, &for_what).await?;
                if !succeeded && counted {
                    let words = format!("it did not succeed: route {} is {for_what}", route.name);
                    return Ok(Gathered::Nothing(words));
                }
                if !succeeded {
                    let same = self.is_newest_run(event, route).await?;
                    let words = match same {
                        true => format!(
                            "it did not succeed, as was told before: route {} is {for_what}",
                            route.name
                        ),
                        false => format!("route {} counts a newer run already", route.name),
                    };
                    return Ok(Gathered::Nothing(words));
                }
                for asked in &asked {
                    self.hold(asked, None).await?;
                }
                Ok(Gathered::Holds(for_what))
            }
        }
    }

    /// Whether it is the newest of its job: an event that comes late changes nothing.
    async fn note_run(
        &mut self,
        told: &Told<'_>,
        route: &Route,
        succeeded: bool,
    ) -> Result<bool, StoreError> {
        let event = told.event;
        let outcome = if succeeded { Outcome::Succeeded } else { Outcome::Failed };
        let counted = sqlx::query!(
            r#"
            insert into fan_in_job (route, job_id, run_id, run_ended_at, outcome)
            values ($1, $2, $3, $4, $5)
            on conflict (route, job_id) do update set
                run_id = excluded.run_id,
                run_ended_at = excluded.run_ended_at,
                outcome = excluded.outcome
            where excluded.run_ended_at > fan_in_job.run_ended_at
                -- dbt tells whole seconds: of two runs that ended in one, the one told last counts.
                or (
                    excluded.run_ended_at = fan_in_job.run_ended_at
                    and ($6 or excluded.run_id is distinct from fan_in_job.run_id)
                )
            "#,
            route.name,
            event.facts.job_id.as_deref().unwrap_or_default(),
            event.run_id,
            told.fresh_after,
            outcome as Outcome,
            self.replayed,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(counted.rows_affected() == 1)
    }

    async fn is_newest_run(&mut self, event: &Event, route: &Route) -> Result<bool, StoreError> {
        let newest = sqlx::query_scalar!(
            "select run_id from fan_in_job where route = $1 and job_id = $2",
            route.name,
            event.facts.job_id.as_deref().unwrap_or_default(),
        )
        .fetch_optional(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(newest.flatten().is_some_and(|run| Some(run) == event.run_id))
    }

    async fn newest_runs(&mut self, route: &Route) -> Result<Vec<JobRun>, StoreError> {
        sqlx::query_as!(
            JobRun,
            r#"
            select job_id, run_ended_at as ended_at, outcome as "outcome: Outcome"
            from fan_in_job where route = $1
            "#,
            route.name,
        )
        .fetch_all(&mut *self.connection)
        .await
        .doing(DOING)
    }

    async fn fire(&mut self, route: &Route) -> Result<(), StoreError> {
        sqlx::query!(
            r#"
            with counted as (
                update fan_in_job set outcome = 'fired'
                where route = $1 and job_id = any ($2)
            )
            update fan_in set waits_for = null, fired_at = coalesce($3, now()) where route = $1
            "#,
            route.name,
            &route.after_all,
            self.now,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(())
    }

    async fn note_wait(&mut self, route: &Route, for_what: &str) -> Result<(), StoreError> {
        sqlx::query!("update fan_in set waits_for = $2 where route = $1", route.name, for_what)
            .execute(&mut *self.connection)
            .await
            .doing(DOING)?;
        Ok(())
    }

    /// A cause without a refresh: it gets one when the route fires.
    /// `waits_for`: where it is not what the route as a whole waits for.
    pub(super) async fn hold(
        &mut self,
        asked: &Asked<'_>,
        waits_for: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            r#"
            insert into refresh_cause (
                event_id, route, target, fresh_after, joined_at, run_key, waits_for
            )
            values (
                $1, $2, $3, $4, coalesce($5, clock_timestamp()),
                case
                    when not exists (
                        select from refresh_cause
                        where run_key = $6 and route = $2 and target = $3
                    )
                    then $6
                end,
                $7
            )
            on conflict (route, target, event_id) where refresh_id is null do nothing
            "#,
            asked.event,
            asked.route,
            asked.target,
            asked.fresh_after,
            self.now,
            asked.run_key,
            waits_for,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(())
    }

    /// The newest end of a run among the events that are held for this route and target.
    pub(super) async fn newest_held(
        &mut self,
        asked: &Asked<'_>,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        sqlx::query_scalar!(
            r#"
            select max(fresh_after) from refresh_cause
            where route = $1 and target = $2 and refresh_id is null
            "#,
            asked.route,
            asked.target,
        )
        .fetch_one(&mut *self.connection)
        .await
        .doing(DOING)
    }

    /// The events that were held go with this refresh; one that was replayed may be there already.
    pub(super) async fn let_go(
        &mut self,
        asked: &Asked<'_>,
        refresh: RefreshId,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            r#"
            with again as (
                delete from refresh_cause as held
                using refresh_cause as there
                where held.route = $1 and held.target = $2 and held.refresh_id is null
                    and there.refresh_id = $3
                    and there.event_id = held.event_id and there.route = held.route
                returning held.event_id
            )
            update refresh_cause
            set refresh_id = $3, joined_at = coalesce($4, clock_timestamp()), waits_for = null
            where route = $1 and target = $2 and refresh_id is null
                and event_id not in (select event_id from again)
            "#,
            asked.route,
            asked.target,
            refresh.0,
            self.now,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(())
    }
}
