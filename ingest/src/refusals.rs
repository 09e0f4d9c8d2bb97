//! Refused requests in the log: each cause at once, then counted, so that a flood stays readable.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::ResponseError as _;
use afterrun_core::telemetry::Chain;
use tokio::time::Instant;

use crate::IngestError;

/// A cause is told this often at most, however often it occurs.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// When each cause was told last, and how often it has occurred since.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<&'static str, (Instant, u64)>>);

impl Refusals {
    /// Logs the refusal, or counts it for the next line of its cause.
    /// `source`: that of the path, if it is configured. Another name is text from outside, and may be
    /// a secret that stands in the wrong place.
    pub(crate) fn note(&self, error: &IngestError, source: Option<&str>) {
        let Some(repeated) = self.tell(error.word()) else { return };
        let status = error.status_code().as_u16();
        let error = Chain(error);
        if status == 401 || status >= 500 {
            tracing::warn!(status, source, %error, repeated, "request refused with {status}");
        } else {
            tracing::info!(status, source, %error, repeated, "request refused with {status}");
        }
    }

    fn tell(&self, cause: &'static str) -> Option<u64> {
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match causes.get_mut(cause) {
            Some((told, untold)) if now < *told + AT_MOST_EVERY => {
                *untold += 1;
                None
            }
            Some((told, untold)) => {
                *told = now;
                Some(std::mem::take(untold))
            }
            None => {
                causes.insert(cause, (now, 0));
                Some(0)
            }
        }
    }
}
