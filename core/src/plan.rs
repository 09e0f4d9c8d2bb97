//! Planning: stored events become refreshes and causes, or the reason for none.
//!
//! Invariants: an event is planned in one transaction, so a crash costs nothing and a wrong route
//! loses nothing; what several that are planned together lead to is what they would lead to one
//! after the other.

mod built;
mod explain;
mod expose;
mod gather;
mod join;
mod lead;
mod notify;
mod nudge;
mod read;
mod replay;
mod run;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use sqlx::Connection as _;

pub use self::explain::{Considered, Explained};
use self::lead::Planning;
use self::read::{Event, take};
pub use self::replay::{More, NotReplayed, Replay, ReplayFilter, Replayable, Taken};
pub use self::run::{AskedOfRun, BuiltNode, MOST_NODES, MadeDue, RunDetail};
use crate::config::Config;
use crate::event::interval;
use crate::pool::Lent;
use crate::refresh::RefreshId;
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

const DOING: &str = "plan an event";

/// A plan that the database loses with all that it has not flushed is made anew, and a claim of what
/// it led to flushes it too: it need not wait for a flush of its own.
const NOT_FLUSHED: &str = "begin; set local synchronous_commit = off";

/// Longer than any delivery is on its way into the table.
const NEW: Duration = Duration::from_secs(60);

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

impl Store {
    /// Plans the oldest stored event by today's configuration; none when there is none.
    pub async fn plan_next(&self, config: &Config) -> Result<Option<Planned>, StoreError> {
        Ok(self.plan(config, 1).await?.pop())
    }

    /// Plans so many of the oldest stored events, or as many as there are; in one transaction, for
    /// the time that takes. One that cannot be planned holds up none of the others.
    pub async fn plan(&self, config: &Config, most: usize) -> Result<Vec<Planned>, StoreError> {
        self.plan_since(None, config, most).await
    }

    /// The same with those that came to be planned within the last minute, if there are some: does
    /// not look where nothing is left but what a long history or an old snapshot keeps in the way.
    pub async fn plan_new(&self, config: &Config, most: usize) -> Result<Vec<Planned>, StoreError> {
        self.plan_since(Some(NEW), config, most).await
    }

    async fn plan_since(
        &self,
        within: Option<Duration>,
        config: &Config,
        most: usize,
    ) -> Result<Vec<Planned>, StoreError> {
        let (events, error) = match self.plan_together(within, config, most).await? {
            Together::Planned(planned) => return Ok(planned),
            Together::Failed(events, error) => (events, error),
        };
        // Of a single one the failure is its own.
        if let Ok([event]) = <[Event; 1]>::try_from(events) {
            let error = crate::attempt::text(&error.source.to_string());
            self.put_off(event.id, &error).await?;
            let (event_id, source) = (event.event_key, event.source);
            return Ok(vec![Planned { event_id, source, led_to: LedTo::PutOff { error } }]);
        }
        let mut planned = Vec::new();
        while planned.len() < most
            && let Some(next) = Box::pin(self.plan_next(config)).await?
        {
            planned.push(next);
        }
        Ok(planned)
    }

    async fn plan_together(
        &self,
        within: Option<Duration>,
        config: &Config,
        most: usize,
    ) -> Result<Together, StoreError> {
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin_with(NOT_FLUSHED).await.doing(DOING)?;
            let events = take(&mut transaction, within, most, self.now()).await?;
            if events.is_empty() {
                transaction.rollback().await.doing(DOING)?;
                lent.give_back();
                return Ok(Together::Planned(vec![]));
            }
            let planning = Planning {
                connection: &mut transaction,
                config,
                now: self.now(),
                only_route: None,
                replayed: false,
            };
            match planning.plan(&events).await {
                Ok(planned) => {
                    transaction.commit().await.doing(DOING)?;
                    lent.give_back();
                    self.look_at_tools(config, &planned).await?;
                    Ok(Together::Planned(planned))
                }
                Err(error) if error.is_passing() => Err(error),
                Err(error) => {
                    transaction.rollback().await.doing(DOING)?;
                    lent.give_back();
                    Ok(Together::Failed(events, error))
                }
            }
        })
        .await
    }

    /// Only a BI tool's own source has a connection, which is looked at for each that spoke.
    async fn look_at_tools(&self, config: &Config, planned: &[Planned]) -> Result<(), StoreError> {
        let sources = planned.iter().filter_map(|planned| config.sources.get(&planned.source));
        let connections: BTreeSet<_> = sources.filter_map(|it| it.connection.as_deref()).collect();
        for connection in connections {
            self.look_now(connection).await?;
        }
        Ok(())
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

/// What came of planning events together.
enum Together {
    Planned(Vec<Planned>),
    Failed(Vec<Event>, StoreError),
}
