//! The worker: calls the BI tools through their connectors.

pub mod connector;
pub mod connectors;
pub mod http;
pub mod login;
