//! How each source of the configuration is doing: what came, what was refused or not understood,
//! which secret proved it, and what dbt says when it is asked.
//!
//! Invariant: as in [`super::overview`], what is counted are the newest rows of the last day.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sqlx::PgConnection;

use super::MOST_COUNTED;
use crate::config::Config;
use crate::event::mark;
use crate::{Store, StoreError};

/// When something last came that a secret proved; noted once a minute at most.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct SecretSeen {
    /// Its place among the source's secrets of today, from 1; 0 for a token in the path, and for a
    /// secret that is not among them, or not known.
    pub secret: usize,
    pub seen_at: DateTime<Utc>,
}

/// What asking dbt's API has found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Asked {
    /// Of all runs that ended before this is known whether their event came.
    pub reconciled_until: Option<DateTime<Utc>>,
    pub next_at: DateTime<Utc>,
    /// dbt wants to be left alone until then.
    pub paused_until: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
    /// What keeps dbt's events from coming, in words.
    pub findings: Vec<String>,
    /// The kind of each.
    pub finding_kinds: Vec<String>,
}

/// One source of the configuration, as it is now.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct SourceRow {
    pub source: String,
    /// `dbt`, `mode` or `tableau`.
    pub kind: &'static str,
    /// When something last came; to the minute if it is longer ago than a day.
    pub last_event_at: Option<DateTime<Utc>>,
    /// Of the last 24 hours: different events, how often they were delivered in all, how often
    /// again, and how often again with another body.
    pub events: i64,
    pub deliveries: i64,
    pub duplicates: i64,
    pub conflicts: i64,
    /// How many of them were found by asking dbt, since nobody delivered them.
    pub reconciled: i64,
    /// From when on events are counted, if more came than are.
    pub counted_since: Option<DateTime<Utc>>,
    /// Events that are kept and were not understood.
    pub quarantined: i64,
    pub last_quarantined_at: Option<DateTime<Utc>>,
    /// Requests under its name that no secret proved, since they are counted; to the minute.
    pub refused: i64,
    pub last_refused_at: Option<DateTime<Utc>>,
    /// How many secrets it has today.
    pub secrets: usize,
    /// The newest first.
    pub secrets_seen: Vec<SecretSeen>,
    /// None if it has no `api`, or was not asked yet.
    pub asked: Option<Asked>,
}

struct Came {
    source: String,
    last_at: Option<DateTime<Utc>>,
    events: i64,
    deliveries: i64,
    conflicts: i64,
    reconciled: i64,
    counted_since: Option<DateTime<Utc>>,
}

struct Odd {
    quarantined: i64,
    last_quarantined_at: Option<DateTime<Utc>>,
    refused: i64,
    last_refused_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Every source of this configuration, by name.
    pub async fn sources(&self, config: &Config) -> Result<Vec<SourceRow>, StoreError> {
        let now = self.now();
        let names: Vec<String> = config.sources.keys().cloned().collect();
        let (mut came, mut odd, mut seen, mut asked) = self
            .reading("read how sources are doing", async |connection| {
                Ok((
                    came(connection, now).await?,
                    odd(connection, &names).await?,
                    seen(connection, &names).await?,
                    asked(connection, &names).await?,
                ))
            })
            .await?;
        let counted_since = came.values().find_map(|came| came.counted_since);
        let rows = config.sources.iter().map(|(name, settings)| {
            let came = came.remove(name);
            let odd = odd.remove(name);
            let secrets_seen = placed(seen.remove(name).unwrap_or_default(), &settings.secrets);
            let newest = secrets_seen.iter().map(|seen| seen.seen_at).max();
            let count = |of: fn(&Came) -> i64| came.as_ref().map_or(0, of);
            let asked = asked.remove(name).filter(|_| settings.api.is_some());
            SourceRow {
                source: name.clone(),
                kind: settings.kind.as_str(),
                last_event_at: came.as_ref().and_then(|came| came.last_at).max(newest),
                events: count(|came| came.events),
                deliveries: count(|came| came.deliveries),
                duplicates: count(|came| came.deliveries + came.reconciled - came.events),
                conflicts: count(|came| came.conflicts),
                reconciled: count(|came| came.reconciled),
                counted_since,
                quarantined: odd.as_ref().map_or(0, |odd| odd.quarantined),
                last_quarantined_at: odd.as_ref().and_then(|odd| odd.last_quarantined_at),
                refused: odd.as_ref().map_or(0, |odd| odd.refused),
                last_refused_at: odd.as_ref().and_then(|odd| odd.last_refused_at),
                secrets: settings.secrets.len(),
                secrets_seen,
                asked,
            }
        });
        Ok(rows.collect())
    }
}

async fn came(
    connection: &mut PgConnection,
    now: Option<DateTime<Utc>>,
) -> Result<HashMap<String, Came>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Came,
        r#"
        with newest as materialized (
            select source, received_at, deliveries, conflicts, arrived_by
            from event
            where received_at > coalesce($1, now()) - interval '24 hours'
            order by received_at desc, id desc
            limit $2
        )
        select
            source as "source!",
            max(received_at) as last_at,
            count(*) as "events!",
            -- What dbt was asked for stands as one that never came.
            (sum(deliveries) - count(*) filter (where arrived_by = 'reconcile'))::bigint
                as "deliveries!",
            sum(conflicts)::bigint as "conflicts!",
            count(*) filter (where arrived_by = 'reconcile') as "reconciled!",
            (select case when count(*) >= $2 then min(received_at) end from newest) as counted_since
        from newest
        group by source
        "#,
        now,
        MOST_COUNTED,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.source.clone(), row)).collect())
}

async fn odd(
    connection: &mut PgConnection,
    names: &[String],
) -> Result<HashMap<String, Odd>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select
            today.source as "source!",
            coalesce(odd.quarantined, 0) as "quarantined!",
            odd.last_at as "last_at?",
            coalesce(source_refused.refused, 0) as "refused!",
            source_refused.refused_at as "refused_at?"
        from unnest($1::text[]) as today (source)
        left join (
            select source, count(*) as quarantined, max(received_at) as last_at
            from (
                select source, received_at
                from event
                where state = 'quarantined'
                order by received_at desc, id desc
                limit $2
            ) as newest
            group by source
        ) as odd using (source)
        left join source_refused using (source)
        "#,
        names,
        MOST_COUNTED,
    )
    .fetch_all(connection)
    .await?;
    let odd = rows.into_iter().map(|row| {
        let odd = Odd {
            quarantined: row.quarantined,
            last_quarantined_at: row.last_at,
            refused: row.refused,
            last_refused_at: row.refused_at,
        };
        (row.source, odd)
    });
    Ok(odd.collect())
}

/// By mark, the newest first.
type Marks = Vec<(i16, DateTime<Utc>)>;

/// A secret that stands twice in the list was seen at both places.
fn placed(seen: Marks, secrets: &[SecretString]) -> Vec<SecretSeen> {
    let marks: Vec<i16> = secrets.iter().map(mark).collect();
    let places = |of: i16| {
        let places = (1..).zip(&marks).filter(move |(_, mark)| **mark == of);
        let mut places: Vec<usize> = places.map(|(place, _)| place).collect();
        if places.is_empty() {
            places.push(0);
        }
        places
    };
    let seen = seen.into_iter().flat_map(|(mark, seen_at)| {
        places(mark).into_iter().map(move |secret| SecretSeen { secret, seen_at })
    });
    seen.collect()
}

async fn seen(
    connection: &mut PgConnection,
    names: &[String],
) -> Result<HashMap<String, Marks>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select source, secret, seen_at
        from source_seen
        where source = any ($1)
        order by seen_at desc, secret
        "#,
        names,
    )
    .fetch_all(connection)
    .await?;
    let mut seen: HashMap<String, Marks> = HashMap::new();
    for row in rows {
        seen.entry(row.source).or_default().push((row.secret, row.seen_at));
    }
    Ok(seen)
}

async fn asked(
    connection: &mut PgConnection,
    names: &[String],
) -> Result<HashMap<String, Asked>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select
            source, reconciled_until, reconcile_due_at, paused_until, last_error, findings, finding_kinds
        from dbt_source
        where source = any ($1)
        "#,
        names,
    )
    .fetch_all(connection)
    .await?;
    let asked = rows.into_iter().map(|row| {
        let asked = Asked {
            reconciled_until: row.reconciled_until,
            next_at: row.reconcile_due_at,
            paused_until: row.paused_until,
            last_error: row.last_error,
            findings: row.findings,
            finding_kinds: row.finding_kinds,
        };
        (row.source, asked)
    });
    Ok(asked.collect())
}
