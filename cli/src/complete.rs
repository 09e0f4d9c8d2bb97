//! What a shell offers when somebody presses Tab: beside commands and options also the names of
//! targets, connections and channels, and the newest events, refreshes and notices.
//!
//! Invariants: a shell puts what is offered onto the command line as it is, so only plain words are;
//! a database that is away or slow offers nothing, says nothing, and holds nobody up.

use std::path::Path;
use std::time::Duration;

use afterrun_core::history::{EventFilter, NoticeFilter, RefreshFilter};
use afterrun_core::{Store, StoreError};
use clap::CommandFactory as _;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::CompleteEnv;

use crate::args::{Args, DATA_DIR};
use crate::database;
use crate::output::clean;

/// By which the script of a shell asks this program.
pub(crate) const VARIABLE: &str = "AFTERRUN_COMPLETE";

/// Somebody waits with a finger on the key.
const WITHIN: Duration = Duration::from_millis(1500);
/// As many as fit a screen.
const NEWEST: u32 = 30;

/// Answers the script of a shell and ends the process, if it is that who asks.
pub(crate) fn answer() {
    CompleteEnv::with_factory(Args::command).var(VARIABLE).complete();
}

/// Names of targets.
pub(crate) fn targets() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        look(async |store| {
            let known = store.pausable().await?.targets;
            Ok(known.into_iter().map(|target| (target.name, target.connection)).collect())
        })
    })
}

/// Names of targets and connections.
pub(crate) fn pausable() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        look(async |store| {
            let known = store.pausable().await?;
            let held = |paused| if paused { ", paused" } else { "" };
            let targets = known.targets.into_iter();
            let targets = targets.map(|it| (it.name, format!("target{}", held(it.paused))));
            let connections = known.connections.into_iter();
            let connections =
                connections.map(|(name, paused)| (name, format!("connection{}", held(paused))));
            Ok(targets.chain(connections).collect())
        })
    })
}

/// The numbers of the newest refreshes.
pub(crate) fn refreshes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        look(async |store| {
            let rows = store.refreshes(&RefreshFilter::default(), NEWEST).await?;
            let about = rows.into_iter().map(|row| {
                let about = format!("{} {}", row.target, row.refresh_state.as_str());
                (row.refresh_id.to_string(), about)
            });
            Ok(about.collect())
        })
    })
}

/// The numbers of the newest notices.
pub(crate) fn notices() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        look(async |store| {
            let rows = store.notices(&NoticeFilter::default(), NEWEST).await?;
            let about = rows.into_iter().map(|row| {
                let about = format!("{} {} {}", row.channel, row.title, row.delivery.as_str());
                (row.notice_id.to_string(), about)
            });
            Ok(about.collect())
        })
    })
}

/// Names of channels that were ever to be told something.
pub(crate) fn channels() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        look(async |store| {
            let known = store.channels().await?.into_iter();
            Ok(known.map(|row| (row.channel, String::new())).collect())
        })
    })
}

/// The ids of the newest events.
pub(crate) fn events() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        look(async |store| {
            let rows = store.events(&EventFilter::default(), NEWEST).await?;
            let about = rows.into_iter().map(|row| {
                let about = row.job_name.or(row.subject_name).unwrap_or_default();
                (row.event_id, about)
            });
            Ok(about.collect())
        })
    })
}

/// What the database knows, each with a word about it; nothing if it does not answer.
fn look(
    ask: impl AsyncFnOnce(Store) -> Result<Vec<(String, String)>, StoreError>,
) -> Vec<CompletionCandidate> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return vec![] };
    // The options before the word are not known here.
    let ask = async {
        let store = database::reader(Path::new(DATA_DIR)).await?;
        Ok::<_, anyhow::Error>(ask(store).await?)
    };
    let found = runtime.block_on(async { tokio::time::timeout(WITHIN, ask).await });
    let Ok(Ok(found)) = found else { return vec![] };
    let plain = found.into_iter().filter(|(word, _)| is_plain(word));
    plain
        .map(|(word, about)| {
            let about = clean(&about);
            CompletionCandidate::new(word).help((!about.is_empty()).then(|| about.into()))
        })
        .collect()
}

/// Whether no shell reads anything into it. Ids of events are what dbt, or whoever knows its secret,
/// wrote.
fn is_plain(word: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "._:@+-".contains(c);
    !word.is_empty() && word.len() <= 100 && !word.starts_with('-') && word.chars().all(plain)
}
