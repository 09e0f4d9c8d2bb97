//! What nobody should send: the bad inputs as a table, and the bodies of the fuzz targets.
//!
//! [`bodies()`] are signed rightly and wrong otherwise; the tests of this crate put each of them
//! through a real socket into a real Postgres. [`targets`] are functions over any bytes that panic
//! when a promise is broken: a property test drives them here, libFuzzer in `fuzz/`, and both begin
//! with [`seeds()`].

mod bodies;
mod meaning;
mod seeds;
mod syntax;
pub mod targets;
mod text;

pub use bodies::{ACCOUNT, Answer, Body, JOB, Leads, bodies, event, event_with};
pub use seeds::seeds;
