//! The webhooks' part of the v3 API: a plural for the collection, a singular for one, and unlike v2
//! no slash at the end.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use url::Url;

use super::Shared;
use super::query::Query;
use super::refusal::{Answer, Refusal, done};
use super::rehearsal;
use super::state::AdminState;
use super::subscription::{EVENT_TYPES, Logged, Receipt, Subscription};
use super::trigger::object;
use crate::call::Request;
use crate::dbt::sign;

pub(super) fn answer(
    shared: &Shared,
    state: &mut AdminState,
    request: &Request,
    path: &[&str],
) -> Answer {
    let method = request.method.as_str();
    match (method, path) {
        ("GET", ["subscriptions"]) => list(shared, state, request),
        ("POST", ["subscriptions"]) => create(shared, state, request),
        ("PUT", ["subscription", id]) => update(shared, state, request, id),
        ("DELETE", ["subscription", id]) => {
            let id = one(state, id)?.id.clone();
            state.subscriptions.retain(|one| one.id != id);
            Ok(done(200, json!({ "id": id }), json!({})))
        }
        ("GET", ["subscription", id]) => {
            Ok(done(200, described(shared, one(state, id)?), json!({})))
        }
        ("GET", ["subscription", id, "test"]) => Ok(rehearsal::answer(shared, one(state, id)?)),
        ("GET", ["subscription", id, "events"]) => events(shared, one(state, id)?, request),
        ("GET", ["subscription", id, "event", event, "receipt"]) => {
            receipts(shared, one(state, id)?, event)
        }
        (_, ["event", ..] | ["receipt", ..]) => Err(Refusal::gone()),
        (_, ["subscriptions"] | ["subscription", _] | ["subscription", _, "test" | "events"]) => {
            Err(Refusal::wrong_method(method))
        }
        _ => Err(Refusal::no_such_path()),
    }
}

fn one<'s>(state: &'s AdminState, id: &str) -> Result<&'s Subscription, Refusal> {
    state.subscription(id).ok_or_else(Refusal::not_found)
}

fn list(shared: &Shared, state: &AdminState, request: &Request) -> Answer {
    let query = Query::read(request, &["limit", "offset"])?;
    let all: Vec<&Subscription> = state.subscriptions.iter().collect();
    let (page, extra) = query.page()?.cut(all, &query, "created_at");
    let page: Vec<Value> = page.into_iter().map(|one| described(shared, one)).collect();
    Ok(done(200, json!(page), extra))
}

fn create(shared: &Shared, state: &mut AdminState, request: &Request) -> Answer {
    let wanted = Wanted::read(request)?;
    let now = shared.now();
    let mut created = Subscription::new(String::new());
    (created.created_at, created.updated_at) = (now, now);
    created.active = wanted.active;
    wanted.put_on(&mut created);
    let mut data = described(shared, &created);
    // The one answer that tells it.
    data["hmac_secret"] = json!(created.hmac_secret);
    state.subscriptions.push(created);
    Ok(done(201, data, json!({})))
}

/// The whole object is replaced. One that dbt switched off comes back by `active`, or by another
/// address, as dbt's page on the system of June 2026 says.
fn update(shared: &Shared, state: &mut AdminState, request: &Request, id: &str) -> Answer {
    one(state, id)?;
    let wanted = Wanted::read(request)?;
    let found = state.subscription_mut(id).ok_or_else(Refusal::not_found)?;
    let moved = found.deactivate_reason.is_some() && found.client_url != wanted.client_url;
    if (wanted.active && !found.active) || moved {
        found.reactivate();
    } else {
        found.active = wanted.active;
    }
    wanted.put_on(found);
    found.updated_at = shared.now();
    Ok(done(200, described(shared, found), json!({})))
}

/// What the body of "create" and of "update" must hold.
struct Wanted {
    name: String,
    description: String,
    client_url: String,
    event_types: Vec<String>,
    active: bool,
    job_ids: Vec<u64>,
}

impl Wanted {
    /// `active` and `job_ids` are never implied: to leave them out has surprised Terraform.
    fn read(request: &Request) -> Result<Self, Refusal> {
        let body = object(request)?;
        let text = |name: &str| {
            let text = body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| required(name))
        };
        let client_url = text("client_url")?;
        let usable = Url::parse(&client_url)
            .is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        if !usable {
            return Err(Refusal::bad_request("client_url: Enter a valid URL."));
        }
        let description = body.get("description").and_then(Value::as_str).unwrap_or_default();
        Ok(Self {
            name: text("name")?,
            description: description.to_owned(),
            client_url,
            event_types: event_types(&body)?,
            active: body
                .get("active")
                .and_then(Value::as_bool)
                .ok_or_else(|| required("active"))?,
            job_ids: job_ids(&body)?,
        })
    }

    fn put_on(self, subscription: &mut Subscription) {
        subscription.name = self.name;
        subscription.description = self.description;
        subscription.client_url = self.client_url;
        subscription.event_types = self.event_types;
        subscription.job_ids = self.job_ids;
    }
}

fn required(name: &str) -> Refusal {
    Refusal::bad_request(format!("{name}: This field is required."))
}

fn event_types(body: &Map<String, Value>) -> Result<Vec<String>, Refusal> {
    let types = body.get("event_types").ok_or_else(|| required("event_types"))?;
    let types: Vec<String> = serde_json::from_value(types.clone())
        .map_err(|_| Refusal::bad_request("event_types: Expected a list of strings."))?;
    if types.is_empty() || types.iter().any(|one| !EVENT_TYPES.contains(&one.as_str())) {
        return Err(Refusal::bad_request("event_types: Not a valid choice."));
    }
    Ok(types)
}

/// As numbers or as strings of digits: dbt writes both, so it is taken to read both.
fn job_ids(body: &Map<String, Value>) -> Result<Vec<u64>, Refusal> {
    let ids = body.get("job_ids").and_then(Value::as_array).ok_or_else(|| required("job_ids"))?;
    ids.iter()
        .map(|id| id.as_u64().or_else(|| id.as_str()?.parse().ok()))
        .collect::<Option<_>>()
        .ok_or_else(|| Refusal::bad_request("job_ids: A valid integer is required."))
}

fn described(shared: &Shared, one: &Subscription) -> Value {
    let id = |id: u64| number(shared, id);
    let mut value = json!({
        "id": one.id,
        "account_identifier": identifier(shared),
        "account_id": id(shared.options.account_id),
        "name": one.name,
        "description": one.description,
        "job_ids": one.job_ids.iter().map(|&job| id(job)).collect::<Vec<_>>(),
        "event_types": one.event_types,
        "client_url": one.client_url,
        "active": one.active,
        "deactivate_reason": one.deactivate_reason,
        "http_status_code": one.http_status_code.to_string(),
        "created_at": micros(one.created_at),
        "updated_at": micros(one.updated_at),
    });
    // Absent as long as nothing was sent.
    if let Some(at) = one.dispatched_at {
        value["dispatched_at"] = json!(micros(at));
    }
    value
}

/// Newest first; how dbt orders them is not known. What is too old is gone.
fn events(shared: &Shared, one: &Subscription, request: &Request) -> Answer {
    let query = Query::read(request, &["limit", "offset"])?;
    let kept = one.events.iter().rev().filter(|event| is_kept(shared, event));
    let (page, extra) = query.page()?.cut(kept.collect(), &query, "-created_at");
    let described = |event: &Logged| {
        json!({
            "id": event.id,
            "subscription_id": one.id,
            "account_identifier": identifier(shared),
            "account_id": number(shared, shared.options.account_id),
            "job_id": number(shared, event.job_id),
            "trigger_event_type": event.event_type,
            "payload": String::from_utf8_lossy(&event.body),
            "http_status_code": event.http_status_code().to_string(),
        })
    };
    let page: Vec<Value> = page.into_iter().map(described).collect();
    Ok(done(200, json!(page), extra))
}

fn receipts(shared: &Shared, one: &Subscription, event: &str) -> Answer {
    let event = one.events.iter().find(|kept| kept.id == event && is_kept(shared, kept));
    let event = event.ok_or_else(Refusal::not_found)?;
    let signature = sign(&one.hmac_secret, &event.body);
    let headers = json!({ "Authorization": signature, "Content-Type": "application/json" });
    let described = |receipt: &Receipt| {
        json!({
            "id": receipt.id,
            "event_id": event.id,
            "dispatched_at": micros(receipt.dispatched_at),
            "http_status_code": receipt.http_status_code.to_string(),
            "error_info": receipt.error_info,
            "request_body": String::from_utf8_lossy(&event.body),
            "request_headers": headers.to_string(),
            "response_body": receipt.response_body,
        })
    };
    let receipts: Vec<Value> = event.receipts.iter().map(described).collect();
    Ok(done(200, json!(receipts), json!({})))
}

fn is_kept(shared: &Shared, event: &Logged) -> bool {
    shared.now() < event.at + shared.options.log_kept
}

fn number(shared: &Shared, id: u64) -> Value {
    if shared.options.job_ids_as_strings { json!(id.to_string()) } else { json!(id) }
}

fn identifier(shared: &Shared) -> String {
    format!("act_{}", shared.options.account_id)
}

/// A string of the microseconds since 1970.
fn micros(at: DateTime<Utc>) -> String {
    at.timestamp_micros().to_string()
}
