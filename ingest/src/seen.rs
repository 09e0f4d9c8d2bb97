//! Which secret proves what comes, and how much is refused, noted for those who exchange a secret:
//! apart from every delivery, and never in the way of an answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::event::Seen;
use afterrun_core::telemetry::Chain;
use tokio::sync::Notify;
use tokio::time::Instant;

/// That a secret still proves what comes is noted no more often than this.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// However much is refused, it is written down no more often than this.
const AT_MOST_EVERY: Duration = Duration::from_secs(5);

/// The connection may be one that no longer answers.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(2);

/// What is still to be noted. Names are those of the configuration, so there are few.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noting(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    news: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When each secret was last on its way to be noted.
    noted: BTreeMap<String, BTreeMap<i16, Instant>>,
    seen: Seen,
}

impl Noting {
    /// `secret`: the mark of the one that did; 0 for a token in the path.
    pub(crate) fn proved(&self, source: &str, secret: i16) {
        let mut state = self.state();
        let last = state.noted.get(source).and_then(|secrets| secrets.get(&secret));
        if last.is_some_and(|at| at.elapsed() < AGAIN_AFTER) {
            return;
        }
        state.noted.entry(source.to_owned()).or_default().insert(secret, Instant::now());
        state.seen.proved.push((source.to_owned(), secret));
        self.0.news.notify_one();
    }

    /// A request under the name of a configured source, that nothing proved.
    pub(crate) fn refused(&self, source: &str) {
        *self.state().seen.refused.entry(source.to_owned()).or_default() += 1;
        self.0.news.notify_one();
    }

    /// Writes down what there is. Runs until it is dropped; what was not written by then is lost.
    pub(crate) async fn run(self, store: Store) {
        loop {
            self.0.news.notified().await;
            let seen = std::mem::take(&mut self.state().seen);
            if seen != Seen::default() {
                match tokio::time::timeout(GIVEN_UP_AFTER, store.note_seen(&seen)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        tracing::debug!(error = %Chain(&error), "what sources send is noted later");
                        self.later(seen);
                    }
                    Err(_elapsed) => {
                        tracing::debug!("what sources send was not noted in time");
                        self.later(seen);
                    }
                }
            }
            tokio::time::sleep(AT_MOST_EVERY).await;
        }
    }

    fn later(&self, seen: Seen) {
        let mut state = self.state();
        for one in seen.proved {
            if !state.seen.proved.contains(&one) {
                state.seen.proved.push(one);
            }
        }
        for (source, count) in seen.refused {
            *state.seen.refused.entry(source).or_default() += count;
        }
        self.0.news.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
