//! types only, replaced by the merge
use secrecy::SecretString;
use std::{collections::BTreeMap, time::Duration};
#[derive(Debug)]
pub struct Config {
    pub sources: BTreeMap<String, Source>,
    pub connections: BTreeMap<String, Connection>,
    pub targets: BTreeMap<String, Target>,
    pub routes: Vec<Route>,
    pub retention: Retention,
}
#[derive(Debug)]
pub struct Source {
    pub secrets: Vec<SecretString>,
    pub account_id: Option<String>,
}
#[derive(Debug)]
pub struct Connection {
    pub kind: String,
    pub max_concurrent: u32,
    pub settings: serde_json::Value,
}
#[derive(Debug)]
pub struct Target {
    pub connection: String,
    pub retry: RetryPolicy,
    pub confirm: ConfirmPolicy,
    pub settings: serde_json::Value,
}
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    pub initial: Duration,
    pub multiplier: f64,
    pub max: Duration,
    pub give_up_after: Duration,
}
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfirmPolicy {
    pub poll: Duration,
    pub poll_max: Duration,
    pub deadline: Duration,
}
#[derive(Debug, Clone, Default)]
pub struct Route {
    pub name: String,
    pub on: Vec<Outcome>,
    pub jobs: Vec<String>,
    pub job_names: Vec<String>,
    pub environments: Vec<String>,
    pub projects: Vec<String>,
    pub accounts: Vec<String>,
    pub reasons: Vec<String>,
    pub refresh: Vec<String>,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Started,
    Success,
    Error,
    Cancelled,
}
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    pub events: Duration,
    pub keys: Duration,
}
