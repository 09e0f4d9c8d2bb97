//! Mode: a target is a report or a dataset, and refreshing it is running it, a report with
//! parameters.
//!
//! A run's queries are sent to the warehouse anew, so a run that was created after the dbt run
//! ended shows what that run wrote.

mod api;
mod wire;

#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::connector::{
    Address, Answer, Connector, ConnectorError, Context, Found, Looked, Polled, Refresh, Secret,
    Segment, Started, Triggered,
};
use api::Api;
use wire::{Proof, Run, State};

pub(super) struct Tool;

/// A workspace of Mode, and an API token of it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Connection {
    /// The workspace's name as it stands in its address: `https://app.mode.com/{workspace}`.
    workspace: Segment,
    /// The API token's own name, which Mode shows as "token".
    token: Secret,
    /// The API token's password, which Mode shows once.
    secret: Secret,
    /// Only for another Mode than `https://app.mode.com`.
    #[serde(default = "cloud")]
    base_url: Address,
}

fn cloud() -> Address {
    "https://app.mode.com".parse().expect("an address without mistakes")
}

/// A report and what to run it with, or a dataset: exactly one of `report` and `dataset`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetKeys {
    /// A report's token: the last part of `https://app.mode.com/acme/reports/5d1b2c3d4e5f`.
    report: Option<Segment>,
    /// A dataset's token: the last part of `https://app.mode.com/acme/datasets/da7a5e7da7a5`.
    dataset: Option<Segment>,
    /// The names and values of the report's parameters; those left out keep their defaults.
    parameters: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "TargetKeys")]
#[schemars(with = "TargetKeys")]
pub(super) struct Target {
    kind: Kind,
    token: Segment,
    parameters: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Report,
    Dataset,
}

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Self::Report => "reports",
            Self::Dataset => "datasets",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Dataset => "dataset",
        }
    }
}

impl TryFrom<TargetKeys> for Target {
    type Error = &'static str;

    fn try_from(keys: TargetKeys) -> Result<Self, Self::Error> {
        let (kind, token) = match (keys.report, keys.dataset) {
            (Some(report), None) => (Kind::Report, report),
            (None, Some(_)) if keys.parameters.is_some() => {
                return Err("`parameters` are a report's; a `dataset` is run without any");
            }
            (None, Some(dataset)) => (Kind::Dataset, dataset),
            _ => return Err("name exactly one of `report`, `dataset`"),
        };
        Ok(Self { kind, token, parameters: keys.parameters.unwrap_or_default() })
    }
}

impl Connector for Tool {
    const KIND: &'static str = "mode";
    type Connection = Connection;
    type Target = Target;
    type Session = ();

    fn secrets(connection: &Connection) -> Vec<&Secret> {
        vec![&connection.token, &connection.secret]
    }

    async fn trigger(cx: Context<'_, Self>, target: &Target, _: Refresh<'_>) -> Answer<Triggered> {
        let run = Api::new(cx).start(target).await.map_err(ConnectorError::of_a_start)?;
        Ok(Triggered::Started(started(cx, target, &run)))
    }

    async fn poll(cx: Context<'_, Self>, target: &Target, remote_id: &str) -> Answer<Polled> {
        let api = Api::new(cx);
        let Some(run) = api.run(target, remote_id).await? else {
            return Ok(Polled::Gone);
        };
        let succeeded = Polled::Succeeded { started_at: run.created_at };
        Ok(match State::of(&run) {
            State::Running => Polled::Running { progress: run.state },
            State::Succeeded => succeeded,
            // What `completed` means is written nowhere, so its parts must prove it.
            State::Completed => match Proof::of(&run, &api.queries(target, &run).await?) {
                Proof::Whole => succeeded,
                Proof::Against(why) => failed(&why),
                Proof::Open => Polled::Running { progress: run.state },
            },
            State::Failed => {
                // The words of the queries are worth a call, but not the verdict.
                let why = api.queries(target, &run).await.ok().and_then(|queries| queries.failed());
                failed(why.as_deref().unwrap_or("the run failed in Mode, which does not say why"))
            }
            // A person said stop; to start it again would be to argue.
            State::Cancelled => Polled::Failed {
                why: "somebody cancelled the run in Mode".to_owned(),
                retry: false,
            },
        })
    }

    async fn find(
        cx: Context<'_, Self>,
        target: &Target,
        _: Refresh<'_>,
        since: DateTime<Utc>,
    ) -> Answer<Looked> {
        let Some(listed) = Api::new(cx).runs_since(target, since).await? else {
            return Ok(Looked::CannotTell);
        };
        // The first one after the lost call is the likeliest to be its own.
        let run = listed
            .rows
            .into_iter()
            .filter(|run| run.created_at.is_some_and(|at| at >= since) && run.fits(target))
            .min_by_key(|run| run.created_at);
        Ok(match run {
            Some(run) => Looked::Found(Found {
                started_at: run.created_at,
                started: started(cx, target, &run),
            }),
            None if listed.whole => Looked::Nothing,
            None => Looked::CannotTell,
        })
    }

    async fn check_connection(cx: Context<'_, Self>) -> Answer<String> {
        let collections = Api::new(cx).collections().await?;
        let workspace = cx.connection.workspace.as_str();
        Ok(format!("workspace {workspace}, {collections} collections visible"))
    }

    async fn check_target(cx: Context<'_, Self>, target: &Target) -> Answer<String> {
        let item = Api::new(cx).item(target).await?;
        let word = target.kind.word();
        let name = item.name.as_deref().unwrap_or("without a name");
        let refused =
            |why: &str| Err(ConnectorError::NotAllowed(format!("{word} \"{name}\" {why}")));
        if item.archived {
            refused("is archived in Mode: restore it there, or take it out of the targets")
        } else if item.manual_run_disabled {
            refused("does not allow manual runs: allow them in its settings in Mode")
        } else {
            Ok(format!("{word} \"{name}\""))
        }
    }
}

fn failed(why: &str) -> Polled {
    Polled::Failed { why: why.to_owned(), retry: true }
}

fn started(cx: Context<'_, Tool>, target: &Target, run: &Run) -> Started {
    let base = &cx.connection.base_url;
    let built = || {
        let workspace = cx.connection.workspace.as_str();
        let item = [workspace, target.kind.path(), target.token.as_str()];
        base.join(item.into_iter().chain(["runs", run.token.as_str()]))
    };
    // A link that Mode gives is taken only if it leads to Mode.
    let given = run.link("web").and_then(|href| base.url().join(href).ok());
    let url = given.filter(|url| url.origin() == base.url().origin()).unwrap_or_else(built);
    Started { remote_id: run.token.as_str().to_owned(), url: Some(url.into()) }
}
