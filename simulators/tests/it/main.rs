//! The played servers over real HTTP: each rule they are strict about, as a sentence.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod client;
mod dbt;
mod fault;
mod mode;
mod nudges;
mod tableau;
mod tableau_app;
mod tableau_errors;
mod tableau_flows;
mod tableau_jobs;
mod wire;
