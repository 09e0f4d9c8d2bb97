//! dbt's artifacts, and what they mean to whoever reads what dbt builds: pure, no SQL and no HTTP.
//!
//! [`read_manifest`] and [`read_run_results`] keep of the files what the rules need. A [`Graph`] is
//! what is stored of a manifest; a [`Selector`] picks nodes of it in dbt's own words; [`judge`] says
//! whether what a target reads was built well, and [`failures`] why a run failed.
//!
//! Invariant: what is not read never matters, whatever it holds, and no error quotes a value.
//! Wire facts: docs.getdbt.com/reference/artifacts/dbt-artifacts.

mod exposure;
mod failure;
mod graph;
mod json;
mod kind;
mod manifest;
mod run_results;
mod select;
mod short;
mod status;
mod targets;

use std::io::{self, BufReader, Read};

use serde::de::DeserializeOwned;

use self::short::Short;
use crate::dbt::{Object, shape};

pub use self::{
    exposure::{Judgement, Outcome, Ruling, Upstream, judge, judge_models, upstream},
    failure::{Failure, failures, summary},
    graph::{Graph, NodeId, Nodes, View},
    kind::Kind,
    manifest::{Manifest, Node, read_manifest},
    run_results::{NodeResult, RunResults, read_run_results},
    select::Selector,
    status::Status,
};

/// Why an artifact could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("{artifact} could not be read to its end")]
    Read { artifact: &'static str, source: io::Error },
    #[error("{artifact} is not understood: {what}")]
    Shape { artifact: &'static str, what: String },
}

/// Reads an object as a stream: at any time no more than one small part of it is held. Of a text no
/// more is read than about `longest` bytes, as they are written.
fn read<T: DeserializeOwned>(
    artifact: &'static str,
    longest: usize,
    mut reader: impl Read,
) -> Result<T, ArtifactError> {
    // One parser for all kinds of readers, and built here.
    let reader: &mut dyn Read = &mut reader;
    let mut short = Short::new(reader, longest);
    match serde_json::from_reader(BufReader::new(&mut short)) {
        Ok(Object(read)) => Ok(read),
        Err(error) if error.is_io() => Err(ArtifactError::Read { artifact, source: error.into() }),
        Err(error) => {
            let what = shape(&error);
            let column = short.column(error.line(), error.column());
            let what = match what.strip_suffix(&format!("column {}", error.column())) {
                Some(what) => format!("{what}column {column}"),
                None => what,
            };
            Err(ArtifactError::Shape { artifact, what })
        }
    }
}
