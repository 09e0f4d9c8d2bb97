//! Rules, tables and configuration of afterrun; every SQL statement lives here, and no HTTP does.
//!
//! The nouns: an **event** is what dbt or a BI tool sent; it leads to **refreshes**, each of which
//! makes one **target** fresh once; each call made for a refresh is an **attempt**.
//!
//! ```text
//! (planned) ─ waiting ─▶ queued ─▶ running ─▶ confirming ─▶ succeeded
//!                          ▲          │            │
//!                          └─ retry ──┴────────────┤──▶ failed
//!                                                  └──▶ queued (began before the run ended)
//! ```
//!
//! [`mod@event`] stores, [`plan`] turns events into refreshes, [`refresh`] claims and records. The
//! rule by which a refresh moves is the pure function [`transition::next`]; its only writer, once it
//! is planned, is [`refresh`].

pub mod artifact;
pub mod attempt;
pub mod clock;
pub mod config;
pub mod connection;
pub mod dbt;
pub mod dbt_run;
pub mod delay;
pub mod env;
pub mod event;
pub mod fan_in;
pub mod history;
pub mod listen;
pub mod metrics;
pub mod migration;
pub mod notice;
pub mod operator;
pub mod plan;
pub mod pool;
pub mod readiness;
pub mod reconcile;
pub mod refresh;
pub mod retention;
pub mod roles;
pub mod route;
pub mod session;
pub mod shutdown;
pub mod store;
pub mod target;
pub mod telemetry;
pub mod tool_event;
pub mod transition;

pub use clock::Clock;
pub use store::{Doing, MIGRATOR, Store, StoreError};
