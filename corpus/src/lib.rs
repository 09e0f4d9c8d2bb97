//! What nobody should send: the bad inputs as a table, and the bodies of the fuzz targets.
//!
//! [`bodies()`] are signed rightly and wrong otherwise, [`wrong_credentials()`] are no signature, and
//! [`wires()`] are HTTP to the byte. The tests of this crate put each of them through a real socket
//! into a real Postgres; those of the program put them into the program. [`targets`] are functions
//! over any bytes that panic when a promise is broken: a property test drives them here, libFuzzer in
//! `fuzz/`, and both begin with [`seeds()`].

mod bodies;
mod credentials;
mod http;
mod meaning;
mod seeds;
mod syntax;
pub mod targets;
mod text;
pub mod wire;

pub use bodies::{ACCOUNT, Answer, Body, JOB, Leads, bodies, event, event_with};
pub use credentials::{Credential, wrong_credentials};
pub use http::wires;
pub use seeds::seeds;
pub use text::HARMFUL;
