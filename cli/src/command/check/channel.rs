//! What can be found out of a channel without a message to anybody.

use afterrun_core::telemetry::Chain;
use afterrun_worker::Targets;
use futures_util::future;

use super::Found;

/// Asks every channel at once: each is somebody else's.
pub(super) async fn look(targets: &Targets) -> Vec<Found> {
    let asking = targets.channels().map(|(name, channel)| async move {
        let (ok, found) = match channel.check().await.answer {
            Ok(found) => (true, found),
            Err(error) => (false, Chain(&error).to_string()),
        };
        Found { what: "channel", name: name.into(), connection: None, ok, found }
    });
    future::join_all(asking).await
}
