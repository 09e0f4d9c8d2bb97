//! The JSON Schema of the file, for editors: core's part from the types that read it, each
//! connector's part from its own.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{check::NAME_PATTERN, file};

/// What a connector adds: the schemas of its connection's and its target's own keys, as
/// `schemars::schema_for!` gives them, or as a reference into `$defs` beside it.
#[derive(Clone, Debug)]
pub struct ConnectorSchema {
    pub kind: &'static str,
    pub connection: Value,
    pub target: Value,
}

/// What a notifier adds: the schema of its channels' own keys.
#[derive(Clone, Debug)]
pub struct ChannelSchema {
    pub kind: &'static str,
    pub channel: Value,
}

/// The schema of `afterrun.yml` as these connectors and notifiers take it (JSON Schema 2020-12).
pub fn schema(connectors: &[ConnectorSchema], notifiers: &[ChannelSchema]) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let connection = shape::<file::Connection>(&mut generator);
    let target = shape::<file::Target>(&mut generator);
    let source = shape::<file::Source>(&mut generator);
    let route = shape::<file::Route>(&mut generator);
    let channel = shape::<file::Channel>(&mut generator);
    let alert = shape::<file::Alert>(&mut generator);
    let defaults = shape::<file::Defaults>(&mut generator);
    let mut definitions = generator.take_definitions(true);

    let mut connections = Vec::new();
    let mut targets = Vec::new();
    for connector in connectors {
        let kind = connector.kind;
        let own = hoisted(&connector.connection, &format!("{kind}-connection"), &mut definitions);
        let mut merged = merged(&connection, own);
        merged["title"] = json!(format!("A connection of kind {kind}"));
        merged["properties"]["kind"]["const"] = json!(kind);
        connections.push(merged);
        let own = hoisted(&connector.target, &format!("{kind}-target"), &mut definitions);
        let mut merged = self::merged(&target, own);
        merged["title"] = json!(format!("A target at a connection of kind {kind}"));
        targets.push(merged);
    }
    let mut channels = Vec::new();
    for ChannelSchema { kind, channel: own } in notifiers {
        let own = hoisted(own, &format!("{kind}-channel"), &mut definitions);
        let mut merged = merged(&channel, own);
        merged["title"] = json!(format!("A channel of kind {kind}"));
        merged["properties"]["kind"]["const"] = json!(kind);
        channels.push(merged);
    }
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "afterrun.yml",
        "description": "What afterrun listens to, and what it refreshes. Any value can be ${NAME} \
                        from the environment or ${file:/path}.",
        "type": "object",
        "additionalProperties": false,
        "required": ["sources"],
        "properties": {
            "sources": named("Who posts events, by name", source),
            "connections": named("Logins at BI tools, by name", any_of("oneOf", connections, connection)),
            "targets": named("What gets refreshed, by name", any_of("anyOf", targets, target)),
            "routes": {
                "description": "Which events lead to which refreshes",
                "type": ["array", "null"],
                "items": route,
            },
            "defaults": defaults,
            "channels": named("Where people are told, by name", any_of("oneOf", channels, channel)),
            "alerts": {
                "description": "What people are told of, and where",
                "type": ["array", "null"],
                "items": alert,
            },
        },
        "$defs": definitions,
    });
    substitutable(&mut schema);
    schema
}

fn shape<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    T::json_schema(generator).to_value()
}

fn named(description: &str, of: Value) -> Value {
    json!({
        "description": description,
        "type": ["object", "null"],
        "propertyNames": { "pattern": NAME_PATTERN },
        "additionalProperties": of,
    })
}

/// One of the connectors' forms; core's part with anything beside it where there are none.
fn any_of(word: &str, forms: Vec<Value>, mut open: Value) -> Value {
    if forms.is_empty() {
        open["additionalProperties"] = json!(true);
        return open;
    }
    json!({ word: forms })
}

/// Core's keys and the connector's in one closed object: two closed objects side by side would
/// refuse each other's keys.
fn merged(core: &Value, own: Value) -> Value {
    let mut merged = core.clone();
    let (Value::Object(into), Value::Object(own)) = (&mut merged, own) else { return merged };
    for (key, value) in own {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
            (Some(Value::Array(there)), Value::Array(more)) => there.extend(more),
            (Some(there), value) if key == "description" || key == "title" => *there = value,
            (Some(_), _) => {}
            (None, value) => {
                into.insert(key, value);
            }
        }
    }
    merged
}

/// The connector's schema with its definitions moved to the root under names of their own.
fn hoisted(schema: &Value, prefix: &str, definitions: &mut Map<String, Value>) -> Value {
    let mut schema = schema.clone();
    renamed(&mut schema, prefix);
    let Value::Object(object) = &mut schema else { return schema };
    object.remove("$schema");
    if let Some(Value::Object(mut own)) = object.remove("$defs") {
        let reference = object.get("$ref").and_then(Value::as_str);
        let name = reference.and_then(|text| text.strip_prefix(&format!("#/$defs/{prefix}-")));
        if let Some(Value::Object(meant)) = name.and_then(|name| own.remove(name)) {
            object.remove("$ref");
            object.extend(meant);
        }
        definitions
            .extend(own.into_iter().map(|(name, value)| (format!("{prefix}-{name}"), value)));
    }
    schema
}

fn renamed(schema: &mut Value, prefix: &str) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                match value.as_str().and_then(|text| text.strip_prefix("#/$defs/")) {
                    Some(name) if key == "$ref" => {
                        *value = json!(format!("#/$defs/{prefix}-{name}"));
                    }
                    Some(_) | None => renamed(value, prefix),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| renamed(item, prefix)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A number, a boolean or a text of a certain form may be written as `${NAME}` too.
fn substitutable(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            let takes =
                |kind: &Value| matches!(kind.as_str(), Some("integer" | "number" | "boolean"));
            let types = match object.get("type") {
                Some(kind) if takes(kind) => vec![kind.clone()],
                Some(Value::Array(kinds))
                    if kinds.iter().any(takes) && !kinds.contains(&json!("string")) =>
                {
                    kinds.clone()
                }
                _ => Vec::new(),
            };
            if !types.is_empty() && !object.contains_key("const") && !object.contains_key("enum") {
                let types: Vec<Value> = types.into_iter().chain([json!("string")]).collect();
                object.insert("type".to_owned(), json!(types));
                object.insert("pattern".to_owned(), json!(r"\$\{.+\}"));
            }
            let text = object.get("type") == Some(&json!("string"));
            if let Some(Value::String(pattern)) = object.get_mut("pattern")
                && text
                && !pattern.contains(r"\$\{")
            {
                *pattern = format!(r"({pattern})|\$\{{.+\}}");
            }
            object.values_mut().for_each(substitutable);
        }
        Value::Array(items) => items.iter_mut().for_each(substitutable),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
