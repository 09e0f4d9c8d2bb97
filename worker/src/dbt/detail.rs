//! One run with its steps and artifacts.
//!
//! Invariant: an artifact is read as a stream, so that a manifest of any size takes little memory.
//! Wire facts: the v2 description of dbt's Admin API, and dbt-labs/dbt-mcp.

use std::io::{self, Read};
use std::time::Duration;

use afterrun_core::artifact::ArtifactError;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::api::{Api, Version, refusal};
use super::wire::{Id, time};
use crate::connector::{Answer, ConnectorError};
use crate::http::Opened;

/// A large artifact over a slow line.
const ARTIFACT: Duration = Duration::from_secs(8 * 60);

/// A run's logs may be long.
const DETAIL: Duration = Duration::from_secs(60);

/// A run's steps come with what they logged.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// A run, as far as what it built and why it failed are of interest.
#[derive(Deserialize)]
pub(super) struct Detail {
    pub(super) status: i64,
    pub(super) status_message: Option<String>,
    pub(super) href: Option<String>,
    pub(super) project_id: Option<Id>,
    pub(super) environment_id: Option<Id>,
    pub(super) job_definition_id: Option<Id>,
    pub(super) dbt_version: Option<String>,
    pub(super) git_sha: Option<String>,
    /// Absent where dbt does not say: then they are asked for.
    pub(super) artifacts_saved: Option<bool>,
    #[serde(default, deserialize_with = "time")]
    pub(super) finished_at: Option<DateTime<Utc>>,
    #[serde(default)]
    run_steps: Option<Vec<Step>>,
}

/// A step of a run; the first prepare, and run no dbt.
#[derive(Deserialize)]
pub(super) struct Step {
    /// From 1.
    pub(super) index: u32,
    pub(super) name: Option<String>,
    pub(super) status: Option<i64>,
    logs: Option<String>,
    debug_logs: Option<String>,
}

impl Detail {
    /// Those that may have left results.
    pub(super) fn dbt_steps(&self) -> impl Iterator<Item = &Step> {
        let steps = self.run_steps.as_deref().unwrap_or_default().iter();
        steps.filter(|step| step.name.as_deref().is_none_or(|name| name.contains("dbt ")))
    }

    /// Those that failed, whatever they are.
    pub(super) fn failed_steps(&self) -> impl Iterator<Item = &Step> {
        let steps = self.run_steps.as_deref().unwrap_or_default().iter();
        steps.filter(|step| step.status == Some(20))
    }
}

impl Step {
    /// What it logged: the debug log, which holds more, or else the other.
    pub(super) fn log(&self) -> &str {
        let full = |log: &Option<String>| log.as_deref().is_some_and(|log| !log.trim().is_empty());
        let log = if full(&self.debug_logs) { &self.debug_logs } else { &self.logs };
        log.as_deref().unwrap_or_default()
    }
}

/// An artifact could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoArtifact {
    #[error(transparent)]
    Api(#[from] ConnectorError),
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    #[error("reading {name} ended in a panic")]
    Panic { name: &'static str, source: tokio::task::JoinError },
}

impl Api {
    /// A run with its steps.
    pub(super) async fn detail(&self, run: &str) -> Answer<Detail> {
        let caller = self.caller_for(DETAIL, MOST_BYTES);
        let query = [("include_related", json!(["run_steps"]).to_string())];
        let request = self.request(&caller, Method::GET, Version::V2, &["runs", run]).query(&query);
        let envelope = self.send::<Detail>(&caller, request).await?;
        envelope
            .data
            .ok_or_else(|| ConnectorError::NoSuch(format!("dbt says nothing of run {run}")))
    }

    /// An artifact of a step, or of the last that has one; `None` if there is no such file.
    pub(super) async fn artifact<T: Send + 'static>(
        &self,
        run: &str,
        name: &'static str,
        step: Option<u32>,
        read: fn(&mut dyn Read) -> Result<T, ArtifactError>,
    ) -> Result<Option<T>, NoArtifact> {
        let caller = self.caller_for(ARTIFACT, MOST_BYTES);
        let path = ["runs", run, "artifacts", name];
        // The file's own name ends the path: no slash behind it.
        let request = self.request(&caller, Method::GET, Version::V2File, &path);
        let step = step.map(|step| ("step", step.to_string()));
        let opened = caller.open(request.query(step.as_slice())).await;
        let response = match opened.map_err(|error| caller.shown(error))? {
            Opened::Stream(response) => response,
            Opened::Refused(reply) if reply.status.as_u16() == 404 => return Ok(None),
            Opened::Refused(reply) => return Err(caller.shown(refusal(&reply)).into()),
        };
        let stream = response.bytes_stream().map_err(|error| io::Error::other(error.without_url()));
        let mut body = SyncIoBridge::new(StreamReader::new(Box::pin(stream)));
        let reading = tokio::task::spawn_blocking(move || read(&mut body));
        Ok(Some(reading.await.map_err(|source| NoArtifact::Panic { name, source })??))
    }
}
