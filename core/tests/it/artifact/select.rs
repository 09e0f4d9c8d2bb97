//! What selectors pick, held against dbt's own words for it.

use afterrun_core::artifact::Selector;

use super::scene::{ids, shop_graph};

#[track_caller]
fn picks(selector: &str, expected: &[&str]) {
    let graph = shop_graph();
    let picked = Selector::parse(selector).unwrap().select(&graph);
    let mut expected: Vec<_> = expected.iter().map(|id| (*id).to_owned()).collect();
    let mut picked = ids(&graph, &picked);
    expected.sort();
    picked.sort();
    assert_eq!(picked, expected, "{selector}");
}

const MARTS: [&str; 4] = ["model.daily", "model.dim.v1", "model.dim.v2", "model.fct_orders"];

#[test]
fn a_name_picks_the_node_of_that_name() {
    picks("fct_orders", &["model.fct_orders"]);
    picks("fqn:fct_orders", &["model.fct_orders"]);
    picks("raw_orders", &["seed.raw_orders"]);
    picks("not_null_fct_orders_id", &["test.not_null_fct_orders_id.0a1b"]);
    picks("fct_order", &[]);
    picks("FCT_ORDERS", &[]);
    picks("sales", &["exposure.sales"]);
    // Sources have a method of their own.
    picks("customers", &[]);
}

#[test]
fn a_name_may_be_full_and_may_end_with_a_folder() {
    picks("shop.marts.fct_orders", &["model.fct_orders"]);
    picks("marts.fct_orders", &["model.fct_orders"]);
    picks("shop.marts", &MARTS);
    picks("marts", &MARTS);
    picks("marts.finance", &["model.daily"]);
    picks("finance", &[]);
    picks("helpers", &["model.helpers.dates"]);
    picks("helpers.dates", &["model.helpers.dates"]);
    picks("shop.fct_orders", &[]);
    picks("marts.finance.daily.more", &[]);
}

#[test]
fn a_wildcard_stands_for_anything_also_over_the_dots() {
    picks("*stg_*", &["model.stg_customers", "model.stg_orders"]);
    picks("staging.stg_*", &["model.stg_customers", "model.stg_orders"]);
    picks("stg_*", &["model.stg_customers", "model.stg_orders"]);
    picks("di?", &["model.dim.v1", "model.dim.v2"]);
    // With a dot it is a pattern of the full name, which begins with the package or a folder.
    picks("stg_*.", &[]);
    picks("*_orders", &["model.fct_orders", "model.stg_orders", "seed.raw_orders"]);
    picks("marts.*", &MARTS);
    picks("shop.marts.*.daily", &["model.daily"]);
    picks("marts.fct_order?", &["model.fct_orders"]);
    picks("shop.*.daily", &["model.daily"]);
    // A wildcard part is a part: the name has as many at least.
    picks("fct_orders.*", &[]);
}

#[test]
fn a_version_of_a_model_is_picked_by_its_name_and_version_and_all_by_the_name() {
    picks("dim", &["model.dim.v1", "model.dim.v2"]);
    picks("dim.v2", &["model.dim.v2"]);
    picks("dim_v2", &["model.dim.v2"]);
    picks("shop.marts.dim.v1", &["model.dim.v1"]);
    picks("v2", &[]);
}

#[test]
fn methods_pick_by_tag_path_package_source_and_type() {
    picks("tag:nightly", &["model.daily", "model.fct_orders"]);
    picks("tag:night*", &["model.daily", "model.fct_orders"]);
    picks("tag:erp", &["source.erp.customers"]);
    picks("path:models/marts", &MARTS);
    picks("models/marts/", &MARTS);
    picks("./models/marts", &MARTS);
    picks("path:models/marts/fct_orders.sql", &["model.fct_orders"]);
    picks("path:models/*/fct_orders.sql", &["model.fct_orders"]);
    picks("path:models/**/daily.sql", &["model.daily"]);
    picks("path:models/*/daily.sql", &[]);
    picks("path:mart", &[]);
    picks("file:daily.sql", &["model.daily"]);
    picks("dim_v1.sql", &["model.dim.v1"]);
    picks("package:helpers", &["model.helpers.dates"]);
    picks("package:this,resource_type:seed", &["seed.raw_orders"]);
    picks("source:erp", &["source.erp.customers"]);
    picks("source:erp.customers", &["source.erp.customers"]);
    picks("source:shop.erp.*", &["source.erp.customers"]);
    picks("source:erp.orders", &[]);
    picks("resource_type:seed", &["seed.raw_orders"]);
    picks("exposure:board", &["exposure.board"]);
    picks("metric:shop.*", &["metric.revenue"]);
}

#[test]
fn operators_reach_around_what_is_picked() {
    let tests = ["test.not_null_fct_orders_id.0a1b", "test.orders_have_customers.2c3d"];
    let above = ["model.helpers.dates", "model.stg_customers", "model.stg_orders"];
    picks("1+fct_orders", &[&above[..], &["model.fct_orders"]].concat());
    let all_above = [&above[..], &["source.erp.customers", "seed.raw_orders"]].concat();
    picks("+fct_orders", &[&all_above[..], &["model.fct_orders"]].concat());
    picks("2+fct_orders", &[&all_above[..], &["model.fct_orders"]].concat());
    picks("0+fct_orders", &["model.fct_orders"]);
    let next = ["model.daily", "semantic_model.orders"];
    picks("fct_orders+1", &[&next[..], &tests, &["model.fct_orders"]].concat());
    let all_below =
        [&next[..], &tests, &["analysis.scratch", "exposure.sales", "exposure.board"]].concat();
    let all_below = [&all_below[..], &["metric.revenue"]].concat();
    picks("fct_orders+", &[&all_below[..], &["model.fct_orders"]].concat());
    picks("+fct_orders+", &[&all_below[..], &all_above, &["model.fct_orders"]].concat());
    // What else its descendants need is taken with it.
    picks("@stg_orders", &[&all_below[..], &all_above, &["model.fct_orders"]].concat());
    picks("1+exposure:sales", &["exposure.sales", "model.daily"]);
    picks("tag:finance+1", &["analysis.scratch", "exposure.sales", "model.daily"]);
}

#[test]
fn a_comma_is_both_and_a_space_is_either() {
    picks("tag:nightly,marts.finance", &["model.daily"]);
    picks("tag:nightly,stg_orders", &[]);
    picks("stg_orders dim.v1", &["model.dim.v1", "model.stg_orders"]);
    picks("  stg_orders   tag:nightly,daily ", &["model.daily", "model.stg_orders"]);
    let above = ["model.fct_orders", "model.helpers.dates", "model.stg_orders"];
    picks(
        "+daily,resource_type:model",
        &[&above[..], &["model.daily", "model.stg_customers"]].concat(),
    );
    picks("stg_orders+1,1+daily", &["model.fct_orders"]);
}

#[test]
fn what_dbt_would_not_understand_is_refused_in_plain_words() {
    for (selector, why) in [
        ("", "a selector names something"),
        ("  ", "a selector names something"),
        ("a, b", "a comma joins two selectors, without a space"),
        (",a", "a comma joins two selectors"),
        ("tga:nightly", "there is no method `tga:`; did you mean `tag`?"),
        ("state:modified+", "afterrun cannot select by dbt's `state:`"),
        ("config.materialized:table", "afterrun cannot select by dbt's `config:`"),
        ("tag:", "`tag:` is followed by nothing"),
        ("+", "the operator stands by itself"),
        ("@", "the operator stands by itself"),
        ("@a+", "no `+` stands after it"),
        ("a+b", "`+` stands before or after a name"),
        ("99999999999+a", "`99999999999` is too many steps"),
        ("stg_[ab]", "use `*` or `?`"),
        ("tag:[ab]", "use `*` or `?`"),
        ("resource_type:modle", "did you mean `model`?"),
        ("source:a.b.c.d", "`package.source.table`"),
        ("exposure:a.b.c", "`package.name`"),
        ("/srv/models", "begins in the project's folder"),
        ("path:../models", "does not lead out"),
    ] {
        let said = Selector::parse(selector).unwrap_err();
        assert!(said.contains(why), "{selector}: {said}");
        let word = selector.split(' ').next().unwrap();
        assert!(word.is_empty() || said.contains(&format!("`{word}`")), "{selector}: {said}");
    }
}
