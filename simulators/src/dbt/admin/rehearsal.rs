//! The test of a subscription: a GET that posts.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Shared;
use super::refusal::{done, success};
use super::subscription::Subscription;
use crate::call::Reply;
use crate::dbt::{Event, Run, RunStatus, completed};

/// Posts dbt's hard-coded test event once, before the call is answered.
///
/// That it is signed is only implied, by guides which want the secret stored before the button is
/// pressed; its exact body is not known, so this is the documented sample. The log does not keep it.
pub(super) fn answer(shared: &Shared, one: &Subscription) -> Reply {
    let tells_event = shared.options.test_tells_event;
    let sender = shared.sender(&one.client_url, &one.hmac_secret);
    let event = sample(shared.now());
    done(200, Value::Null, json!({})).after(async move {
        let answer = sender.post(&completed(&event)).await;
        let data = match (tells_event, &answer.outcome) {
            (true, _) => json!({ "event_id": event.event_id }),
            (false, outcome) => json!({
                "verification_error": match outcome {
                    Ok(_) if answer.ok() => None,
                    Ok(reply) => Some(format!("endpoint answered {}", reply.status)),
                    Err(error) => Some(error.clone()),
                },
                "verification_status_code": answer.status().unwrap_or(0).to_string(),
            }),
        };
        success(200, data, json!({}))
    })
}

/// Of account 1, job 123 and run 12345, which are nobody's.
fn sample(now: DateTime<Utc>) -> Event {
    let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or(now);
    let (started_at, finished_at) = (at(1_675_193_287), at(1_675_193_372));
    let run = Run::of(123, 12345, RunStatus::Success, started_at, finished_at);
    let run = Run {
        job_name: "Daily Job (dbt build)".to_owned(),
        environment_id: "1234".to_owned(),
        dbt_version: "1.0.0".to_owned(),
        project_name: "Snowflake Github Demo".to_owned(),
        project_id: "167194".to_owned(),
        reason: "Kicked off from UI by test@test.com".to_owned(),
        ..run
    };
    let webhook_id = "wsu_12345abcde".to_owned();
    let webhook_name = "test".to_owned();
    Event { account_id: 1, webhook_id, webhook_name, ..Event::of(run, now) }
}
