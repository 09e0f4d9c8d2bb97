//! I4: what the events led to against what the routes say.

use std::collections::BTreeSet;

use super::Found;
use super::Invariant::{AllEnds, PlannedByTheRoutes};
use super::index::{Index, Told};
use crate::History;

pub(super) fn judge(history: &History, index: &Index<'_>, found: &mut Found) {
    causes_hang_together(history, index, found);
    for event in &history.events {
        if event.state == "stored" {
            let what = format!("event row {} ({}) was never planned", event.id, event.event_key);
            found.wrong(AllEnds, what);
            continue;
        }
        let led: BTreeSet<(&str, &str)> =
            index.causes(event).iter().map(|cause| (&*cause.route, &*cause.target)).collect();
        let wanted = match index.told(event) {
            Some(told) => wanted(history, told),
            None => BTreeSet::new(),
        };
        for (route, target) in wanted.difference(&led) {
            let what = format!(
                "event row {} ({}) has no refresh of {target}, which {route} wants",
                event.id, event.event_key
            );
            found.wrong(PlannedByTheRoutes, what);
        }
        for (route, target) in led.difference(&wanted) {
            let what = format!(
                "event row {} ({}) led to a refresh of {target} by {route}, which does not take it",
                event.id, event.event_key
            );
            found.wrong(PlannedByTheRoutes, what);
        }
        if led.is_empty() && event.reason.is_none() {
            let what = format!("event row {} led to nothing and does not say why", event.id);
            found.wrong(PlannedByTheRoutes, what);
        }
    }
}

/// Each cause belongs to a refresh of its target, and each refresh has a cause.
fn causes_hang_together(history: &History, index: &Index<'_>, found: &mut Found) {
    for cause in &history.causes {
        let Some(id) = cause.refresh_id else {
            let what = format!("event row {} is held, and no route is a fan-in", cause.event_id);
            found.wrong(PlannedByTheRoutes, what);
            continue;
        };
        let target = index.refresh.get(&id).map(|refresh| &refresh.target);
        if target != Some(&cause.target) {
            let what = format!(
                "event row {} is a cause of refresh {id} of {}, which is of {target:?}",
                cause.event_id, cause.target
            );
            found.wrong(PlannedByTheRoutes, what);
        }
    }
    for refresh in &history.refreshes {
        // The events of one that was coalesced have gone on with another.
        let caused = index.causes_of_refresh.contains_key(&refresh.id);
        if !caused && refresh.state != "skipped" {
            let what = format!("refresh {} of {} has no cause", refresh.id, refresh.target);
            found.wrong(PlannedByTheRoutes, what);
        }
    }
}

/// What the routes say: their names, each with its targets.
pub(super) fn wanted<'a>(history: &'a History, told: Told<'_>) -> BTreeSet<(&'a str, &'a str)> {
    let takes = |route: &&crate::history::Route| {
        route.job == told.job && told.ended == Some(route.on.as_str())
    };
    let routes = history.routes.iter().filter(takes);
    routes.flat_map(|it| it.targets.iter().map(|target| (&*it.name, &**target))).collect()
}
