//! What dbt itself wrote, of the project of `tests/artifacts/`, in several versions.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use afterrun_core::artifact::{
    Graph, Kind, Outcome, Ruling, RunResults, Selector, Status, failures, judge, read_manifest,
    read_run_results, summary,
};
use flate2::read::GzDecoder;

use super::scene::ids;

const VERSIONS: [&str; 3] = ["1.7", "1.8", "1.11"];

fn open(version: &str, name: &str) -> GzDecoder<File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/artifacts");
    GzDecoder::new(File::open(folder.join(version).join(format!("{name}.json.gz"))).unwrap())
}

fn graph(version: &str) -> Graph {
    Graph::of(&read_manifest(open(version, "manifest")).unwrap())
}

/// The results of these steps, one after another.
fn steps(version: &str, names: &[&str]) -> RunResults {
    let read = names.iter().map(|name| read_run_results(open(version, name)).unwrap());
    read.reduce(RunResults::then).unwrap()
}

/// What is said of each target after these steps: nothing where it is due.
fn said(version: &str, names: &[&str]) -> [String; 3] {
    let (graph, results) = (graph(version), steps(version, names));
    ["sales", "customers", "board"].map(|target| {
        match judge(&graph, &graph.exposures_of(target), &results).ruling {
            Ruling::Due => String::new(),
            Ruling::NotDue(why) => why,
        }
    })
}

#[test]
fn every_version_is_read_without_a_note() {
    for version in VERSIONS {
        let manifest = read_manifest(open(version, "manifest")).unwrap();
        assert_eq!(manifest.notes, [""; 0], "{version}");
        assert_eq!(manifest.project_name.as_deref(), Some("shop"));
        assert!(manifest.dbt_version.unwrap().starts_with(version));
        let count = |kind| manifest.nodes.iter().filter(|node| node.kind == kind).count();
        assert_eq!(count(Kind::Model), 9, "{version}");
        assert_eq!((count(Kind::Seed), count(Kind::Snapshot), count(Kind::Source)), (2, 1, 1));
        assert_eq!(count(Kind::Test), 9, "{version}");
        assert_eq!(count(Kind::UnitTest), usize::from(version != "1.7"));
        assert_eq!((count(Kind::Exposure), count(Kind::Metric)), (4, 1));
    }
}

#[test]
fn targets_are_found_under_meta_and_under_config() {
    for version in VERSIONS {
        let graph = graph(version);
        let readers = |target| ids(&graph, &graph.exposures_of(target));
        assert_eq!(readers("sales"), ["exposure.sales_dashboard"], "{version}");
        assert_eq!(readers("customers"), ["exposure.customers_report"], "{version}");
        assert_eq!(readers("board"), ["exposure.board_figures", "exposure.customers_report"]);
        assert_eq!(graph.targets().len(), 3);
    }
}

#[test]
fn after_a_good_build_all_are_due() {
    for version in VERSIONS {
        assert_eq!(said(version, &["build"]), [""; 3], "{version}");
        let results = steps(version, &["build"]);
        assert_eq!(failures(Some(&graph(version)), &results), [], "{version}");
        let warned = results.results.values().filter(|result| result.status == Status::Warn);
        assert_eq!(warned.count(), 1, "{version}");
    }
}

#[test]
fn a_model_that_failed_keeps_back_what_reads_it_and_nothing_else() {
    for version in VERSIONS {
        assert_eq!(
            said(version, &["model_fails"]),
            [
                "model fct_orders failed and model daily_revenue was skipped",
                "",
                "model fct_orders failed",
            ],
            "{version}"
        );
        // `dbt docs generate` afterwards calls all that it compiled a success.
        let docs = steps(version, &["model_fails", "step_docs"]);
        assert_eq!(docs.results, steps(version, &["model_fails"]).results, "{version}");
        let failed = failures(Some(&graph(version)), &steps(version, &["model_fails"]));
        let line = summary(&failed).unwrap();
        assert!(line.starts_with("model fct_orders: "), "{line}");
        assert!(line.contains("no_such_column") && !line.contains('\n'), "{line}");
        assert_eq!(failed.len(), 1, "{failed:?}");
    }
}

#[test]
fn a_test_that_failed_keeps_back_what_reads_its_model() {
    for version in VERSIONS {
        assert_eq!(
            said(version, &["test_fails"]),
            [
                "test no_order_is_too_small of model fct_orders failed and model daily_revenue \
                 was skipped",
                "",
                "test no_order_is_too_small of model fct_orders failed",
            ],
            "{version}"
        );
        let failed = failures(Some(&graph(version)), &steps(version, &["test_fails"]));
        let line = summary(&failed).unwrap();
        assert!(line.starts_with("test no_order_is_too_small: Got 3 results"), "{line}");
    }
}

#[test]
fn of_a_run_of_one_mart_only_its_readers_are_due() {
    for version in VERSIONS {
        assert_eq!(
            said(version, &["one_mart"]),
            ["nothing upstream of exposure sales_dashboard was built in this run", "", ""],
            "{version}"
        );
        let (graph, results) = (graph(version), steps(version, &["one_mart"]));
        let judged = judge(&graph, &graph.exposures_of("customers"), &results);
        let built: Vec<_> = judged
            .upstream
            .iter()
            .filter(|upstream| matches!(upstream.outcome, Outcome::BuiltWell { at: Some(_) }))
            .map(|upstream| upstream.label.as_str())
            .collect();
        assert_eq!(built, ["model dim_customers.v2"], "{version}");
    }
}

#[test]
fn steps_count_together() {
    for version in VERSIONS {
        let steps_of = |last| ["step_seed", "step_run", last];
        assert_eq!(said(version, &steps_of("step_test")), [""; 3], "{version}");
        let failed = "test no_order_is_too_small of model fct_orders failed";
        assert_eq!(said(version, &steps_of("step_test_fails")), [failed, "", failed], "{version}");
        let commands = steps(version, &steps_of("step_test")).commands;
        assert_eq!(commands, ["seed", "run", "test"], "{version}");
    }
}

/// `dbt ls` was asked, without the tests that it adds by itself.
#[test]
fn selectors_pick_what_dbt_picks() {
    let graph = graph("1.11");
    let picked: BTreeMap<String, Vec<String>> =
        serde_json::from_reader(open("1.11", "selected")).unwrap();
    assert!(picked.len() > 80);
    for (selector, expected) in picked {
        let ours = Selector::parse(&selector).unwrap().select(&graph);
        let ours = ours.iter().map(|id| graph.node(*id)).filter(|node| node.kind() != Kind::Other);
        let ours: Vec<_> = ours.map(|node| node.unique_id()).collect();
        assert_eq!(ours, expected, "{selector}");
    }
}
