//! dbt's webhook body as an event's fields: the one strict reader that decides what an event is.
//!
//! Invariant: a field that is read either fits or the whole body is refused; a key that is not
//! read never matters, whatever it holds. Wire facts: docs.getdbt.com/docs/deploy/webhooks.

pub mod run;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use chrono::{DateTime, Datelike, Utc};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What afterrun reads of a body; ids as text, times to what Postgres keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// dbt's own id of the event, by which repeats are known.
    pub event_id: String,
    pub event_type: Option<String>,
    pub account_id: Option<String>,
    pub occurred_at: Option<DateTime<Utc>>,
    pub project_id: Option<String>,
    pub project_name: Option<String>,
    pub environment_id: Option<String>,
    pub environment_name: Option<String>,
    pub job_id: Option<String>,
    pub job_name: Option<String>,
    pub run_id: Option<String>,
    pub run_status: Option<String>,
    pub run_status_code: Option<i64>,
    pub run_reason: Option<String>,
    pub run_started_at: Option<DateTime<Utc>>,
    /// `runFinishedAt`, or `runErroredAt` where only that is given.
    pub run_finished_at: Option<DateTime<Utc>>,
}

/// Why a signed body is quarantined.
#[derive(Debug, thiserror::Error)]
pub enum NotUnderstood {
    #[error("the body is not valid UTF-8")]
    Encoding(#[source] std::str::Utf8Error),
    #[error("the body is not a dbt event: {0}")]
    Shape(String),
    #[error("eventId is not usable: it needs 1 to 200 characters and no control characters")]
    EventId,
}

/// Reads a body.
///
/// # Errors
/// Says what about the body does not fit; its values are not repeated.
pub fn read(body: &[u8]) -> Result<Fields, NotUnderstood> {
    // serde_json passes over bytes in values that nobody reads; dbt sends UTF-8 throughout.
    let text = std::str::from_utf8(body).map_err(NotUnderstood::Encoding)?;
    let Object(wire): Object<Wire<'_>> =
        serde_json::from_str(text).map_err(|error| NotUnderstood::Shape(shape(&error)))?;
    let usable = (1..=200).contains(&wire.event_id.chars().count())
        && !wire.event_id.trim().is_empty()
        && !wire.event_id.chars().any(char::is_control);
    if !usable {
        return Err(NotUnderstood::EventId);
    }
    let Object(data) = wire.data;
    Ok(Fields {
        event_id: wire.event_id,
        event_type: wire.event_type.map(clean),
        account_id: wire.account_id.map(|Id(id)| clean(id)),
        occurred_at: time(wire.timestamp),
        project_id: data.project_id.map(|Id(id)| clean(id)),
        project_name: data.project_name.map(clean),
        environment_id: data.environment_id.map(|Id(id)| clean(id)),
        environment_name: data.environment_name.map(clean),
        job_id: data.job_id.map(|Id(id)| clean(id)),
        job_name: data.job_name.map(clean),
        run_id: data.run_id.map(|Id(id)| clean(id)),
        run_status: data.run_status.map(clean),
        run_status_code: data.run_status_code.map(|Code(code)| code),
        run_reason: data.run_reason.map(clean),
        run_started_at: time(data.run_started_at),
        run_finished_at: time(data.run_finished_at).or_else(|| time(data.run_errored_at)),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    event_id: String,
    event_type: Option<String>,
    // A null here is refused: an account that is hidden cannot be held against `account_id`.
    #[serde(default, deserialize_with = "present")]
    account_id: Option<Id>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Object<Data<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    project_id: Option<Id>,
    project_name: Option<String>,
    environment_id: Option<Id>,
    environment_name: Option<String>,
    job_id: Option<Id>,
    job_name: Option<String>,
    run_id: Option<Id>,
    run_status: Option<String>,
    run_status_code: Option<Code>,
    run_reason: Option<String>,
    #[serde(borrow)]
    run_started_at: Option<&'a RawValue>,
    #[serde(borrow)]
    run_finished_at: Option<&'a RawValue>,
    #[serde(borrow)]
    run_errored_at: Option<&'a RawValue>,
}

/// A JSON object; a derived struct alone would also take an array of the values.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyMaps<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMaps<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(OnlyMaps(PhantomData))
    }
}

/// Bytes of an id as written. Ids stand in indexes, and Postgres refuses long keys there.
const LONGEST_ID: usize = 100;

/// An id: dbt sends some as numbers and some as strings of digits; any whole number will do.
struct Id(String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        if raw.len() > LONGEST_ID {
            return Err(de::Error::custom("an id is too long"));
        }
        if raw.starts_with('"') {
            return serde_json::from_str(raw).map(Id).map_err(de::Error::custom);
        }
        let digits = raw.strip_prefix('-').unwrap_or(raw);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() {
            return Ok(Self(if digits == "0" { "0".into() } else { raw.into() }));
        }
        Err(de::Error::custom("an id is neither a whole number nor a string"))
    }
}

/// `runStatusCode`: a whole number, also as a string of digits.
struct Code(i64);

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Id(text) = Id::deserialize(deserializer)?;
        text.parse().map(Code).map_err(|_| de::Error::custom("runStatusCode is not a code"))
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Id>, D::Error> {
    Id::deserialize(deserializer).map(Some)
}

/// Postgres keeps no NUL in text; the raw body still has it.
pub(crate) fn clean(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// A time of any shape: null when it cannot be read, never an error.
pub(crate) fn time(raw: Option<&RawValue>) -> Option<DateTime<Utc>> {
    let text: Cow<'_, str> = serde_json::from_str(raw?.get()).ok()?;
    moment(&text)
}

/// A time as dbt writes it, if it is one.
pub(crate) fn moment(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text.trim()).ok()?.with_timezone(&Utc);
    // Years beyond four digits are nobody's meaning, and some are more than Postgres takes.
    (1..=9999).contains(&time.year()).then_some(time)
}

/// serde_json's text without the values it may quote.
pub(crate) fn shape(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!("line {} column {}", error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Syntax => format!("it is not valid JSON at {place}"),
        serde_json::error::Category::Eof => format!("it ends too early, at {place}"),
        serde_json::error::Category::Data if text.starts_with("invalid") => {
            format!("a field that afterrun reads has the wrong type, at {place}")
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests;
