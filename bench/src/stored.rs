//! The check on which every figure hangs: what was acknowledged is stored, byte for byte.

use std::collections::HashMap;

use anyhow::{Context as _, bail};
use futures_util::TryStreamExt as _;
use serde_json::Value;
use sqlx::Row as _;

use crate::body::{SOURCE, Template, text};
use crate::database::{Database, Mark};
use crate::load::Sent;

/// How many deliveries were checked, and how many were not acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) acknowledged: u64,
    /// Refused, or without an answer: a sender would try again.
    pub(crate) refused: u64,
}

impl std::ops::AddAssign for Checked {
    fn add_assign(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
    }
}

/// Compares all answers with all events that came since the mark.
pub(crate) async fn check(
    database: &Database,
    since: Mark,
    template: &Template,
    sent: &[Sent],
) -> anyhow::Result<Checked> {
    let mut stored = HashMap::with_capacity(sent.len());
    let mut rows = sqlx::query(
        "select event_key, sha256(body) as body, body_sha256 from event \
         where source = $1 and id > $2",
    )
    .bind(SOURCE)
    .bind(since.event)
    .fetch(&database.pool);
    while let Some(row) = rows.try_next().await.context("reading the stored events")? {
        let key: String = row.try_get("event_key")?;
        let body: Option<Vec<u8>> = row.try_get("body")?;
        let noted: Vec<u8> = row.try_get("body_sha256")?;
        stored.insert(key, (body, noted));
    }
    compare(template.clone(), sent, stored)
}

type Stored = HashMap<String, (Option<Vec<u8>>, Vec<u8>)>;

fn compare(mut template: Template, sent: &[Sent], mut stored: Stored) -> anyhow::Result<Checked> {
    let mut checked = Checked::default();
    for Sent { event_id, answer, .. } in sent {
        let id = text(event_id);
        let row = stored.remove(id);
        let acknowledged = match answer {
            Ok(answer) if answer.status == 200 => {
                let said: Value = serde_json::from_slice(&answer.body)
                    .with_context(|| format!("the answer for {id} is not JSON"))?;
                if said["event_id"] != id || said["status"] != "stored" {
                    bail!("the answer for the new event {id} was {said}");
                }
                true
            }
            Ok(_) | Err(_) => false,
        };
        let right = template.sha256_of(event_id);
        match row {
            None if acknowledged => bail!("{id} was acknowledged and is not stored"),
            Some((body, noted)) if body.as_deref() != Some(&right) || noted != right => {
                bail!("{id} is not stored as it was sent");
            }
            Some(_) | None => {}
        }
        checked.acknowledged += u64::from(acknowledged);
        checked.refused += u64::from(!acknowledged);
    }
    if let Some(key) = stored.keys().next() {
        bail!("{} events are stored that were never sent, {key} among them", stored.len());
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use chrono::{DateTime, Utc};
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::answer::Answer;

    /// One event on its way: the answer of this status, and the row as it should stand.
    fn delivered(status: u16) -> (Template, Sent, Stored) {
        let mut template = Template::new(DateTime::<Utc>::UNIX_EPOCH);
        let event_id = template.renew(7);
        let hash = Sha256::digest(template.body()).to_vec();
        let body = format!(r#"{{"status":"stored","event_id":"{}"}}"#, text(&event_id));
        let answer = Answer { status, body: body.into_bytes().into() };
        let sent = Sent::new(event_id, Ok(answer), Instant::now(), Duration::ZERO);
        let stored = HashMap::from([(text(&event_id).to_owned(), (Some(hash.clone()), hash))]);
        (template, sent, stored)
    }

    #[test]
    fn an_event_that_is_stored_as_it_was_sent_is_counted() {
        let (template, sent, stored) = delivered(200);
        let checked = compare(template, &[sent], stored).unwrap();
        assert_eq!(checked, Checked { acknowledged: 1, refused: 0 });
    }

    #[test]
    fn an_acknowledged_event_that_is_not_stored_fails_the_run() {
        let (template, sent, _) = delivered(200);
        let error = compare(template, &[sent], HashMap::new()).unwrap_err().to_string();
        assert!(error.ends_with("was acknowledged and is not stored"), "{error}");
    }

    #[test]
    fn a_changed_body_fails_the_run() {
        let (template, sent, mut stored) = delivered(200);
        stored.values_mut().for_each(|(body, _)| *body = Some(vec![0; 32]));
        let error = compare(template, &[sent], stored).unwrap_err().to_string();
        assert!(error.ends_with("is not stored as it was sent"), "{error}");
    }

    #[test]
    fn an_event_that_nobody_sent_fails_the_run() {
        let (template, _, stored) = delivered(200);
        let error = compare(template, &[], stored).unwrap_err().to_string();
        assert!(error.starts_with("1 events are stored that were never sent"), "{error}");
    }

    #[test]
    fn a_refused_event_counts_as_refused_whether_it_is_stored_or_not() {
        let refused = Checked { acknowledged: 0, refused: 1 };
        let (template, sent, stored) = delivered(503);
        assert_eq!(compare(template, &[sent], stored).unwrap(), refused);
        let (template, sent, _) = delivered(503);
        assert_eq!(compare(template, &[sent], HashMap::new()).unwrap(), refused);
    }
}
