//! What the tables say that people are to be told of, by today's alerts.
//!
//! Invariant: a look may be repeated, by any number of workers, and finds the same.

mod connections;
mod sources;
mod targets;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};

use super::raise::{Thing, raise};
use crate::config::{Alert, AlertKind, Config};
use crate::event::interval;
use crate::pool::Lent;
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

const DOING: &str = "look what people are to be told of";

/// What ended longer before the last look was seen by it, however long it took to be written.
const OVERLAP: Duration = Duration::from_secs(60);

/// A channel that is in no configuration for so long is told nothing any more.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

impl Store {
    /// Opens what is wrong and ends what is well again.
    pub async fn look_for_alerts(&self, config: &Config) -> Result<(), StoreError> {
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let mut look = Look { connection: &mut transaction, config, now: self.now() };
            look.all().await.doing(DOING)?;
            transaction.commit().await.doing(DOING)?;
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
    at: DateTime<Utc>,
    occurrences: i32,
}

impl Look<'_> {
    async fn all(&mut self) -> Result<(), sqlx::Error> {
        self.failed().await?;
        self.stale().await?;
        self.silent().await?;
        self.quarantined().await?;
        self.left_alone().await?;
        self.explained().await?;
        self.abandoned().await
    }

    /// Who is told of things of this kind, and how often at most.
    fn told_of(&self, kind: AlertKind) -> Vec<(String, Duration)> {
        told_of(&self.config.alerts, kind)
    }

    async fn raise(
        &mut self,
        kind: AlertKind,
        repeats: bool,
        wrong: &[Wrong],
    ) -> Result<(), sqlx::Error> {
        let told = self.told_of(kind);
        let things = told.iter().flat_map(|(channel, window)| {
            wrong.iter().map(move |wrong| Thing {
                channel: channel.clone(),
                kind: kind.as_str(),
                subject: wrong.subject.clone(),
                title: wrong.title.clone(),
                detail: wrong.detail.clone(),
                url: wrong.url.clone(),
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
            where due_at > coalesce($1, now()) and run_id is not null and attempts = 0
                and claim is null and told is null
                and not exists (
                    select from dbt_run
                    where dbt_run.source = notice.run_source and dbt_run.run_id = notice.run_id
                        and dbt_run.answered_at is null and dbt_run.ask_due_at is not null
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
            where due_at < coalesce($2, now()) - $3::interval
                and claim is null and channel <> all ($1)
            "#,
            &channels,
            self.now,
            interval(ABANDONED),
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
