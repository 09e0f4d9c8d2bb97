//! Events as dbt sends them, each of a run of its own, signed: ready to go on the wire.
//!
//! Invariant: an event's id ends in its run and its job, so a body can be made again from its id
//! alone, and memory holds no bodies.

use std::sync::atomic::{AtomicU32, Ordering};

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

/// Where in an id the run and the job stand.
const RUN: std::ops::Range<usize> = 16..25;
const JOB: std::ops::Range<usize> = 25..31;
/// Counted on with each event.
static NEXT_RUN: AtomicU32 = AtomicU32::new(146_889_586);

/// A request that only wants an id, a run, a job and a signature.
#[derive(Clone)]
pub(crate) struct Template {
    request: Vec<u8>,
    body_at: usize,
    id_at: usize,
    run_at: usize,
    job_at: usize,
    signature_at: usize,
    key: Hmac<Sha256>,
}

impl Template {
    /// Runs that ended a minute before `now`.
    pub(crate) fn new(now: DateTime<Utc>) -> Self {
        let (id, run, job) = ("?".repeat(size_of::<EventId>()), "#".repeat(RUN.len()), "%%%%%%");
        let body = completed(&id, &run, job, now);
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
            id_at: place(&id),
            run_at: place(&run),
            job_at: place(job),
            signature_at: place(&signature),
            key: Hmac::new_from_slice(SECRET.as_bytes()).expect("HMAC takes any key"),
            request: request.into_bytes(),
        }
    }

    /// Makes this the request of an event that was never sent before, of the next run of this job.
    pub(crate) fn renew(&mut self, job: usize) -> EventId {
        let id = new_id(job);
        self.fill_in(&id);
        let mac = self.key.clone().chain_update(&self.request[self.body_at..]).finalize();
        let signature = &mut self.request[self.signature_at..][..64];
        hex::encode_to_slice(mac.into_bytes(), signature).expect("32 bytes are 64 digits");
        id
    }

    fn fill_in(&mut self, id: &EventId) {
        self.request[self.id_at..][..id.len()].copy_from_slice(id);
        self.request[self.run_at..][..RUN.len()].copy_from_slice(&id[RUN]);
        self.request[self.job_at..][..JOB.len()].copy_from_slice(&id[JOB]);
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
        self.fill_in(id);
        Sha256::digest(self.body()).into()
    }
}

/// The id of a job, as dbt knows it: six digits.
pub(crate) fn job_id(job: usize) -> String {
    (282_000 + job).to_string()
}

/// An id as text.
pub(crate) fn text(id: &EventId) -> &str {
    std::str::from_utf8(id).expect("ids are made of ASCII")
}

/// What in an id is not the same in all.
pub(crate) fn chance_run_and_job(id: &str) -> [&str; 3] {
    [&id[4..RUN.start], &id[RUN], &id[JOB]]
}

fn new_id(job: usize) -> EventId {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut id = *b"wev_...........................";
    let chance: [u8; 12] = rand::random();
    for (digit, chance) in id[4..RUN.start].iter_mut().zip(chance) {
        *digit = DIGITS[usize::from(chance) % DIGITS.len()];
    }
    let run = NEXT_RUN.fetch_add(1, Ordering::Relaxed).to_string();
    id[RUN].copy_from_slice(run.as_bytes());
    id[JOB].copy_from_slice(job_id(job).as_bytes());
    id
}

/// The body of `job.run.completed`, field by field in dbt's order.
fn completed(event_id: &str, run_id: &str, job_id: &str, now: DateTime<Utc>) -> String {
    let whole = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let finished = now - TimeDelta::minutes(1);
    let quoted = |value: &str| json!(value).to_string();
    let fields = [
        ("accountId", "4711".to_owned()),
        ("webhookId", quoted("wsu_2AbCdEfGhIjKlMnOpQrStUvWxYz")),
        ("eventId", quoted(event_id)),
        ("timestamp", quoted(&now.to_rfc3339_opts(SecondsFormat::Nanos, true))),
        ("eventType", quoted("job.run.completed")),
        ("webhookName", quoted("Refresh what lies downstream")),
    ];
    let data = [
        ("jobId", quoted(job_id)),
        ("jobName", quoted("Nightly build of the sales and finance marts in production")),
        ("runId", quoted(run_id)),
        ("environmentId", quoted("189767")),
        ("environmentName", quoted("Production")),
        ("dbtVersion", quoted("2026.9.30+21d3fd7")),
        ("projectName", quoted("Analytics")),
        ("projectId", quoted("242841")),
        ("runStatus", quoted("Success")),
        ("runStatusCode", "10".to_owned()),
        ("runStatusMessage", quoted("None")),
        ("runReason", quoted("Kicked off from UI by analytics-engineer@acme.example")),
        ("runStartedAt", quoted(&whole(finished - TimeDelta::minutes(19)))),
        ("runFinishedAt", quoted(&whole(finished))),
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
        let mut template = Template::new(DateTime::<Utc>::UNIX_EPOCH);
        let (first, second) = (template.renew(7), template.renew(191));
        assert_ne!(first, second);
        let body = template.body();
        assert_eq!(body.len(), 695);

        let fields = afterrun_core::dbt::read(body).unwrap();
        assert_eq!(fields.event_id.as_bytes(), second);
        assert_eq!(fields.job_id.as_deref(), Some("282191"));
        assert_eq!(fields.run_id.as_deref().map(str::as_bytes), Some(&second[RUN]));
        assert_ne!(first[RUN], second[RUN], "each is of a run of its own");
        assert!(fields.run_finished_at.is_some());

        let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(body);
        let signature = hex::encode(mac.finalize().into_bytes());
        let request = String::from_utf8(template.request().to_vec()).unwrap();
        assert!(request.contains(&format!("\r\nauthorization: {signature}\r\n")), "{request}");
        assert!(request.contains(&format!("\r\ncontent-length: {}\r\n\r\n{{", body.len())));
    }

    #[test]
    fn a_body_is_made_again_from_its_id() {
        let mut template = Template::new(DateTime::<Utc>::UNIX_EPOCH);
        let first = template.renew(7);
        let sent = Sha256::digest(template.body());
        template.renew(8);
        assert_eq!(template.sha256_of(&first), *sent);
    }
}
