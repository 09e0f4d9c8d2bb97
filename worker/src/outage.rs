//! What the log says while the worker cannot work: once that it began, once that it is over.

use afterrun_core::StoreError;
use afterrun_core::telemetry::Chain;
use tokio::time::Instant;

/// The failure at hand, if there is one.
#[derive(Default)]
pub(crate) struct Outage {
    began: Option<Instant>,
    said: String,
}

impl Outage {
    pub(crate) fn note(&mut self, round: Result<(), StoreError>) {
        match round {
            Ok(()) => {
                if let Some(began) = self.began.take() {
                    self.said.clear();
                    tracing::info!(seconds = began.elapsed().as_secs(), "working again");
                }
            }
            Err(error) => {
                self.began.get_or_insert_with(Instant::now);
                let text = Chain(&error).to_string();
                if text == self.said {
                    tracing::debug!(error = text, "still cannot work");
                } else if error.is_passing() {
                    tracing::warn!(error = text, "cannot work now; trying every second");
                } else {
                    tracing::error!(error = text, "cannot work; trying every second");
                }
                self.said = text;
            }
        }
    }
}
