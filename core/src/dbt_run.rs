//! The table of runs that dbt is asked about: what each built, and why it failed.
//!
//! Invariants: a run is asked about by one worker at a time, and again until dbt has answered or
//! half a day has passed; what waits for the answer is planned as soon as it is there, or as soon as
//! it is certain that it never will be.

mod answer;
mod manifest;
mod results;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};

use crate::delay::Growth;
use crate::event::interval;
use crate::pool::Lent;
use crate::store::{bounded, column};
use crate::{Doing as _, Store, StoreError};

pub use answer::{Answer, Built, RunError};
pub use manifest::{KnownManifest, ManifestKey, NotKept};
pub(crate) use results::unpacked;

/// A worker that asks is done by then, or has vanished: large artifacts take their time.
const LEASE: Duration = Duration::from_secs(15 * 60);

/// dbt is asked no longer than this about a run.
const GIVE_UP_AFTER: Duration = Duration::from_secs(12 * 60 * 60);

/// And at least so often: no worker may have been there meanwhile.
const LEAST_ASKS: i32 = 5;

const AGAIN: Growth =
    Growth { initial: Duration::from_secs(5), multiplier: 2.0, max: Duration::from_secs(10 * 60) };

/// A run that dbt should be asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) source: &'a str,
    pub(crate) run_id: &'a str,
    /// Not only why it failed.
    pub(crate) built: bool,
    /// Also if dbt is asked no more, since an operator wishes it.
    pub(crate) again: bool,
}

/// A run that it is this worker's turn to ask about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inquiry {
    pub source: String,
    pub run_id: String,
    /// Not only why it failed.
    pub wants_built: bool,
    asks: i32,
}

/// Notes runs that dbt is to be asked about; those that it has answered stand, and are not locked.
pub(crate) async fn want(
    connection: &mut PgConnection,
    wanted: &[Wanted<'_>],
    now: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    if wanted.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        with wanted as (
            select source, run_id, bool_or(built) as built, bool_or(again) as again
            from unnest($1::text[], $2::text[], $3::boolean[], $4::boolean[])
                as wanted (source, run_id, built, again)
            group by source, run_id
        ),
        made as (
            insert into dbt_run (source, run_id, wants_built, asked_for_at, ask_due_at)
            select source, run_id, built, coalesce($5, now()), coalesce($5, now())
            from wanted
            order by source, run_id
            on conflict (source, run_id) do nothing
        )
        update dbt_run
        set
            wants_built = true, asked_for_at = coalesce($5, now()), ask_due_at = coalesce($5, now()),
            answered_at = null, results = null, asks = 0
        from wanted
        where dbt_run.source = wanted.source and dbt_run.run_id = wanted.run_id and wanted.built
            and (
                not dbt_run.wants_built
                or (wanted.again and dbt_run.answered_at is null and dbt_run.ask_due_at is null)
            )
        "#,
        &column(wanted, |wanted| wanted.source) as _,
        &column(wanted, |wanted| wanted.run_id) as _,
        &column(wanted, |wanted| wanted.built),
        &column(wanted, |wanted| wanted.again),
        now,
    )
    .execute(connection)
    .await
    .doing("note that dbt is to be asked about runs")?;
    Ok(())
}

impl Store {
    /// Takes the run of one of these sources that dbt should be asked about first. A source that
    /// dbt wants to be left alone with has none.
    pub async fn take_inquiry(
        &self,
        worker: &str,
        sources: &[String],
    ) -> Result<Option<Inquiry>, StoreError> {
        self.step("look for a run to ask dbt about", async |connection| {
            sqlx::query_as!(
                Inquiry,
                r#"
            update dbt_run
            set worker = $1, lease_until = coalesce($3, now()) + $4::interval, asks = asks + 1
            where (source, run_id) = (
                select dbt_run.source, dbt_run.run_id
                from dbt_run
                left join dbt_source using (source)
                where dbt_run.source = any ($2)
                    and dbt_run.ask_due_at <= coalesce($3, now())
                    -- Its own is one whose answer it could not note.
                    and (
                        coalesce(dbt_run.lease_until <= coalesce($3, now()), true)
                        or dbt_run.worker = $1
                    )
                    and coalesce(dbt_source.paused_until <= coalesce($3, now()), true)
                order by dbt_run.ask_due_at, dbt_run.run_id
                limit 1
                for update of dbt_run skip locked
            )
            returning source, run_id, wants_built, asks
            "#,
                worker,
                sources,
                self.now(),
                interval(LEASE),
            )
            .fetch_optional(connection)
            .await
        })
        .await
    }

    /// Gives the run back unanswered, to be asked about again later; `soon` if dbt has only not got
    /// so far yet. Gives whether dbt is asked again at all.
    pub async fn put_off_inquiry(
        &self,
        worker: &str,
        inquiry: &Inquiry,
        why: &str,
        soon: bool,
    ) -> Result<bool, StoreError> {
        const DOING: &str = "put off asking dbt about a run";
        let asks = u32::try_from(inquiry.asks).unwrap_or(1);
        let after = if soon { AGAIN.initial } else { AGAIN.delay(asks) };
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let again = sqlx::query_scalar!(
                r#"
            update dbt_run
            set
                ask_due_at = case
                    when coalesce($4, now()) < asked_for_at + $6::interval or asks < $8
                    then coalesce($4, now()) + $5::interval
                end,
                ask_error = $7, worker = null, lease_until = null
            where source = $1 and run_id = $2 and worker = $3
            returning ask_due_at is not null as "again!"
            "#,
                inquiry.source,
                inquiry.run_id,
                worker,
                self.now(),
                interval(after),
                interval(GIVE_UP_AFTER),
                why,
                LEAST_ASKS,
            )
            .fetch_optional(&mut *transaction)
            .await
            .doing(DOING)?;
            if again == Some(false) {
                answer::plan_now(&mut transaction, inquiry, self.now()).await?;
            }
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(again.unwrap_or(true))
        })
        .await
    }

    /// Gives the run back as it was taken, by a worker that is stopped.
    pub async fn hand_back_inquiry(
        &self,
        worker: &str,
        inquiry: &Inquiry,
    ) -> Result<(), StoreError> {
        self.step("hand back a run that dbt was to be asked about", async |connection| {
            sqlx::query!(
                r#"
            update dbt_run set worker = null, lease_until = null, asks = greatest(asks - 1, 0)
            where source = $1 and run_id = $2 and worker = $3
            "#,
                inquiry.source,
                inquiry.run_id,
                worker,
            )
            .execute(connection)
            .await
        })
        .await?;
        Ok(())
    }
}
