//! From events to what they ask for, by the routes that they take.
//!
//! Invariants: all that planning may change is locked before anything is decided, fan-ins before
//! targets and each in the order of their names, so that two planners never wait for each other in
//! a circle; what was decided is written before a fan-in is looked at.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::gather::Gathered;
use super::join::Asked;
use super::read::Event;
use super::{DOING, LedTo, Planned};
use crate::config::{Config, Outcome, Route};
use crate::refresh::RefreshId;
use crate::refresh::enqueue::{Wanted, lock_targets};
use crate::route::Happened;
use crate::store::column;
use crate::{Doing as _, StoreError};

/// Events being planned in their transaction.
pub(super) struct Planning<'a> {
    pub(super) connection: &'a mut PgConnection,
    pub(super) config: &'a Config,
    pub(super) now: Option<DateTime<Utc>>,
    /// No other route is looked at.
    pub(super) only_route: Option<&'a str>,
    /// An operator plans it again: that its run was seen before is no reason to skip it.
    pub(super) replayed: bool,
}

/// An event on which routes may act.
pub(super) struct Told<'e> {
    pub(super) event: &'e Event,
    pub(super) happened: Happened,
    /// From when on a refresh shows what happened.
    pub(super) fresh_after: DateTime<Utc>,
    pub(super) run_key: Option<String>,
}

/// What an event came to, but for the refreshes.
#[derive(Default)]
struct Came {
    holds: Vec<String>,
    reason: Option<String>,
}

impl<'a> Planning<'a> {
    /// Plans these, one after the other.
    pub(super) async fn plan(mut self, events: &[Event]) -> Result<Vec<Planned>, StoreError> {
        let told: Vec<_> = events.iter().map(|event| self.tell(event)).collect();
        self.lock(&told).await?;
        let (mut came, mut asked, mut refreshes) = (Vec::new(), Vec::new(), Vec::new());
        for told in &told {
            let Ok(told) = told else { continue };
            if self.routes().any(|route| gathers(route, told).is_some()) {
                refreshes.append(&mut self.join(&std::mem::take(&mut asked)).await?);
            }
            came.push(self.lead(told, &mut asked).await?);
        }
        refreshes.append(&mut self.join(&asked).await?);
        let mut came = came.into_iter();
        let planned = |(event, told): (&Event, Result<Told<'_>, String>)| {
            let came = match told {
                Ok(_) => came.next().unwrap_or_default(),
                Err(reason) => Came { reason: Some(reason), ..Came::default() },
            };
            Planned {
                event_id: event.event_key.clone(),
                source: event.source.clone(),
                led_to: led_to(came, event, &refreshes),
            }
        };
        let planned: Vec<_> = events.iter().zip(told).map(planned).collect();
        self.note(events, &planned).await?;
        Ok(planned)
    }

    /// What an event says to routes; or why none acts on it.
    fn tell<'e>(&self, event: &'e Event) -> Result<Told<'e>, String> {
        let happened = self.happened(event)?;
        Ok(Told {
            event,
            fresh_after: fresh_after(event, &happened),
            run_key: if self.replayed { None } else { run_key(event, &happened) },
            happened,
        })
    }

    /// What happened, in the words of routes; or why nothing acts on it.
    pub(super) fn happened(&self, event: &Event) -> Result<Happened, String> {
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

    /// The routes that are looked at.
    pub(super) fn routes(&self) -> impl Iterator<Item = &'a Route> + use<'a> {
        let only = self.only_route;
        self.config.routes.iter().filter(move |route| only.is_none_or(|only| route.name == only))
    }

    async fn lock(&mut self, told: &[Result<Told<'_>, String>]) -> Result<(), StoreError> {
        let (mut fan_ins, mut targets) = (BTreeSet::new(), BTreeSet::new());
        for route in self.routes() {
            let gathering = told.iter().flatten().any(|told| gathers(route, told).is_some());
            let matching = |told: &Told<'_>| route.matches(&told.happened, &told.event.facts);
            if gathering {
                fan_ins.insert(route.name.as_str());
            }
            if gathering || told.iter().flatten().any(matching) {
                targets.extend(route.refresh.iter().map(String::as_str));
            }
        }
        for route in fan_ins {
            sqlx::query!(
                "insert into fan_in (route) values ($1) on conflict (route) do update set route = excluded.route",
                route,
            )
            .execute(&mut *self.connection)
            .await
            .doing(DOING)?;
        }
        let wanted = |target| Wanted::of(self.config, target, DateTime::UNIX_EPOCH);
        let wanted: Vec<_> = targets.into_iter().map(wanted).collect();
        lock_targets(self.connection, &wanted).await
    }

    /// Takes every route that the event takes.
    async fn lead<'e>(
        &mut self,
        told: &'e Told<'e>,
        asked: &mut Vec<Asked<'e>>,
    ) -> Result<Came, StoreError>
    where
        'a: 'e,
    {
        let mut came = Came::default();
        let mut own: Vec<Asked<'e>> = Vec::new();
        for route in self.routes() {
            let taken = match gathers(route, told) {
                None => route.matches(&told.happened, &told.event.facts).then_some(false),
                Some(outcome) => match self.gather(told, route, outcome).await? {
                    Gathered::Fires => Some(true),
                    Gathered::Known => Some(false),
                    Gathered::Holds(for_what) => {
                        came.holds.push(for_what);
                        None
                    }
                    Gathered::Nothing(why) => {
                        came.reason = Some(why);
                        None
                    }
                },
            };
            let Some(fires) = taken else { continue };
            for target in &route.refresh {
                let ask = Asked::of(told, route, target, fires);
                if !own.iter().any(|known| known.route == ask.route && known.target == target) {
                    own.push(ask);
                }
            }
        }
        own.sort_by_key(|ask| ask.target);
        asked.append(&mut own);
        Ok(came)
    }

    async fn note(&mut self, events: &[Event], planned: &[Planned]) -> Result<(), StoreError> {
        let reason = |planned: &'_ Planned| match &planned.led_to {
            LedTo::Nothing { reason } => Some(reason.clone()),
            LedTo::Refreshes(_) | LedTo::Held { .. } | LedTo::PutOff { .. } => None,
        };
        sqlx::query!(
            r#"
            update event
            set
                state = 'planned', planned_at = coalesce($3, now()),
                reason = led.reason, plan_error = null
            from unnest($1::bigint[], $2::text[]) as led (id, reason)
            where event.id = led.id
            "#,
            &column(events, |event| event.id),
            &column(planned, reason) as _,
            self.now,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(())
    }
}

/// How the run ended that a fan-in takes into account; `None` if it does not.
fn gathers(route: &Route, told: &Told<'_>) -> Option<Outcome> {
    match told.happened {
        Happened::Run(Outcome::Started) | Happened::Event(_) => None,
        Happened::Run(ended) => route.gathers(&told.event.facts).then_some(ended),
    }
}

fn led_to(came: Came, event: &Event, refreshes: &[(i64, RefreshId)]) -> LedTo {
    let mut own: Vec<RefreshId> = Vec::new();
    for (_, id) in refreshes.iter().filter(|(of, _)| *of == event.id) {
        if !own.contains(id) {
            own.push(*id);
        }
    }
    if !own.is_empty() {
        LedTo::Refreshes(own)
    } else if !came.holds.is_empty() {
        LedTo::Held { reason: came.holds.join("; ") }
    } else {
        LedTo::Nothing { reason: came.reason.unwrap_or_else(|| "no route".into()) }
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
