//! What the tables say that people are to be told of, by today's alerts.
//!
//! Invariants: a look may be repeated, by any number of workers, and finds the same; each part of it
//! is a step of its own, so that one that fails or is slow leaves the others. A look judges what its
//! configuration knows, and leaves the rest to whoever knows it: see `end`.

mod connections;
mod sources;
mod targets;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};

use super::NEWS;
use super::end::{forget_jobs, lock_open, resolve, watch};
use super::raise::{Thing, raise};
use crate::config::{Alert, AlertKind, Config};
use crate::event::interval;
use crate::pool::Lent;
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

/// What ended longer before the last look was seen by it, however long it took to be written.
const OVERLAP: Duration = Duration::from_secs(60);

/// A channel that is in no configuration for so long is told nothing any more.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// What is looked at in one step.
#[derive(Clone, Copy)]
enum Part {
    Wrong(AlertKind),
    Runs,
    Channels,
}

impl Part {
    const ALL: [Self; 7] = [
        Self::Wrong(AlertKind::RefreshFailed),
        Self::Wrong(AlertKind::Stale),
        Self::Wrong(AlertKind::SourceSilent),
        Self::Wrong(AlertKind::Quarantined),
        Self::Wrong(AlertKind::BreakerOpen),
        Self::Runs,
        Self::Channels,
    ];

    fn doing(self) -> &'static str {
        match self {
            Self::Wrong(AlertKind::RefreshFailed) => "look which refreshes failed",
            Self::Wrong(AlertKind::Stale) => "look which targets are stale",
            Self::Wrong(AlertKind::SourceSilent) => "look which sources are silent",
            Self::Wrong(AlertKind::Quarantined) => "look for events that were not understood",
            Self::Wrong(AlertKind::BreakerOpen) => "look which connections are left alone",
            Self::Runs => "look which failed runs are to be told of",
            Self::Channels => "look for what no channel is told any more",
        }
    }
}

impl Store {
    /// Opens what is wrong and ends what is well again, unless somebody has begun to look within
    /// `every`. A part that fails leaves the others; the first failure is returned.
    pub async fn look_for_alerts(
        &self,
        config: &Config,
        every: Duration,
    ) -> Result<(), StoreError> {
        if !self.begins_to_look(every).await? {
            return Ok(());
        }
        let mut went = Ok(());
        for part in Part::ALL {
            went = went.and(self.look_at(part, config).await);
        }
        went
    }

    async fn begins_to_look(&self, every: Duration) -> Result<bool, StoreError> {
        let begun = self.step("begin to look what people are to be told of", async |connection| {
            sqlx::query!(
                r#"
                insert into notice_look (what, at) values ('all', coalesce($1, now()))
                on conflict (what) do update set at = excluded.at
                where notice_look.at <= excluded.at - $2::interval
                    -- A clock that was set back.
                    or notice_look.at > excluded.at
                "#,
                self.now(),
                interval(every),
            )
            .execute(connection)
            .await
        });
        Ok(begun.await?.rows_affected() > 0)
    }

    async fn look_at(&self, part: Part, config: &Config) -> Result<(), StoreError> {
        let doing = part.doing();
        bounded(doing, async {
            let mut lent = Lent::from(&self.pool).await.doing(doing)?;
            let mut transaction = lent.begin().await.doing(doing)?;
            let mut look = Look { connection: &mut transaction, config, now: self.now() };
            look.at(part).await.doing(doing)?;
            transaction.commit().await.doing(doing)?;
            lent.give_back();
            Ok(())
        })
        .await
    }
}

struct Look<'a> {
    connection: &'a mut PgConnection,
    config: &'a Config,
    now: Option<DateTime<Utc>>,
}

/// Something that is wrong, before it is said who is told.
struct Wrong {
    subject: String,
    title: String,
    detail: String,
    url: Option<String>,
    since: DateTime<Utc>,
    at: DateTime<Utc>,
    occurrences: i32,
}

impl Look<'_> {
    async fn at(&mut self, part: Part) -> Result<(), sqlx::Error> {
        let kind = match part {
            Part::Wrong(kind) => kind,
            Part::Runs => {
                self.explained().await?;
                return forget_jobs(self.connection, self.now).await;
            }
            Part::Channels => {
                self.abandoned().await?;
                return self.too_old().await;
            }
        };
        lock_open(self.connection, kind.as_str()).await?;
        match kind {
            AlertKind::RefreshFailed => self.failed().await,
            AlertKind::Stale => self.stale().await,
            AlertKind::SourceSilent => self.silent().await,
            AlertKind::Quarantined => self.quarantined().await,
            AlertKind::BreakerOpen => self.left_alone().await,
        }
    }

    /// Whether anybody is told of things of this kind.
    fn is_told_of(&self, kind: AlertKind) -> bool {
        self.config.alerts.iter().any(|alert| alert.on.contains(&kind))
    }

    async fn raise(
        &mut self,
        kind: AlertKind,
        repeats: bool,
        wrong: &[Wrong],
    ) -> Result<(), sqlx::Error> {
        let told = told_of(&self.config.alerts, kind);
        let things = told.iter().flat_map(|(channel, window)| {
            wrong.iter().map(move |wrong| Thing {
                channel: channel.clone(),
                kind: kind.as_str(),
                subject: wrong.subject.clone(),
                title: wrong.title.clone(),
                detail: wrong.detail.clone(),
                url: wrong.url.clone(),
                since: wrong.since,
                at: wrong.at,
                occurrences: wrong.occurrences,
                window: *window,
                repeats,
                once: false,
                run: None,
                wait: Duration::ZERO,
            })
        });
        let things: Vec<_> = things.collect();
        raise(self.connection, &things, self.now).await
    }

    /// Ends what is well of what is watched here, and what nobody watches.
    async fn settle(
        &mut self,
        kind: AlertKind,
        watched: &[String],
        well: &[String],
    ) -> Result<(), sqlx::Error> {
        resolve(self.connection, kind.as_str(), well, self.now).await?;
        let channels = told_of(&self.config.alerts, kind);
        let channels: Vec<_> = channels.into_iter().map(|(channel, _)| channel).collect();
        watch(self.connection, kind.as_str(), &channels, watched, self.now).await
    }

    /// The same, where all is well but for these.
    async fn settle_but(
        &mut self,
        kind: AlertKind,
        watched: &[String],
        wrong: &[String],
    ) -> Result<(), sqlx::Error> {
        let well: Vec<_> = watched.iter().filter(|it| !wrong.contains(it)).cloned().collect();
        self.settle(kind, watched, &well).await
    }

    /// From when on what happened is new; and notes that it has been looked at until now.
    async fn since(&mut self, what: &str) -> Result<DateTime<Utc>, sqlx::Error> {
        sqlx::query_scalar!(
            r#"
            with before as (select at from notice_look where what = $1)
            insert into notice_look (what, at) values ($1, coalesce($2, now()))
            on conflict (what) do update set at = excluded.at
            returning coalesce((select at from before), at) - $3::interval as "since!"
            "#,
            what,
            self.now,
            interval(OVERLAP),
        )
        .fetch_one(&mut *self.connection)
        .await
    }

    /// What waited for dbt to say why a run failed, and need not any more.
    async fn explained(&mut self) -> Result<(), sqlx::Error> {
        sqlx::query!(
            r#"
            update notice
            set due_at = coalesce($1, now())
            where id in (
                select id from notice
                where due_at > coalesce($1, now()) and run_id is not null and attempts = 0
                    and claim is null and told is null
                    and not exists (
                        select from dbt_run
                        where dbt_run.source = notice.run_source and dbt_run.run_id = notice.run_id
                            and dbt_run.answered_at is null and dbt_run.ask_due_at is not null
                    )
                for update skip locked
            )
            "#,
            self.now,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// What waits for a channel that is nobody's any more.
    async fn abandoned(&mut self) -> Result<(), sqlx::Error> {
        let channels: Vec<String> = self.config.channels.keys().cloned().collect();
        sqlx::query!(
            r#"
            update notice
            set
                due_at = null, gave_up_at = coalesce($2, now()),
                last_error = 'the channel is not in the configuration any more'
            where id in (
                select id from notice
                where due_at < coalesce($2, now()) - $3::interval
                    and claim is null and channel <> all ($1)
                for update skip locked
            )
            "#,
            &channels,
            self.now,
            interval(ABANDONED),
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// What has no end, and waited for its channel until it was no news any more.
    async fn too_old(&mut self) -> Result<(), sqlx::Error> {
        sqlx::query!(
            r#"
            update notice
            set
                due_at = null, gave_up_at = coalesce($1, now()),
                last_error = concat_ws(
                    '; at last: ', 'it waited for a day, and is no news any more', last_error
                )
            where id in (
                select id from notice
                where due_at is not null and state = 'once' and claim is null
                    and tries_since < coalesce($1, now()) - $2::interval
                for update skip locked
            )
            "#,
            self.now,
            interval(NEWS),
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}

/// Each channel once; the shortest of its windows holds.
fn told_of(alerts: &[Alert], kind: AlertKind) -> Vec<(String, Duration)> {
    let mut told: Vec<(String, Duration)> = Vec::new();
    for alert in alerts.iter().filter(|alert| alert.on.contains(&kind)) {
        for channel in &alert.notify {
            match told.iter_mut().find(|(known, _)| known == channel) {
                Some((_, window)) => *window = alert.window.min(*window),
                None => told.push((channel.clone(), alert.window)),
            }
        }
    }
    told
}

fn written(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn lasting(seconds: f64) -> String {
    let duration = Duration::from_secs(seconds.max(0.0) as u64);
    humantime::format_duration(duration).to_string()
}
