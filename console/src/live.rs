//! Tells open pages that something has changed, so that they ask for themselves again.
//!
//! Invariants: the database is looked at once a second for all who watch together, and not at all
//! while nobody does; what is told is that something changed, never what; a stream ends before long,
//! so that whoever may no longer see the pages loses it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::header::RETRY_AFTER;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpResponse};
use afterrun_core::history::{EventFilter, NoticeFilter, RefreshFilter};
use afterrun_core::{Store, StoreError};
use futures_util::stream::{self, Stream};
use tokio::sync::watch;
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

/// Everybody who watches.
#[derive(Clone)]
pub(crate) struct Live {
    changes: watch::Sender<u64>,
    /// Whether somebody looks for them.
    looking: Arc<Mutex<bool>>,
}

impl Default for Live {
    fn default() -> Self {
        Self { changes: watch::Sender::new(0), looking: Arc::default() }
    }
}

impl Live {
    /// Somebody more, unless there are too many; they look in turn while there is anybody.
    fn watch(&self, console: &Console) -> Option<watch::Receiver<u64>> {
        let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if self.changes.receiver_count() >= MOST_STREAMS {
            return None;
        }
        let watching = self.changes.subscribe();
        if !*looking {
            *looking = true;
            let live = self.clone();
            console.beside(|store| live.look(store));
        }
        Some(watching)
    }

    async fn look(self, store: Store) {
        let mut last = None;
        while self.is_watched() {
            // A database that is away changes nothing on a page.
            if let Ok(mark) = mark(&store).await {
                if last.is_some_and(|last| last != mark) {
                    self.changes.send_modify(|count| *count = count.wrapping_add(1));
                }
                last = Some(mark);
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Whoever comes after this was false finds that nobody looks.
    fn is_watched(&self) -> bool {
        let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        *looking = self.changes.receiver_count() > 0;
        *looking
    }
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

/// A stream of server-sent events (html.spec.whatwg.org, 9.2): `change` whenever there is one.
pub(crate) async fn stream(
    console: Data<Console>,
    live: Data<Live>,
    health: Data<Health>,
    _who: Who,
) -> HttpResponse {
    let Some(watching) = live.watch(&console) else {
        return HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, "60")).finish();
    };
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(told(watching, health.stop().clone()))
}

fn told(
    watching: watch::Receiver<u64>,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Bytes, Error>> {
    let until = Instant::now() + LASTS;
    // What changed before it was there was told to nobody.
    let first = Some(Bytes::from_static(b"retry: 5000\nevent: change\ndata:\n\n"));
    stream::unfold((watching, stop, first), move |(mut watching, stop, first)| async move {
        let next = match first {
            Some(first) => first,
            None => tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep_until(until) => return None,
                changed = watching.changed() => {
                    changed.ok()?;
                    Bytes::from_static(b"event: change\ndata:\n\n")
                }
                () = tokio::time::sleep(SILENT_FOR) => Bytes::from_static(b": nothing new\n\n"),
            },
        };
        Some((Ok(next), (watching, stop, None)))
    })
}
