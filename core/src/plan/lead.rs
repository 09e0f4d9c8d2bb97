//! From events to what they ask for, by the routes that they take.
//!
//! Invariants: all that planning may change is locked before anything is decided, fan-ins before
//! targets and each in the order of their names, so that two planners never wait for each other in
//! a circle; what was decided is written before a fan-in is looked at.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::expose::{Answered, Asking};
use super::gather::Gathered;
use super::join::Asked;
use super::read::Event;
use super::{DOING, LedTo, Planned};
use crate::config::{Config, Outcome, Route};
use crate::event::interval;
use crate::refresh::RefreshId;
use crate::refresh::enqueue::{Wanted, lock_targets};
use crate::route::Happened;
use crate::store::column;
use crate::{Doing as _, StoreError};

/// An event whose rest waits for dbt is looked at again after this, should the answer be lost.
const ASIDE: Duration = Duration::from_secs(10 * 60);

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
    /// Routes that an earlier planning took.
    taken: BTreeSet<String>,
}

/// What an event came to, but for the refreshes.
#[derive(Default)]
pub(super) struct Came {
    pub(super) holds: Vec<String>,
    pub(super) reason: Option<String>,
    /// dbt has not said yet what the run built.
    pub(super) waits_for: Option<String>,
}

impl<'a> Planning<'a> {
    /// Plans these, one after the other.
    pub(super) async fn plan(mut self, events: &[Event]) -> Result<Vec<Planned>, StoreError> {
        let taken = self.taken_before(events).await?;
        let told: Vec<_> = events.iter().map(|event| self.tell(event, &taken)).collect();
        let clear: Vec<_> = told.iter().flatten().collect();
        let runs = self.runs(&clear).await?;
        let answered: Vec<_> = clear.iter().map(|told| self.answered(told, &runs)).collect();
        self.lock(&clear, &answered).await?;
        let (mut came, mut asked, mut refreshes) = (Vec::new(), Vec::new(), Vec::new());
        for (told, answered) in clear.into_iter().zip(answered) {
            if self.routes().any(|route| gathers(route, told).is_some()) {
                refreshes.append(&mut self.join(&std::mem::take(&mut asked)).await?);
            }
            came.push(self.lead(told, answered, &mut asked).await?);
        }
        refreshes.append(&mut self.join(&asked).await?);
        let mut came = came.into_iter();
        let (mut planned, mut waits) = (Vec::new(), Vec::new());
        for (event, told) in events.iter().zip(&told) {
            let came = match told {
                Ok(_) => came.next().unwrap_or_default(),
                Err(reason) => Came { reason: Some(reason.clone()), ..Came::default() },
            };
            waits.push(came.waits_for.clone());
            planned.push(Planned {
                event_id: event.event_key.clone(),
                source: event.source.clone(),
                led_to: led_to(came, event, &refreshes),
            });
        }
        self.note(events, &planned, &waits).await?;
        let clear: Vec<_> = told.iter().flatten().collect();
        self.notify(&clear).await?;
        Ok(planned)
    }

    /// What an event says to routes; or why none acts on it.
    fn tell<'e>(&self, event: &'e Event, taken: &[(i64, String)]) -> Result<Told<'e>, String> {
        let happened = event.happened(self.config)?;
        let taken = taken.iter().filter(|(id, _)| *id == event.id);
        Ok(Told {
            event,
            taken: taken.map(|(_, route)| route.clone()).collect(),
            fresh_after: fresh_after(event, &happened),
            run_key: if self.replayed { None } else { run_key(event, &happened) },
            happened,
        })
    }

    /// The routes that an event took when it was planned but for what waited for dbt.
    async fn taken_before(&mut self, events: &[Event]) -> Result<Vec<(i64, String)>, StoreError> {
        let rest: Vec<i64> = events.iter().filter(|it| it.is_rest).map(|it| it.id).collect();
        if rest.is_empty() {
            return Ok(vec![]);
        }
        let rows = sqlx::query!(
            "select distinct event_id, route from refresh_cause where event_id = any ($1)",
            &rest,
        )
        .fetch_all(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(rows.into_iter().map(|row| (row.event_id, row.route)).collect())
    }

    /// The routes that are looked at.
    pub(super) fn routes(&self) -> impl Iterator<Item = &'a Route> + use<'a> {
        let only = self.only_route;
        self.config.routes.iter().filter(move |route| only.is_none_or(|only| route.name == only))
    }

    async fn lock(
        &mut self,
        told: &[&Told<'_>],
        answered: &[Answered<'a>],
    ) -> Result<(), StoreError> {
        let (mut fan_ins, mut targets) = (BTreeSet::new(), BTreeSet::new());
        for route in self.routes() {
            let gathering = told.iter().any(|told| gathers(route, told).is_some());
            if gathering {
                fan_ins.insert(route.name.as_str());
            }
            if gathering || told.iter().any(|told| told.takes(route)) {
                targets.extend(route.refresh.iter().map(String::as_str));
            }
        }
        for Asking { route, exposed } in answered.iter().flat_map(|answered| &answered.asking) {
            targets.extend(route.refresh.iter().map(String::as_str));
            targets.extend(exposed.iter().map(|exposed| exposed.target));
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
        answered: Answered<'a>,
        asked: &mut Vec<Asked<'e>>,
    ) -> Result<Came, StoreError>
    where
        'a: 'e,
    {
        let Answered { asking, mut came } = answered;
        let mut own: Vec<Asked<'e>> = Vec::new();
        let mut add = |ask: Asked<'e>| {
            if !own.iter().any(|known| known.route == ask.route && known.target == ask.target) {
                own.push(ask);
            }
        };
        for route in self.routes() {
            let taken = match gathers(route, told) {
                None => told.takes(route).then_some(false),
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
            route.refresh.iter().for_each(|target| add(Asked::of(told, route, target, fires)));
        }
        for Asking { route, exposed } in asking {
            route.refresh.iter().for_each(|target| add(Asked::of(told, route, target, false)));
            for exposed in exposed {
                match self.expose(told, route, exposed).await? {
                    Ok(ask) => add(ask),
                    Err(for_what) => came.holds.push(for_what),
                }
            }
        }
        let channels = if own.is_empty() { self.told(told) } else { BTreeSet::new() };
        if came.reason.is_none() && !channels.is_empty() {
            let channels: Vec<_> = channels.into_iter().collect();
            came.reason = Some(format!("only told {}", channels.join(", ")));
        }
        own.sort_by_key(|ask| ask.target);
        asked.append(&mut own);
        Ok(came)
    }

    /// `waits`: what the rest of an event's routes waits for; it is planned again then.
    async fn note(
        &mut self,
        events: &[Event],
        planned: &[Planned],
        waits: &[Option<String>],
    ) -> Result<(), StoreError> {
        let reason = |planned: &'_ Planned| match &planned.led_to {
            LedTo::Nothing { reason } => Some(reason.clone()),
            LedTo::Refreshes(_) | LedTo::Held { .. } | LedTo::PutOff { .. } => None,
        };
        sqlx::query!(
            r#"
            update event
            set
                state = (case when led.waits then 'stored' else 'planned' end)::event_state,
                planned_at = case when not led.waits then coalesce($3, now()) end,
                reason = coalesce(led.reason, case when not led.waits then led.waits_for end),
                plan_error = null,
                waits_for = case when led.waits then led.waits_for end,
                plan_due_at = case
                    when led.waits then coalesce($3, now()) + $5::interval
                    else event.plan_due_at
                end
            from (
                select led.id, led.reason, led.waits_for,
                    -- Without its body an event cannot go back.
                    led.waits_for is not null and before.body is not null as waits
                from unnest($1::bigint[], $2::text[], $4::text[]) as led (id, reason, waits_for)
                join event as before on before.id = led.id
            ) as led
            where event.id = led.id
            "#,
            &column(events, |event| event.id),
            &column(planned, reason) as _,
            self.now,
            &column(waits, Clone::clone) as _,
            interval(ASIDE),
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(())
    }
}

impl Told<'_> {
    /// Whether the event takes the route by itself, and now.
    fn takes(&self, route: &Route) -> bool {
        !self.taken.contains(&route.name)
            && !route.asks_what_was_built()
            && route.matches(&self.happened, &self.event.facts)
    }
}

/// How the run ended that a fan-in takes into account; `None` if it does not.
fn gathers(route: &Route, told: &Told<'_>) -> Option<Outcome> {
    match told.happened {
        _ if told.event.is_rest => None,
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
    } else if !came.holds.is_empty() || came.waits_for.is_some() {
        let waits: Vec<_> = came.holds.into_iter().chain(came.waits_for).collect();
        LedTo::Held { reason: waits.join("; ") }
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
