//! The domain's rules, configuration and all SQL; no HTTP.

pub mod config;
pub mod env;
