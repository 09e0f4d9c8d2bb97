//! Planning: one stored event becomes refreshes and causes, or the reason for none.
//!
//! Invariants: one event is one transaction, so a crash costs nothing and a wrong route loses
//! nothing; per target at most one refresh is under way and at most one waits behind it; the
//! target's row is locked while that is decided.

mod gather;
mod join;
mod nudge;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};

use self::gather::Gathered;
use self::join::Asked;
pub use self::replay::{NotReplayed, Replay, ReplayFilter, Replayable, Taken};
use crate::config::{Config, Outcome};
use crate::event::interval;
use crate::history::EventState;
use crate::pool::Lent;
use crate::refresh::RefreshId;
use crate::route::{Facts, Happened};
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

const DOING: &str = "plan an event";

/// An event that could not be planned is left alone for this long.
const PUT_OFF: Duration = Duration::from_secs(60);

/// What an event led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// dbt's id of the event.
    pub event_id: String,
    pub source: String,
    pub led_to: LedTo,
}

/// The refreshes, or why there are none. As text: what came of it, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedTo {
    Refreshes(Vec<RefreshId>),
    /// It waits for events of other jobs, in words.
    Held {
        reason: String,
    },
    Nothing {
        reason: String,
    },
    /// It could not be planned. It stays stored, and is put off so that it holds up no other.
    PutOff {
        error: String,
    },
}

impl fmt::Display for LedTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refreshes(refreshes) => {
                let refreshes: Vec<_> = refreshes.iter().map(ToString::to_string).collect();
                write!(f, "refresh {}", refreshes.join(", "))
            }
            Self::Held { reason } => write!(f, "held: {reason}"),
            Self::Nothing { reason } => write!(f, "nothing: {reason}"),
            Self::PutOff { error } => write!(f, "could not be planned yet: {error}"),
        }
    }
}

struct Event {
    id: i64,
    state: EventState,
    source: String,
    event_key: String,
    run_id: Option<String>,
    run_finished_at: Option<DateTime<Utc>>,
    received_at: DateTime<Utc>,
    facts: Facts,
}

impl Store {
    /// Plans the oldest stored event by today's configuration; none when there is none.
    pub async fn plan_next(&self, config: &Config) -> Result<Option<Planned>, StoreError> {
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let Some(event) = lock_stored(&mut transaction, self.now()).await? else {
                transaction.rollback().await.doing(DOING)?;
                lent.give_back();
                return Ok(None);
            };
            let (id, event_id, source) = (event.id, event.event_key.clone(), event.source.clone());
            let planning = Planning {
                connection: &mut transaction,
                config,
                now: self.now(),
                only_route: None,
                replayed: false,
            };
            let planned = planning.plan(event).await;
            match planned {
                Ok(planned) => {
                    transaction.commit().await.doing(DOING)?;
                    lent.give_back();
                    // Only a BI tool's own source has a connection.
                    let source = config.sources.get(&planned.source);
                    if let Some(connection) = source.and_then(|it| it.connection.as_deref()) {
                        self.look_now(connection).await?;
                    }
                    Ok(Some(planned))
                }
                Err(error) if error.is_passing() => Err(error),
                Err(error) => {
                    transaction.rollback().await.doing(DOING)?;
                    lent.give_back();
                    let error = crate::attempt::text(&error.source.to_string());
                    self.put_off(id, &error).await?;
                    Ok(Some(Planned { event_id, source, led_to: LedTo::PutOff { error } }))
                }
            }
        })
        .await
    }

    async fn put_off(&self, event: i64, error: &str) -> Result<(), StoreError> {
        sqlx::query!(
            r#"
            update event
            set plan_error = $2, plan_due_at = coalesce($3, now()) + $4::interval
            where id = $1 and state = 'stored'
            "#,
            event,
            error,
            self.now(),
            interval(PUT_OFF),
        )
        .execute(&self.pool)
        .await
        .doing("put off an event that cannot be planned")?;
        Ok(())
    }
}

async fn lock_stored(
    connection: &mut PgConnection,
    now: Option<DateTime<Utc>>,
) -> Result<Option<Event>, StoreError> {
    let id = sqlx::query_scalar!(
        r#"
        select id
        from event
        where state = 'stored' and plan_due_at <= coalesce($1, now())
        order by plan_due_at, id
        limit 1
        for update skip locked
        "#,
        now,
    )
    .fetch_optional(&mut *connection)
    .await
    .doing(DOING)?;
    match id {
        Some(id) => read(connection, id).await.map(Some),
        None => Ok(None),
    }
}

/// What of an event matters for its planning; the caller has locked it.
async fn read(connection: &mut PgConnection, id: i64) -> Result<Event, StoreError> {
    let found = read_all(connection, &[id]).await?.pop();
    found.ok_or(sqlx::Error::RowNotFound).doing(DOING)
}

/// The same of many, oldest first.
async fn read_all(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<Event>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select
            id, state as "state: EventState", source, event_key, sender, subject, subject_name,
            event_type, account_id, project_id, project_name,
            environment_id, environment_name, job_id, job_name, run_id, run_status,
            run_status_code, run_reason, run_finished_at, received_at
        from event
        where id = any ($1)
        order by received_at, id
        "#,
        ids,
    )
    .fetch_all(connection)
    .await
    .doing(DOING)?;
    let events = rows.into_iter().map(|row| Event {
        id: row.id,
        state: row.state,
        source: row.source.clone(),
        event_key: row.event_key,
        run_id: row.run_id,
        run_finished_at: row.run_finished_at,
        received_at: row.received_at,
        facts: Facts {
            source: row.source,
            is_of_dbt: row.sender == "dbt",
            subject: row.subject,
            subject_name: row.subject_name,
            event_type: row.event_type,
            account_id: row.account_id,
            project_id: row.project_id,
            project_name: row.project_name,
            environment_id: row.environment_id,
            environment_name: row.environment_name,
            job_id: row.job_id,
            job_name: row.job_name,
            run_status: row.run_status,
            run_status_code: row.run_status_code,
            run_reason: row.run_reason,
        },
    });
    Ok(events.collect())
}

/// One event being planned in its transaction.
struct Planning<'a> {
    connection: &'a mut PgConnection,
    config: &'a Config,
    now: Option<DateTime<Utc>>,
    /// No other route is looked at.
    only_route: Option<&'a str>,
    /// An operator plans it again: that its run was seen before is no reason to skip it.
    replayed: bool,
}

impl Planning<'_> {
    async fn plan(mut self, event: Event) -> Result<Planned, StoreError> {
        let led_to = match self.happened(&event) {
            Ok(happened) => self.lead(&event, &happened).await?,
            Err(reason) => LedTo::Nothing { reason },
        };
        let reason = match &led_to {
            LedTo::Nothing { reason } => Some(reason.as_str()),
            LedTo::Refreshes(_) | LedTo::Held { .. } | LedTo::PutOff { .. } => None,
        };
        sqlx::query!(
            r#"
            update event
            set state = 'planned', planned_at = coalesce($2, now()), reason = $3, plan_error = null
            where id = $1
            "#,
            event.id,
            self.now,
            reason,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(Planned { event_id: event.event_key, source: event.source, led_to })
    }

    /// What happened, in the words of routes; or why nothing acts on it.
    fn happened(&self, event: &Event) -> Result<Happened, String> {
        let account = event.facts.account_id.as_deref();
        let source = self.config.sources.get(&event.source);
        if let Some(own) = source.and_then(|source| source.account_id.as_deref())
            && account != Some(own)
        {
            let other = account.unwrap_or("none");
            return Err(format!(
                "another account: {other}, where source {} takes account {own} only",
                event.source
            ));
        }
        event.facts.happened()
    }

    /// Takes every route that the event takes. Fan-ins come first: their rows are locked before any
    /// target's, which are locked in the order of their names.
    async fn lead(&mut self, event: &Event, happened: &Happened) -> Result<LedTo, StoreError> {
        let fresh_after = fresh_after(event, happened);
        let run_key = if self.replayed { None } else { run_key(event, happened) };
        let mut targets: BTreeMap<&str, Vec<(&str, bool)>> = BTreeMap::new();
        let mut fired = BTreeSet::new();
        let (mut holds, mut reason) = (Vec::new(), None);
        let config = self.config;
        let routes = config
            .routes
            .iter()
            .filter(|route| self.only_route.is_none_or(|only| route.name == only));
        for route in routes.collect::<Vec<_>>() {
            let taken = match (happened, route.gathers(&event.facts)) {
                (Happened::Run(outcome), true) if *outcome != Outcome::Started => {
                    let (fresh_after, key) = (fresh_after, run_key.as_deref());
                    match self.gather(event, route, *outcome, fresh_after, key).await? {
                        Gathered::Fires => fired.insert(route.name.as_str()),
                        Gathered::Known => true,
                        Gathered::Holds(for_what) => {
                            holds.push(for_what);
                            false
                        }
                        Gathered::Nothing(why) => {
                            reason = Some(why);
                            false
                        }
                    }
                }
                (_, true) => false,
                (_, false) => route.matches(happened, &event.facts),
            };
            if taken {
                for target in &route.refresh {
                    let routes = targets.entry(target).or_default();
                    let fires = fired.contains(route.name.as_str());
                    if !routes.contains(&(route.name.as_str(), fires)) {
                        routes.push((route.name.as_str(), fires));
                    }
                }
            }
        }
        let mut refreshes = Vec::new();
        for (target, routes) in targets {
            for (route, fires) in routes {
                let run_key = run_key.as_deref();
                let asked = Asked { event: event.id, route, target, fresh_after, run_key, fires };
                let id = self.join(&asked).await?;
                if !refreshes.contains(&id) {
                    refreshes.push(id);
                }
            }
        }
        Ok(if !refreshes.is_empty() {
            LedTo::Refreshes(refreshes)
        } else if !holds.is_empty() {
            LedTo::Held { reason: holds.join("; ") }
        } else {
            LedTo::Nothing { reason: reason.unwrap_or_else(|| "no route".into()) }
        })
    }
}

/// From when on a refresh shows what happened. An end that is missing, or later than the arrival,
/// would ask for a freshness that a wrong clock made up.
fn fresh_after(event: &Event, happened: &Happened) -> DateTime<Utc> {
    let arrived = event.received_at;
    match (happened, event.run_finished_at) {
        (Happened::Event(_) | Happened::Run(Outcome::Started), _) | (_, None) => arrived,
        (_, Some(ended)) => ended.min(arrived),
    }
}

/// Account, run and phase: two events of one ended run are one piece of work, and so is one run
/// that two sources tell of.
fn run_key(event: &Event, happened: &Happened) -> Option<String> {
    let Happened::Run(outcome) = happened else { return None };
    let (account, run) = (event.facts.account_id.as_deref()?, event.run_id.as_deref()?);
    let phase = if *outcome == Outcome::Started { "started" } else { "ended" };
    serde_json::to_string(&[account, run, phase]).ok()
}
