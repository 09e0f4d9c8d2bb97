//! A small shop, by hand: what dbt would have written of it.

use afterrun_core::artifact::{
    Graph, Manifest, Nodes, RunResults, read_manifest, read_run_results,
};
use serde_json::{Value, json};

pub(super) fn manifest(wire: &Value) -> Manifest {
    read_manifest(wire.to_string().as_bytes()).unwrap()
}

/// A node below `folder`, as it stands in a manifest.
pub(super) fn node(unique_id: &str, folder: &str, on: &[&str], tags: &[&str]) -> (String, Value) {
    let mut parts = unique_id.splitn(3, '.');
    let (kind, package) = (parts.next().unwrap(), parts.next().unwrap());
    let name = parts.next().unwrap();
    // The name of a test ends before its hash, and that of a model before its version.
    let (plain, version) = name.split_once(".v").map_or((name, None), |(n, v)| (n, Some(v)));
    let plain = if kind == "test" { plain.split('.').next().unwrap() } else { plain };
    let mut fqn = vec![package.to_owned()];
    fqn.extend(folder.split('/').skip(1).map(Into::into));
    fqn.push(plain.to_owned());
    fqn.extend(version.map(|version| format!("v{version}")));
    let file = version.map_or(plain.to_owned(), |version| format!("{plain}_v{version}"));
    let wire = json!({
        "unique_id": unique_id,
        "name": plain,
        "resource_type": kind,
        "package_name": package,
        "fqn": fqn,
        "tags": tags,
        "original_file_path": format!("{folder}/{file}.sql"),
        "version": version.map(|version| version.parse::<u32>().unwrap()),
        "depends_on": {"macros": ["macro.dbt.is_incremental"], "nodes": on},
        "raw_code": "select 1",
        "config": {"enabled": true, "meta": {}, "tags": tags},
    });
    (unique_id.to_owned(), wire)
}

pub(super) fn shop() -> Value {
    let nodes: serde_json::Map<String, Value> = [
        node("seed.shop.raw_orders", "seeds", &[], &[]),
        node("model.shop.stg_orders", "models/staging", &["seed.shop.raw_orders"], &["staging"]),
        node("model.shop.stg_customers", "models/staging", &["source.shop.erp.customers"], &[]),
        node(
            "model.shop.fct_orders",
            "models/marts",
            &["model.shop.stg_orders", "model.shop.stg_customers", "model.helpers.dates"],
            &["nightly"],
        ),
        node(
            "model.shop.daily",
            "models/marts/finance",
            &["model.shop.fct_orders"],
            &["nightly", "finance"],
        ),
        node("model.shop.dim.v1", "models/marts", &["model.shop.stg_customers"], &[]),
        node("model.shop.dim.v2", "models/marts", &["model.shop.stg_customers"], &[]),
        node("model.helpers.dates", "models", &[], &[]),
        node("test.shop.not_null_fct_orders_id.0a1b", "models", &["model.shop.fct_orders"], &[]),
        node(
            "test.shop.orders_have_customers.2c3d",
            "models",
            &["model.shop.stg_customers", "model.shop.fct_orders"],
            &[],
        ),
        node("analysis.shop.scratch", "analyses", &["model.shop.daily"], &[]),
    ]
    .into_iter()
    .collect();
    let exposure = |name: &str, on: &str, target: Value| {
        let (unique_id, mut wire) = node(&format!("exposure.shop.{name}"), "models", &[on], &[]);
        wire["meta"] = json!({"afterrun": {"target": target}, "owner": "somebody"});
        (unique_id, wire)
    };
    let exposures: serde_json::Map<String, Value> = [
        exposure("sales", "model.shop.daily", json!("sales")),
        exposure("board", "metric.shop.revenue", json!(["board", "sales"])),
        exposure("people", "model.shop.dim.v2", json!("people")),
        exposure("raw", "source.shop.erp.customers", json!("raw")),
    ]
    .into_iter()
    .collect();
    json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "dbt_version": "1.10.4",
            "project_name": "shop",
        },
        "nodes": nodes,
        "sources": {"source.shop.erp.customers": {
            "resource_type": "source", "name": "customers", "source_name": "erp",
            "package_name": "shop", "tags": ["erp"], "fqn": ["shop", "staging", "erp", "customers"],
            "original_file_path": "models/staging/_sources.yml",
        }},
        "exposures": exposures,
        "metrics": {"metric.shop.revenue": {
            "resource_type": "metric", "name": "revenue", "package_name": "shop",
            "depends_on": {"nodes": ["semantic_model.shop.orders"]},
        }},
        "semantic_models": {"semantic_model.shop.orders": {
            "resource_type": "semantic_model", "name": "orders", "package_name": "shop",
            "depends_on": {"nodes": ["model.shop.fct_orders"]},
        }},
        "macros": {"macro.dbt.is_incremental": {"macro_sql": "{% macro %}"}},
        "docs": {}, "disabled": {}, "parent_map": {}, "child_map": {},
    })
}

pub(super) fn shop_graph() -> Graph {
    Graph::of(&manifest(&shop()))
}

/// Results as `dbt build` would have written them; ids without their `shop.`.
pub(super) fn results(ended: &[(&str, &str)]) -> RunResults {
    let results: Vec<Value> = ended
        .iter()
        .map(|(id, status)| {
            let (kind, name) = id.split_once('.').unwrap();
            json!({"unique_id": format!("{kind}.shop.{name}"), "status": status, "timing": []})
        })
        .collect();
    let wire = json!({
        "metadata": {"generated_at": "2026-11-20T06:41:03.000000Z"},
        "results": results,
        "args": {"which": "build"},
    });
    read_run_results(wire.to_string().as_bytes()).unwrap()
}

/// The `unique_id`s of nodes, without `shop.`.
pub(super) fn ids(graph: &Graph, nodes: &Nodes) -> Vec<String> {
    nodes.iter().map(|id| graph.node(*id).unique_id().replacen(".shop", "", 1)).collect()
}
