//! What all pages have: their frame.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{assets, text};
use crate::access::Who;

/// Which part of the console a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Freshness,
    Events,
    Runs,
    Refreshes,
    Connections,
    Sources,
    Notices,
    Overview,
    Audit,
    None,
}

const SECTIONS: [(Section, &str, &str); 9] = [
    (Section::Freshness, "/", "Freshness"),
    (Section::Events, "/events", "Events"),
    (Section::Runs, "/runs", "Runs"),
    (Section::Refreshes, "/refreshes", "Refreshes"),
    (Section::Connections, "/connections", "Connections"),
    (Section::Sources, "/sources", "Sources"),
    (Section::Notices, "/notices", "Notices"),
    (Section::Overview, "/overview", "Overview"),
    (Section::Audit, "/audit", "Audit"),
];

/// A whole page of this title, for somebody who is known.
pub(super) fn page(who: &Who, section: Section, title: &str, content: &Markup) -> HttpResponse {
    let frame = Frame { section: Some(section), can_sign_out: who.can_sign_out() };
    answer(StatusCode::OK, frame, title, content)
}

/// A page for somebody who is not signed in: it leads nowhere.
pub(crate) fn outside(status: StatusCode, title: &str, content: &Markup) -> HttpResponse {
    answer(status, Frame::default(), title, content)
}

/// Why a request was not granted; with the way to other pages where somebody may see them.
pub(crate) fn refused(status: StatusCode, title: &str, detail: &str, inside: bool) -> HttpResponse {
    let section = inside.then_some(Section::None);
    let content = html! { div.problem { p { (text::message(detail)) } } };
    answer(status, Frame { section, can_sign_out: false }, title, &content)
}

/// What is around a page.
#[derive(Default)]
struct Frame {
    /// None where no other page may be seen.
    section: Option<Section>,
    can_sign_out: bool,
}

fn answer(status: StatusCode, frame: Frame, title: &str, content: &Markup) -> HttpResponse {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · afterrun" }
                link rel="stylesheet" href=(assets::STYLE.path);
                link rel="icon" href=(ICON);
                script src=(assets::SCRIPT.path) defer {}
            }
            body {
                a.skip href="#main" { "Skip to the page" }
                header.top {
                    a.brand href="/" { (logo()) "afterrun" }
                    @if let Some(section) = frame.section {
                        nav aria-label="Pages" {
                            @for (known, href, name) in SECTIONS {
                                a href=(href) aria-current=[(known == section).then_some("page")] { (name) }
                            }
                        }
                    }
                    @if frame.section.is_some() {
                        // Shown by the script, which it is for.
                        button.quiet.pause #live type="button" aria-pressed="false" hidden { "Pause" }
                    }
                    @if frame.can_sign_out {
                        form.end method="post" action="/sign-out" { button.quiet type="submit" { "Sign out" } }
                    }
                }
                main #main tabindex="-1" {
                    h1 { (title) }
                    (content)
                }
                footer { "afterrun " (env!("CARGO_PKG_VERSION")) " · times are relative; point at one for UTC" }
            }
        }
    };
    HttpResponse::build(status).content_type("text/html; charset=utf-8").body(whole.into_string())
}

const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%23188a5a' d='M8 1a7 7 0 1 0 7 7h-2.4A4.6 4.6 0 1 1 8 3.4z'/%3E%3Ccircle cx='12.5' cy='3.5' r='2.5' fill='%23188a5a'/%3E%3C/svg%3E";

fn logo() -> Markup {
    html! {
        svg viewBox="0 0 16 16" width="18" height="18" aria-hidden="true" {
            (PreEscaped("<path d='M8 1a7 7 0 1 0 7 7h-2.4A4.6 4.6 0 1 1 8 3.4z'/><circle cx='12.5' cy='3.5' r='2.5'/>"))
        }
    }
}
