//! Targets whose refresh failed, or that stay stale.

use super::super::raise::{resolve_all_but, resolve_these};
use super::{Look, Wrong, lasting, written};
use crate::config::AlertKind;
use crate::store::column;

/// What failed and is looked through at once; the newest.
const MOST: i64 = 1000;

impl Look<'_> {
    pub(super) async fn failed(&mut self) -> Result<(), sqlx::Error> {
        const KIND: AlertKind = AlertKind::RefreshFailed;
        let since = self.since(KIND.as_str()).await?;
        let rows = sqlx::query!(
            r#"
            select
                refresh.id as "id!", refresh.target as "target!", refresh.reason, refresh.last_error,
                refresh.remote_url, refresh.attempts as "attempts!",
                refresh.finished_at as "finished_at!"
            from refresh
            join target_state on target_state.target = refresh.target
            where refresh.finished_at > $1
                and refresh.state = 'failed'
                and refresh.finished_at > coalesce(target_state.last_success_at, '-infinity')
            order by refresh.finished_at desc
            limit $2
            "#,
            since,
            MOST,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let mut wrong: Vec<Wrong> = Vec::new();
        for row in rows {
            // The newest says it; what failed before it is counted, but for what is known already.
            if wrong.iter().any(|known| known.subject == row.target) {
                continue;
            }
            let reason = row.reason.unwrap_or_default();
            let tries = row.attempts;
            let error = row.last_error.filter(|error| *error != reason);
            let error = error.map(|error| format!("\n{error}")).unwrap_or_default();
            wrong.push(Wrong {
                title: format!("The refresh of {} failed", row.target),
                detail: format!("Refresh {} after {tries} tries: {reason}{error}", row.id),
                subject: row.target,
                url: row.remote_url,
                at: row.finished_at,
                occurrences: 1,
            });
        }
        self.raise(KIND, true, &wrong).await?;
        let well = sqlx::query_scalar!(
            r#"
            select distinct notice.subject
            from notice
            left join target_state on target_state.target = notice.subject and target_state.configured
            where notice.state = 'open' and notice.kind = $1
                and (
                    target_state.target is null
                    or target_state.last_success_at >= notice.last_at
                )
            "#,
            KIND.as_str(),
        )
        .fetch_all(&mut *self.connection)
        .await?;
        resolve_these(self.connection, KIND.as_str(), &well, self.now).await
    }

    pub(super) async fn stale(&mut self) -> Result<(), sqlx::Error> {
        const KIND: AlertKind = AlertKind::Stale;
        let limits: Vec<(String, f64)> = self
            .config
            .targets
            .iter()
            .filter_map(|(name, target)| Some((name.clone(), target.stale_after?.as_secs_f64())))
            .collect();
        if limits.is_empty() || self.told_of(KIND).is_empty() {
            return resolve_all_but(self.connection, KIND.as_str(), &[], self.now).await;
        }
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
            &column(&limits, |(name, _)| name.clone()),
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
                    at: row.now,
                    occurrences: 1,
                }
            })
            .collect();
        self.raise(KIND, false, &wrong).await?;
        resolve_all_but(self.connection, KIND.as_str(), &subjects, self.now).await
    }
}
