//! `manifest.json`, read as a stream: of its hundreds of megabytes of code and documents nothing is
//! kept but the nodes' names and what they depend on.
//!
//! Invariant: neither the order of the keys nor anything that is not read makes a difference. What
//! a manifest of another version has elsewhere is missing from what was read, and a note says so.

use std::io::Read;

use serde::Deserialize;
use serde::de::MapAccess;
use serde::de::value::MapAccessDeserializer;

use super::json::{Given, Keep, Loose, given, keep_keys};
use super::targets::{Afterrun, Targets};
use super::{ArtifactError, Kind, read};

/// The versions of the schema that we know; of what is read, they differ in nothing.
const KNOWN: std::ops::RangeInclusive<u32> = 4..=12;

/// What is kept of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    pub dbt_schema_version: Option<String>,
    pub dbt_version: Option<String>,
    pub project_name: Option<String>,
    /// In the order of their `unique_id`s, each of which is there once.
    pub nodes: Vec<Node>,
    /// What a reader of the manifest should know: in plain words, for people.
    pub notes: Vec<String>,
}

/// A node of the project: a model, a seed, a snapshot, a test, and what reads or feeds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub unique_id: String,
    pub kind: Kind,
    pub name: String,
    pub package_name: String,
    pub fqn: Vec<String>,
    pub tags: Vec<String>,
    /// `original_file_path`, or `path` where only that is given.
    pub path: String,
    /// The file that describes it, if that is another (`patch_path`).
    pub described_in: Option<String>,
    /// Only of a source.
    pub source_name: Option<String>,
    /// It is one of several versions of a model; the last part of its `fqn` says which.
    pub versioned: bool,
    /// dbt never builds it: it is a part of what reads it.
    pub ephemeral: bool,
    /// `depends_on.nodes`: `unique_id`s, also of nodes that are not there.
    pub depends_on: Vec<String>,
    /// `meta.afterrun.target` of an exposure.
    pub targets: Vec<String>,
}

/// Reads a manifest.
///
/// # Errors
/// Says what is wrong with it and where; its values are not repeated.
pub fn read_manifest(reader: impl Read) -> Result<Manifest, ArtifactError> {
    const ARTIFACT: &str = "manifest.json";
    /// More than twice the longest name of a file.
    const LONGEST: usize = 512;
    let wire: Wire = read(ARTIFACT, LONGEST, reader)?;
    let Some(Loose(nodes)) = wire.nodes else {
        let what = "it has no `nodes`, so it is not a manifest".into();
        return Err(ArtifactError::Shape { artifact: ARTIFACT, what });
    };
    let Loose(metadata) = wire.metadata;
    let Loose(dbt_schema_version) = metadata.dbt_schema_version;
    let mut manifest = Manifest {
        notes: version_note(dbt_schema_version.as_deref()).into_iter().collect(),
        dbt_schema_version,
        dbt_version: metadata.dbt_version.0,
        project_name: metadata.project_name.0,
        nodes: nodes.nodes,
    };
    manifest.notes.extend(nodes.notes);
    for Loose(section) in [
        wire.sources,
        wire.exposures,
        wire.metrics,
        wire.semantic_models,
        wire.saved_queries,
        wire.unit_tests,
        wire.functions,
    ] {
        manifest.nodes.extend(section.nodes);
        manifest.notes.extend(section.notes);
    }
    manifest.nodes.sort_by(|one, other| one.unique_id.cmp(&other.unique_id));
    manifest.nodes.dedup_by(|one, other| one.unique_id == other.unique_id);
    Ok(manifest)
}

fn version_note(schema: Option<&str>) -> Option<String> {
    let number = schema.and_then(|schema| {
        let (_, version) = schema.rsplit_once("/manifest/v")?;
        version.strip_suffix(".json").unwrap_or(version).parse::<u32>().ok()
    });
    let (oldest, newest) = (KNOWN.start(), KNOWN.end());
    let what = match number {
        Some(number) if KNOWN.contains(&number) => return None,
        Some(number) if number > *newest => format!("has version {number}, newer than {newest}"),
        Some(number) => format!("has version {number}, older than {oldest}"),
        None => "does not say its version".into(),
    };
    Some(format!("the manifest {what}; it was read as far as versions {oldest} to {newest} go"))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire {
    metadata: Loose<Metadata>,
    #[serde(deserialize_with = "given")]
    nodes: Option<Loose<Section>>,
    sources: Loose<Section>,
    exposures: Loose<Section>,
    metrics: Loose<Section>,
    semantic_models: Loose<Section>,
    saved_queries: Loose<Section>,
    unit_tests: Loose<Section>,
    functions: Loose<Section>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    dbt_schema_version: Loose<Option<String>>,
    dbt_version: Loose<Option<String>>,
    project_name: Loose<Option<String>>,
}

/// Nodes by their `unique_id`s, each made small before the next one is read.
#[derive(Default)]
struct Section {
    nodes: Vec<Node>,
    notes: Vec<String>,
}

impl<'de> Keep<'de> for Section {
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut section = Section::default();
        while let Some((unique_id, Loose(entry))) =
            map.next_entry::<String, Loose<Option<Entry>>>()?
        {
            section.add(unique_id, entry);
        }
        Ok(section)
    }
}

impl Section {
    fn add(&mut self, unique_id: String, entry: Option<Entry>) {
        let Some(entry) = entry else { return };
        let Some(kind) = entry.kind(&unique_id) else { return };
        let mut named = unique_id.splitn(3, '.').skip(1);
        let (package, name) = (named.next().unwrap_or_default(), named.next().unwrap_or_default());
        let package_name = entry.package_name.0.unwrap_or_else(|| package.to_owned());
        let name = entry.name.0.unwrap_or_else(|| name.to_owned());
        let Loose(config) = entry.config;
        let targets = if kind == Kind::Exposure {
            let (Loose(meta), Loose(config_meta)) = (entry.meta, config.meta);
            meta.afterrun.0.0.and(config_meta.afterrun.0.0)
        } else {
            Targets::default()
        };
        if targets.wrong {
            let why = "meta.afterrun.target is not the name of a target, or a list of them";
            self.notes.push(format!("exposure {name}: {why}"));
        }
        let mut tags = entry.tags.0;
        tags.extend(config.tags.0);
        tags.sort();
        tags.dedup();
        self.nodes.push(Node {
            kind,
            name,
            package_name,
            fqn: entry.fqn.0,
            tags,
            path: entry.original_file_path.0.or(entry.path.0).unwrap_or_default(),
            // `shop://models/marts/_marts.yml`
            described_in: entry
                .patch_path
                .0
                .and_then(|path| Some(path.split_once("://")?.1.into())),
            source_name: entry.source_name.0.filter(|_| kind == Kind::Source),
            versioned: kind == Kind::Model && entry.version.0.0,
            ephemeral: config.materialized.0.as_deref() == Some("ephemeral"),
            depends_on: entry.depends_on.0.nodes.0,
            targets: targets.named,
            unique_id,
        });
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    name: Loose<Option<String>>,
    resource_type: Loose<Option<String>>,
    package_name: Loose<Option<String>>,
    fqn: Loose<Vec<String>>,
    tags: Loose<Vec<String>>,
    original_file_path: Loose<Option<String>>,
    path: Loose<Option<String>>,
    patch_path: Loose<Option<String>>,
    source_name: Loose<Option<String>>,
    version: Loose<Given>,
    depends_on: Loose<DependsOn>,
    meta: Loose<Meta>,
    config: Loose<Config>,
}

impl Entry {
    /// By what it says, or else by its `unique_id`. One that is neither is nothing of dbt's.
    fn kind(&self, unique_id: &str) -> Option<Kind> {
        let Loose(said) = &self.resource_type;
        match said {
            Some(said) => Some(Kind::of_resource_type(said).unwrap_or(Kind::Other)),
            None => Kind::of_resource_type(unique_id.split('.').next()?),
        }
    }
}

impl<'de> Keep<'de> for Option<Entry> {
    fn map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Entry::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DependsOn {
    nodes: Loose<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    materialized: Loose<Option<String>>,
    meta: Loose<Meta>,
    tags: Loose<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    afterrun: Loose<Afterrun>,
}

keep_keys![Metadata, DependsOn, Config, Meta];
