//! From what events ask for to the refreshes that wait on the targets.
//!
//! Invariant: one run is one piece of work for each route and target, whichever of its events comes
//! first, and through however many sources.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use super::DOING;
use super::lead::{Planning, Told};
use crate::config::Route;
use crate::refresh::RefreshId;
use crate::refresh::enqueue::{Cause, Wanted, enqueue};
use crate::store::column;
use crate::{Doing as _, StoreError};

/// One target that an event asks to be made fresh, by one route.
#[derive(Clone)]
pub(super) struct Asked<'a> {
    pub(super) event: i64,
    pub(super) event_key: &'a str,
    pub(super) route: &'a str,
    pub(super) target: &'a str,
    pub(super) fresh_after: DateTime<Utc>,
    pub(super) run_key: Option<&'a str>,
    /// The route is a fan-in that fires: what it held goes along.
    pub(super) fires: bool,
    /// It is not to be made fresh, and why.
    pub(super) skip: Option<String>,
}

impl<'a> Asked<'a> {
    pub(super) fn of(told: &'a Told<'_>, route: &'a Route, target: &'a str, fires: bool) -> Self {
        Self {
            event: told.event.id,
            event_key: &told.event.event_key,
            route: &route.name,
            target,
            fresh_after: told.fresh_after,
            run_key: told.run_key.as_deref(),
            fires,
            skip: None,
        }
    }

    fn cause(&self) -> Cause<'a> {
        let &Self { event, route, target, fresh_after, run_key, .. } = self;
        Cause { event, route, target, fresh_after, run_key }
    }

    /// The piece of work that this is, if the run is known.
    fn work(&self) -> Option<Work<'a>> {
        Some((self.run_key?, self.route, self.target))
    }
}

type Work<'a> = (&'a str, &'a str, &'a str);

impl Planning<'_> {
    /// Joins the refreshes that wait on the targets, or makes them. The targets are locked. Gives
    /// each with the event that it is for.
    pub(super) async fn join(
        &mut self,
        all: &[Asked<'_>],
    ) -> Result<Vec<(i64, RefreshId)>, StoreError> {
        if all.is_empty() {
            return Ok(vec![]);
        }
        let (mut due, mut skipped) = (Vec::new(), Vec::new());
        let known = self.first_of_runs(all).await?;
        let mut seen: HashMap<Work<'_>, &str> = HashMap::new();
        for (place, asked) in all.iter().enumerate() {
            let among = || asked.work().and_then(|work| seen.get(&work).copied());
            if let Some(first) = known.get(&place).map(String::as_str).or_else(among) {
                skipped.push((place, format!("same run as {first}")));
            } else if let Some(why) = &asked.skip {
                skipped.push((place, why.clone()));
            } else {
                seen.extend(asked.work().map(|work| (work, asked.event_key)));
                due.push(place);
            }
        }
        let mut led: Vec<(usize, RefreshId)> = Vec::with_capacity(all.len());
        for (place, reason) in skipped {
            let asked = &all[place];
            let wanted = Wanted::of(self.config, asked.target, asked.fresh_after);
            let id = wanted.skip(self.connection, &asked.cause(), &reason, self.now).await?;
            led.push((place, id));
        }
        let mut targets: BTreeMap<&str, DateTime<Utc>> = BTreeMap::new();
        let mut held = Vec::new();
        for asked in due.iter().map(|place| &all[*place]) {
            let newest = if asked.fires { self.newest_held(asked).await? } else { None };
            let fresh_after = newest.map_or(asked.fresh_after, |it| it.max(asked.fresh_after));
            let asks = targets.entry(asked.target).or_insert(fresh_after);
            *asks = fresh_after.max(*asks);
            held.extend(newest.map(|_| asked));
        }
        let wanted: Vec<_> = targets
            .iter()
            .map(|(target, fresh_after)| Wanted::of(self.config, target, *fresh_after))
            .collect();
        let causes: Vec<_> = due.iter().map(|place| all[*place].cause()).collect();
        let waiting = enqueue(self.connection, &wanted, &causes, self.now).await?;
        let waiting: BTreeMap<&str, RefreshId> = targets.keys().copied().zip(waiting).collect();
        for asked in held {
            self.let_go(asked, waiting[asked.target]).await?;
        }
        led.extend(due.into_iter().map(|place| (place, waiting[all[place].target])));
        led.sort_unstable_by_key(|(place, _)| *place);
        Ok(led.into_iter().map(|(place, id)| (all[place].event, id)).collect())
    }

    /// Which of these another event did already, for the same run: its key, by their places.
    async fn first_of_runs(
        &mut self,
        all: &[Asked<'_>],
    ) -> Result<HashMap<usize, String>, StoreError> {
        if all.iter().all(|asked| asked.run_key.is_none()) {
            return Ok(HashMap::new());
        }
        let rows = sqlx::query!(
            r#"
            select work.place as "place!", event.event_key
            from unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
                with ordinality as work (run_key, route, target, event_id, place)
            join refresh_cause
                on refresh_cause.run_key = work.run_key
                and refresh_cause.route = work.route
                and refresh_cause.target = work.target
                and refresh_cause.event_id <> work.event_id
            join event on event.id = refresh_cause.event_id
            "#,
            &column(all, |asked| asked.run_key) as _,
            &column(all, |asked| asked.route) as _,
            &column(all, |asked| asked.target) as _,
            &column(all, |asked| asked.event),
        )
        .fetch_all(&mut *self.connection)
        .await
        .doing(DOING)?;
        let place = |place: i64| usize::try_from(place - 1).unwrap_or(usize::MAX);
        Ok(rows.into_iter().map(|row| (place(row.place), row.event_key)).collect())
    }

    /// Whether another event did a part of this for the same run already.
    pub(super) async fn is_known(&mut self, all: &[Asked<'_>]) -> Result<bool, StoreError> {
        Ok(!self.first_of_runs(all).await?.is_empty())
    }
}
