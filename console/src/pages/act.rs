//! What forms change, one by one: a refresh, a target, a connection, a channel, a notice, an event
//! planned again.
//!
//! Invariant: whatever is done is core's doing, noted there with who wished it; a change leads to a
//! page that is read.

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data, Path};
use afterrun_core::Store;
use afterrun_core::operator::{Again, Cancelled, OperatorError, Pausable, Retried};
use afterrun_core::plan::{NotReplayed, ReplayFilter};

use super::asked::{self, Asked};
use super::notice::{Done, see};
use super::problem::NoPage;
use super::{freshness, link, refresh, text, told};
use crate::Console;
use crate::access::Who;

pub(super) async fn retry(
    path: Path<String>,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let id = refresh::id(&path)?;
    let retried = console.act(&who, async move |store, _| store.retry(id).await).await?;
    Ok(see(&link::refresh(id), tried(retried)))
}

fn tried(retried: Retried) -> Done {
    match retried {
        Retried::Now(_) => Done::RetriedNow,
        Retried::Anew(by) => Done::RetriedAnew(by.0),
    }
}

pub(super) async fn cancel(
    path: Path<String>,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let id = refresh::id(&path)?;
    let cancelled = console.act(&who, async move |store, _| store.cancel(id).await).await?;
    let done = match cancelled {
        Cancelled::Now => Done::Cancelled,
        Cancelled::Asked => Done::CancelAsked,
    };
    Ok(see(&link::refresh(id), done))
}

/// The newest refresh of a target once more; then the page that it was asked on, its own or the first.
pub(super) async fn refresh_again(
    path: Path<String>,
    form: Bytes,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let name = asked::plain(&path)?.to_owned();
    let asked = Asked::of(&form)?;
    let back = match asked.one("list")? {
        Some(_) => freshness::back(&asked),
        None => link::target(&name),
    };
    let target = name.clone();
    let again = console.act(&who, async move |store, _| store.refresh_again(&target).await);
    let (_, retried) = again.await?;
    Ok(see(&back, tried(retried)))
}

pub(super) async fn pause(
    path: Path<(String, String, String)>,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let (kind, name, wish) = path.into_inner();
    asked::plain(&name)?;
    let config = console.config();
    let (what, is_known, back) = match kind.as_str() {
        "targets" => (Pausable::Target, config.targets.contains_key(&name), link::target(&name)),
        _ => (
            Pausable::Connection,
            config.connections.contains_key(&name),
            "/connections".to_owned(),
        ),
    };
    if !is_known {
        return Err(NoPage::missing("Nothing of this name is configured."));
    }
    let paused = wish == "pause";
    let changed = console
        .act(&who, async move |store: Store, _| {
            store.set_paused(what, &name, paused).await.map_err(NoPage::from)
        })
        .await?;
    Ok(see(
        &back,
        match (changed, paused) {
            (false, _) => Done::Unchanged,
            (true, true) => Done::Paused,
            (true, false) => Done::Resumed,
        },
    ))
}

/// Tells a channel once more what it could not be told.
pub(super) async fn tell_again(
    path: Path<String>,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let id = told::id(&path)?;
    let again = console.act(&who, async move |store, _| store.retry_notice(id).await).await?;
    let done = match again {
        Again::Now => Done::RetriedNow,
        Again::Anew => Done::ToldAgain,
    };
    Ok(see(&link::notice(id), done))
}

/// Lets a worker sign in to a connection now.
pub(super) async fn test(
    path: Path<String>,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let name = asked::plain(&path)?.to_owned();
    if !console.config().connections.contains_key(&name) {
        return Err(NoPage::missing("No connection of this name is configured."));
    }
    console.act(&who, async move |store: Store, _| store.probe_now(&name).await).await?;
    Ok(see("/connections", Done::Tested))
}

/// Lets a worker send a channel a test now.
pub(super) async fn test_channel(
    path: Path<String>,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let name = asked::plain(&path)?.to_owned();
    if !console.config().channels.contains_key(&name) {
        return Err(NoPage::missing("No channel of this name is configured."));
    }
    let id =
        console.act(&who, async move |store: Store, _| store.test_channel(&name).await).await?;
    Ok(see(&link::notice(id), Done::ChannelTested))
}

pub(super) async fn replay(
    form: Bytes,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(&form)?;
    let (Some(source), Some(id)) = (asked.one("source")?, asked.one("id")?) else {
        return Err(NoPage::wrong("the form must name an event, by `source` and `id`"));
    };
    let (source, id) = (source.to_owned(), id.to_owned());
    let route = asked.one("route")?.map(str::to_owned);
    let back = link::event(&source, &id);
    console
        .act(&who, async move |store: Store, config| {
            let filter = ReplayFilter {
                event_ids: vec![id],
                route: route.clone(),
                ..ReplayFilter::default()
            };
            let found = store.replayable(&config, &filter).await?;
            let event = found.events.iter().find(|event| event.source == source);
            let Some(event) = event else {
                return Err(NoPage::missing(
                    "No source sent an event of this id, or it is forgotten.",
                ));
            };
            store.replay(&config, event, route.as_deref()).await?;
            Ok(())
        })
        .await?;
    Ok(see(&back, Done::Replayed))
}

impl From<OperatorError> for NoPage {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Store(error) => error.into(),
            OperatorError::NoSuchRefresh(_) => Self::missing("There is no refresh of this number."),
            OperatorError::NoSuchNotice(_) => Self::missing("There is no notice of this number."),
            refused => Self::conflict(&refused.to_string()),
        }
    }
}

impl From<NotReplayed> for NoPage {
    fn from(error: NotReplayed) -> Self {
        match error {
            NotReplayed::Store(error) => error.into(),
            refused @ NotReplayed::Impossible { .. } => {
                Self::conflict(&text::short(&refused.to_string()))
            }
        }
    }
}
