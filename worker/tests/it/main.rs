//! The worker through the front door: signed HTTP in, played tools out, a real Postgres between.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod alerts;
mod asking;
mod breaker;
mod channels;
mod egress;
mod exposures;
mod fan_in;
mod harness;
mod history;
mod hold;
mod lease;
mod lost;
mod mail;
mod metrics;
mod operate;
mod plan;
mod reconciled;
mod refresh;
mod reload;
mod retry;
mod seeds;
mod tool_event;
mod traces;
mod trust;
mod watching;
