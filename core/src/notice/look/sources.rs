//! Sources that fall silent, or send what is not understood.

use std::time::Duration;

use super::{Look, Wrong, lasting, written};
use crate::config::AlertKind;
use crate::event::interval;
use crate::store::column;

/// A source's last event is noted no more exactly than this.
const NOTED: Duration = Duration::from_secs(60);

/// After so long without another event that was not understood a source is well again.
const QUIET: Duration = Duration::from_secs(60 * 60);

/// So long it is kept at least from when on a source was expected.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

impl Look<'_> {
    pub(super) async fn silent(&mut self) -> Result<(), sqlx::Error> {
        const KIND: AlertKind = AlertKind::SourceSilent;
        let limits: Vec<_> = self
            .config
            .sources
            .iter()
            .filter_map(|(name, source)| Some((name.clone(), source.expect_every?)))
            .collect();
        self.forget_sources(&column(&limits, |(name, _)| name.clone())).await?;
        if limits.is_empty() || !self.is_told_of(KIND) {
            return self.settle(KIND, &[], &[]).await;
        }
        let watched = column(&limits, |(name, _)| name.clone());
        // One that was never heard of is expected from when it was first looked for.
        let names = column(&limits, |(name, _)| format!("source {name}"));
        sqlx::query!(
            r#"
            insert into notice_look (what, at)
            select name, coalesce($2, now()) from unnest($1::text[]) as name order by name
            on conflict do nothing
            "#,
            &names,
            self.now,
        )
        .execute(&mut *self.connection)
        .await?;
        let rows = sqlx::query!(
            r#"
            select
                today.name as "name!", seen.at as "seen_at?",
                extract(epoch from coalesce($3, now()) - coalesce(seen.at, look.at))::double precision
                    as "for!",
                coalesce($3, now()) as "now!"
            from unnest($1::text[], $2::interval[]) as today (name, expect_every)
            join notice_look as look on look.what = 'source ' || today.name
            left join (
                select source, max(seen_at) as at from source_seen group by source
            ) as seen on seen.source = today.name
            where coalesce(seen.at, look.at) + today.expect_every + $4::interval < coalesce($3, now())
            "#,
            &watched,
            &column(&limits, |(_, every)| interval(*every)) as _,
            self.now,
            interval(NOTED),
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let wrong: Vec<Wrong> = rows
            .into_iter()
            .map(|row| Wrong {
                title: format!("Nothing comes from source {}", row.name),
                detail: match row.seen_at {
                    Some(at) => {
                        format!(
                            "Its last event came at {}, {} ago.",
                            written(at),
                            lasting(row.r#for)
                        )
                    }
                    None => format!("No event of it has come for {}.", lasting(row.r#for)),
                },
                subject: row.name,
                url: None,
                since: row.now,
                at: row.now,
                occurrences: 1,
            })
            .collect();
        self.raise(KIND, false, &wrong).await?;
        let subjects = column(&wrong, |wrong| wrong.subject.clone());
        self.settle_but(KIND, &watched, &subjects).await
    }

    /// From when on a source was expected that is watched no more. Not so soon that two
    /// configurations, when one takes the other's place, would begin to expect it again and again.
    async fn forget_sources(&mut self, watched: &[String]) -> Result<(), sqlx::Error> {
        sqlx::query!(
            r#"
            delete from notice_look
            where starts_with(what, 'source ') and substr(what, 8) <> all ($1)
                and at < coalesce($2, now()) - $3::interval
            "#,
            watched,
            self.now,
            interval(FORGOTTEN),
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    pub(super) async fn quarantined(&mut self) -> Result<(), sqlx::Error> {
        const KIND: AlertKind = AlertKind::Quarantined;
        let since = self.since(KIND.as_str()).await?;
        if !self.is_told_of(KIND) {
            return self.settle(KIND, &[], &[]).await;
        }
        let sources: Vec<String> = self.config.sources.keys().cloned().collect();
        let rows = sqlx::query!(
            r#"
            with known as materialized (
                select
                    source,
                    (
                        select max(notice.last_at) from notice
                        where notice.kind = $2 and notice.subject = source
                    ) as at
                from unnest($3::text[]) as source
            )
            select
                event.source as "source!", count(*) as "count!", max(event.received_at) as "at!",
                min(event.received_at) as "since!",
                (array_agg(event.reason order by event.received_at desc, event.id desc))[1] as reason,
                (array_agg(event.event_key order by event.received_at desc, event.id desc))[1] as key
            from event
            join known on known.source = event.source
            where event.state = 'quarantined'
                and event.received_at > $1
                and event.received_at > coalesce(known.at, '-infinity')
            group by event.source
            "#,
            since,
            KIND.as_str(),
            &sources,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let wrong: Vec<Wrong> = rows
            .into_iter()
            .map(|row| Wrong {
                title: format!("Source {} sent what was not understood", row.source),
                detail: format!(
                    "{}\nIt is kept as event {}; nothing was refreshed for it.",
                    row.reason.unwrap_or_default(),
                    row.key.unwrap_or_default()
                ),
                subject: row.source,
                url: None,
                since: row.since,
                at: row.at,
                occurrences: i32::try_from(row.count).unwrap_or(i32::MAX),
            })
            .collect();
        self.raise(KIND, true, &wrong).await?;
        let well = sqlx::query_scalar!(
            r#"
            select distinct subject
            from notice
            where state = 'open' and kind = $1
                and (
                    last_at < coalesce($2, now()) - greatest(repeat_after, $3::interval)
                    -- All of it was replayed and understood.
                    or not exists (
                        select from event
                        where event.state = 'quarantined' and event.source = notice.subject
                            and event.received_at >= notice.opened_at
                    )
                )
            "#,
            KIND.as_str(),
            self.now,
            interval(QUIET),
        )
        .fetch_all(&mut *self.connection)
        .await?;
        self.settle(KIND, &sources, &well).await
    }
}
