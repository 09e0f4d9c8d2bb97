//! From names to the one thing they mean.

use super::*;

#[tokio::test]
async fn a_name_is_looked_up_once_and_again_when_its_item_is_gone() {
    let played = by_hand().await;
    let target = played.sales();
    let lookups = || {
        let calls = played.calls();
        calls.iter().filter(|call| call.path.ends_with("/workbooks")).count()
    };
    start(&target).await;
    played.tableau.finish_open(0);
    start(&target).await;
    assert_eq!(lookups(), 1);

    played.tableau.with(|state| state.workbooks.clear());
    let again = played.tableau.add_workbook(Item::new("Sales", "Finance"));
    start(&target).await;
    assert_eq!(lookups(), 2);
    assert_eq!(played.tableau.jobs().last().unwrap().item, again);

    played.tableau.with(|state| state.workbooks.clear());
    let error = refused(&target).await;
    assert!(matches!(&error, ConnectorError::NoSuch(why) if why.contains("\"Sales\"")));
    assert_eq!(error.retry(), None);
}

#[tokio::test]
async fn a_name_that_several_items_have_is_refused_with_the_list_of_them() {
    let played = by_hand().await;
    let other = played.tableau.add_workbook(Item::new("Sales", "Archive"));
    let error = refused(&played.target(json!({ "workbook": "Sales" }))).await;
    let text = error.to_string();
    assert!(matches!(error, ConnectorError::Ambiguous { .. }), "{error:?}");
    for part in ["Finance", "Archive", played.sales.as_str(), other.as_str(), "workbook_id"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(played.tableau.jobs().is_empty());
    let started = start(&played.sales()).await;
    assert_eq!(played.tableau.jobs()[0].id, started.remote_id);
    assert_eq!(played.tableau.jobs()[0].item, played.sales);
}

#[tokio::test]
async fn a_project_may_be_named_by_its_path() {
    let played = by_hand().await;
    let emea = Item { project_id: "p-emea".to_owned(), ..Item::new("Sales", "Sub") };
    let apac = Item { project_id: "p-apac".to_owned(), ..Item::new("Sales", "Sub") };
    let emea = played.tableau.add_workbook(emea);
    played.tableau.add_workbook(apac);
    let projects = json!({
        "pagination": { "pageNumber": "1", "pageSize": "100", "totalAvailable": "4" },
        "projects": { "project": [
            { "id": "e", "name": "EMEA" }, { "id": "a", "name": "APAC" },
            { "id": "p-emea", "name": "Sub", "parentProjectId": "e" },
            { "id": "p-apac", "name": "Sub", "parentProjectId": "a" },
        ] },
    });
    played.answer("/projects", 2, projects);
    let error = refused(&played.target(json!({ "workbook": "Sales", "project": "Sub" }))).await;
    assert!(error.to_string().contains("in EMEA/Sub"), "{error}");
    start(&played.target(json!({ "workbook": "Sales", "project": "EMEA/Sub" }))).await;
    assert_eq!(played.tableau.jobs()[0].item, emea);
}

#[tokio::test]
async fn a_name_that_no_filter_can_hold_is_compared_here() {
    let played = by_hand().await;
    let mut odd = String::new();
    for name in ["Profit, Loss & Co: 100 % + more", "Profit", "Köln/Bonn"] {
        odd = played.tableau.add_workbook(Item::new(name, "Finance"));
        start(&played.target(json!({ "workbook": name, "project": "Finance" }))).await;
        assert_eq!(played.tableau.jobs().last().unwrap().item, odd, "{name}");
    }
    for number in 0..250 {
        played.tableau.add_workbook(Item::new(format!("Filler {number}"), "Finance"));
    }
    played.tableau.finish_open(0);
    let last = played.tableau.add_workbook(Item::new("A, B", "Finance"));
    start(&played.target(json!({ "workbook": "A, B" }))).await;
    assert_eq!(played.tableau.jobs().last().unwrap().item, last);
    assert_ne!(odd, last);
}

#[test]
fn a_target_names_exactly_one_thing() {
    let target = |settings: Value| {
        serde_json::from_value::<crate::connectors::tableau::settings::Target>(settings).err()
    };
    assert!(target(json!({ "workbook": "Sales", "project": "Finance" })).is_none());
    assert!(target(json!({ "datasource_id": "3cc6cd06-89ce" })).is_none());
    for bad in [
        json!({}),
        json!({ "project": "Finance" }),
        json!({ "workbook": "Sales", "datasource": "Sales" }),
        json!({ "workbook": "Sales", "workbook_id": "x" }),
        json!({ "workbook_id": "x", "project": "Finance" }),
        json!({ "workbook_id": "../x" }),
        json!({ "workbook": "" }),
        json!({ "workbok": "Sales" }),
    ] {
        assert!(target(bad.clone()).is_some(), "{bad}");
    }
}

#[tokio::test]
async fn the_kinds_of_items_do_not_mix() {
    let played = by_hand().await;
    played.tableau.add_datasource(Item::new("Sales", "Finance"));
    start(&played.target(json!({ "datasource": "Sales" }))).await;
    let item = played.tableau.jobs()[0].item.clone();
    let is_source = played
        .tableau
        .with(|state| state.items(Kind::Datasource).iter().any(|source| source.luid == item));
    assert!(is_source);
}

#[test]
fn only_extracts_are_refreshed_incrementally() {
    let target = |settings: Value| {
        serde_json::from_value::<crate::connectors::tableau::settings::Target>(settings)
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(target(json!({ "workbook": "Sales", "incremental": true })), None);
    assert_eq!(target(json!({ "datasource_id": "3cc6cd06", "incremental": true })), None);
    assert_eq!(target(json!({ "flow": "Prep", "project": "Finance" })), None);
    for bad in [
        json!({ "flow": "Prep", "incremental": true }),
        json!({ "flow_id": "3cc6cd06", "incremental": true }),
        json!({ "task_id": "3cc6cd06", "incremental": true }),
    ] {
        let why = target(bad.clone()).unwrap_or_else(|| panic!("{bad}"));
        assert!(why.contains("`incremental`"), "{why}");
    }
    for bad in [
        json!({ "task_id": "3cc6cd06", "project": "Finance" }),
        json!({ "task_id": "3cc6cd06", "flow": "Prep" }),
        json!({ "flow": " " }),
    ] {
        assert!(target(bad.clone()).is_some(), "{bad}");
    }
}
