//! The work of telling: claims what is due at each channel, sends, and records what came of it.
//!
//! Invariant: a channel that is slow or away holds up no other, and no refresh.

use std::sync::Arc;
use std::time::Duration;

use afterrun_core::notice::{Came, Recorded, Room, Telling};
use afterrun_core::telemetry::Chain;
use afterrun_core::{Store, StoreError};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::link::with_links;
use super::{Message, OpenChannel, Sent, Taken, Verdict};
use crate::counted::Counted;
use crate::dbt::Asker;
use crate::outage::Outage;
use crate::run::Worker;
use crate::targets::Targets;

/// How often it is looked whether a channel is to be told something.
const CLAIM: Duration = Duration::from_secs(1);

/// How often it is looked what is wrong, and what is well again, by all workers together.
const LOOK: Duration = Duration::from_secs(5);

type Tellings = JoinSet<Result<(), StoreError>>;

/// Looks what is wrong, and tells all that is due. Tests call this.
///
/// # Errors
/// The database's; those of channels are recorded.
pub(crate) async fn tell(worker: &Worker, targets: &Arc<Targets>) -> Result<(), StoreError> {
    if targets.config().channels.is_empty() {
        return Ok(());
    }
    let store = worker.store();
    store.look_for_alerts(targets.config(), Duration::ZERO).await?;
    loop {
        let mut tellings = Tellings::new();
        begin(&mut tellings, worker, targets).await?;
        if tellings.is_empty() {
            return Ok(());
        }
        while let Some(ended) = tellings.join_next().await {
            told(ended)?;
        }
    }
}

/// The same whenever something is due, until told to stop; then what is being told is seen through.
pub(crate) async fn tell_now_and_then(worker: Arc<Worker>, stop: CancellationToken) {
    let mut outage = Outage::of("tell people");
    let (mut tellings, mut looked, mut before) = (Tellings::new(), None::<Instant>, Ok(()));
    while !stop.is_cancelled() {
        let targets = worker.targets();
        let store = worker.store();
        let round = async {
            if targets.config().channels.is_empty() {
                return Ok(());
            }
            let mut went = Ok(());
            if looked.is_none_or(|at| at.elapsed() >= LOOK) {
                went = store.look_for_alerts(targets.config(), LOOK).await;
                looked = Some(Instant::now());
            }
            // What is due is told whatever came of the look.
            went.and(begin(&mut tellings, &worker, &targets).await)
        };
        let mut went = round.await.and(std::mem::replace(&mut before, Ok(())));
        while let Some(ended) = tellings.try_join_next() {
            went = went.and(told(ended));
        }
        outage.note(went);
        // A channel that took what it was told may be told more at once.
        tokio::select! {
            () = sleep(CLAIM) => {}
            Some(ended) = tellings.join_next() => before = told(ended),
            () = stop.cancelled() => {}
        }
    }
    while let Some(ended) = tellings.join_next().await {
        outage.note(told(ended));
    }
}

async fn begin(
    tellings: &mut Tellings,
    worker: &Worker,
    targets: &Arc<Targets>,
) -> Result<(), StoreError> {
    let Asker { store, worker: name, counted, .. } = worker.asker(targets);
    let rooms = targets
        .channels()
        .map(|(name, channel)| Room { channel: name.to_owned(), most: channel.most() });
    for telling in store.claim_notices(name, &rooms.collect::<Vec<_>>()).await? {
        let Some(channel) = targets.channel(&telling.channel).map(Arc::clone) else { continue };
        let message = Message { notes: with_links(&telling.notes, worker.console().as_deref()) };
        let (store, counted) = (store.clone(), counted.clone());
        tellings.spawn(async move { send(&store, &counted, &*channel, &telling, &message).await });
    }
    Ok(())
}

async fn send(
    store: &Store,
    counted: &Counted,
    channel: &dyn OpenChannel,
    telling: &Telling,
    message: &Message,
) -> Result<(), StoreError> {
    let Sent { answer, http_status } = channel.send(message).await;
    let came = match answer {
        Ok(Taken { but }) => Came::Told { but },
        Err(error) => {
            let verdict = error.verdict();
            let error = Chain(&error).to_string();
            match verdict {
                Verdict::Again { after, doubt } => Came::Again { error, after, doubt },
                Verdict::Closed => Came::Closed { error },
                Verdict::Never => Came::Refused { error },
            }
        }
    };
    let recorded = store.record_notices(telling, &came, http_status).await?;
    let (name, things) = (telling.channel.as_str(), telling.notes.len());
    match &came {
        Came::Told { but: None } => tracing::info!(channel = name, things, "told channel {name}"),
        Came::Told { but: Some(error) } => {
            tracing::warn!(channel = name, things, error, "told channel {name}, but not everybody");
        }
        Came::Again { error, .. } | Came::Closed { error } => match recorded {
            // That it begins to rest was said.
            Recorded::Done { hold: Some(_) } => {
                tracing::debug!(channel = name, error, "channel {name} rests");
            }
            Recorded::Done { hold: None } | Recorded::NotOurs => {
                tracing::warn!(channel = name, error, "channel {name} is to be told again");
            }
        },
        Came::Refused { error } => {
            tracing::error!(channel = name, error, "channel {name} does not take what it is told");
        }
    }
    if recorded == Recorded::NotOurs {
        tracing::warn!(channel = name, "another worker tells channel {name} by now");
    }
    counted.told(name, &came);
    Ok(())
}

fn told(ended: Result<Result<(), StoreError>, JoinError>) -> Result<(), StoreError> {
    ended.unwrap_or_else(|error| {
        // Its lease runs out, and the next look notes the lost try.
        tracing::error!(%error, "telling a channel ended in a panic");
        Ok(())
    })
}
