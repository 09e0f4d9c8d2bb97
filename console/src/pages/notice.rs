//! What has just been done, said once on the page that a change leads to.
//!
//! Invariant: an address names one of these sentences and never brings its own words, so nobody can
//! make the console say something by a link.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use maud::{Markup, html};

use super::asked::Asked;
use super::link;
use super::problem::NoPage;

const KEY: &str = "done";

/// What was done.
#[derive(Clone, Copy)]
pub(super) enum Done {
    RetriedNow,
    /// By this refresh.
    RetriedAnew(i64),
    Cancelled,
    CancelAsked,
    Paused,
    Resumed,
    Unchanged,
    Replayed,
    Tested,
    ToldAgain,
    ChannelTested,
    /// So many of so many.
    Many(i64, i64),
}

impl Done {
    fn word(self) -> String {
        match self {
            Self::RetriedNow => "retried".to_owned(),
            Self::RetriedAnew(by) => format!("anew-{by}"),
            Self::Cancelled => "cancelled".to_owned(),
            Self::CancelAsked => "cancelling".to_owned(),
            Self::Paused => "paused".to_owned(),
            Self::Resumed => "resumed".to_owned(),
            Self::Unchanged => "unchanged".to_owned(),
            Self::Replayed => "replayed".to_owned(),
            Self::Tested => "tested".to_owned(),
            Self::ToldAgain => "told".to_owned(),
            Self::ChannelTested => "sent".to_owned(),
            Self::Many(done, of) => format!("many-{done}-{of}"),
        }
    }

    fn of(word: &str) -> Option<Self> {
        let mut parts = word.split('-');
        let kind = parts.next()?;
        let mut number = || parts.next().and_then(|part| part.parse::<i64>().ok());
        Some(match kind {
            "retried" => Self::RetriedNow,
            "anew" => Self::RetriedAnew(number()?),
            "cancelled" => Self::Cancelled,
            "cancelling" => Self::CancelAsked,
            "paused" => Self::Paused,
            "resumed" => Self::Resumed,
            "unchanged" => Self::Unchanged,
            "replayed" => Self::Replayed,
            "tested" => Self::Tested,
            "told" => Self::ToldAgain,
            "sent" => Self::ChannelTested,
            "many" => Self::Many(number()?, number()?),
            _ => return None,
        })
    }

    fn said(self) -> Markup {
        match self {
            Self::RetriedNow => html! { "Its turn is now." },
            Self::RetriedAnew(by) => html! {
                a href=(link::refresh(by)) { "Refresh " (by) } " tries the same events again."
            },
            Self::Cancelled => html! { "Cancelled." },
            Self::CancelAsked => {
                html! { "It is under way: a worker stops it in the tool, where the tool can." }
            }
            Self::Paused => html! { "Paused. What arrives meanwhile is kept." },
            Self::Resumed => html! { "Resumed." },
            Self::Unchanged => html! { "It was so already." },
            Self::Replayed => {
                html! { "Planned again, by today's configuration. Below is what it led to." }
            }
            Self::Tested => {
                html! { "The next sign-in is tried now; the result shows here in a moment." }
            }
            Self::ToldAgain => html! { "It had been given up; it is told again now." },
            Self::ChannelTested => {
                html! { "A worker sends it next; what comes of it shows here in a moment." }
            }
            Self::Many(done, of) if done == of => html! { "Done for all " (of) "." },
            Self::Many(done, of) => html! {
                "Done for " (done) " of " (of) "; the others had ended, are under way, or have nothing to try."
            },
        }
    }
}

/// Leads the browser on, so that loading the page again changes nothing.
pub(super) fn see(path: &str, done: Done) -> HttpResponse {
    let join = if path.contains('?') { '&' } else { '?' };
    let to = format!("{path}{join}{KEY}={}", done.word());
    HttpResponse::SeeOther().insert_header((LOCATION, to)).finish()
}

/// What the address says was done.
pub(super) fn shown(asked: &Asked) -> Result<Markup, NoPage> {
    let done = asked.one(KEY)?.and_then(Done::of);
    Ok(html! { @if let Some(done) = done { p.notice role="status" { (done.said()) } } })
}
