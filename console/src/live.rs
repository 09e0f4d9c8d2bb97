//! Tells open pages that something has changed, so that they ask for themselves again.
//!
//! Invariants: the database is looked at once a second for all who watch together, and not at all
//! while nobody does; what is told is that something changed, never what; a stream ends with the
//! session that it was opened by, and before long in any case.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::header::RETRY_AFTER;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpResponse};
use afterrun_core::history::{EventFilter, NoticeFilter, RefreshFilter};
use afterrun_core::{Store, StoreError};
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::access::Who;
use crate::{Console, Health};

const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// Proxies end what is silent for longer.
const SILENT_FOR: Duration = Duration::from_secs(15);
/// A browser opens another, if it still may.
const LASTS: Duration = Duration::from_secs(5 * 60);
const MOST_STREAMS: usize = 100;

/// Where it is.
pub(crate) const PATH: &str = "/live";

/// Everybody who watches.
#[derive(Clone, Default)]
pub(crate) struct Live {
    looks: watch::Sender<Look>,
    /// Who looks for them; one that has finished died of a bug.
    looking: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What was seen by looking.
#[derive(Clone, Default)]
struct Look {
    changes: u64,
    signed_in: Option<SignedIn>,
}

/// The sessions that had not ended at a moment.
#[derive(Clone)]
struct SignedIn {
    at: Instant,
    sessions: Vec<i64>,
}

impl Live {
    /// Somebody more, unless there are too many; they look in turn while there is anybody.
    fn watch(&self, console: &Console) -> Option<watch::Receiver<Look>> {
        let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if self.looks.receiver_count() >= MOST_STREAMS {
            return None;
        }
        let watching = self.looks.subscribe();
        if !goes_on(looking.as_ref()) {
            let live = self.clone();
            *looking = Some(console.beside(|store| live.look(store)));
        }
        Some(watching)
    }

    async fn look(self, store: Store) {
        let mut last = None;
        while self.is_watched() {
            // A database that is away changes nothing on a page.
            if let Ok(mark) = mark(&store).await {
                if last.is_some_and(|last| last != mark) {
                    self.looks.send_modify(|look| look.changes = look.changes.wrapping_add(1));
                }
                last = Some(mark);
            }
            let at = Instant::now();
            if let Ok(sessions) = store.sessions().await {
                self.looks.send_modify(|look| look.signed_in = Some(SignedIn { at, sessions }));
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Whoever comes after this was false finds that nobody looks.
    fn is_watched(&self) -> bool {
        let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let is_watched = self.looks.receiver_count() > 0;
        if !is_watched {
            *looking = None;
        }
        is_watched
    }
}

fn goes_on(looking: Option<&JoinHandle<()>>) -> bool {
    looking.is_some_and(|looking| !looking.is_finished())
}

/// Differs as soon as a page would, but for times that only go on.
async fn mark(store: &Store) -> Result<u64, StoreError> {
    let mut freshness = store.freshness().await?;
    for target in &mut freshness.targets {
        target.lag_seconds = None;
    }
    let events = store.events(&EventFilter::default(), 1).await?;
    let refreshes = store.refreshes(&RefreshFilter::default(), 1).await?;
    let told = (store.channels().await?, store.notices(&NoticeFilter::default(), 1).await?);
    let connections = store.connections_mark().await?;
    let mut hasher = DefaultHasher::new();
    let seen = (freshness, events, refreshes, told, connections);
    let seen = serde_json::to_vec(&seen).unwrap_or_default();
    seen.hash(&mut hasher);
    Ok(hasher.finish())
}

/// A stream of server-sent events (html.spec.whatwg.org, 9.2): `change` whenever there is one, `ended`
/// when nobody is signed in any more.
pub(crate) async fn stream(
    console: Data<Console>,
    live: Data<Live>,
    health: Data<Health>,
    who: Who,
) -> HttpResponse {
    let Some(looks) = live.watch(&console) else {
        return HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, "60")).finish();
    };
    let opened = Instant::now();
    let told = looks.borrow().changes;
    let watching =
        Watching { looks, told, session: who.session(), opened, stop: health.stop().clone() };
    // What changed before it was there was told to nobody.
    let first =
        stream::once(async { Bytes::from_static(b"retry: 5000\nevent: change\ndata:\n\n") });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(first.chain(watching.told()).map(Ok::<_, Error>))
}

/// Somebody who watches.
struct Watching {
    looks: watch::Receiver<Look>,
    /// The change that was told last.
    told: u64,
    session: Option<i64>,
    opened: Instant,
    stop: CancellationToken,
}

impl Watching {
    fn told(self) -> impl Stream<Item = Bytes> {
        stream::unfold(Some(self), async |watching| {
            let mut watching = watching?;
            Some(match watching.next().await? {
                Told::Change => (Bytes::from_static(b"event: change\ndata:\n\n"), Some(watching)),
                Told::Nothing => (Bytes::from_static(b": nothing new\n\n"), Some(watching)),
                Told::Ended => (Bytes::from_static(b"event: ended\ndata:\n\n"), None),
            })
        })
    }

    /// What is told next; nothing when that was all.
    async fn next(&mut self) -> Option<Told> {
        let silent = Instant::now() + SILENT_FOR;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.opened + LASTS) => return None,
                looked = self.looks.changed() => looked.ok()?,
                () = tokio::time::sleep_until(silent) => return Some(Told::Nothing),
            }
            let look = self.looks.borrow_and_update();
            if has_ended(self.session, self.opened, &look) {
                return Some(Told::Ended);
            }
            if look.changes != self.told {
                self.told = look.changes;
                return Some(Told::Change);
            }
        }
    }
}

/// Whether the session of a stream has; a look that began before it was opened may have missed it.
fn has_ended(session: Option<i64>, opened: Instant, look: &Look) -> bool {
    session
        .zip(look.signed_in.as_ref())
        .is_some_and(|(id, signed_in)| signed_in.at >= opened && !signed_in.sessions.contains(&id))
}

enum Told {
    Change,
    /// That it goes on.
    Nothing,
    /// Nobody is signed in any more.
    Ended,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_looked_for_all_and_died_of_a_bug_is_followed_by_another() {
        let runtime = tokio::runtime::Handle::current();
        assert!(!goes_on(None));
        let looks = runtime.spawn(std::future::pending());
        assert!(goes_on(Some(&looks)));
        looks.abort();
        let mut dies = runtime.spawn(async { panic!("a bug") });
        (&mut dies).await.unwrap_err();
        assert!(!goes_on(Some(&dies)));
    }
}
