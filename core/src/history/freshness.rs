//! How fresh every target is, and what is being done about those that are not.
//!
//! Invariant: state, lag and last error are those of the view `target_freshness`, so that a page,
//! an analyst and a metric never say different things of one target.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::{MOST_ROWS, limit};
use crate::refresh::{RefreshId, State};
use crate::store::column;
use crate::{Store, StoreError};

/// Whether a target shows the newest run that it should show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum TargetState {
    /// The last refresh failed for good, and nothing is left that would try again.
    Failed,
    /// It does not show the newest run, and no refresh is under way.
    Stale,
    /// It does not show it yet; a refresh is under way.
    Refreshing,
    /// It, or its connection, is held back by an operator.
    Paused,
    /// No run was to be shown so far.
    Unknown,
    Fresh,
}

impl TargetState {
    /// As the view writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Stale => "stale",
            Self::Refreshing => "refreshing",
            Self::Paused => "paused",
            Self::Unknown => "unknown",
            Self::Fresh => "fresh",
        }
    }
}

/// A refresh that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct OpenRefresh {
    pub refresh_id: RefreshId,
    pub refresh_state: State,
    /// Why it waits.
    pub reason: Option<String>,
    /// When somebody looks at it next.
    pub due_at: DateTime<Utc>,
    pub attempts: i32,
    pub last_error: Option<String>,
    /// Where the BI tool shows it.
    pub remote_url: Option<String>,
}

/// One target, as it is now.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct TargetRow {
    pub target: String,
    pub connection: String,
    pub connector: String,
    pub state: TargetState,
    /// By itself, whatever its connection is.
    pub paused: bool,
    pub connection_paused: bool,
    /// The newest end of a run that it should show.
    pub last_run_finished_at: Option<DateTime<Utc>>,
    /// The newest end of a run that it does show, confirmed.
    pub fresh_as_of: Option<DateTime<Utc>>,
    /// The end of the oldest run that it should show and does not; none if it shows all.
    pub stale_since: Option<DateTime<Utc>>,
    /// For how long; 0 if it shows all, none if there is nothing to show.
    pub lag_seconds: Option<f64>,
    pub last_success_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
    /// What is under way, or else about to be.
    #[schema(value_type = Option<OpenRefresh>)]
    pub open: Option<Json<OpenRefresh>>,
    /// What waits until that has ended.
    #[schema(value_type = Option<OpenRefresh>)]
    pub behind: Option<Json<OpenRefresh>>,
}

/// How many targets are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct TargetCounts {
    pub failed: i64,
    pub stale: i64,
    pub refreshing: i64,
    pub paused: i64,
    pub unknown: i64,
    pub fresh: i64,
}

impl TargetCounts {
    /// All targets that are configured.
    pub fn all(self) -> i64 {
        let Self { failed, stale, refreshing, paused, unknown, fresh } = self;
        failed + stale + refreshing + paused + unknown + fresh
    }
}

/// Every target that is configured, those first that somebody should look at.
#[derive(Debug, Clone, Default, serde::Serialize, utoipa::ToSchema)]
pub struct Freshness {
    pub counts: TargetCounts,
    /// [`MOST_ROWS`] of them at most.
    pub targets: Vec<TargetRow>,
}

/// Which targets a list by their names shows; what is not given leaves nothing out.
#[derive(Debug, Clone, Default)]
pub struct TargetFilter {
    /// In one of these states; empty means any.
    pub states: Vec<TargetState>,
    pub connection: Option<String>,
    /// Has this in its name, whatever the case.
    pub named: Option<String>,
    /// Goes on after the target of this name.
    pub after: Option<String>,
}

impl TargetFilter {
    /// Whether it leaves nothing out.
    fn takes_all(&self) -> bool {
        let Self { states, connection, named, after } = self;
        states.is_empty() && connection.is_none() && named.is_none() && after.is_none()
    }
}

/// Which are read, and in which order.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    pub(super) target: Option<&'a str>,
    pub(super) filter: Option<&'a TargetFilter>,
    /// By name, and not by urgency.
    pub(super) by_name: bool,
    /// So many of the first are left out.
    pub(super) skip: i64,
}

impl Store {
    /// Targets that fit, by name: their order stays while their states change.
    pub async fn targets(
        &self,
        filter: &TargetFilter,
        rows: u32,
    ) -> Result<Vec<TargetRow>, StoreError> {
        self.reading("list how fresh targets are", async |connection| {
            let wanted = Wanted { filter: Some(filter), by_name: true, ..Wanted::default() };
            select_targets(connection, self.now(), &wanted, limit(rows)).await
        })
        .await
    }

    /// How fresh all targets are: failed ones first, then stale ones, those that are refreshed, that
    /// are paused, of which nothing is known, and fresh ones; the longest lag first.
    pub async fn freshness(&self) -> Result<Freshness, StoreError> {
        self.freshness_of(&TargetFilter::default(), 0, MOST_ROWS).await
    }

    /// The same of those that fit, so many after as many as are skipped; the counts are of all that
    /// are configured. Rows are counted and not remembered, since urgency changes while one looks.
    ///
    /// # Errors
    /// The database's.
    pub async fn freshness_of(
        &self,
        filter: &TargetFilter,
        skip: u32,
        rows: u32,
    ) -> Result<Freshness, StoreError> {
        self.reading("look how fresh the targets are", async |connection| {
            let wanted =
                Wanted { filter: Some(filter), skip: i64::from(skip), ..Wanted::default() };
            let limit = limit(rows);
            let targets = select_targets(connection, self.now(), &wanted, limit).await?;
            // Those that are cut off count too.
            let is_all = filter.takes_all() && skip == 0 && (targets.len() as i64) < limit;
            let counts = if is_all { count(&targets) } else { count_all(connection).await? };
            Ok(Freshness { counts, targets })
        })
        .await
    }
}

async fn count_all(connection: &mut PgConnection) -> Result<TargetCounts, sqlx::Error> {
    sqlx::query_as!(
        TargetCounts,
        r#"
            select
                count(*) filter (where state = 'failed') as "failed!",
                count(*) filter (where state = 'stale') as "stale!",
                count(*) filter (where state = 'refreshing') as "refreshing!",
                count(*) filter (where state = 'paused') as "paused!",
                count(*) filter (where state = 'unknown') as "unknown!",
                count(*) filter (where state = 'fresh') as "fresh!"
            from target_freshness
            "#,
    )
    .fetch_one(connection)
    .await
}

pub(super) async fn select_targets(
    connection: &mut PgConnection,
    now: Option<DateTime<Utc>>,
    wanted: &Wanted<'_>,
    limit: i64,
) -> Result<Vec<TargetRow>, sqlx::Error> {
    let filter = wanted.filter.cloned().unwrap_or_default();
    sqlx::query_as!(
            TargetRow,
            r#"
            with shown as materialized (
                select
                    fresh.*,
                    -- The view's clock is not ours where a test holds it.
                    case when fresh.lag_seconds > 0 then now() - make_interval(secs => fresh.lag_seconds) end
                        as since,
                    target_state.paused,
                    coalesce(connection_state.paused, false) as connection_paused
                from target_freshness as fresh
                join target_state on target_state.target = fresh.target
                left join connection_state on connection_state.connection = fresh.connection
                where ($2::text is null or fresh.target = $2)
                    and (cardinality($5::text[]) = 0 or fresh.state = any ($5))
                    and ($6::text is null or fresh.connection = $6)
                    and ($7::text is null or fresh.target > $7 collate "C")
                    and ($8::text is null or strpos(lower(fresh.target), lower($8)) > 0)
                order by
                    case when not $4::boolean then array_position(
                        '{failed,stale,refreshing,paused,unknown,fresh}', fresh.state
                    ) end,
                    case when not $4 then fresh.lag_seconds end desc nulls last,
                    fresh.target collate "C"
                limit $3 offset $9
            ),
            open as (
                select
                    target,
                    state in ('waiting', 'queued') as is_behind,
                    jsonb_build_object(
                        'refresh_id', id, 'refresh_state', state, 'reason', reason, 'due_at', due_at,
                        'attempts', attempts, 'last_error', last_error, 'remote_url', remote_url
                    ) as it
                from refresh
                where finished_at is null
            )
            select
                shown.target as "target!",
                shown.connection as "connection!",
                shown.connector as "connector!",
                shown.state as "state!: TargetState",
                shown.paused as "paused!",
                shown.connection_paused as "connection_paused!",
                shown.last_run_finished_at,
                shown.fresh_as_of,
                shown.since as stale_since,
                case
                    when shown.since is null then shown.lag_seconds
                    else greatest(0, extract(epoch from coalesce($1, now()) - shown.since))
                end::double precision as lag_seconds,
                shown.last_success_at,
                shown.last_error,
                coalesce(ahead.it, behind.it) as "open: Json<OpenRefresh>",
                case when ahead.it is not null then behind.it end as "behind: Json<OpenRefresh>"
            from shown
            left join open as ahead on ahead.target = shown.target and not ahead.is_behind
            left join open as behind on behind.target = shown.target and behind.is_behind
            order by
                case when not $4 then array_position(
                    '{failed,stale,refreshing,paused,unknown,fresh}', shown.state
                ) end,
                case when not $4 then shown.lag_seconds end desc nulls last,
                shown.target collate "C"
            "#,
            now,
            wanted.target,
            limit,
            wanted.by_name,
            &column(&filter.states, |state| state.as_str().to_owned()),
            filter.connection,
            filter.after,
            filter.named,
            wanted.skip,
        )
        .fetch_all(connection)
        .await
}

fn count(targets: &[TargetRow]) -> TargetCounts {
    let mut counts = TargetCounts::default();
    for target in targets {
        *match target.state {
            TargetState::Failed => &mut counts.failed,
            TargetState::Stale => &mut counts.stale,
            TargetState::Refreshing => &mut counts.refreshing,
            TargetState::Paused => &mut counts.paused,
            TargetState::Unknown => &mut counts.unknown,
            TargetState::Fresh => &mut counts.fresh,
        } += 1;
    }
    counts
}
