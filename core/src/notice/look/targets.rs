//! Targets whose refresh failed, or that stay stale.

use super::{Look, Wrong, lasting, written};
use crate::config::AlertKind;
use crate::store::column;

impl Look<'_> {
    pub(super) async fn failed(&mut self) -> Result<(), sqlx::Error> {
        const KIND: AlertKind = AlertKind::RefreshFailed;
        let since = self.since(KIND.as_str()).await?;
        if !self.is_told_of(KIND) {
            return self.settle(KIND, &[], &[]).await;
        }
        let targets: Vec<String> = self.config.targets.keys().cloned().collect();
        // The newest of each target says it; what failed before it is counted, but for what is known.
        let rows = sqlx::query!(
            r#"
            with failed as (
                select
                    refresh.id, refresh.target, refresh.reason, refresh.last_error, refresh.remote_url,
                    refresh.attempts, refresh.finished_at,
                    count(*) over of_target as failures,
                    min(refresh.finished_at) over of_target as first_at,
                    row_number() over (of_target order by refresh.finished_at desc, refresh.id desc) as place
                from refresh
                join target_state on target_state.target = refresh.target
                left join lateral (
                    select max(last_at) as at from notice
                    where notice.kind = $2 and notice.subject = refresh.target
                ) as known on true
                where refresh.finished_at > $1
                    and refresh.state = 'failed'
                    and refresh.target = any ($3)
                    and refresh.finished_at > coalesce(target_state.last_success_at, '-infinity')
                    and refresh.finished_at > coalesce(known.at, '-infinity')
                window of_target as (partition by refresh.target)
            )
            select
                id as "id!", target as "target!", reason, last_error, remote_url, attempts as "attempts!",
                finished_at as "finished_at!", failures as "failures!", first_at as "first_at!"
            from failed
            where place = 1
            "#,
            since,
            KIND.as_str(),
            &targets,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let wrong = rows.into_iter().map(|row| {
            let reason = row.reason.unwrap_or_default();
            let tries = row.attempts;
            let error = row.last_error.filter(|error| *error != reason);
            let error = error.map(|error| format!("\n{error}")).unwrap_or_default();
            Wrong {
                title: format!("The refresh of {} failed", row.target),
                detail: format!("Refresh {} after {tries} tries: {reason}{error}", row.id),
                subject: row.target,
                url: row.remote_url,
                since: row.first_at,
                at: row.finished_at,
                occurrences: i32::try_from(row.failures).unwrap_or(i32::MAX),
            }
        });
        self.raise(KIND, true, &wrong.collect::<Vec<_>>()).await?;
        let well = sqlx::query_scalar!(
            r#"
            select distinct notice.subject
            from notice
            join target_state on target_state.target = notice.subject
            where notice.state = 'open' and notice.kind = $1
                and target_state.last_success_at >= notice.last_at
            "#,
            KIND.as_str(),
        )
        .fetch_all(&mut *self.connection)
        .await?;
        self.settle(KIND, &targets, &well).await
    }

    pub(super) async fn stale(&mut self) -> Result<(), sqlx::Error> {
        const KIND: AlertKind = AlertKind::Stale;
        let limits: Vec<(String, f64)> = self
            .config
            .targets
            .iter()
            .filter_map(|(name, target)| Some((name.clone(), target.stale_after?.as_secs_f64())))
            .collect();
        if limits.is_empty() || !self.is_told_of(KIND) {
            return self.settle(KIND, &[], &[]).await;
        }
        let watched = column(&limits, |(name, _)| name.clone());
        let rows = sqlx::query!(
            r#"
            with known as materialized (
                select
                    target, state, last_error, last_run_finished_at, fresh_as_of,
                    -- The view's clock is not ours where a test holds it.
                    extract(epoch from coalesce($3, now()) - now()) + lag_seconds as lag
                from target_freshness
                where target = any ($1) and lag_seconds > 0
            )
            select
                known.target as "target!", known.state as "state!", known.last_error,
                known.last_run_finished_at as "last_run_finished_at!", known.fresh_as_of,
                known.lag::double precision as "lag!", coalesce($3, now()) as "now!"
            from known
            join unnest($1::text[], $2::double precision[]) as today (name, stale_after)
                on today.name = known.target
            where known.lag > today.stale_after
            "#,
            &watched,
            &column(&limits, |(_, limit)| *limit),
            self.now,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        // One that an operator holds back is no news, and its end none either.
        let subjects: Vec<String> = rows.iter().map(|row| row.target.clone()).collect();
        let wrong: Vec<Wrong> = rows
            .into_iter()
            .filter(|row| row.state != "paused")
            .map(|row| {
                let shows = row.fresh_as_of.map_or("nothing yet".to_owned(), |at| {
                    format!("what runs built until {}", written(at))
                });
                let error = row.last_error.map(|error| format!("\n{error}")).unwrap_or_default();
                Wrong {
                    title: format!("{} is not fresh", row.target),
                    detail: format!(
                        "For {} it has shown {shows}; the newest run ended at {}. It is {}.{error}",
                        lasting(row.lag),
                        written(row.last_run_finished_at),
                        row.state
                    ),
                    subject: row.target,
                    url: None,
                    since: row.now,
                    at: row.now,
                    occurrences: 1,
                }
            })
            .collect();
        self.raise(KIND, false, &wrong).await?;
        self.settle_but(KIND, &watched, &subjects).await
    }
}
