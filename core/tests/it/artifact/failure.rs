//! Why a run failed, by its results.

use afterrun_core::artifact::{Failure, Status, failures, read_run_results, summary};
use serde_json::json;

use super::scene::{results, shop_graph};

fn told(failures: &[Failure]) -> Vec<(&str, &str, &Status)> {
    failures.iter().map(|f| (f.kind.as_str(), f.name.as_str(), &f.status)).collect()
}

#[test]
fn errors_come_before_tests_that_found_something_and_nothing_else_comes() {
    let results = results(&[
        ("model.stg_orders", "success"),
        ("model.daily", "skipped"),
        ("model.fct_orders", "error"),
        ("model.dim.v2", "partial success"),
        ("test.not_null_fct_orders_id.0a1b", "fail"),
        ("test.orders_have_customers.2c3d", "warn"),
        ("test.gone_since.77", "error"),
        ("operation.shop-on-run-start-0", "error"),
        ("model.stg_customers", "postponed"),
    ]);
    let expected = [
        ("model", "dim", &Status::PartialSuccess),
        ("model", "fct_orders", &Status::Error),
        ("operation", "shop-on-run-start-0", &Status::Error),
        ("test", "gone_since", &Status::Error),
        ("test", "not_null_fct_orders_id", &Status::Fail),
    ];
    assert_eq!(told(&failures(Some(&shop_graph()), &results)), expected);
    // Without a graph they are named by their ids.
    assert_eq!(told(&failures(None, &results)), expected);
}

#[test]
fn the_summary_is_one_line_of_the_first_and_how_many_more_there_are() {
    let message = "Database Error in model fct_orders (models/marts/fct_orders.sql)\n  \
                   Catalog Error: Table with name x does not exist!\n\n  compiled code at target";
    let wire = json!({"results": [
        {"unique_id": "model.shop.fct_orders", "status": "error", "message": message},
        {"unique_id": "test.shop.a.1", "status": "fail", "message": "Got 3 results"},
        {"unique_id": "test.shop.b.2", "status": "fail", "message": null},
    ]});
    let failures = failures(None, &read_run_results(wire.to_string().as_bytes()).unwrap());
    assert_eq!(
        summary(&failures).unwrap(),
        "model fct_orders: Database Error in model fct_orders (models/marts/fct_orders.sql) \
         Catalog Error: Table with name x does not exist! compiled code at target; and 2 more"
    );
    assert_eq!(summary(&failures[1..2]).unwrap(), "test a: Got 3 results");
    assert_eq!(summary(&failures[2..]).unwrap(), "test b ended as fail");
    assert_eq!(summary(&[]), None);
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let wire = json!({"results": [
        {"unique_id": "model.shop.a", "status": "error", "message": "ü".repeat(1_000)},
    ]});
    let failures = failures(None, &read_run_results(wire.to_string().as_bytes()).unwrap());
    let line = summary(&failures).unwrap();
    assert!(line.len() < 330 && line.ends_with("ü…"), "{line}");
}
