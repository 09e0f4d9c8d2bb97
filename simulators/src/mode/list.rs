//! Mode's lists: `filter`, `order`, `order_by`, and pages by number.

use chrono::{DateTime, SubsecRound, Utc};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::http::Refusal;
use super::state::Run;
use crate::call::Request;

/// Where in a list an answer stands.
pub(super) struct Page {
    number: usize,
    per_page: usize,
    total: usize,
}

impl Page {
    /// The list's envelope: the things, the counts, and a link to the next page if there is one.
    pub(super) fn around(&self, key: &str, things: Vec<Value>, request: &Request) -> Value {
        let total_pages = self.total.div_ceil(self.per_page);
        let here = |page: usize| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            let asked = form_urlencoded::parse(request.query.as_bytes());
            query.extend_pairs(asked.filter(|(name, _)| name != "page"));
            query.append_pair("page", &page.to_string());
            json!({ "href": format!("{}?{}", request.path, query.finish()) })
        };
        let mut links = json!({ "self": here(self.number) });
        if self.number < total_pages {
            links["next_page"] = here(self.number + 1);
        }
        json!({
            "pagination": {
                "page": self.number,
                "per_page": self.per_page,
                "count": things.len(),
                "total_count": self.total,
                "total_pages": total_pages,
            },
            "_embedded": { key: things },
            "_links": links,
        })
    }
}

/// The runs that were asked for, in the order that was asked for.
pub(super) fn select<'r>(
    runs: &'r [Run],
    request: &Request,
    now: DateTime<Utc>,
    per_page: usize,
) -> Result<(Vec<&'r Run>, Page), Refusal> {
    let filter = request.parameter("filter").map(|text| Filter::parse(&text)).transpose()?;
    let field = request.parameter("order_by").unwrap_or_else(|| "created_at".to_owned());
    if !["created_at", "updated_at"].contains(&field.as_str()) {
        return Err(Refusal::bad_request(format!("cannot order by {field}")));
    }
    let ascending = match request.parameter("order").as_deref() {
        Some("asc") => true,
        None | Some("desc") => false,
        Some(other) => return Err(Refusal::bad_request(format!("unknown order {other}"))),
    };

    let mut found: Vec<&Run> = runs
        .iter()
        .filter(|run| run.appears_at <= now)
        .filter(|run| filter.as_ref().is_none_or(|filter| filter.takes(run, now)))
        .collect();
    found.sort_by_key(|run| field_of(run, &field, now));
    if !ascending {
        found.reverse();
    }
    page(found, request, per_page)
}

/// One page of anything.
pub(super) fn page<T>(
    things: Vec<T>,
    request: &Request,
    most: usize,
) -> Result<(Vec<T>, Page), Refusal> {
    let number = positive(request, "page")?.unwrap_or(1);
    let per_page = positive(request, "per_page")?.unwrap_or(most).min(most);
    let page = Page { number, per_page, total: things.len() };
    let first = (number - 1).saturating_mul(per_page);
    Ok((things.into_iter().skip(first).take(per_page).collect(), page))
}

fn positive(request: &Request, name: &str) -> Result<Option<usize>, Refusal> {
    let Some(text) = request.parameter(name) else { return Ok(None) };
    match text.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(Refusal::bad_request(format!("{name} is not a positive number"))),
    }
}

/// `created_at.gt.2026-11-20T06:00:00Z`
struct Filter {
    field: String,
    later: bool,
    than: DateTime<Utc>,
}

impl Filter {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let refused = || Refusal::bad_request(format!("filter {text} is not understood"));
        let mut parts = text.splitn(3, '.');
        let (Some(field), Some(operator), Some(value)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(refused());
        };
        let than = DateTime::parse_from_rfc3339(value).map_err(|_| refused())?.to_utc();
        let known = ["created_at", "updated_at"].contains(&field);
        match operator {
            "gt" | "lt" if known => {
                Ok(Self { field: field.to_owned(), later: operator == "gt", than })
            }
            _ => Err(refused()),
        }
    }

    fn takes(&self, run: &Run, now: DateTime<Utc>) -> bool {
        let at = field_of(run, &self.field, now);
        if self.later { at > self.than } else { at < self.than }
    }
}

/// To the millisecond, as the answers show it.
fn field_of(run: &Run, field: &str, now: DateTime<Utc>) -> DateTime<Utc> {
    match field {
        "created_at" => run.created_at,
        _ => run.updated_at(now).trunc_subsecs(3),
    }
}
