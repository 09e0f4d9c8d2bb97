//! The first page: how fresh every target is, and what is being done about those that are not.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{
    Freshness, Lagged, OpenRefresh, TargetFilter, TargetRow, TargetState,
};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::asked::Asked;
use super::chart::{self, Tooth};
use super::layout::{self, Section};
use super::problem::NoPage;
use super::when::{self, Long};
use super::{filter, link, mark, notice, notices, text};
use crate::Console;
use crate::access::Who;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How many bars a small chart has.
const PARTS: i32 = 48;

/// So many targets are on one page; with those before them, so many can be reached.
const ROWS: u32 = 100;
const MOST_PAGES: u32 = 10_000;

/// What the address says of the list.
const KEYS: [&str; 4] = ["state", "name", "connection", "page"];

/// In the order of urgency, with what each means.
const STATES: [(TargetState, &str); 6] = [
    (TargetState::Failed, "the last refresh failed for good"),
    (TargetState::Stale, "does not show the newest run"),
    (TargetState::Refreshing, "a refresh is under way"),
    (TargetState::Paused, "held back by an operator"),
    (TargetState::Unknown, "no run was to be shown so far"),
    (TargetState::Fresh, "shows the newest run"),
];

pub(super) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    let only = asked.one("state")?.map(state).transpose()?;
    let page = asked.one("page")?.map_or(Ok(1), page_number)?;
    let wanted = TargetFilter {
        states: only.into_iter().collect(),
        connection: asked.one("connection")?.map(str::to_owned),
        named: asked.one("name")?.map(str::to_owned),
        after: None,
    };
    let config = console.config();
    let fields = [
        html! { @if let Some(only) = only { input type="hidden" name="state" value=(only.as_str()); } },
        filter::words("name", "Name", &asked)?,
        filter::named("connection", "Connection", config.connections.keys(), &asked)?,
    ];
    let (now, mut freshness, lagged, channels) = console
        .ask(async move |store| {
            // One more than is shown tells whether there is another page.
            let skip = (page - 1) * ROWS;
            let freshness = store.freshness_of(&wanted, skip, ROWS + 1).await?;
            let shown = freshness.targets.iter().take(ROWS as usize);
            let shown: Vec<_> = shown.map(|row| row.target.clone()).collect();
            let lagged = store.lagged(&shown, DAY).await?;
            Ok((store.time().await?, freshness, lagged, store.channels().await?))
        })
        .await?;
    let is_last = freshness.targets.len() <= ROWS as usize;
    freshness.targets.truncate(ROWS as usize);
    let list = List { asked: &asked, may_change: who.may_change(), now, teeth: by_target(lagged) };
    let content = html! {
        (notice::shown(&asked)?)
        (notices::untold(&channels))
        (counts(&freshness, only, &asked))
        @if freshness.counts.all() == 0 {
            p.empty { "No target is configured. Targets and the routes that refresh them are written in "
                code { "afterrun.yml" } "." }
        } @else {
            // A few are seen at a glance.
            @if freshness.counts.all() > 10 { (filter::form("/", &fields)) }
            (list.table(&freshness.targets))
            (pages(&asked, page, is_last))
        }
    };
    Ok(layout::page(&who, Section::Freshness, "Freshness", &content))
}

fn page_number(word: &str) -> Result<u32, NoPage> {
    let number = word.parse().ok().filter(|number| (1..=MOST_PAGES).contains(number));
    number.ok_or_else(|| NoPage::wrong(format!("`page` is a number from 1 to {MOST_PAGES}")))
}

/// The way to those before and after; in the order of urgency, as it is then.
fn pages(asked: &Asked, page: u32, is_last: bool) -> Markup {
    let to = |page: u32| format!("/?{}", asked.with("page", Some(&page.to_string())));
    html! {
        @if page > 1 || !is_last {
            nav.pager aria-label="Pages of the list" {
                @if page > 1 { a href=(to(page - 1)) rel="prev" { "More urgent" } }
                span { "Page " (page) }
                @if !is_last { a href=(to(page + 1)) rel="next" { "Less urgent" } }
            }
        }
    }
}

fn state(word: &str) -> Result<TargetState, NoPage> {
    let known = STATES.iter().find(|(state, _)| state.as_str() == word);
    known.map(|(state, _)| *state).ok_or_else(|| {
        NoPage::wrong("`state` is one of failed, stale, refreshing, paused, unknown, fresh")
    })
}

/// What is known of how a target lagged.
#[derive(Default)]
struct Past {
    teeth: Vec<Tooth>,
    /// From when on all of it is known, if there was more.
    told_since: Option<DateTime<Utc>>,
}

fn by_target(lagged: Vec<Lagged>) -> HashMap<String, Past> {
    let mut pasts: HashMap<String, Past> = HashMap::new();
    for Lagged { target, since, until, told_since } in lagged {
        let past = pasts.entry(target).or_default();
        past.teeth.push(Tooth { since, until });
        past.told_since = told_since;
    }
    pasts
}

fn counts(freshness: &Freshness, only: Option<TargetState>, asked: &Asked) -> Markup {
    let counts = freshness.counts;
    let of = |state| match state {
        TargetState::Failed => counts.failed,
        TargetState::Stale => counts.stale,
        TargetState::Refreshing => counts.refreshing,
        TargetState::Paused => counts.paused,
        TargetState::Unknown => counts.unknown,
        TargetState::Fresh => counts.fresh,
    };
    html! {
        ul.counts data-live #counts {
            li { a href=(in_state(asked, None)) aria-current=[only.is_none().then_some("true")] {
                strong { (counts.all()) } " all targets"
            } }
            @for (state, meaning) in STATES {
                li { a href=(in_state(asked, Some(state))) title=(meaning)
                    aria-current=[(only == Some(state)).then_some("true")] {
                    strong { (of(state)) } " " (mark::target(state))
                } }
            }
        }
    }
}

/// The first page of those in a state, of those that the address asks for otherwise.
fn in_state(asked: &Asked, state: Option<TargetState>) -> String {
    address(asked, &["name", "connection"], state.map(|state| ("state", state.as_str())))
}

/// The list that a form on the first page came from.
pub(super) fn back(asked: &Asked) -> String {
    address(asked, &KEYS, None)
}

/// The first page, with what was asked for by these keys, and more.
fn address(asked: &Asked, keys: &[&str], more: Option<(&str, &str)>) -> String {
    let given = keys.iter().flat_map(|key| asked.all(key).map(move |value| (*key, value)));
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let query = query.extend_pairs(given).extend_pairs(more).finish();
    if query.is_empty() { "/".to_owned() } else { format!("/?{query}") }
}

/// Targets and what is shown and offered with each.
struct List<'a> {
    asked: &'a Asked,
    may_change: bool,
    now: DateTime<Utc>,
    teeth: HashMap<String, Past>,
}

impl List<'_> {
    fn table(&self, rows: &[TargetRow]) -> Markup {
        html! {
            div.scroll data-live #targets {
                table.stack {
                    caption { "Targets, those first that somebody should look at" }
                    thead {
                        tr {
                            th scope="col" { "State" }
                            th scope="col" { "Target" }
                            th scope="col" { "Shows runs until" }
                            th scope="col" { "Should show" }
                            th scope="col" { "Lag, last 24 h" }
                            th scope="col" { "What is going on" }
                        }
                    }
                    tbody {
                        @for row in rows { (self.line(row)) }
                        @if rows.is_empty() { tr { td.empty colspan="6" { "There are no targets like that." } } }
                    }
                }
            }
        }
    }

    fn line(&self, row: &TargetRow) -> Markup {
        let now = self.now;
        let past = self.teeth.get(&row.target);
        let mut teeth = past.map_or_else(Vec::new, |past| past.teeth.clone());
        teeth.extend(row.stale_since.map(|since| Tooth { since, until: now }));
        let lag = chart::highest(&teeth, now, DAY, PARTS);
        let told_since = past.and_then(|past| past.told_since);
        let untold = told_since.map_or(0, |since| chart::before(since, now, DAY, PARTS));
        html! {
            tr {
                td { (mark::target(row.state)) (stale_since(row, now)) }
                th scope="row" {
                    a href=(link::target(&row.target)) { (text::name(&row.target)) }
                    span.sub { (text::name(&row.connection)) @if row.connection != row.connector { " · " (row.connector) } }
                }
                td data-label="Shows runs until" { (when::maybe(row.fresh_as_of, now)) }
                td data-label="Should show" { (when::maybe(row.last_run_finished_at, now)) }
                td data-label="Lag, last 24 h" { (chart::spark(&lag, untold, "24 h")) }
                td.wide {
                    (going_on(row, now))
                    @if self.may_change && can_be_tried(row) { (self.again(row)) }
                }
            }
        }
    }

    /// Refreshes it once more, and leads back to this list.
    fn again(&self, row: &TargetRow) -> Markup {
        html! {
            form method="post" action={ (link::target(&row.target)) "/retry" } {
                input type="hidden" name="list" value="yes";
                @for key in KEYS {
                    @for value in self.asked.all(key) { input type="hidden" name=(key) value=(value); }
                }
                // What waits has its turn now; else the newest is tried again.
                @let word = if row.open.is_some() { "now" } else { "again" };
                button.small type="submit" aria-label={ "Refresh " (word) ": " (text::short(&row.target)) } {
                    "Refresh " (word)
                }
            }
        }
    }
}

/// It is not fresh, and nothing is under way that would change that.
fn can_be_tried(row: &TargetRow) -> bool {
    match row.state {
        TargetState::Failed | TargetState::Stale => true,
        TargetState::Refreshing
        | TargetState::Paused
        | TargetState::Unknown
        | TargetState::Fresh => false,
    }
}

pub(super) fn stale_since(row: &TargetRow, now: DateTime<Utc>) -> Markup {
    html! {
        @if let Some(since) = row.stale_since {
            span.sub { "lags by "
                time datetime=(since.to_rfc3339()) title={ "since " (when::exact(since)) } {
                    (Long((now - since).num_seconds()))
                }
            }
        }
    }
}

/// What is done about it, or why nothing is.
pub(super) fn going_on(row: &TargetRow, now: DateTime<Utc>) -> Markup {
    html! {
        @if row.paused { p { "Paused by an operator." } }
        @if row.connection_paused { p { "Its connection is paused." } }
        @if let Some(open) = &row.open { (opened(open, now)) }
        @if let Some(behind) = &row.behind { p { "Then: " } (opened(behind, now)) }
        @if let (None, Some(error)) = (&row.open, &row.last_error) {
            @if row.state != TargetState::Fresh { p.error { (text::message(error)) } }
        }
        @if row.open.is_none() && row.state == TargetState::Stale && row.last_error.is_none() {
            p { "Nothing is under way." }
        }
    }
}

fn opened(open: &OpenRefresh, now: DateTime<Utc>) -> Markup {
    html! {
        p {
            a href=(link::refresh(open.refresh_id)) { "Refresh " (open.refresh_id) }
            " is " (open.refresh_state.as_str())
            @if let Some(reason) = &open.reason { ": " (text::message(reason)) }
            @if open.attempts > 1 { ", try " (open.attempts) }
            ", next look " (when::ago(open.due_at, now))
            @if let Some(url) = open.remote_url.as_deref().filter(|url| link::is_web(url)) {
                ", " a href=(url) rel="noreferrer" { "see it in the tool" }
            }
        }
        @if let Some(error) = &open.last_error { p.error { (text::message(error)) } }
    }
}
