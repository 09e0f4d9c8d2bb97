//! Planning: one stored event becomes refreshes and causes, or the reason for none.
//!
//! Invariants: one event is one transaction, so a crash costs nothing and a wrong route loses
//! nothing; per target at most one refresh is under way and at most one waits behind it; the
//! target's row is locked while that is decided.

mod join;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};

use self::join::Asked;
use crate::config::{Config, Outcome};
use crate::event::interval;
use crate::pool::Lent;
use crate::refresh::RefreshId;
use crate::route::Facts;
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

/// The refreshes, or why there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedTo {
    Refreshes(Vec<RefreshId>),
    Nothing {
        reason: String,
    },
    /// It could not be planned. It stays stored, and is put off so that it holds up no other.
    PutOff {
        error: String,
    },
}

struct Event {
    id: i64,
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
            let planned = Planning { connection: &mut transaction, config, now: self.now() }
                .plan(event)
                .await;
            match planned {
                Ok(planned) => {
                    transaction.commit().await.doing(DOING)?;
                    lent.give_back();
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
    let row = sqlx::query!(
        r#"
        select
            id, source, event_key, event_type, account_id, project_id, project_name,
            environment_id, environment_name, job_id, job_name, run_id, run_status,
            run_status_code, run_reason, run_finished_at, received_at
        from event
        where state = 'stored' and plan_due_at <= coalesce($1, now())
        order by plan_due_at, id
        limit 1
        for update skip locked
        "#,
        now,
    )
    .fetch_optional(connection)
    .await
    .doing(DOING)?;
    Ok(row.map(|row| Event {
        id: row.id,
        source: row.source,
        event_key: row.event_key,
        run_id: row.run_id,
        run_finished_at: row.run_finished_at,
        received_at: row.received_at,
        facts: Facts {
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
    }))
}

/// One event being planned in its transaction.
struct Planning<'a> {
    connection: &'a mut PgConnection,
    config: &'a Config,
    now: Option<DateTime<Utc>>,
}

impl Planning<'_> {
    async fn plan(mut self, event: Event) -> Result<Planned, StoreError> {
        let led_to = match self.asked_for(&event) {
            Ok((outcome, targets)) => self.ask(&event, outcome, targets).await?,
            Err(reason) => LedTo::Nothing { reason },
        };
        let reason = match &led_to {
            LedTo::Nothing { reason } => Some(reason.as_str()),
            LedTo::Refreshes(_) | LedTo::PutOff { .. } => None,
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

    /// The targets of the event with the routes that name them, in the order in which they are
    /// locked; or why there are none.
    fn asked_for(&self, event: &Event) -> Result<(Outcome, BTreeMap<String, Vec<String>>), String> {
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
        let outcome = event.facts.outcome()?;
        let mut targets: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for route in self.config.routes.iter().filter(|r| r.matches(outcome, &event.facts)) {
            for target in &route.refresh {
                let routes = targets.entry(target.clone()).or_default();
                if !routes.contains(&route.name) {
                    routes.push(route.name.clone());
                }
            }
        }
        if targets.is_empty() {
            return Err("no route".into());
        }
        Ok((outcome, targets))
    }

    async fn ask(
        &mut self,
        event: &Event,
        outcome: Outcome,
        targets: BTreeMap<String, Vec<String>>,
    ) -> Result<LedTo, StoreError> {
        // An end that is missing, or later than the arrival, would ask for a freshness that a
        // wrong clock made up.
        let arrived = event.received_at;
        let fresh_after = match (outcome, event.run_finished_at) {
            (Outcome::Started, _) | (_, None) => arrived,
            (_, Some(ended)) => ended.min(arrived),
        };
        let run_key = run_key(event, outcome);
        let mut refreshes = Vec::new();
        for (target, routes) in &targets {
            for route in routes {
                let asked = Asked {
                    event: event.id,
                    route,
                    target,
                    fresh_after,
                    run_key: run_key.as_deref(),
                };
                let id = self.join(&asked).await?;
                if !refreshes.contains(&id) {
                    refreshes.push(id);
                }
            }
        }
        Ok(LedTo::Refreshes(refreshes))
    }
}

/// Account, run and phase: two events of one ended run are one piece of work, and so is one run
/// that two sources tell of.
fn run_key(event: &Event, outcome: Outcome) -> Option<String> {
    let (account, run) = (event.facts.account_id.as_deref()?, event.run_id.as_deref()?);
    let phase = if outcome == Outcome::Started { "started" } else { "ended" };
    serde_json::to_string(&[account, run, phase]).ok()
}
