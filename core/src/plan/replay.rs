//! Replaying: an event is planned again under today's configuration, as an operator wishes.
//!
//! Invariant: what it led to before stays in the history; a replay makes refreshes beside it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Connection as _;

use super::{DOING, Planned, Planning, read};
use crate::config::Config;
use crate::event::interval;
use crate::history::{EventState, MOST_ROWS};
use crate::pool::Lent;
use crate::refresh::State;
use crate::route::Happened;
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

/// Which events are meant; what is not given leaves nothing out.
#[derive(Debug, Clone, Default)]
pub struct ReplayFilter {
    /// By dbt's id.
    pub event_ids: Vec<String>,
    /// Received no longer ago than this.
    pub since: Option<Duration>,
    /// Led to a refresh in one of these states, of that route where one is given.
    pub states: Vec<State>,
    /// Only what takes this route today; and only this route is taken.
    pub route: Option<String>,
}

/// An event that a replay would plan.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Replay {
    #[serde(skip)]
    pub id: i64,
    pub event_id: String,
    pub source: String,
    pub event_type: Option<String>,
    pub job_id: Option<String>,
    pub job_name: Option<String>,
    pub run_id: Option<String>,
    pub received_at: DateTime<Utc>,
    /// The routes that it takes today, with the targets of each.
    pub routes: Vec<(String, Vec<String>)>,
    /// Why it cannot be replayed, or would lead to nothing.
    pub but: Option<String>,
}

/// An event cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum NotReplayed {
    #[error("event {event_id} cannot be replayed: {why}")]
    Impossible { event_id: String, why: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

const QUARANTINED: &str = "its body was not understood, so there is nothing to plan";

impl Store {
    /// The events that fit, oldest first, with what each would lead to today. Changes nothing.
    pub async fn replayable(
        &self,
        config: &Config,
        filter: &ReplayFilter,
    ) -> Result<Vec<Replay>, StoreError> {
        const DOING: &str = "look for events to replay";
        let states: Vec<String> = filter.states.iter().map(|state| state.as_str().into()).collect();
        let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
        let rows = sqlx::query!(
            r#"
            select id, event_key, state as "state: EventState"
            from event
            where (cardinality($1::text[]) = 0 or event_key = any ($1))
                and ($3::interval is null or received_at >= coalesce($2, now()) - $3::interval)
                and (
                    cardinality($4::text[]) = 0 or exists (
                        select from refresh_cause
                        join refresh on refresh.id = refresh_cause.refresh_id
                        where refresh_cause.event_id = event.id
                            and refresh.state::text = any ($4)
                            and ($5::text is null or refresh_cause.route = $5)
                    )
                )
            order by received_at, id
            limit $6
            "#,
            &filter.event_ids,
            self.now(),
            filter.since.map(interval),
            &states,
            filter.route,
            i64::from(MOST_ROWS),
        )
        .fetch_all(&mut *lent)
        .await
        .doing(DOING)?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let event = read(&mut lent, row.id).await?;
            let mut planning = Planning {
                connection: &mut lent,
                config,
                now: self.now(),
                only_route: filter.route.as_deref(),
                replayed: true,
            };
            let happened = planning.happened(&event);
            let routes = happened.as_ref().map(|it| planning.routes(&event.facts, it));
            let (routes, but) = match (row.state, routes) {
                (EventState::Quarantined, _) => (vec![], Some(QUARANTINED.to_owned())),
                (_, Err(why)) => (vec![], Some(why.clone())),
                (_, Ok(routes)) if routes.is_empty() => (vec![], Some("no route".to_owned())),
                (_, Ok(routes)) => (routes, None),
            };
            // Asked for by its route, what does not take it is not meant.
            let named = !filter.event_ids.is_empty();
            if routes.is_empty() && !named {
                continue;
            }
            found.push(Replay {
                id: event.id,
                event_id: row.event_key,
                source: event.source,
                event_type: event.facts.event_type,
                job_id: event.facts.job_id,
                job_name: event.facts.job_name,
                run_id: event.run_id,
                received_at: event.received_at,
                routes,
                but,
            });
        }
        lent.give_back();
        Ok(found)
    }

    /// Plans an event again, under this configuration and, if given, by this route alone.
    pub async fn replay(
        &self,
        config: &Config,
        replay: &Replay,
        route: Option<&str>,
    ) -> Result<Planned, NotReplayed> {
        let planned = bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let state = sqlx::query_scalar!(
                r#"select state as "state: EventState" from event where id = $1 for update"#,
                replay.id,
            )
            .fetch_optional(&mut *transaction)
            .await
            .doing(DOING)?;
            let planned = match state {
                None => Err("it is not there any more".to_owned()),
                Some(EventState::Quarantined) => Err(QUARANTINED.to_owned()),
                Some(EventState::Stored | EventState::Planned) => {
                    let event = read(&mut transaction, replay.id).await?;
                    let planning = Planning {
                        connection: &mut transaction,
                        config,
                        now: self.now(),
                        only_route: route,
                        replayed: true,
                    };
                    Ok(planning.plan(event).await?)
                }
            };
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(planned)
        })
        .await?;
        self.wake().await?;
        planned.map_err(|why| NotReplayed::Impossible { event_id: replay.event_id.clone(), why })
    }
}

impl Planning<'_> {
    /// The routes that an event takes by itself or helps to fire, with the targets of each.
    fn routes(
        &mut self,
        facts: &crate::route::Facts,
        happened: &Happened,
    ) -> Vec<(String, Vec<String>)> {
        self.config
            .routes
            .iter()
            .filter(|route| self.only_route.is_none_or(|only| route.name == only))
            .filter(|route| route.matches(happened, facts) || route.gathers(facts))
            .map(|route| (route.name.clone(), route.refresh.clone()))
            .collect()
    }
}
