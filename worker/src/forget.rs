//! Old history is forgotten now and then, as `retention` says.

use std::sync::Arc;
use std::time::Duration;

use afterrun_core::telemetry::Chain;
use tokio_util::sync::CancellationToken;

use crate::run::Worker;

/// How often.
const EVERY: Duration = Duration::from_secs(10 * 60);

/// Until told to stop.
pub(crate) async fn now_and_then(worker: Arc<Worker>, stop: CancellationToken) {
    let forgetting = stop.run_until_cancelled(async {
        loop {
            let retention = worker.targets().config().retention;
            match worker.store().forget(&retention).await {
                Ok(0) => tokio::time::sleep(EVERY).await,
                Ok(rows) => tracing::debug!(rows, "forgot old history"),
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "could not forget old history");
                    tokio::time::sleep(EVERY).await;
                }
            }
        }
    });
    forgetting.await;
}
