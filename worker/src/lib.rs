//! The worker: plans stored events, calls the BI tools, confirms, records.
//!
//! ```text
//! plan ─▶ claim ─▶ connector.trigger ─▶ record        (run.rs, call.rs)
//!            ▲          connector.poll ─▶ record
//!            └────────── due again ◀──────┘
//! ```
//!
//! Beside it, `dbt` asks dbt which runs ended whose event never came.
//!
//! What follows from an outcome is `afterrun_core::transition`'s to say; what a tool means by its
//! answers is its connector's.

mod call;
mod cancel;
pub mod connector;
pub mod connectors;
mod counted;
pub mod dbt;
mod due;
mod forget;
pub mod http;
pub mod login;
pub mod notify;
mod outage;
mod probe;
mod run;
mod targets;
mod tell;
mod trace;
mod under_way;
mod wake;

pub use run::Worker;
pub use targets::Targets;
pub use trace::TraceSettings;
