//! When what a target reads is due, and what is said when it is not.

use afterrun_core::artifact::{
    Graph, Judgement, Outcome, Ruling, RunResults, Selector, judge, judge_models,
};
use chrono::DateTime;

use super::scene::{results, shop_graph};

fn judged(target: &str, ended: &[(&str, &str)]) -> Judgement {
    let graph = shop_graph();
    judge(&graph, &graph.exposures_of(target), &results(ended))
}

#[track_caller]
fn due(target: &str, ended: &[(&str, &str)]) {
    assert_eq!(judged(target, ended).ruling, Ruling::Due, "{ended:?}");
}

#[track_caller]
fn not_due(target: &str, ended: &[(&str, &str)], why: &str) {
    assert_eq!(judged(target, ended).ruling, Ruling::NotDue(why.into()), "{ended:?}");
}

const STAGED: [(&str, &str); 2] = [("model.stg_orders", "success"), ("seed.raw_orders", "success")];

#[test]
fn it_is_due_when_all_that_the_run_selected_of_it_was_built_well() {
    due("sales", &[("model.daily", "success")]);
    due("sales", &[&STAGED[..], &[("model.fct_orders", "success")]].concat());
    // What lies beside it may fail.
    due("sales", &[("model.daily", "success"), ("model.dim.v2", "error")]);
    // By way of a metric.
    due("board", &[("model.fct_orders", "success")]);
    due("board", &[("seed.raw_orders", "success")]);
}

#[test]
fn what_warns_or_had_nothing_to_do_does_no_harm() {
    due("sales", &[("model.daily", "warn"), ("model.fct_orders", "reused")]);
    due("sales", &[("model.daily", "success"), ("model.fct_orders", "no-op")]);
    let warned = ("test.not_null_fct_orders_id.0a1b", "warn");
    due("sales", &[("model.daily", "success"), warned]);
    let nothing = "nothing upstream of exposures board and sales was built in this run";
    not_due("sales", &[("model.daily", "reused"), ("model.fct_orders", "no-op")], nothing);
}

#[test]
fn it_is_not_due_when_nothing_of_it_was_built() {
    let nothing = "nothing upstream of exposure people was built in this run";
    not_due("people", &[], nothing);
    not_due("people", &[("model.dim.v1", "success"), ("model.daily", "success")], nothing);
    not_due("raw", &[("model.daily", "success")], "there is no model upstream of exposure raw");
    not_due("nobody", &[("model.daily", "success")], "no exposure names the target");
}

#[test]
fn what_failed_is_named_before_what_was_skipped_for_it() {
    not_due("people", &[("model.dim.v2", "error")], "model dim.v2 failed");
    not_due("people", &[("model.stg_customers", "skipped")], "model stg_customers was skipped");
    not_due("sales", &[("seed.raw_orders", "runtime error")], "seed raw_orders failed");
    not_due(
        "sales",
        &[("model.daily", "skipped"), ("model.fct_orders", "error"), STAGED[0]],
        "model fct_orders failed and model daily was skipped",
    );
    not_due(
        "sales",
        &[
            ("model.daily", "skipped"),
            ("model.fct_orders", "skipped"),
            ("model.stg_orders", "partial success"),
            ("model.stg_customers", "success"),
            ("seed.raw_orders", "postponed"),
        ],
        "model stg_orders was built only in part, seed raw_orders ended as `postponed` and 2 more",
    );
}

#[test]
fn a_test_that_failed_counts_against_the_models_that_it_depends_on() {
    let test = "test.not_null_fct_orders_id.0a1b";
    let both = "test.orders_have_customers.2c3d";
    for status in ["fail", "error", "runtime error"] {
        not_due(
            "sales",
            &[("model.fct_orders", "success"), (test, status)],
            "test not_null_fct_orders_id of model fct_orders failed",
        );
    }
    not_due(
        "sales",
        &[("model.fct_orders", "success"), (both, "fail"), ("model.daily", "skipped")],
        "test orders_have_customers of model fct_orders and model stg_customers failed and \
         model daily was skipped",
    );
    not_due(
        "people",
        &[("model.dim.v2", "success"), (both, "fail")],
        "test orders_have_customers of model stg_customers failed",
    );
    due("people", &[("model.dim.v2", "success"), (test, "fail")]);
    due("sales", &[("model.daily", "success"), (test, "pass"), (both, "skipped")]);
}

#[test]
fn what_became_of_each_model_is_told_for_rules_over_several_runs() {
    let judged = judged(
        "people",
        &[("model.dim.v2", "success"), ("test.orders_have_customers.2c3d", "fail")],
    );
    let at = Some(DateTime::parse_from_rfc3339("2026-11-20T06:41:03Z").unwrap().to_utc());
    let told: Vec<_> = judged.upstream.iter().map(|u| (u.label.as_str(), u.outcome)).collect();
    assert_eq!(
        told,
        [("model dim.v2", Outcome::BuiltWell { at }), ("model stg_customers", Outcome::NotWell),]
    );
    let sales =
        judged_sales(&results(&[("model.daily", "reused"), ("model.fct_orders", "success")]));
    let told: Vec<_> = sales.upstream.iter().map(|u| (u.unique_id.as_str(), u.outcome)).collect();
    assert_eq!(
        told,
        [
            ("model.helpers.dates", Outcome::NotSelected),
            ("model.shop.daily", Outcome::LeftAsItWas),
            ("model.shop.fct_orders", Outcome::BuiltWell { at }),
            ("model.shop.stg_customers", Outcome::NotSelected),
            ("model.shop.stg_orders", Outcome::NotSelected),
            ("seed.shop.raw_orders", Outcome::NotSelected),
        ]
    );
}

fn judged_sales(results: &RunResults) -> Judgement {
    let graph = shop_graph();
    judge(&graph, &graph.exposures_of("sales"), results)
}

#[test]
fn models_that_a_selector_picks_are_judged_by_the_same_rule() {
    let graph: Graph = shop_graph();
    let models = Selector::parse("tag:nightly").unwrap().select(&graph);
    let named = "that `tag:nightly` picks";
    let ruling = |ended| judge_models(&graph, &models, named, &results(ended)).ruling;
    assert_eq!(ruling(&[("model.daily", "success"), ("model.stg_orders", "error")]), Ruling::Due);
    let nothing = "nothing that `tag:nightly` picks was built in this run";
    assert_eq!(ruling(&[("model.dim.v1", "success")]), Ruling::NotDue(nothing.into()));
}
