//! The tables and their rules, against a real Postgres.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod artifact;
mod audit;
mod claim;
mod connections;
mod doubt;
mod fence;
mod freshness;
mod group;
mod lease;
mod looks;
mod migration;
mod order;
mod overview;
mod plan;
mod plans;
mod readiness;
mod records;
mod retention;
mod runs;
mod scene;
mod sources;
mod together;
mod wake;
mod weeks;
