//! The JSON Schema.

use afterrun_core::config::{ConnectorSchema, schema};

#[test]
fn the_schema_describes_what_the_parser_takes() {
    let connectors = [ConnectorSchema {
        kind: "mode",
        connection: serde_json::json!({
            "$schema": "x", "title": "Mode", "type": "object", "additionalProperties": false,
            "properties": { "workspace": { "$ref": "#/$defs/Name" }, "pages": { "type": "integer" },
                "server": { "type": "string", "pattern": "^https?://" } },
            "required": ["workspace"],
            "$defs": { "Name": { "type": "string" } },
        }),
        target: serde_json::json!({
            "$ref": "#/$defs/Target",
            "$defs": { "Target": {
                "type": "object", "properties": { "report": { "type": "string" } }, "required": ["report"],
            } },
        }),
    }];
    let schema = schema(&connectors, &[]);
    let mode = &schema["properties"]["connections"]["additionalProperties"]["oneOf"][0];
    assert_eq!(mode["properties"]["kind"]["const"], "mode");
    assert_eq!(mode["additionalProperties"], false);
    assert_eq!(mode["required"], serde_json::json!(["kind", "workspace"]));
    assert_eq!(mode["properties"]["workspace"]["$ref"], "#/$defs/mode-connection-Name");
    assert_eq!(schema["$defs"]["mode-connection-Name"]["type"], "string");
    assert_eq!(mode["properties"]["pages"]["type"], serde_json::json!(["integer", "string"]));
    assert_eq!(mode["properties"]["server"]["pattern"], r"(^https?://)|\$\{.+\}");
    let target = &schema["properties"]["targets"]["additionalProperties"]["anyOf"][0];
    assert_eq!(target["required"], serde_json::json!(["connection", "report"]));
    let route = &schema["properties"]["routes"]["items"];
    assert_eq!(route["required"], serde_json::json!(["name", "on"]));
    every_reference_leads_somewhere(&schema, &schema);
}

fn every_reference_leads_somewhere(part: &serde_json::Value, root: &serde_json::Value) {
    if let Some(reference) = part.get("$ref").and_then(serde_json::Value::as_str) {
        let found = root.pointer(reference.trim_start_matches('#'));
        assert!(found.is_some(), "{reference}");
    }
    let children: Vec<&serde_json::Value> = match part {
        serde_json::Value::Object(object) => object.values().collect(),
        serde_json::Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    for child in children {
        every_reference_leads_somewhere(child, root);
    }
}

#[test]
fn the_schema_describes_every_key_of_core() {
    let schema = schema(&[], &[]);
    let parts = [
        ("/properties/sources/additionalProperties", 6),
        ("/properties/connections/additionalProperties", 3),
        ("/properties/targets/additionalProperties", 7),
        ("/properties/routes/items", 13),
        ("/properties/defaults", 7),
    ];
    for (part, least) in parts {
        let properties = schema.pointer(part).expect(part)["properties"].as_object().expect(part);
        assert!(properties.len() >= least, "{part}: {properties:?}");
        for (key, property) in properties {
            let own = property["description"].as_str();
            let reference = property["$ref"].as_str().or(property["anyOf"][0]["$ref"].as_str());
            let there = reference.and_then(|to| schema.pointer(to.trim_start_matches('#')));
            let text = own.or_else(|| there?["description"].as_str()).unwrap_or_default();
            assert!(text.len() > 10, "{part}: {key}: {property}");
        }
    }
    let per_day = &schema["properties"]["defaults"]["properties"]["per_day"];
    assert_eq!((&per_day["minimum"], &per_day["maximum"]), (&1.into(), &10_000.into()));
    let after_all = &schema["properties"]["routes"]["items"]["properties"]["after_all"];
    assert_eq!(after_all["minItems"], 2);
}

#[test]
fn an_editor_knows_every_word_of_on_and_the_shape_of_quiet_hours() {
    let schema = schema(&[], &[]);
    let words = schema["$defs"]["Trigger"]["enum"].as_array().expect("an enum");
    let expected = expected_one_of!().trim_start_matches("expected one of ");
    assert_eq!(words, &expected.split(", ").map(serde_json::Value::from).collect::<Vec<_>>());

    let pattern = schema["$defs"]["QuietHours"]["pattern"].as_str().expect("a pattern");
    let hour = "([01][0-9]|2[0-3]):[0-5][0-9]";
    let hours = format!(r"^({hour}-({hour}|24:00) \S+|.*\$\{{.+\}}.*)$");
    assert_eq!(pattern, hours);
}
