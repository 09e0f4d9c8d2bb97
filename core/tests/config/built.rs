//! Routes by what a run built: exposures, models, and what they need.

use std::time::Duration;

use crate::{accepted, mistakes, with};

const API: &str = "sources:\n  prod:\n    kind: dbt\n    secrets: [hush]\n    account_id: 4711\n    \
                   api: { host: ab123.us1.dbt.com, token: t, repair: true, reconcile: { every: 1m, lag: 0s } }\n";

fn whole(route: &str) -> String {
    with("routes", &format!("routes:\n  - name: a\n    on: success\n{route}"))
        .replace("sources: { prod: { kind: dbt, secrets: [hush] } }\n", API)
}

#[test]
fn exposures_and_models_are_taken_and_settings_of_the_api_are_laid_over_the_usual_ones() {
    let config = accepted(&whole("    refresh: { exposures: true }\n    after_all_upstream: 6h\n"));
    let route = &config.routes[0];
    assert!(route.refresh.is_empty() && route.asks_what_was_built());
    assert!(route.exposures.as_ref().is_some_and(|it| it.targets.is_empty()));
    assert_eq!(route.after_all_upstream, Some(Duration::from_secs(6 * 3600)));
    let api = config.sources["prod"].api.as_ref().unwrap();
    assert!(api.repair);
    assert_eq!((api.reconcile.every, api.reconcile.lag), (Duration::from_secs(60), Duration::ZERO));
    assert_eq!(api.reconcile.look_back, Duration::from_secs(24 * 3600));

    let named = "    refresh: { exposures: { dash: sales, other: [sales, orders] } }\n";
    let config = accepted(&whole(named));
    let exposures = config.routes[0].exposures.as_ref().unwrap();
    assert_eq!(exposures.targets["other"], ["sales", "orders"]);
    let config =
        accepted(&whole("    models: [\"+fct_orders\", \"tag:a,path:b\"]\n    refresh: [sales]\n"));
    assert_eq!(config.routes[0].models.len(), 2);
}

#[test]
fn what_cannot_be_meant_of_what_a_run_built_is_named() {
    for (route, words) in [
        ("    refresh: { exposures: false }\n", "refreshes nothing; write `true`"),
        ("    refresh: {}\n", "is missing; write `exposures: true`"),
        ("    refresh: { exposures: { dash: sale } }\n", "did you mean `sales`"),
        ("    refresh: { exposures: { dash: [] } }\n", "is empty"),
        ("    refresh: { exposure: true }\n", "there is no such key; did you mean `exposures`"),
        ("    refresh: [sales]\n    models: [\"a,\"]\n", "a comma joins two selectors"),
        ("    refresh: [sales]\n    models: []\n", "is empty and would match nothing"),
        ("    refresh: [sales]\n    after_all_upstream: 6h\n", "goes only with `refresh"),
        (
            "    refresh: { exposures: true }\n    after_all: [1, 2]\n",
            "does not go with `after_all`",
        ),
    ] {
        let text = mistakes(&whole(route));
        assert!(text.iter().any(|mistake| mistake.contains(words)), "{route}\n{text:#?}");
    }
}

#[test]
fn what_a_run_built_is_asked_of_an_api_which_needs_the_account() {
    let route = "routes: [{ name: a, on: success, refresh: { exposures: true } }]\n";
    let text = mistakes(&with("routes", route));
    assert!(
        text.iter().any(|mistake| mistake.contains("needs a source with an `api`")),
        "{text:#?}"
    );
    let source =
        "sources: { prod: { kind: dbt, secrets: [hush], api: { host: x.dbt.com, token: t } } }\n";
    let config = accepted(&with("sources", source));
    assert!(config.warnings()[0].to_string().contains("without the source's `account_id`"));
    assert!(config.sources["prod"].api.is_none());
}
