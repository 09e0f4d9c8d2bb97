//! Asking dbt: what its Admin API knows and no event says.
//!
//! Invariant: every call of an account is made by `Account`, by one token that no other host is
//! given, and after a 429 nobody asks about the account until its pause is over.

mod api;
mod detail;
mod failure;
mod finding;
mod inquire;
mod reconcile;
mod rest;
mod runs;
mod timer;
pub mod watch;
pub mod webhooks;
mod wire;

pub use api::Api;
pub(crate) use api::{Account, Envelope, Version, accepted};
pub use reconcile::{NotReconciled, Reconciled, Told, reconcile};
pub(crate) use rest::heard;
pub use rest::keep_away;
pub(crate) use timer::{Asker, ask_now_and_then, inquire_now_and_then};
pub(crate) use wire::time;
