//! Replaying: an event is planned again under today's configuration, as an operator wishes.
//!
//! Invariants: what it led to before stays in the history; a replay makes refreshes beside it. An
//! event that nobody has planned yet loses none of its routes by being replayed by one of them.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};

use super::lead::Planning;
use super::read::{Event, read, select};
use super::{DOING, Planned};
use crate::config::{Config, Outcome};
use crate::event::interval;
use crate::history::{EventState, MOST_ROWS};
use crate::operator::Action;
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
    /// Received then or later.
    pub from: Option<DateTime<Utc>>,
    /// Received before then.
    pub until: Option<DateTime<Utc>>,
    /// Only of this source.
    pub source: Option<String>,
    /// Led to a refresh in one of these states, of that route where one is given.
    pub states: Vec<State>,
    /// Only what takes this route today; and only this route is taken.
    pub route: Option<String>,
}

/// The events that are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayable {
    /// Oldest first, and no more than [`MOST_ROWS`].
    pub events: Vec<Replay>,
    pub more: More,
    /// How many were left out since they would lead to nothing, by the reason. Asked for by their
    /// ids, none are; asked for by their route, those that do not take it are not meant.
    pub left_out: BTreeMap<String, usize>,
}

/// Whether more events are meant than are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum More {
    #[default]
    Not,
    /// At least one more.
    Known,
    /// So many would lead to nothing that the rest were not looked at.
    Unknown,
}

/// An event that a replay would plan.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Replay {
    #[serde(skip)]
    pub id: i64,
    pub event_id: String,
    pub source: String,
    pub event_type: Option<String>,
    pub subject: Option<String>,
    pub subject_name: Option<String>,
    pub job_id: Option<String>,
    pub job_name: Option<String>,
    pub run_id: Option<String>,
    pub received_at: DateTime<Utc>,
    /// The routes that it takes today.
    pub routes: Vec<Taken>,
    /// Why it cannot be replayed.
    pub refused: Option<String>,
    /// Why it would lead to nothing.
    pub nothing: Option<String>,
}

/// A route that an event takes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Taken {
    pub route: String,
    pub targets: Vec<String>,
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
const UNPLANNED: &str = "it is not planned yet, and will be by all its routes";

/// So many events are looked through for those that fit.
const MOST_LOOKED: usize = 20 * PAGE;

/// A page of the events that fit: when it is, what is asked, where it goes on, and the states.
macro_rules! ids {
    ($now:expr, $filter:expr, $at:expr, $id:expr, $led_to:tt) => {
        sqlx::query_scalar!(
            r#"
            select id
            from event
            where (cardinality($1::text[]) = 0 or event_key = any ($1))
                and ($3::interval is null or received_at >= coalesce($2, now()) - $3::interval)
                and ($9::timestamptz is null or received_at >= $9)
                and ($10::timestamptz is null or received_at < $10)
                and ($11::text is null or source = $11)
                and ($6::timestamptz is null or (received_at, id) > ($6, $7::bigint))
            "#
                + $led_to
                + r#"
            order by received_at, id
            limit $8
            "#,
            &$filter.event_ids,
            $now,
            $filter.since.map(interval),
            &$filter.states as &[State],
            $filter.route,
            $at,
            $id,
            i64::from(MOST_ROWS),
            $filter.from,
            $filter.until,
            $filter.source,
        )
    };
}

impl Store {
    /// The events that fit, with what each would lead to today. Changes nothing.
    pub async fn replayable(
        &self,
        config: &Config,
        filter: &ReplayFilter,
    ) -> Result<Replayable, StoreError> {
        self.reading(LOOKING, async |connection| {
            let mut found = Replayable::default();
            let (mut after, mut looked) = (None, 0);
            loop {
                let ids = self.next_page(connection, filter, after).await?;
                let events = select(connection, &ids).await?;
                after = events.last().map(|event| (event.received_at, event.id));
                looked += ids.len();
                for event in events {
                    let judging = Planning {
                        connection: &mut *connection,
                        config,
                        now: self.now(),
                        only_route: filter.route.as_deref(),
                        replayed: true,
                    };
                    let replay = judging.judge(event);
                    // Asked for by its id, it is told of in any case.
                    if filter.event_ids.is_empty()
                        && let Some(why) = replay.refused.as_ref().or(replay.nothing.as_ref())
                    {
                        if filter.route.is_none() || why == UNPLANNED {
                            *found.left_out.entry(why.clone()).or_default() += 1;
                        }
                    } else if found.events.len() == PAGE {
                        found.more = More::Known;
                        return Ok(found);
                    } else {
                        found.events.push(replay);
                    }
                }
                if ids.len() < PAGE {
                    return Ok(found);
                }
                if looked >= MOST_LOOKED {
                    found.more = More::Unknown;
                    return Ok(found);
                }
            }
        })
        .await
    }

    async fn next_page(
        &self,
        connection: &mut PgConnection,
        filter: &ReplayFilter,
        after: Option<(DateTime<Utc>, i64)>,
    ) -> Result<Vec<i64>, sqlx::Error> {
        let (at, id) = after.unzip();
        if filter.states.is_empty() {
            return ids!(
                self.now(),
                filter,
                at,
                id,
                "and cardinality($4::refresh_state[]) = 0 and ($5::text is null or true)"
            )
            .fetch_all(connection)
            .await;
        }
        ids!(
            self.now(),
            filter,
            at,
            id,
            r#"
                and id in (
                    select refresh_cause.event_id
                    from refresh_cause
                    join refresh on refresh.id = refresh_cause.refresh_id
                    where refresh.state = any ($4)
                        and ($5::text is null or refresh_cause.route = $5)
                )
            "#
        )
        .fetch_all(connection)
        .await
    }

    /// Plans an event again, under this configuration and, if given, by this route alone. One that
    /// has not been planned yet is planned as it would have been by itself.
    pub async fn replay(
        &self,
        config: &Config,
        replay: &Replay,
        route: Option<&str>,
    ) -> Result<Planned, NotReplayed> {
        let planned = bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let planned = match replay.refused.clone() {
                Some(why) => Err(why),
                None => self.plan_again(&mut transaction, config, replay, route).await?,
            };
            let arguments = serde_json::json!({ "source": replay.source, "route": route });
            let subject = replay.event_id.as_str();
            let action = Action { action: "replay", kind: "event", subject, arguments };
            let words = planned.as_ref().map(|planned| planned.led_to.to_string());
            let result = words.as_ref().map(String::as_str).map_err(|why| why.as_str());
            action.note(self, &mut transaction, result).await?;
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(planned)
        })
        .await?;
        self.wake_after_commit().await;
        let event_id = replay.event_id.clone();
        planned.map_err(|why| NotReplayed::Impossible { event_id, why })
    }

    /// Or why it cannot be.
    async fn plan_again(
        &self,
        transaction: &mut PgConnection,
        config: &Config,
        replay: &Replay,
        route: Option<&str>,
    ) -> Result<Result<Planned, String>, StoreError> {
        let there = sqlx::query_scalar!("select id from event where id = $1 for update", replay.id)
            .fetch_optional(&mut *transaction)
            .await
            .doing(DOING)?;
        let events = read(transaction, there.as_slice()).await?;
        let Some(event) = events.first() else {
            return Ok(Err("it is not there any more".to_owned()));
        };
        if let Some(why) = refused(event.state, route) {
            return Ok(Err(why.to_owned()));
        }
        let planning = Planning {
            connection: transaction,
            config,
            now: self.now(),
            only_route: route,
            replayed: event.state == EventState::Planned,
        };
        let planned = planning.plan(&events).await?.pop();
        planned.map(Ok).ok_or(sqlx::Error::RowNotFound).doing(DOING)
    }
}

const LOOKING: &str = "look for events to replay";
const PAGE: usize = MOST_ROWS as usize;

/// Why an event in this state cannot be replayed, by this route alone or by all.
fn refused(state: EventState, route: Option<&str>) -> Option<&'static str> {
    match (state, route) {
        (EventState::Quarantined, _) => Some(QUARANTINED),
        (EventState::Stored, Some(_)) => Some(UNPLANNED),
        (EventState::Stored, None) | (EventState::Planned, _) => None,
    }
}

impl Planning<'_> {
    /// What a replay of the event would come to.
    fn judge(&self, event: Event) -> Replay {
        let mut refused = refused(event.state, self.only_route).map(str::to_owned);
        let (mut routes, mut nothing) = (vec![], None);
        if refused.is_none() {
            match (
                event.happened(self.config).map(|it| self.taken(&event.facts, &it)),
                self.only_route,
            ) {
                (Ok(taken), Some(only)) if taken.is_empty() => {
                    refused = Some(format!("it does not take route {only} today"));
                }
                (Ok(taken), None) if taken.is_empty() => nothing = Some("no route".to_owned()),
                (Ok(taken), _) => routes = taken,
                (Err(why), _) => nothing = Some(why),
            }
        }
        Replay {
            id: event.id,
            event_id: event.event_key,
            source: event.source,
            event_type: event.facts.event_type,
            subject: event.facts.subject,
            subject_name: event.facts.subject_name,
            job_id: event.facts.job_id,
            job_name: event.facts.job_name,
            run_id: event.run_id,
            received_at: event.received_at,
            routes,
            refused,
            nothing,
        }
    }

    /// The routes that an event takes by itself or helps to fire.
    fn taken(&self, facts: &crate::route::Facts, happened: &Happened) -> Vec<Taken> {
        let has_ended = *happened != Happened::Run(Outcome::Started);
        self.routes()
            .filter(|route| route.matches(happened, facts) || has_ended && route.gathers(facts))
            .map(|route| Taken { route: route.name.clone(), targets: route.refresh.clone() })
            .collect()
    }
}
