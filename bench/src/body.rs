//! Events as dbt sends them, each under an id of its own, signed: ready to go on the wire.
//!
//! Only the id changes from one to the next, so a body can be made again from its id alone, and
//! memory holds no bodies.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The source that the generated configuration knows.
pub(crate) const SOURCE: &str = "bench";
/// Its secret.
pub(crate) const SECRET: &str = "the-secret-of-the-benchmark";

/// `wev_` and 27 characters, as dbt's are.
pub(crate) type EventId = [u8; 31];

/// A request that only wants an id and a signature.
#[derive(Clone)]
pub(crate) struct Template {
    request: Vec<u8>,
    body_at: usize,
    id_at: usize,
    signature_at: usize,
    key: Hmac<Sha256>,
}

impl Template {
    /// A run of this job that ended a minute before `now`.
    pub(crate) fn new(job_id: &str, now: DateTime<Utc>) -> Self {
        let placeholder = "?".repeat(size_of::<EventId>());
        let body = completed(&placeholder, job_id, now);
        let signature = "-".repeat(64);
        let head = format!(
            "POST /webhooks/dbt/{SOURCE} HTTP/1.1\r\nhost: 127.0.0.1\r\n\
             content-type: application/json\r\nauthorization: {signature}\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let request = format!("{head}{body}");
        let place = |text: &str| request.find(text).expect("it was just put there");
        Self {
            body_at: head.len(),
            id_at: place(&placeholder),
            signature_at: place(&signature),
            key: Hmac::new_from_slice(SECRET.as_bytes()).expect("HMAC takes any key"),
            request: request.into_bytes(),
        }
    }

    /// Makes this the request of an event that was never sent before.
    pub(crate) fn renew(&mut self) -> EventId {
        let id = new_id();
        self.request[self.id_at..][..id.len()].copy_from_slice(&id);
        let mac = self.key.clone().chain_update(&self.request[self.body_at..]).finalize();
        let signature = &mut self.request[self.signature_at..][..64];
        hex::encode_to_slice(mac.into_bytes(), signature).expect("32 bytes are 64 digits");
        id
    }

    /// Head and body, as they go on the wire.
    pub(crate) fn request(&self) -> &[u8] {
        &self.request
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.request[self.body_at..]
    }

    /// The hash of the body that was sent under this id.
    pub(crate) fn sha256_of(&mut self, id: &EventId) -> [u8; 32] {
        self.request[self.id_at..][..id.len()].copy_from_slice(id);
        Sha256::digest(self.body()).into()
    }
}

fn new_id() -> EventId {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut id = *b"wev_...........................";
    let chance: [u8; 27] = rand::random();
    for (digit, chance) in id[4..].iter_mut().zip(chance) {
        *digit = DIGITS[usize::from(chance) % DIGITS.len()];
    }
    id
}

/// The body of `job.run.completed`, field by field in dbt's order.
fn completed(event_id: &str, job_id: &str, now: DateTime<Utc>) -> String {
    let whole = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let finished = now - TimeDelta::minutes(1);
    let text = |value: &str| json!(value).to_string();
    let fields = [
        ("accountId", "4711".to_owned()),
        ("webhookId", text("wsu_2AbCdEfGhIjKlMnOpQrStUvWxYz")),
        ("eventId", text(event_id)),
        ("timestamp", text(&now.to_rfc3339_opts(SecondsFormat::Nanos, true))),
        ("eventType", text("job.run.completed")),
        ("webhookName", text("Refresh what lies downstream")),
    ];
    let data = [
        ("jobId", text(job_id)),
        ("jobName", text("Nightly build of the sales and finance marts in production")),
        ("runId", text("146889586")),
        ("environmentId", text("189767")),
        ("environmentName", text("Production")),
        ("dbtVersion", text("2026.9.30+21d3fd7")),
        ("projectName", text("Analytics")),
        ("projectId", text("242841")),
        ("runStatus", text("Success")),
        ("runStatusCode", "10".to_owned()),
        ("runStatusMessage", text("None")),
        ("runReason", text("Kicked off from UI by analytics-engineer@acme.example")),
        ("runStartedAt", text(&whole(finished - TimeDelta::minutes(19)))),
        ("runFinishedAt", text(&whole(finished))),
    ];
    format!("{{{},\"data\":{{{}}}}}", joined(&fields), joined(&data))
}

/// Compact, and in this order.
fn joined(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    fields.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_understood_signed_and_of_the_usual_size() {
        let mut template = Template::new("282191", DateTime::<Utc>::UNIX_EPOCH);
        let (first, second) = (template.renew(), template.renew());
        assert_ne!(first, second);
        let body = template.body();
        assert_eq!(body.len(), 695);

        let fields = afterrun_core::dbt::read(body).unwrap();
        assert_eq!(fields.event_id.as_bytes(), second);
        assert_eq!(fields.job_id.as_deref(), Some("282191"));
        assert!(fields.run_finished_at.is_some());

        let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(body);
        let signature = hex::encode(mac.finalize().into_bytes());
        let request = String::from_utf8(template.request().to_vec()).unwrap();
        assert!(request.contains(&format!("\r\nauthorization: {signature}\r\n")), "{request}");
        assert!(request.contains(&format!("\r\ncontent-length: {}\r\n\r\n{{", body.len())));
    }

    #[test]
    fn a_body_is_made_again_from_its_id() {
        let mut template = Template::new("1", DateTime::<Utc>::UNIX_EPOCH);
        let first = template.renew();
        let sent = Sha256::digest(template.body());
        template.renew();
        assert_eq!(template.sha256_of(&first), *sent);
    }
}
