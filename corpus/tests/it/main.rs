//! The corpus of bad inputs through the front door: raw sockets in, a real Postgres behind.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

#[expect(dead_code, reason = "the webhook service's own tests use more of it")]
#[path = "../../../ingest/tests/it/harness.rs"]
mod harness;

mod attempts;
mod bodies;
mod kept;
mod listener;
mod numbers;
mod signature;
mod slow;
mod watch;
mod wire;
