//! What the log says while the worker cannot do a thing: once that it began, once that it is over.

use afterrun_core::StoreError;
use afterrun_core::telemetry::Chain;
use tokio::time::Instant;

/// The failure at hand of one thing that is done again and again, if there is one.
pub(crate) struct Outage {
    doing: &'static str,
    began: Option<Instant>,
    said: String,
}

impl Outage {
    /// Of what is being done, as a verb.
    pub(crate) fn of(doing: &'static str) -> Self {
        Self { doing, began: None, said: String::new() }
    }

    /// How it went this time.
    pub(crate) fn note(&mut self, went: Result<(), StoreError>) {
        let doing = self.doing;
        match went {
            Ok(()) => {
                if let Some(began) = self.began.take() {
                    self.said.clear();
                    tracing::info!(seconds = began.elapsed().as_secs(), "can {doing} again");
                }
            }
            Err(error) => {
                self.began.get_or_insert_with(Instant::now);
                let text = Chain(&error).to_string();
                if text == self.said {
                    tracing::debug!(error = text, "still cannot {doing}");
                } else if error.is_passing() {
                    tracing::warn!(error = text, "cannot {doing} now; trying every second");
                } else {
                    tracing::error!(error = text, "cannot {doing}; trying every second");
                }
                self.said = text;
            }
        }
    }
}
