//! dbt: a target is a job, and refreshing it is running it.
//!
//! dbt has no key by which a start could be repeated without harm, and queues as many runs of a job
//! as it is asked for. So each start says in its cause which refresh it is for, and a start whose
//! answer was lost is known again by that.

mod api;
mod cause;
mod settings;
mod wire;

#[cfg(test)]
pub(super) mod tests;

use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use crate::connector::{
    Answer, Cancelled, Connector, ConnectorError, Context, Found, Looked, Polled, Refresh, Secret,
    Started, Triggered,
};
use crate::dbt::Account;
use api::Api;
use cause::Cause;
use settings::{Connection, Target};
use wire::{Run, RunId};

pub(super) struct Tool;

impl Connector for Tool {
    const KIND: &'static str = "dbt";
    type Connection = Connection;
    type Target = Target;
    type Session = ();

    fn secrets(connection: &Connection) -> Vec<&Secret> {
        vec![&connection.token]
    }

    fn account(connection: &Connection) -> Option<String> {
        Some(Account::name(connection.host.url(), &connection.account_id.to_string()))
    }

    async fn trigger(
        cx: Context<'_, Self>,
        target: &Target,
        refresh: Refresh<'_>,
    ) -> Answer<Triggered> {
        let cause = Cause::of(target, refresh);
        let run = Api::new(cx).start(target, &cause).await.map_err(ConnectorError::of_a_start)?;
        Ok(Triggered::Started(started(cx, &run)))
    }

    async fn poll(cx: Context<'_, Self>, target: &Target, remote_id: &str) -> Answer<Polled> {
        // What we stored was checked when it came; an id that is none is not sent.
        let Ok(id) = remote_id.parse::<RunId>() else { return Ok(Polled::Gone) };
        let api = Api::new(cx);
        match api.run(&id).await? {
            Some(run) => Ok(run.verdict(run.link(cx.connection).as_deref())),
            None if api.sees_runs(target).await? => Ok(Polled::Gone),
            // dbt answers alike for what is not there and for what this token may not see, and to
            // start the job anew because of that would go on and on.
            None => Err(ConnectorError::NotAllowed(format!(
                "the run {} was started, but this token does not see the runs of job {}, so no \
                 refresh of it can be confirmed: let it read them",
                id.as_str(),
                target.job
            ))),
        }
    }

    async fn find(
        cx: Context<'_, Self>,
        target: &Target,
        refresh: Refresh<'_>,
        since: DateTime<Utc>,
    ) -> Answer<Looked> {
        let cause = Cause::of(target, refresh);
        let Some(listed) = Api::new(cx).runs_since(target, since).await? else {
            return Ok(Looked::CannotTell);
        };
        let mut ours: Vec<(i64, &Run)> = listed
            .runs
            .iter()
            .filter(|run| run.created_at.is_none_or(|at| at >= since))
            .filter_map(|run| Some((cause.started_for(run.cause()?)?, run)))
            // A doubt may be one that an earlier refresh of the target left behind. Of its runs
            // only one that may still end well, or has, can stand in for ours.
            .filter(|(id, run)| *id == refresh.id.0 || (*id < refresh.id.0 && run.may_be_well()))
            .collect();
        // Our own, if there is one; the first after the lost call is the likeliest to be its own.
        ours.sort_by_key(|(id, run)| (Reverse(*id), run.created_at));
        Ok(match ours.first() {
            // dbt reads nothing for a run that is still queued.
            Some((_, run)) => {
                Looked::Found(Found { started: started(cx, run), started_at: run.started_at })
            }
            None if listed.whole => Looked::Nothing,
            None => Looked::CannotTell,
        })
    }

    /// What dbt answers to the wish to cancel a run that has ended is not documented; so whatever
    /// is refused, only the run itself is believed.
    async fn cancel(cx: Context<'_, Self>, _: &Target, remote_id: &str) -> Answer<Cancelled> {
        let Ok(id) = remote_id.parse::<RunId>() else {
            return Err(ConnectorError::NoSuch("what was to be stopped has no run's id".into()));
        };
        let api = Api::new(cx);
        match api.cancel(&id).await {
            Ok(()) => Ok(Cancelled::There),
            Err(error @ (ConnectorError::NotFound { .. } | ConnectorError::Refused { .. })) => {
                match api.run(&id).await? {
                    Some(run) if run.has_ended() => Ok(Cancelled::There),
                    Some(_) | None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn check_connection(cx: Context<'_, Self>) -> Answer<String> {
        let jobs = Api::new(cx).count_jobs().await?;
        Ok(format!("account {}, {jobs} visible", cx.connection.account_id))
    }

    async fn check_target(cx: Context<'_, Self>, target: &Target) -> Answer<String> {
        let api = Api::new(cx);
        let job = api.job(target).await?;
        if job.is_deleted() {
            return Err(ConnectorError::NotAllowed(format!("{job} is deleted in dbt")));
        }
        // Whoever may start the job and not see its runs would never see a refresh end.
        api.latest_run(target).await?;
        Ok(job.to_string())
    }
}

fn started(cx: Context<'_, Tool>, run: &Run) -> Started {
    Started { remote_id: run.id.as_str().to_owned(), url: run.link(cx.connection) }
}
