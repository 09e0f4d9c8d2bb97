//! Graphs of projects, each kept once: a run of the same job, commit and version has the same one,
//! and its manifest need not be read again.

use serde::Serialize;

use crate::artifact::{ArtifactError, Graph};
use crate::{Store, StoreError};

/// What a manifest is made of. `None` where dbt does not tell the commit: such a one is its run's
/// alone.
#[derive(Debug, Clone, Serialize)]
pub struct ManifestKey {
    pub project_id: Option<String>,
    pub environment_id: Option<String>,
    pub job_id: Option<String>,
    pub git_sha: String,
    pub dbt_version: Option<String>,
}

/// A graph that is kept.
#[derive(Debug)]
pub struct KnownManifest {
    pub id: i64,
    pub graph: Graph,
}

impl ManifestKey {
    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Store {
    /// The graph of a manifest that was read before. One that cannot be read any more, as after a
    /// change of its form, is none.
    pub async fn known_manifest(
        &self,
        source: &str,
        key: &ManifestKey,
    ) -> Result<Option<KnownManifest>, StoreError> {
        let row = self
            .step("look for a manifest that was read before", async |connection| {
                sqlx::query!(
                    "select id, graph from dbt_manifest where source = $1 and key = $2",
                    source,
                    key.text(),
                )
                .fetch_optional(connection)
                .await
            })
            .await?;
        Ok(row.and_then(|row| {
            let graph = Graph::from_bytes(&row.graph).ok()?;
            Some(KnownManifest { id: row.id, graph })
        }))
    }

    /// Keeps a graph; that of a run alone under the run's id.
    pub async fn keep_manifest(
        &self,
        source: &str,
        key: Result<&ManifestKey, &str>,
        graph: &Graph,
        notes: &[String],
    ) -> Result<i64, NotKept> {
        let key = match key {
            Ok(key) => key.text(),
            Err(run_id) => format!("run {run_id}"),
        };
        let bytes = graph.to_bytes()?;
        Ok(self
            .step("keep what a manifest says", async |connection| {
                sqlx::query_scalar!(
                    r#"
            insert into dbt_manifest (source, key, graph, notes, read_at)
            values ($1, $2, $3, $4, coalesce($5, now()))
            on conflict (source, key) do update
            set graph = excluded.graph, notes = excluded.notes, read_at = excluded.read_at
            returning id
            "#,
                    source,
                    key,
                    bytes,
                    notes,
                    self.now(),
                )
                .fetch_one(connection)
                .await
            })
            .await?)
    }
}

/// A graph could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
