//! Scripted trouble, put in front of any played server.
//!
//! A fault is taken by the first call that matches it, in the order in which faults were scripted.
//! What it does happens on the real socket, so a client sees what it would see from a network.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What happens to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This answer stands in for the server's; the call changes nothing. See [`Fault::status`].
    Answer { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// A refusal in the shape of any tool, whose words repeat the head and the body of the call; it
    /// changes nothing.
    Echo { status: u16 },
    /// Handled at once, answered after this long.
    Late(Duration),
    /// The connection is cut and the call never arrives: it changes nothing.
    Cut,
    /// Handled, so it changes what it changes, and then the connection is cut without an answer.
    LoseAnswer,
    /// Handled; half of the answer's body comes, then the connection is cut.
    HalfBody,
    /// Handled; the body is not what its content type says.
    GarbageBody,
    /// Handled; the body is right and declared as HTML.
    WrongType,
    /// Handled; a body that goes on for as long as it is read.
    EndlessBody,
    /// Handled; a body that goes on for ever, one byte each.
    Drip(Duration),
    /// The call never arrives and is never answered; the connection stays open.
    Blackhole,
}

impl Fault {
    /// An answer with this status and nothing else.
    pub fn status(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: Vec::new() }
    }

    /// The scripted answer with one more header.
    ///
    /// # Panics
    /// When this is not a [`Fault::Answer`].
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let Self::Answer { headers, .. } = &mut self else {
            panic!("only a scripted answer has headers of its own");
        };
        headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The scripted answer with this body.
    ///
    /// # Panics
    /// When this is not a [`Fault::Answer`].
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        let Self::Answer { body, .. } = &mut self else {
            panic!("only a scripted answer has a body of its own");
        };
        *body = bytes.into();
        self
    }
}

/// The script of one server. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Rule>>>);

#[derive(Debug)]
struct Rule {
    method: String,
    fragment: String,
    left: Option<usize>,
    fault: Fault,
}

impl Faults {
    /// The next calls, whatever they are, meet this fault.
    pub fn next(&self, times: usize, fault: Fault) {
        self.on("", "", times, fault);
    }

    /// The next calls with this method and this text in their path or query meet this fault.
    ///
    /// An empty text matches everything.
    pub fn on(&self, method: &str, fragment: &str, times: usize, fault: Fault) {
        if times > 0 {
            self.add(method, fragment, Some(times), fault);
        }
    }

    /// Every such call meets this fault, until [`Faults::clear`].
    pub fn always(&self, method: &str, fragment: &str, fault: Fault) {
        self.add(method, fragment, None, fault);
    }

    /// Forgets whatever was scripted.
    pub fn clear(&self) {
        self.rules().clear();
    }

    /// How many calls are still to meet a fault; those scripted for always are not counted.
    pub fn left(&self) -> usize {
        self.rules().iter().filter_map(|rule| rule.left).sum()
    }

    pub(crate) fn take(&self, method: &str, path_and_query: &str) -> Option<Fault> {
        let mut rules = self.rules();
        let found = rules.iter().position(|rule| {
            (rule.method.is_empty() || rule.method.eq_ignore_ascii_case(method))
                && path_and_query.contains(&rule.fragment)
        })?;
        let rule = &mut rules[found];
        let fault = rule.fault.clone();
        rule.left = rule.left.map(|left| left - 1);
        if rule.left == Some(0) {
            rules.remove(found);
        }
        Some(fault)
    }

    fn add(&self, method: &str, fragment: &str, left: Option<usize>, fault: Fault) {
        let (method, fragment) = (method.to_owned(), fragment.to_owned());
        self.rules().push(Rule { method, fragment, left, fault });
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
