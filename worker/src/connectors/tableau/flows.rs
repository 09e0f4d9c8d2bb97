//! Runs of flows: how one is getting on, and how it is stopped.

use super::api::Api;
use super::verdict::FlowRun;
use super::wire::{self, JobId};
use crate::connector::{Answer, Cancelled, ConnectorError, Polled};

impl Api<'_> {
    pub(super) async fn poll_flow(&self, run: &str) -> Answer<Polled> {
        let Some(run) = self.flow_run(run).await? else { return Ok(Polled::Gone) };
        match (run.verdict(), &run.job) {
            (Polled::Failed { why, retry: true }, Some(job)) => {
                // Only for words: that it failed is known without its job.
                let job = self.job(job).await.ok().flatten();
                let why = job.and_then(|job| job.why()).unwrap_or(why);
                Ok(Polled::Failed { why, retry: true })
            }
            (verdict, _) => Ok(verdict),
        }
    }

    /// Stops the run by way of its job.
    pub(super) async fn cancel_flow(&self, id: &str) -> Answer<Cancelled> {
        match self.flow_run(id).await? {
            Some(run) if run.has_ended() => Ok(Cancelled::There),
            Some(FlowRun { job: Some(job), .. }) => self.cancel_job(&job).await,
            Some(FlowRun { job: None, .. }) => Ok(Cancelled::NotPossible),
            None => Err(ConnectorError::NoSuch(
                "the flow run to be stopped is not there, or this token may not see it".into(),
            )),
        }
    }

    /// The run, or none if Tableau does not know it any more.
    async fn flow_run(&self, id: &str) -> Answer<Option<FlowRun>> {
        let Some(id) = JobId::new(id) else { return Ok(None) };
        match self.get(&["flows", "runs", &id.into_inner()], None).await {
            Ok(reply) => wire::one(&reply, "flowRun").map(Some),
            Err(ConnectorError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
