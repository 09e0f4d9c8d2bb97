//! `run_results.json`, read as a stream: how each node of one step of a run ended.
//!
//! Invariant: a result says that a node was built only if the step's command builds. `dbt docs
//! generate` and others write `success` for what they merely compiled; of their results only the
//! failures are kept.

use std::collections::BTreeMap;
use std::io::Read;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::SeqAccess;

use super::json::{Keep, Loose, given, keep_keys};
use super::{ArtifactError, Status, read};
use crate::attempt::text;
use crate::dbt::moment;

/// The commands (`args.which`) that write results and build nothing.
const BUILD_NOTHING: [&str; 8] =
    ["compile", "docs", "generate", "show", "list", "parse", "freshness", "source-freshness"];

/// How the nodes of a run ended, of one step or of several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunResults {
    /// When the last of the steps ended.
    pub generated_at: Option<DateTime<Utc>>,
    /// The commands of the steps (`build`, `run`, `test`), in their order, where they say so.
    pub commands: Vec<String>,
    /// By `unique_id`.
    pub results: BTreeMap<String, NodeResult>,
}

/// How one node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeResult {
    pub status: Status,
    /// What dbt or the warehouse said: 8 kB of it at the most.
    pub message: Option<String>,
    /// When dbt was done with it, or else when the step ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl RunResults {
    /// These and those of a later step: a node's later result is the one that counts.
    pub fn then(mut self, later: RunResults) -> RunResults {
        self.generated_at = later.generated_at.or(self.generated_at);
        self.commands.extend(later.commands);
        self.results.extend(later.results);
        self
    }
}

/// Reads the results of a step.
///
/// # Errors
/// Says what is wrong with them and where; their values are not repeated.
pub fn read_run_results(reader: impl Read) -> Result<RunResults, ArtifactError> {
    const ARTIFACT: &str = "run_results.json";
    /// More than what is kept of a message.
    const LONGEST: usize = 16 * 1024;
    let wire: Wire = read(ARTIFACT, LONGEST, reader)?;
    let Some(Loose(Results(mut results))) = wire.results else {
        let what = "it has no `results`, so it is not the results of a run".into();
        return Err(ArtifactError::Shape { artifact: ARTIFACT, what });
    };
    let generated_at = wire.metadata.0.generated_at.0.as_deref().and_then(moment);
    let command = wire.args.0.which.0.map(|command| text(&command));
    if command.as_deref().is_some_and(|command| BUILD_NOTHING.contains(&command)) {
        results.retain(|_, result| result.status.is_failure());
    }
    for result in results.values_mut() {
        result.finished_at = result.finished_at.or(generated_at);
    }
    Ok(RunResults { generated_at, commands: command.into_iter().collect(), results })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire {
    metadata: Loose<Metadata>,
    args: Loose<Args>,
    #[serde(deserialize_with = "given")]
    results: Option<Loose<Results>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    generated_at: Loose<Option<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Args {
    which: Loose<Option<String>>,
}

/// Each is made small before the next one is read.
#[derive(Default)]
struct Results(BTreeMap<String, NodeResult>);

impl<'de> Keep<'de> for Results {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut results = BTreeMap::new();
        while let Some(Loose(wire)) = list.next_element::<Loose<WireResult>>()? {
            let Some(unique_id) = wire.unique_id.0 else { continue };
            let status = wire.status.0.unwrap_or_default();
            let result = NodeResult {
                status: Status::of(&status),
                message: wire.message.0.filter(|message| !message.is_empty()).map(|m| text(&m)),
                finished_at: wire.timing.0.0,
            };
            results.insert(unique_id, result);
        }
        Ok(Self(results))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireResult {
    unique_id: Loose<Option<String>>,
    status: Loose<Option<String>>,
    message: Loose<Option<String>>,
    timing: Loose<Finished>,
}

/// `timing`: the last of its ends.
#[derive(Default)]
struct Finished(Option<DateTime<Utc>>);

impl<'de> Keep<'de> for Finished {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut last: Option<DateTime<Utc>> = None;
        while let Some(Loose(timing)) = list.next_element::<Loose<Timing>>()? {
            last = last.max(timing.completed_at.0.as_deref().and_then(moment));
        }
        Ok(Self(last))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Timing {
    completed_at: Loose<Option<String>>,
}

keep_keys![Metadata, Args, WireResult, Timing];
