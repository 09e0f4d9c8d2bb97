//! From what runs built to what their events ask for: the routes with `models`, and the targets that
//! exposures name.
//!
//! Invariant: a target that is not due has a reason, and one that waits for other runs says for what.

use chrono::{DateTime, TimeDelta};

use super::built::{Exposed, Known, Runs};
use super::join::Asked;
use super::lead::{Came, Planning, Told};
use crate::StoreError;
use crate::config::Route;

/// A route that asks what a run built, once that is known.
pub(super) struct Asking<'a> {
    pub(super) route: &'a Route,
    pub(super) exposed: Vec<Exposed<'a>>,
}

/// What of an event's routes can be taken by what dbt says.
#[derive(Default)]
pub(super) struct Answered<'a> {
    pub(super) asking: Vec<Asking<'a>>,
    pub(super) came: Came,
}

impl<'a> Planning<'a> {
    /// The routes that ask what the run built, as far as dbt has answered.
    pub(super) fn answered(&self, told: &Told<'_>, runs: &Runs<'_>) -> Answered<'a> {
        let mut answered = Answered::default();
        let Answered { asking, came } = &mut answered;
        for route in self.routes().filter(|route| self.asks(route, told)) {
            let run = told.event.run_id.as_deref();
            let run = run.map(|run| (run, runs.get(&(told.event.source.as_str(), run))));
            match run {
                Some((_, Some(Known::Built(built)))) if !built.matches(route) => {}
                Some((_, Some(Known::Built(built)))) => {
                    let exposed = built.exposed(route, self.config);
                    came.reason = exposed.wrong.or(came.reason.take());
                    asking.push(Asking { route, exposed: exposed.targets });
                }
                Some((run, Some(Known::Waits))) => {
                    came.waits_for = Some(format!("waiting for dbt to say what run {run} built"));
                }
                Some((_, Some(Known::Never(why)))) => came.reason = Some(why.clone()),
                Some((_, None)) | None => {
                    came.reason = Some(format!(
                        "route {} asks what the run built, and source {} has no `api` to ask",
                        route.name, told.event.source
                    ));
                }
            }
        }
        answered
    }

    /// What a run asks of a target by the exposures that it reads; or what it waits for, of other
    /// runs.
    pub(super) async fn expose<'e>(
        &mut self,
        told: &'e Told<'e>,
        route: &'e Route,
        exposed: Exposed<'e>,
    ) -> Result<Result<Asked<'e>, String>, StoreError> {
        let all = route.after_all_upstream;
        let ask = Asked::of(told, route, exposed.target, all.is_some());
        let upstream = match (exposed.due, all) {
            (Err(why), _) => return Ok(Ok(Asked { skip: Some(why), ..ask })),
            (Ok(_), None) => return Ok(Ok(ask)),
            (Ok(upstream), Some(_)) => upstream,
        };
        let within = all.and_then(|all| TimeDelta::from_std(all).ok()).unwrap_or(TimeDelta::MAX);
        let since = told.fresh_after.checked_sub_signed(within).unwrap_or(DateTime::UNIX_EPOCH);
        let stale = self.stale_models(told, &upstream, since).await?;
        let Some((first, others)) = stale.split_first() else { return Ok(Ok(ask)) };
        // Another event of the same run is told so, and holds nothing.
        if self.is_known(std::slice::from_ref(&ask)).await? {
            return Ok(Ok(ask));
        }
        let more =
            if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        let for_what = format!("waiting for {first}{more} to be built");
        self.hold(&ask, Some(&for_what)).await?;
        Ok(Err(for_what))
    }
}
