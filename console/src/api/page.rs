//! Pages of lists, and the cursors by which one goes on after another.

use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::EventCursor;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use url::form_urlencoded;

use crate::place;
use crate::problem::Problem;

/// A part of a list, newest first, or by name.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Page<T> {
    #[schema(max_items = 500)]
    items: Vec<T>,
    /// By which the list goes on; none if this is its end.
    next_cursor: Option<String>,
    /// The address of the next page.
    next: Option<String>,
}

/// A place in a list, as a text that only we read.
pub(super) trait Cursor: Sized {
    fn written(&self) -> String;
    fn read(text: &str) -> Option<Self>;
}

impl Cursor for i64 {
    fn written(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A name; pages go by its order.
impl Cursor for String {
    fn written(&self) -> String {
        self.clone()
    }

    fn read(text: &str) -> Option<Self> {
        // Which no name holds, and no text in Postgres.
        (!text.contains('\0')).then(|| text.to_owned())
    }
}

impl Cursor for EventCursor {
    fn written(&self) -> String {
        place::written(*self)
    }

    fn read(text: &str) -> Option<Self> {
        place::read(text)
    }
}

/// The place that a cursor names.
pub(super) fn from<C: Cursor>(cursor: Option<String>) -> Result<Option<C>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let read = || {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        C::read(std::str::from_utf8(&bytes).ok()?)
    };
    let none = || Problem::bad_request("cursor is none that a page of this list gave");
    read().map(Some).ok_or_else(none)
}

/// Answers with as many rows as were asked for, of one more if there are more.
pub(super) fn answer<T: Serialize, C: Cursor>(
    request: &HttpRequest,
    mut items: Vec<T>,
    limit: u32,
    cursor: impl Fn(&T) -> C,
) -> HttpResponse {
    let limit = limit as usize;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(cursor);
    answer_until(request, items, next)
}

/// Answers with these rows, where it is known already where the list goes on.
pub(super) fn answer_until<T: Serialize, C: Cursor>(
    request: &HttpRequest,
    items: Vec<T>,
    next: Option<C>,
) -> HttpResponse {
    let next_cursor = next.map(|next| BASE64_URL_SAFE_NO_PAD.encode(next.written()));
    let next = next_cursor.as_ref().map(|cursor| address(request, cursor));
    let mut answer = HttpResponse::Ok();
    if let Some(next) = &next {
        answer.insert_header((LINK, format!("<{next}>; rel=\"next\"")));
    }
    answer.json(Page { items, next_cursor, next })
}

/// The same question from another place on.
fn address(request: &HttpRequest, cursor: &str) -> String {
    let asked = form_urlencoded::parse(request.query_string().as_bytes());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(asked.filter(|(name, _)| name != "cursor"));
    query.append_pair("cursor", cursor);
    format!("{}?{}", request.path(), query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_that_no_page_gave_is_none() {
        for text in ["", "1 2", "%%%"] {
            assert!(from::<EventCursor>(Some(text.to_owned())).is_err(), "{text}");
        }
        assert!(from::<i64>(Some("%%%".to_owned())).is_err());
        let nul = BASE64_URL_SAFE_NO_PAD.encode("report\0");
        assert!(from::<String>(Some(nul)).is_err());
    }
}
