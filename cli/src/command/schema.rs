//! `afterrun schema`: the configuration file's JSON Schema, every connector's and notifier's part
//! included.

use afterrun_core::config::{ChannelSchema, ConnectorSchema, schema};
use afterrun_worker::connector::Kind;
use afterrun_worker::connectors::registry;
use afterrun_worker::notify;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::output::json;

pub(crate) fn run() -> anyhow::Result<()> {
    let connectors: Vec<_> = registry().iter().map(|kind| of(kind.as_ref())).collect();
    let notifiers: Vec<_> = notify::registry().iter().map(|kind| channel(kind.as_ref())).collect();
    json(&schema(&connectors, &notifiers))
}

fn of(kind: &dyn Kind) -> ConnectorSchema {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let schemas = kind.schemas(&mut generator);
    let definitions = generator.take_definitions(true);
    ConnectorSchema {
        kind: kind.name(),
        connection: whole(schemas.connection, &definitions),
        target: whole(schemas.target, &definitions),
    }
}

fn channel(kind: &dyn notify::Kind) -> ChannelSchema {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let schema = kind.schema(&mut generator);
    let definitions = generator.take_definitions(true);
    ChannelSchema { kind: kind.name(), channel: whole(schema, &definitions) }
}

/// The schema itself in place of a reference to it, with the definitions that it refers to.
fn whole(schema: Schema, definitions: &Map<String, Value>) -> Value {
    let schema = schema.to_value();
    let name = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
    let mut whole = match name.and_then(|name| definitions.get(name)) {
        Some(named) => named.clone(),
        None => schema.clone(),
    };
    if let Value::Object(whole) = &mut whole {
        let others = definitions.iter().filter(|(other, _)| Some(other.as_str()) != name);
        let others = others.map(|(name, definition)| (name.clone(), definition.clone()));
        whole.insert("$defs".into(), Value::Object(others.collect()));
    }
    whole
}
