//! The program as its users run it: real processes, a real Postgres, played tools.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod asking;
mod canary;
mod check;
mod completions;
mod corpus;
mod demo;
mod harness;
mod history;
mod lists;
mod lost_answer;
mod migrate;
mod migrate_killed;
mod notices;
mod operate;
mod progress;
mod recovery;
mod reload;
mod replay;
mod roadworks;
mod roles;
#[cfg(target_os = "linux")]
mod rolling;
mod send;
mod serve;
mod targets;
mod terminal;
mod top;
mod traces;
mod up;
mod usage;
