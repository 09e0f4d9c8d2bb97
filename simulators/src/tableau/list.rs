//! Tableau's lists: filters, sorting by time, and pages.
//!
//! A filter is `field:operator:value`, several are joined by commas, and nothing can be escaped: a
//! value that holds a comma or an ampersand falls apart into expressions that make no sense.

use std::cmp::Ordering;

use chrono::{DateTime, SubsecRound, Utc};
use serde_json::{Value, json};

use super::refusal::Refusal;
use crate::call::Request;

/// What can be filtered on: the value that a thing has in a field, if there is such a field.
pub(super) trait Filtered {
    fn field(&self, name: &str, now: DateTime<Utc>) -> Option<Field>;
}

/// A value in a field.
pub(super) enum Field {
    Text(String),
    /// A time, which may not have come yet.
    Time(Option<DateTime<Utc>>),
}

/// Which page of how many things.
pub(super) struct Page {
    number: usize,
    size: usize,
    total: usize,
}

impl Page {
    pub(super) fn pagination(&self) -> Value {
        json!({ "pageNumber": self.number, "pageSize": self.size, "totalAvailable": self.total })
    }
}

/// The things that pass the request's filter, one page of them.
pub(super) fn select<'t, T: Filtered>(
    things: impl Iterator<Item = &'t T>,
    request: &Request,
    now: DateTime<Utc>,
) -> Result<(Vec<&'t T>, Page), Refusal> {
    let filters = filters(request)?;
    let mut found = Vec::new();
    for thing in things {
        let mut passes = true;
        for filter in &filters {
            passes &= filter.takes(thing, now)?;
        }
        if passes {
            found.push(thing);
        }
    }
    sort(&mut found, request, now)?;

    let number = number(request, "pageNumber", Refusal::BadPageNumber)?.unwrap_or(1);
    let size = number_within(request, "pageSize", 1000)?.unwrap_or(100);
    let page = Page { number, size, total: found.len() };
    if number > page.total.div_ceil(size).max(1) {
        return Err(Refusal::BadPageNumber);
    }
    Ok((found.into_iter().skip((number - 1) * size).take(size).collect(), page))
}

fn number_within(request: &Request, name: &str, most: usize) -> Result<Option<usize>, Refusal> {
    match number(request, name, Refusal::BadPageSize)? {
        Some(size) if size > most => Err(Refusal::BadPageSize),
        size => Ok(size),
    }
}

fn number(request: &Request, name: &str, refusal: Refusal) -> Result<Option<usize>, Refusal> {
    let Some(text) = request.parameter(name) else { return Ok(None) };
    text.parse().ok().filter(|number| *number > 0).map(Some).ok_or(refusal)
}

/// `sort=createdAt:desc`
fn sort<T: Filtered>(
    things: &mut [&T],
    request: &Request,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let Some(sort) = request.parameter("sort") else { return Ok(()) };
    let (field, direction) = sort.split_once(':').ok_or(Refusal::BadFilter)?;
    if !["asc", "desc"].contains(&direction) {
        return Err(Refusal::BadFilter);
    }
    if things.iter().any(|thing| thing.field(field, now).is_none()) {
        return Err(Refusal::BadFilter);
    }
    things.sort_by(|a, b| match (a.field(field, now), b.field(field, now)) {
        (Some(Field::Text(a)), Some(Field::Text(b))) => a.cmp(&b),
        (Some(Field::Time(a)), Some(Field::Time(b))) => a.cmp(&b),
        _ => Ordering::Equal,
    });
    if direction == "desc" {
        things.reverse();
    }
    Ok(())
}

struct Filter {
    field: String,
    operator: String,
    value: String,
}

fn filters(request: &Request) -> Result<Vec<Filter>, Refusal> {
    let Some(text) = request.parameter("filter") else { return Ok(Vec::new()) };
    text.split([',', '&'])
        .map(|expression| {
            let mut parts = expression.splitn(3, ':').map(str::to_owned);
            match (parts.next(), parts.next(), parts.next()) {
                (Some(field), Some(operator), Some(value)) => Ok(Filter { field, operator, value }),
                _ => Err(Refusal::BadFilter),
            }
        })
        .collect()
}

impl Filter {
    fn takes(&self, thing: &impl Filtered, now: DateTime<Utc>) -> Result<bool, Refusal> {
        let operator = self.operator.as_str();
        match thing.field(&self.field, now).ok_or(Refusal::BadFilter)? {
            Field::Text(text) => match operator {
                "eq" => Ok(text == self.value),
                "cieq" => Ok(text.to_lowercase() == self.value.to_lowercase()),
                "has" => Ok(text.contains(&self.value)),
                _ => Err(Refusal::BadFilter),
            },
            Field::Time(at) => {
                let than = DateTime::parse_from_rfc3339(&self.value);
                let than = than.map_err(|_| Refusal::BadFilter)?.to_utc();
                // To the second, as the answers show it.
                let order = at.map(|at| at.trunc_subsecs(0).cmp(&than));
                match operator {
                    "eq" => Ok(order == Some(Ordering::Equal)),
                    "gt" => Ok(order == Some(Ordering::Greater)),
                    "gte" => Ok(order.is_some_and(Ordering::is_ge)),
                    "lt" => Ok(order == Some(Ordering::Less)),
                    "lte" => Ok(order.is_some_and(Ordering::is_le)),
                    _ => Err(Refusal::BadFilter),
                }
            }
        }
    }
}
