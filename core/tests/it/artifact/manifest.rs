//! What is read of a manifest, and what does not matter in it.

use std::io::{self, Read};

use afterrun_core::artifact::{ArtifactError, Kind, read_manifest};
use serde_json::{Value, json};

use super::scene::{manifest, shop};

fn at<'a>(wire: &'a mut Value, path: &[&str]) -> &'a mut Value {
    path.iter().fold(wire, |value, key| &mut value[*key])
}

#[test]
fn of_a_node_its_names_and_what_it_depends_on_are_kept() {
    let read = manifest(&shop());
    assert_eq!(read.notes, [""; 0]);
    assert_eq!(read.dbt_version.as_deref(), Some("1.10.4"));
    assert_eq!(read.project_name.as_deref(), Some("shop"));
    let node = |id: &str| read.nodes.iter().find(|node| node.unique_id == id).unwrap();
    let daily = node("model.shop.daily");
    assert_eq!((daily.kind, daily.name.as_str()), (Kind::Model, "daily"));
    assert_eq!(daily.package_name, "shop");
    assert_eq!(daily.fqn, ["shop", "marts", "finance", "daily"]);
    assert_eq!(daily.tags, ["finance", "nightly"]);
    assert_eq!(daily.path, "models/marts/finance/daily.sql");
    assert_eq!(daily.depends_on, ["model.shop.fct_orders"]);
    assert!(!daily.versioned && node("model.shop.dim.v2").versioned);
    assert_eq!(node("source.shop.erp.customers").source_name.as_deref(), Some("erp"));
    assert_eq!(node("exposure.shop.board").targets, ["board", "sales"]);
    assert_eq!(node("analysis.shop.scratch").kind, Kind::Other);
    assert!(read.nodes.is_sorted_by(|one, next| one.unique_id < next.unique_id));
}

#[test]
fn nulls_wrong_types_and_unknown_kinds_never_matter() {
    let plain = manifest(&shop());
    let mut odd = shop();
    for (path, value) in [
        (&["nodes", "model.shop.daily", "config"][..], json!(null)),
        (&["nodes", "model.shop.stg_customers", "tags"], json!(null)),
        (&["nodes", "model.shop.stg_customers", "config", "tags"], json!(7)),
        (&["nodes", "model.shop.dim.v1", "raw_code"], json!({"not": ["code"]})),
        (&["nodes", "seed.shop.raw_orders", "depends_on"], json!(null)),
        (&["nodes", "model.helpers.dates", "depends_on", "nodes"], json!(null)),
        (&["nodes", "model.helpers.dates", "depends_on", "macros"], json!(false)),
        (&["exposures", "exposure.shop.sales", "config"], json!("none")),
        (&["sources", "source.shop.erp.customers", "meta"], json!([1, 2])),
        (&["macros"], json!(null)),
        (&["saved_queries"], json!(null)),
        (&["unit_tests"], json!([])),
        (&["nodes", "nothing of dbt's"], json!(3)),
        (&["nodes", "model.shop.null"], json!(null)),
        (&["something new"], json!({"nodes": {"model.shop.x": {}}})),
        (&["metadata", "env"], json!(null)),
    ] {
        *at(&mut odd, path) = value;
    }
    assert_eq!(manifest(&odd), plain);
    // A tag by itself is a list of one, as dbt takes it.
    *at(&mut odd, &["nodes", "model.shop.dim.v1", "tags"]) = json!("alone");
    assert!(manifest(&odd).nodes.iter().any(|node| node.tags == ["alone"]));
    *at(&mut odd, &["nodes"]) = json!(null);
    assert!(manifest(&odd).nodes.iter().all(|node| !node.kind.is_built()));
}

#[test]
fn a_target_is_found_where_old_and_new_versions_of_dbt_write_it() {
    let exposure = |meta: Value, config: Value| {
        let mut wire = shop();
        let exposure = at(&mut wire, &["exposures", "exposure.shop.sales"]);
        exposure["meta"] = meta;
        exposure["config"] = config;
        let read = manifest(&wire);
        let node = read.nodes.into_iter().find(|node| node.unique_id == "exposure.shop.sales");
        (node.unwrap().targets, read.notes.len())
    };
    let meta = |target: Value| json!({"afterrun": {"target": target}});
    let none = json!({});
    for (old, new, targets, notes) in [
        (meta(json!("a")), none.clone(), &["a"][..], 0),
        (none.clone(), json!({"meta": meta(json!("a"))}), &["a"], 0),
        (meta(json!("a")), json!({"meta": meta(json!("a"))}), &["a"], 0),
        (meta(json!(["a", "b"])), json!({"meta": meta(json!("c"))}), &["a", "b", "c"], 0),
        (meta(json!([" a "])), none.clone(), &["a"], 0),
        (none.clone(), none.clone(), &[], 0),
        (json!(null), json!(null), &[], 0),
        (json!({"afterrun": null}), none.clone(), &[], 0),
        // What names no target is told.
        (meta(json!(7)), none.clone(), &[], 1),
        (meta(json!(["a", 7])), none.clone(), &["a"], 1),
        (meta(json!({"name": "a"})), none.clone(), &[], 1),
        (meta(json!("")), none.clone(), &[], 1),
        (json!({"afterrun": {"targets": ["a"]}}), none.clone(), &[], 1),
        (json!({"afterrun": "a"}), none.clone(), &[], 1),
    ] {
        assert_eq!(
            exposure(old.clone(), new),
            (targets.iter().map(|t| (*t).into()).collect(), notes),
            "{old}"
        );
    }
}

#[test]
fn of_a_version_that_is_not_known_what_is_understood_is_read_and_a_note_says_so() {
    let plain = manifest(&shop());
    for (version, note) in [
        (json!("https://schemas.getdbt.com/dbt/manifest/v4.json"), None),
        (json!("https://schemas.getdbt.com/dbt/manifest/v3.json"), Some("version 3, older")),
        (json!("https://schemas.getdbt.com/dbt/manifest/v20.json"), Some("version 20, newer")),
        (json!("something else"), Some("does not say its version")),
        (json!(null), Some("does not say its version")),
    ] {
        let mut wire = shop();
        *at(&mut wire, &["metadata", "dbt_schema_version"]) = version.clone();
        let read = manifest(&wire);
        assert_eq!(read.nodes, plain.nodes);
        assert_eq!(read.notes.len(), usize::from(note.is_some()), "{version}");
        assert!(read.notes.iter().zip(note).all(|(said, note)| said.contains(note)), "{version}");
    }
}

#[test]
fn wherever_a_manifest_ends_too_early_the_error_says_where_and_quotes_nothing() {
    let mut wire = shop();
    *at(&mut wire, &["nodes", "model.shop.daily", "raw_code"]) = json!("s3cret");
    let text = wire.to_string();
    for end in (0..text.len()).step_by(11) {
        let error = read_manifest(&text.as_bytes()[..end]).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, ArtifactError::Shape { .. }));
        assert!(said.contains("manifest.json") && said.contains("line 1 column"), "{said}");
        assert!(!said.contains("s3cret") && !said.contains("shop"), "{said}");
    }
}

#[test]
fn a_mistake_behind_long_texts_is_found_where_it_is() {
    let long = "a".repeat(5_000);
    let text = format!(r#"{{"docs":"{long}","nodes":{{"model.a.b":{{"raw_code":"{long}"!}}}}}}"#);
    let column = text.find('!').unwrap() + 1;
    let said = read_manifest(text.as_bytes()).unwrap_err().to_string();
    assert!(said.ends_with(&format!("not valid JSON at line 1 column {column}")), "{said}");
}

#[test]
fn what_is_no_manifest_is_an_error_that_quotes_nothing() {
    for (text, what) in [
        ("", "ends too early"),
        ("s3cret", "not valid JSON"),
        ("[]", "wrong type"),
        ("\"s3cret\"", "wrong type"),
        ("{}", "no `nodes`"),
        (r#"{"status": {"code": 401, "user_message": "s3cret"}}"#, "no `nodes`"),
        (r#"{"nodes": {}} s3cret"#, "not valid JSON"),
        (r#"{"nodes": {"model.a.b": {"name": "s3cret" "tags": []}}}"#, "not valid JSON"),
        (r#"{"nodes": {}, "nodes": {}}"#, "duplicate field"),
    ] {
        let said = read_manifest(text.as_bytes()).unwrap_err().to_string();
        assert!(said.contains(what), "{text}: {said}");
        assert!(!said.contains("s3cret"), "{text}: {said}");
    }
}

#[test]
fn a_reader_that_fails_is_told_from_a_manifest_that_is_wrong() {
    let broken = r#"{"nodes": {"#.as_bytes().chain(Broken);
    let error = read_manifest(broken).unwrap_err();
    assert!(matches!(error, ArtifactError::Read { .. }), "{error}");
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
}
