//! Reading the configuration again on SIGHUP.

use std::path::Path;

use afterrun_core::telemetry::Chain;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

/// At each SIGHUP, until told to stop. A wrong file is refused as a whole; the old one stays.
pub(crate) async fn on_hangup(
    mut hangups: Signal,
    stop: &CancellationToken,
    config: &Path,
    reload: impl Fn() -> anyhow::Result<()>,
) {
    let file = config.display();
    while stop.run_until_cancelled(hangups.recv()).await.is_some() {
        match reload() {
            Ok(()) => tracing::info!("the configuration {file} is in force as it is now"),
            Err(error) => tracing::error!(
                error = %Chain(error.as_ref()),
                "the new configuration is refused, the old one stays in force"
            ),
        }
    }
}
