//! I1 to I3: what the senders were told against what is stored.

use std::time::Duration;

use super::Invariant::{AcknowledgedIsStored, AllEnds, StoredIsSigned, StoredOnce};
use super::index::Index;
use super::{Found, Times};
use crate::History;

/// What became of all deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Events that were signed, and forgeries.
    pub signed: usize,
    pub forged: usize,
    /// Tries of all of them.
    pub tries: usize,
    pub acknowledged: usize,
    pub stored: usize,
    /// Acknowledged, and not there or not the same.
    pub lost: usize,
    /// Rows beyond the first of an event.
    pub duplicated: usize,
    /// Rows that nobody signed.
    pub unexpected: usize,
    /// Acknowledged only by a later try.
    pub recovered: usize,
    /// Stored although the sender gave up without an answer: it cannot know.
    pub unacknowledged: usize,
    pub answered: Times,
}

pub(super) fn judge(history: &History, index: &Index<'_>, found: &mut Found) -> Delivered {
    let mut delivered = Delivered { stored: history.events.len(), ..Delivered::default() };
    let mut took: Vec<Duration> = Vec::new();
    for delivery in &history.deliveries {
        delivered.tries += delivery.tries.len();
        let (source, id) = (&*delivery.source, &*delivery.event_id);
        for one in &delivery.tries {
            if one.status.is_some() {
                took.push(one.took);
            }
            if one.took > history.bounds.answer {
                let what = format!("event {id}: {} took {:?} to answer", one.to, one.took);
                found.wrong(AllEnds, what);
            }
        }
        if let Some(how) = &delivery.forged {
            delivered.forged += 1;
            let taken = delivery.tries.iter().find(|one| one.took());
            if let Some(taken) = taken {
                let what = format!("{} took a forged delivery ({how}) of {id}", taken.to);
                found.wrong(StoredIsSigned, what);
            }
            continue;
        }
        delivered.signed += 1;
        let rows = index.stored.get(&(source, id));
        let same = rows.is_some_and(|rows| rows.iter().any(|it| it.sha256 == delivery.sha256));
        if delivery.acknowledged() {
            delivered.acknowledged += 1;
            delivered.recovered += usize::from(!delivery.tries[0].took());
            if rows.is_none() {
                delivered.lost += 1;
                found.wrong(AcknowledgedIsStored, format!("event {id} of {source} is lost"));
            } else if !same {
                delivered.lost += 1;
                let what = format!("event {id} of {source} is stored with another body");
                found.wrong(AcknowledgedIsStored, what);
            }
        } else if rows.is_some() {
            delivered.unacknowledged += 1;
        }
        let first = |one: &&crate::history::Try| one.took() && one.word == "stored";
        let firsts = delivery.tries.iter().filter(first).count();
        if firsts > 1 {
            let what = format!("event {id} of {source} was called new {firsts} times");
            found.wrong(StoredOnce, what);
        }
    }
    for (&(source, key), rows) in &index.stored {
        if rows.len() > 1 {
            delivered.duplicated += rows.len() - 1;
            let ids: Vec<i64> = rows.iter().map(|it| it.id).collect();
            found.wrong(StoredOnce, format!("event {key} of {source} is stored as {ids:?}"));
        }
        let signed = index.signed.get(&(source, key));
        for row in rows.iter().filter(|row| !row.found) {
            if signed.is_none_or(|signed| signed.sha256 != row.sha256) {
                delivered.unexpected += 1;
                let what = format!("event row {} ({key} of {source}) was never signed", row.id);
                found.wrong(StoredIsSigned, what);
            }
        }
    }
    if delivered.acknowledged == 0 {
        found.wrong(AllEnds, "nothing was seen: no event was acknowledged".to_owned());
    }
    delivered.answered = Times::new(took);
    delivered
}
