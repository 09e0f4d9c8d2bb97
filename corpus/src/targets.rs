//! What is fuzzed: functions over any bytes that panic when a promise is broken.
//!
//! Each is deterministic but for the clock, and holds only as much state as makes it quick.

mod configuration;
mod match_routes;
mod nudges;
mod parse_event;
mod tool_answer;
mod verify_then_parse;

pub use configuration::configuration;
pub use match_routes::match_routes;
pub use nudges::nudges;
pub use parse_event::{Readers, parse_event, readers};
pub use tool_answer::tool_answer;
pub use verify_then_parse::verify_then_parse;

use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike as _, Utc};

/// A target's name, and the target.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: [Target; 6] = [
    ("verify_then_parse", verify_then_parse),
    ("parse_event", parse_event),
    ("configuration", configuration),
    ("tool_answer", tool_answer),
    ("nudges", nudges),
    ("match_routes", match_routes),
];

/// Far more than a body of a mebibyte takes in a debug build on a machine that is busy, and far
/// less than what grows with its square.
const NEVER: Duration = Duration::from_secs(10);

/// Runs it and holds the time that it takes against [`NEVER`].
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = work();
    let took = began.elapsed();
    assert!(took < NEVER, "{what} took {took:?}");
    result
}

/// Postgres takes the text as it is.
fn must_fit(name: &str, text: Option<&str>) {
    assert!(!text.is_some_and(|text| text.contains('\0')), "{name} holds a NUL: {text:?}");
}

/// Postgres takes the time, and gives it back as it is but for what is finer than microseconds.
fn must_be_a_time(name: &str, time: Option<DateTime<Utc>>) {
    let fits = time.is_none_or(|time| (1..=9999).contains(&time.year()));
    assert!(fits, "{name} is a time that Postgres or its readers do not take: {time:?}");
}
