//! Who depends on whom, and what is stored of it.

use afterrun_core::artifact::{Graph, Nodes};
use serde_json::json;

use super::scene::{ids, manifest, node, shop, shop_graph};

fn one(graph: &Graph, unique_id: &str) -> Nodes {
    [graph.find(unique_id).unwrap()].into()
}

#[test]
fn a_walk_goes_as_many_steps_as_it_may() {
    let graph = shop_graph();
    let daily = one(&graph, "model.shop.daily");
    let up = |depth| ids(&graph, &graph.ancestors(&daily, depth));
    assert_eq!(up(Some(0)), [""; 0]);
    assert_eq!(up(Some(1)), ["model.fct_orders"]);
    let two =
        ["model.helpers.dates", "model.fct_orders", "model.stg_customers", "model.stg_orders"];
    assert_eq!(up(Some(2)), two);
    assert_eq!(up(None).len(), 6);
    let seed = one(&graph, "seed.shop.raw_orders");
    let down = |depth| ids(&graph, &graph.descendants(&seed, depth));
    assert_eq!(down(Some(1)), ["model.stg_orders"]);
    assert!(down(None).contains(&"exposure.board".to_owned()), "{:?}", down(None));
}

#[test]
fn a_walk_ends_in_a_circle_too() {
    let wire = json!({"nodes": {
        "model.shop.a": node("model.shop.a", "models", &["model.shop.b"], &[]).1,
        "model.shop.b": node("model.shop.b", "models", &["model.shop.a", "model.gone.c"], &[]).1,
    }});
    let graph = Graph::of(&manifest(&wire));
    let all = graph.ancestors(&one(&graph, "model.shop.a"), None);
    assert_eq!(ids(&graph, &all), ["model.a", "model.b"]);
}

#[test]
fn a_stored_graph_is_the_same_one() {
    let graph = shop_graph();
    let bytes = graph.to_bytes().unwrap();
    assert_eq!(Graph::from_bytes(&bytes).unwrap(), graph);
    let sales: Vec<_> = graph.targets().into_iter().collect();
    assert_eq!(sales, ["board", "people", "raw", "sales"]);
    let exposures = graph.exposures_of("sales");
    assert_eq!(ids(&graph, &exposures), ["exposure.board", "exposure.sales"]);
}

#[test]
fn bytes_whose_numbers_lead_nowhere_are_no_graph() {
    let text = String::from_utf8(shop_graph().to_bytes().unwrap()).unwrap();
    for (from, to) in [
        (r#""n":"#, r#""n":1000"#),
        (r#""o":["#, r#""o":[1000,"#),
        (r#""k":"m""#, r#""k":"z""#),
        ("exposure.shop.board", "zzz"),
    ] {
        let broken = text.replacen(from, to, 1);
        assert!(broken != text && Graph::from_bytes(broken.as_bytes()).is_err(), "{from}");
    }
    for end in 0..text.len() {
        assert!(Graph::from_bytes(&text.as_bytes()[..end]).is_err());
    }
}

#[test]
fn nodes_are_called_as_people_call_them() {
    let graph = Graph::of(&manifest(&shop()));
    for (unique_id, label) in [
        ("model.shop.fct_orders", "model fct_orders"),
        ("model.shop.dim.v2", "model dim.v2"),
        ("source.shop.erp.customers", "source erp.customers"),
        ("test.shop.not_null_fct_orders_id.0a1b", "test not_null_fct_orders_id"),
        ("semantic_model.shop.orders", "semantic model orders"),
    ] {
        assert_eq!(graph.node(graph.find(unique_id).unwrap()).label(), label);
    }
}
