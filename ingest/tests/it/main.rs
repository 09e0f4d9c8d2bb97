//! The webhook service through its front door: real sockets in, a real Postgres behind.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod accept;
mod duplicate;
mod group;
mod harness;
mod logs;
mod nudge;
mod nudge_repeat;
mod outage;
mod refuse;
mod seen;
mod slow;
mod wire;
