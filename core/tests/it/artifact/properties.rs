//! What holds for any project and any run.

use std::collections::BTreeSet;

use afterrun_core::artifact::{
    Graph, NodeResult, Ruling, RunResults, Status, judge, read_manifest, read_run_results,
};
use chrono::DateTime;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

static WORDS: [&str; 12] = [
    "success",
    "error",
    "skipped",
    "pass",
    "fail",
    "warn",
    "runtime error",
    "partial success",
    "no-op",
    "reused",
    "postponed",
    "",
];

/// Kinds of nodes that stand below others, each with the section that it is in.
const KINDS: [(&str, &str); 6] = [
    ("model", "nodes"),
    ("model", "nodes"),
    ("seed", "nodes"),
    ("test", "nodes"),
    ("metric", "metrics"),
    ("function", "functions"),
];

/// A node depends on some of those before it.
#[derive(Debug, Clone)]
struct Project {
    nodes: Vec<(usize, Vec<bool>)>,
}

impl Project {
    fn kind(&self, node: usize) -> &'static str {
        KINDS[self.nodes[node].0].0
    }

    fn id(&self, node: usize) -> String {
        format!("{}.shop.n{node}", self.kind(node))
    }

    fn on(&self, node: usize) -> Vec<usize> {
        // Nothing depends on a test.
        (0..node).filter(|on| self.nodes[node].1[*on] && self.kind(*on) != "test").collect()
    }

    /// The exposure depends on the last node that is no test.
    fn read_directly(&self) -> Option<usize> {
        (0..self.nodes.len()).rev().find(|node| self.kind(*node) != "test")
    }

    /// What the exposure reads, found in another way than by the graph.
    fn upstream(&self) -> BTreeSet<usize> {
        let mut all: BTreeSet<usize> = self.read_directly().into_iter().collect();
        for node in (0..self.nodes.len()).rev() {
            if all.contains(&node) {
                all.extend(self.on(node));
            }
        }
        all.retain(|node| matches!(self.kind(*node), "model" | "seed"));
        all
    }

    fn manifest(&self) -> Value {
        let mut wire = json!({
            "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
                         "project_name": "shop"},
            "nodes": {}, "metrics": {}, "functions": {}, "sources": null,
        });
        for node in 0..self.nodes.len() {
            let on: Vec<_> = self.on(node).into_iter().map(|on| self.id(on)).collect();
            wire[KINDS[self.nodes[node].0].1][self.id(node)] = json!({
                "resource_type": self.kind(node), "name": format!("n{node}"),
                "package_name": "shop", "fqn": ["shop", format!("n{node}")], "tags": ["a"],
                "original_file_path": "models/n.sql", "depends_on": {"macros": [], "nodes": on},
            });
        }
        let on: Vec<_> = self.read_directly().into_iter().map(|on| self.id(on)).collect();
        wire["exposures"] = json!({"exposure.shop.e": {
            "resource_type": "exposure", "name": "e", "package_name": "shop",
            "depends_on": {"nodes": on}, "meta": {"afterrun": {"target": "t"}},
            "config": {"meta": {"afterrun": {"target": ["t", "u"]}}},
        }});
        wire
    }
}

fn projects() -> impl Strategy<Value = Project> {
    let nodes = vec((0..KINDS.len(), vec(prop::bool::weighted(0.4), 10)), 1..10);
    nodes.prop_map(|nodes| Project { nodes })
}

fn wire_of_results(ended: &[Option<&str>], project: &Project) -> Value {
    let results: Vec<Value> = ended
        .iter()
        .enumerate()
        .take(project.nodes.len())
        .filter_map(|(node, status)| Some((node, (*status)?)))
        .map(|(node, status)| {
            json!({"unique_id": project.id(node), "status": status, "message": "said",
                   "timing": [{"name": "execute", "completed_at": "2026-11-20T06:40:07Z"}]})
        })
        .collect();
    json!({"metadata": {"generated_at": "2026-11-20T06:41:03Z"}, "args": {"which": "build"},
           "results": results})
}

/// Writes JSON with the keys of each object in another order and with keys that nobody knows.
fn write(value: &Value, noise: &mut impl Iterator<Item = u8>, out: &mut String) {
    const JUNK: [&str; 6] =
        ["null", "[1,[{\"a\":[]}]]", "{\"name\":5,\"x\":{}}", "\"\\ud83d\\ude00\"", "-1.5e3", "{}"];
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, String)> = Vec::new();
            for (key, value) in map {
                let mut text = String::new();
                write(value, noise, &mut text);
                entries.push((key.clone(), text));
            }
            for number in 0..usize::from(noise.next().unwrap() % 3) {
                let junk = JUNK[usize::from(noise.next().unwrap()) % JUNK.len()];
                entries.push((format!("unknown {number}"), junk.to_owned()));
            }
            for place in (1..entries.len()).rev() {
                entries.swap(place, usize::from(noise.next().unwrap()) % (place + 1));
            }
            let written = entries.iter().map(|(key, text)| format!("{}:{text}", json!(key)));
            out.push_str(&format!("{{{}}}", written.collect::<Vec<_>>().join(" ,\n")));
        }
        Value::Array(list) => {
            let mut texts = vec![String::new(); list.len()];
            list.iter().zip(&mut texts).for_each(|(value, text)| write(value, noise, text));
            out.push_str(&format!("[{}]", texts.join(", ")));
        }
        plain => out.push_str(&plain.to_string()),
    }
}

fn noisy(value: &Value, noise: &[u8]) -> String {
    let mut text = String::new();
    write(value, &mut noise.iter().copied().cycle(), &mut text);
    text
}

fn any_results() -> impl Strategy<Value = RunResults> {
    let time =
        || option::of((0..1_000_000_i64).prop_map(|s| DateTime::from_timestamp(s, 0).unwrap()));
    let result = (select(&WORDS[..]), option::of("[a-z]{0,3}"), time()).prop_map(
        |(word, message, finished_at)| NodeResult {
            status: Status::of(word),
            message,
            finished_at,
        },
    );
    let results = btree_map("model\\.shop\\.[a-e]", result, 0..5);
    (time(), vec("run|test|build", 0..2), results).prop_map(|(generated_at, commands, results)| {
        RunResults { generated_at, commands, results }
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(200)
    })]

    #[test]
    fn neither_the_order_of_keys_nor_unknown_keys_make_a_difference(
        project in projects(),
        ended in vec(option::of(select(&WORDS[..])), 10),
        noise in vec(any::<u8>(), 1..200),
    ) {
        let wire = project.manifest();
        let plain = read_manifest(wire.to_string().as_bytes()).unwrap();
        let text = noisy(&wire, &noise);
        prop_assert_eq!(read_manifest(text.as_bytes()).unwrap(), plain, "{}", text);
        let wire = wire_of_results(&ended, &project);
        let plain = read_run_results(wire.to_string().as_bytes()).unwrap();
        let text = noisy(&wire, &noise);
        prop_assert_eq!(read_run_results(text.as_bytes()).unwrap(), plain, "{}", text);
    }

    #[test]
    fn steps_come_together_the_same_whichever_two_come_together_first(
        one in any_results(), two in any_results(), three in any_results(),
    ) {
        let left = one.clone().then(two.clone()).then(three.clone());
        prop_assert_eq!(left, one.clone().then(two.then(three)));
        prop_assert_eq!(&one.clone().then(RunResults::default()), &one);
        prop_assert_eq!(&RunResults::default().then(one.clone()), &one);
    }

    #[test]
    fn it_is_due_just_when_something_was_built_and_nothing_that_was_selected_is_not_well(
        project in projects(),
        ended in vec(option::of(select(&WORDS[..])), 10),
    ) {
        let graph = Graph::of(&read_manifest(project.manifest().to_string().as_bytes()).unwrap());
        let results =
            read_run_results(wire_of_results(&ended, &project).to_string().as_bytes()).unwrap();
        let upstream = project.upstream();
        let selected = upstream.iter().filter_map(|node| ended[*node]);
        let well = selected.clone().all(|word| ["success", "warn", "no-op", "reused"].contains(&word));
        let built = selected.clone().any(|word| ["success", "warn"].contains(&word));
        let tested = (0..project.nodes.len()).all(|test| {
            project.kind(test) != "test"
                || project.on(test).iter().all(|on| !upstream.contains(on))
                || ended[test].is_none_or(|word| {
                    ["success", "pass", "warn", "skipped", "no-op", "reused"].contains(&word)
                })
        });
        let judged = judge(&graph, &graph.exposures_of("t"), &results);
        prop_assert_eq!(judged.ruling == Ruling::Due, well && built && tested, "{:?}", judged);
        prop_assert_eq!(judged.upstream.len(), upstream.len());
    }
}
