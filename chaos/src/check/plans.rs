//! I4: what the events led to against what the routes say.

use std::collections::BTreeSet;

use super::Found;
use super::Invariant::{AllEnds, PlannedByTheRoutes};
use super::index::Index;
use crate::History;
use crate::history::Delivery;

pub(super) fn judge(history: &History, index: &Index<'_>, found: &mut Found) {
    for event in &history.events {
        if event.state == "stored" {
            let what = format!("event row {} ({}) was never planned", event.id, event.event_key);
            found.wrong(AllEnds, what);
            continue;
        }
        let causes = index.causes_of_event.get(&event.id).map_or(&[][..], Vec::as_slice);
        let led: BTreeSet<(&str, &str)> =
            causes.iter().map(|cause| (&*cause.route, &*cause.target)).collect();
        let wanted = match index.delivery(event) {
            Some(delivery) if event.state == "planned" => wanted(history, delivery),
            _ => BTreeSet::new(),
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

fn wanted<'a>(history: &'a History, delivery: &Delivery) -> BTreeSet<(&'a str, &'a str)> {
    let takes = |route: &&crate::history::Route| {
        route.job == delivery.job && delivery.ended.as_ref() == Some(&route.on)
    };
    let routes = history.routes.iter().filter(takes);
    routes.flat_map(|it| it.targets.iter().map(|target| (&*it.name, &**target))).collect()
}
