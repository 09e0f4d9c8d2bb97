//! The dbt project of the demo, as the artifacts of its runs show it: two marts, and on each of them
//! a dashboard, which an exposure names.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};

/// Its models, in which folder each is, and on which others it is built.
const MODELS: [(&str, &str, &[&str]); 4] = [
    ("stg_orders", "staging", &[]),
    ("fct_orders", "marts", &["stg_orders"]),
    ("stg_invoices", "staging", &[]),
    ("fct_invoices", "marts", &["stg_invoices"]),
];

/// Its exposures, what kind of thing each is, which model it reads, and the target that it is here.
const EXPOSURES: [(&str, &str, &str, &str); 2] = [
    ("sales", "dashboard", "fct_orders", "sales-report"),
    ("finance", "analysis", "fct_invoices", "sales-workbook"),
];

const DBT: &str = "2026.9.30+21d3fd7";

/// A model that a run selected.
pub(super) struct Model {
    pub(super) name: &'static str,
    /// What the warehouse said, if it could not be built.
    pub(super) error: Option<&'static str>,
}

impl Model {
    pub(super) const fn built(name: &'static str) -> Self {
        Self { name, error: None }
    }

    pub(super) const fn failed(name: &'static str, error: &'static str) -> Self {
        Self { name, error: Some(error) }
    }
}

/// `manifest.json`
pub(super) fn manifest() -> Value {
    json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "dbt_version": DBT,
            "project_name": "shop",
            "adapter_type": "postgres",
        },
        "nodes": MODELS.iter().map(model).collect::<Map<_, _>>(),
        "sources": {},
        "macros": {},
        "docs": {},
        "exposures": EXPOSURES.iter().map(exposure).collect::<Map<_, _>>(),
        "metrics": {},
        "disabled": {},
    })
}

fn model((name, folder, on): &(&str, &str, &[&str])) -> (String, Value) {
    let value = json!({
        "unique_id": model_id(name),
        "name": name,
        "resource_type": "model",
        "package_name": "shop",
        "fqn": ["shop", folder, name],
        "original_file_path": path(folder, name),
        "tags": [],
        "config": { "materialized": if *folder == "marts" { "table" } else { "view" } },
        "depends_on": { "macros": [], "nodes": on.iter().map(|on| model_id(on)).collect::<Vec<_>>() },
    });
    (model_id(name), value)
}

fn exposure((name, kind, reads, target): &(&str, &str, &str, &str)) -> (String, Value) {
    let id = format!("exposure.shop.{name}");
    let value = json!({
        "unique_id": id,
        "name": name,
        "resource_type": "exposure",
        "type": kind,
        "package_name": "shop",
        "fqn": ["shop", name],
        "original_file_path": "models/exposures.yml",
        "owner": { "name": "Analytics" },
        "meta": { "afterrun": { "target": target } },
        "depends_on": { "macros": [], "nodes": [model_id(reads)] },
    });
    (id, value)
}

/// `run_results.json` of a run that was done with the last of these models at that time.
pub(super) fn run_results(models: &[Model], at: DateTime<Utc>) -> Value {
    json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json",
            "dbt_version": DBT,
            "generated_at": time(at),
        },
        "args": { "which": "build" },
        "results": models.iter().map(|model| result(model, at)).collect::<Vec<_>>(),
        "elapsed_time": 40.0,
    })
}

fn result(model: &Model, at: DateTime<Utc>) -> Value {
    let folder = MODELS.iter().find(|(name, ..)| *name == model.name).map_or("", |known| known.1);
    let message = match model.error {
        None => "SELECT 1204".to_owned(),
        Some(error) => {
            format!(
                "Database Error in model {} ({})\n  {error}",
                model.name,
                path(folder, model.name)
            )
        }
    };
    json!({
        "unique_id": model_id(model.name),
        "status": if model.error.is_some() { "error" } else { "success" },
        "message": message,
        "timing": [{
            "name": "execute",
            "started_at": time(at - TimeDelta::seconds(10)),
            "completed_at": time(at),
        }],
        "execution_time": 10.0,
        "failures": null,
    })
}

fn model_id(name: &str) -> String {
    format!("model.shop.{name}")
}

fn path(folder: &str, name: &str) -> String {
    format!("models/{folder}/{name}.sql")
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
