//! What is done to many refreshes at once: those ticked, or all that fit a filter.
//!
//! Invariant: they are changed only once they were confirmed, these and no others.

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data};
use afterrun_core::Store;
use afterrun_core::history::{MOST_ROWS, RefreshFilter};
use afterrun_core::operator::OperatorError;
use afterrun_core::refresh::{RefreshId, State};
use maud::{Markup, html};

use super::asked::Asked;
use super::layout::{self, Section};
use super::notice::{Done, see};
use super::problem::NoPage;
use super::{link, refresh, refreshes};
use crate::Console;
use crate::access::Who;
use crate::chosen::confirmation;

/// So many at once.
const MOST_SELECTED: usize = MOST_ROWS as usize;

/// Shows how many are selected, and does it once that is confirmed.
pub(super) async fn act(
    form: Bytes,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(&form)?;
    let retry = match asked.one("action")? {
        Some("retry") => true,
        Some("cancel") => false,
        _ => return Err(NoPage::wrong("`action` is retry or cancel")),
    };
    let ids = match asked.one("scope")? {
        Some("ticked") | None => ticked(&asked)?,
        Some("filter") => fitting(&console, &asked, retry).await?,
        Some(_) => return Err(NoPage::wrong("`scope` is ticked or filter")),
    };
    // The most that one page of a list has: there may be others.
    let is_cut = asked.one("scope")? == Some("filter") && ids.len() == MOST_SELECTED;
    let wanted = ids.clone();
    let filter = RefreshFilter { ids: wanted, ..RefreshFilter::default() };
    let found = console.ask(async move |store| store.refreshes(&filter, MOST_ROWS).await).await?;
    let (mut ids, gone): (Vec<_>, Vec<_>) =
        ids.into_iter().partition(|id| found.iter().any(|row| row.refresh_id == *id));
    ids.sort_unstable();
    let word = if retry { "Retry" } else { "Cancel" };
    let names: Vec<_> = ids.iter().map(|id| [id.to_string()]).collect();
    let confirmed = confirmation(&word.to_lowercase(), names.iter().map(<[_; 1]>::as_slice));
    let given = asked.one("confirmed")?;
    if given == Some(confirmed.as_str()) && !ids.is_empty() {
        let of = ids.len() as i64;
        let done = console.act(&who, async move |store, _| all(&store, &ids, retry).await).await?;
        return Ok(see("/refreshes", Done::Many(done, of)));
    }
    let many = if ids.len() == 1 { "refresh" } else { "refreshes" };
    let content = html! {
        @if given.is_some() {
            p.notice role="status" { "Others were confirmed than are meant now. Nothing was changed: look again." }
        }
        @if !gone.is_empty() { p { "There are no refreshes of these numbers: " (listed(&gone)) "." } }
        @if is_cut { p { "No more are changed at once: these are the newest that fit, and the others stay as they are." } }
        @if !ids.is_empty() { p { "This is done for " strong { (ids.len()) " " (many) } ": " (listed(&ids)) "." } }
        form.actions method="post" action="/refreshes/selected" {
            @for id in &ids { input type="hidden" name="id" value=(id); }
            input type="hidden" name="action" value=(word.to_lowercase());
            input type="hidden" name="confirmed" value=(confirmed);
            @if !ids.is_empty() { button.main type="submit" { (word) " " (ids.len()) " " (many) } }
            a href="/refreshes" { "Back, and change nothing" }
        }
    };
    Ok(layout::page(&who, Section::Refreshes, &format!("{word} {} {many}?", ids.len()), &content))
}

/// Those that were ticked.
fn ticked(asked: &Asked) -> Result<Vec<RefreshId>, NoPage> {
    let ids: Result<Vec<_>, _> = asked.all("id").map(refresh::id).collect();
    let mut ids = ids?;
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Err(NoPage::wrong("nothing is ticked; tick refreshes in the list first"));
    }
    if ids.len() > MOST_SELECTED {
        return Err(NoPage::wrong(format!("at most {MOST_SELECTED} are changed at once")));
    }
    Ok(ids)
}

/// Those of the filter that it can be done to, the newest first. What had ended well is not retried
/// unless its state was asked for.
async fn fitting(console: &Console, asked: &Asked, retry: bool) -> Result<Vec<RefreshId>, NoPage> {
    const OPEN: &[State] = &[State::Waiting, State::Queued, State::Running, State::Confirming];
    if !refreshes::narrows(asked) {
        return Err(NoPage::wrong("no filter is given; filter the list first"));
    }
    let mut filter = RefreshFilter { after: None, ..refreshes::filter_of(asked)? };
    if filter.states.is_empty() {
        filter.states = if retry { vec![State::Failed] } else { OPEN.to_vec() };
    }
    let under_way = |state: &State| matches!(state, State::Running | State::Confirming);
    filter.states.retain(|state| match retry {
        true => !under_way(state) && *state != State::Skipped,
        false => !state.is_ended(),
    });
    if filter.states.is_empty() {
        return Err(NoPage::wrong("it cannot be done to refreshes in any state of this filter"));
    }
    let rows = console.ask(async move |store| store.refreshes(&filter, MOST_ROWS).await).await?;
    if rows.is_empty() {
        let what = if retry { "has failed" } else { "is open" };
        return Err(NoPage::wrong(format!("nothing that fits this filter {what}")));
    }
    Ok(rows.iter().map(|row| row.refresh_id).collect())
}

/// The first of them, with the way to each.
fn listed(ids: &[RefreshId]) -> Markup {
    html! {
        @for (place, id) in ids.iter().take(20).enumerate() {
            @if place > 0 { ", " } a href=(link::refresh(id)) { (id) }
        }
        @if ids.len() > 20 { " and " (ids.len() - 20) " more" }
    }
}

/// How many it was done for; those that cannot be are noted in the audit with the reason.
async fn all(store: &Store, ids: &[RefreshId], retry: bool) -> Result<i64, NoPage> {
    let mut done = 0;
    for id in ids {
        let did = if retry {
            store.retry(*id).await.map(drop)
        } else {
            store.cancel(*id).await.map(drop)
        };
        match did {
            Ok(()) => done += 1,
            Err(OperatorError::Store(error)) => {
                return Err(NoPage::from(error).after(format!("It was done for {done} before. ")));
            }
            Err(_refused) => {}
        }
    }
    Ok(done)
}
