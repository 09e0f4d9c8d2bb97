//! What is read of a run's results, and how those of several steps come together.

use afterrun_core::artifact::{RunResults, Status, read_run_results};
use chrono::DateTime;
use serde_json::{Value, json};

use super::scene::results;

fn read(wire: &Value) -> RunResults {
    read_run_results(wire.to_string().as_bytes()).unwrap()
}

fn of(which: Option<&str>, status: &str) -> RunResults {
    read(&json!({
        "results": [{"unique_id": "model.shop.a", "status": status, "message": "said"}],
        "args": {"which": which},
    }))
}

#[test]
fn every_word_of_dbt_is_known_and_others_are_kept_as_they_are() {
    for (word, status) in [
        ("success", Status::Success),
        ("error", Status::Error),
        ("skipped", Status::Skipped),
        ("pass", Status::Pass),
        ("fail", Status::Fail),
        ("warn", Status::Warn),
        ("runtime error", Status::RuntimeError),
        ("partial success", Status::PartialSuccess),
        ("no-op", Status::NoOp),
        ("reused", Status::Reused),
        ("postponed", Status::Other("postponed".into())),
    ] {
        let read = of(Some("build"), word);
        assert_eq!(read.results["model.shop.a"].status, status);
        assert_eq!(status.to_string(), word);
    }
    let long = of(None, &"x\u{1b}".repeat(5_000));
    assert_eq!(long.results["model.shop.a"].status, Status::Other("x".repeat(60)));
}

#[test]
fn a_message_is_cut_and_made_fit_to_be_kept() {
    let wire = json!({"results": [{
        "unique_id": "model.shop.a", "status": "error",
        "message": format!("\u{1b}[31mno\0{}", "ü".repeat(50_000)),
    }]});
    let read = read(&wire);
    let message = read.results["model.shop.a"].message.as_deref().unwrap();
    assert!(message.len() <= 8 * 1024 && message.len() > 8_000);
    assert!(!message.contains(['\0', '\u{1b}']));
}

#[test]
fn nulls_wrong_types_and_results_of_nothing_never_matter() {
    let read = read(&json!({
        "metadata": null,
        "args": [],
        "elapsed_time": "long",
        "results": [
            null,
            7,
            {"status": "success"},
            {"unique_id": "model.shop.a", "status": null, "message": 5, "timing": {"a": 1}},
            {"unique_id": "model.shop.b", "status": "success", "timing": [null, {"completed_at": 3}],
             "adapter_response": {"rows_affected": 1}, "compiled_code": "select 1"},
        ],
    }));
    assert_eq!(read.results.len(), 2);
    assert_eq!(read.results["model.shop.a"].status, Status::Other(String::new()));
    assert_eq!(read.results["model.shop.b"].status, Status::Success);
    assert!(read.generated_at.is_none() && read.commands.is_empty());
}

#[test]
fn a_node_ended_when_dbt_was_done_with_it_or_else_with_the_step() {
    let time = |text: &str| Some(DateTime::parse_from_rfc3339(text).unwrap().to_utc());
    let read = read(&json!({
        "results": [
            {"unique_id": "model.shop.a", "status": "success", "timing": [
                {"name": "compile", "completed_at": "2026-11-20T06:40:00.100000Z"},
                {"name": "execute", "completed_at": "2026-11-20T06:40:07.200000Z"},
            ]},
            {"unique_id": "model.shop.b", "status": "skipped", "timing": []},
        ],
        "metadata": {"generated_at": "2026-11-20T06:41:03.000000Z"},
    }));
    assert_eq!(read.generated_at, time("2026-11-20T06:41:03Z"));
    assert_eq!(read.results["model.shop.a"].finished_at, time("2026-11-20T06:40:07.2Z"));
    assert_eq!(read.results["model.shop.b"].finished_at, read.generated_at);
}

#[test]
fn what_a_command_merely_compiled_was_not_built() {
    for which in ["compile", "generate", "show", "list"] {
        assert!(of(Some(which), "success").results.is_empty(), "{which}");
        assert!(of(Some(which), "skipped").results.is_empty(), "{which}");
        assert_eq!(of(Some(which), "error").results.len(), 1, "{which}");
    }
    for which in [Some("build"), Some("run"), Some("retry"), Some("clone"), Some("later"), None] {
        assert_eq!(of(which, "success").results.len(), 1, "{which:?}");
    }
    // Documents that are made after a model failed do not make it well.
    let run = of(Some("run"), "error").then(of(Some("generate"), "success"));
    assert_eq!(run.results["model.shop.a"].status, Status::Error);
    assert_eq!(run.commands, ["run", "generate"]);
}

#[test]
fn a_later_step_has_the_last_word_on_what_it_did() {
    let first = results(&[("model.a", "error"), ("model.b", "success")]);
    let again = results(&[("model.a", "success"), ("test.t.1", "pass")]);
    let both = first.then(again);
    let ended: Vec<_> = both.results.iter().map(|(id, r)| (id.as_str(), &r.status)).collect();
    assert_eq!(
        ended,
        [
            ("model.shop.a", &Status::Success),
            ("model.shop.b", &Status::Success),
            ("test.shop.t.1", &Status::Pass),
        ]
    );
}

#[test]
fn what_are_no_results_is_an_error_that_says_where_and_quotes_nothing() {
    let text = json!({"results": [{"unique_id": "s3cret", "status": "success"}]}).to_string();
    for end in 0..text.len() {
        let said = read_run_results(&text.as_bytes()[..end]).unwrap_err().to_string();
        assert!(said.contains("run_results.json") && said.contains("line 1 column"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    let said = read_run_results(&br#"{"nodes": {}}"#[..]).unwrap_err().to_string();
    assert!(said.contains("no `results`"), "{said}");
}
