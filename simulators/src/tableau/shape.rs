//! One answer, two formats: XML is native, JSON is made of it, and takes awkward turns on the way.

use serde_json::Value;

use super::state::Shapes;

/// Children that hold text; every other scalar is an attribute of its parent.
const TEXT_ELEMENTS: [&str; 4] = ["restApiVersion", "summary", "detail", "notes"];

/// The one thing that is the text of its parent.
const PRODUCT: (&str, &str) = ("productVersion", "value");

/// The answer as the server's JSON has it.
pub(super) fn json(answer: Value, shapes: Shapes) -> Value {
    match answer {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter_map(|(key, value)| Some((key, field(value, shapes)?)))
                .collect(),
        ),
        Value::Number(number) if shapes.numbers_as_strings => Value::String(number.to_string()),
        other => other,
    }
}

fn field(value: Value, shapes: Shapes) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(list) if list.is_empty() && shapes.empty_list_absent => None,
        Value::Array(list) => {
            let mut list: Vec<Value> = list.into_iter().map(|one| json(one, shapes)).collect();
            if shapes.single_as_object && list.len() == 1 { list.pop() } else { Some(list.into()) }
        }
        other => Some(json(other, shapes)),
    }
}

/// The same answer as XML.
pub(super) fn xml(answer: &Value) -> String {
    let mut text = String::from(
        "<?xml version='1.0' encoding='UTF-8'?><tsResponse xmlns=\"http://tableau.com/api\">",
    );
    for (name, value) in answer.as_object().into_iter().flatten() {
        element(name, value, &mut text);
    }
    text.push_str("</tsResponse>");
    text
}

fn element(name: &str, value: &Value, text: &mut String) {
    match value {
        Value::Null => {}
        Value::Array(list) => list.iter().for_each(|one| element(name, one, text)),
        Value::Object(fields) => {
            let is_attribute = |key: &str, value: &Value| {
                let text = TEXT_ELEMENTS.contains(&key) || (name, key) == PRODUCT;
                !(text || value.is_object() || value.is_array() || value.is_null())
            };
            text.push('<');
            text.push_str(name);
            for (key, value) in fields.iter().filter(|(key, value)| is_attribute(key, value)) {
                text.push_str(&format!(" {key}=\"{}\"", escaped(value)));
            }
            text.push('>');
            for (key, value) in fields.iter().filter(|(key, value)| !is_attribute(key, value)) {
                if (name, key.as_str()) == PRODUCT {
                    text.push_str(&escaped(value));
                } else {
                    element(key, value, text);
                }
            }
            text.push_str(&format!("</{name}>"));
        }
        scalar => text.push_str(&format!("<{name}>{}</{name}>", escaped(scalar))),
    }
}

fn escaped(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&apos;")
}

/// A request that came as XML, if it is one.
pub(super) fn request(body: &[u8]) -> Option<roxmltree::Document<'_>> {
    let document = roxmltree::Document::parse(str::from_utf8(body).ok()?).ok()?;
    (document.root_element().tag_name().name() == "tsRequest").then_some(document)
}

/// The value of an attribute of the first such element in a request.
pub(super) fn attribute(
    request: &roxmltree::Document<'_>,
    element: &str,
    name: &str,
) -> Option<String> {
    let mut elements = request.descendants();
    let element = elements.find(|node| node.tag_name().name() == element)?;
    element.attribute(name).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_list_loses_its_key_and_numbers_become_strings() {
        let answer =
            json!({ "pagination": { "totalAvailable": 0 }, "workbooks": { "workbook": [] } });
        let shaped = super::json(answer, Shapes::default());
        assert_eq!(shaped, json!({ "pagination": { "totalAvailable": "0" }, "workbooks": {} }));
    }

    #[test]
    fn a_single_element_may_come_without_its_list() {
        let shapes = Shapes { single_as_object: true, ..Shapes::default() };
        let shaped = super::json(json!({ "workbooks": { "workbook": [{ "id": "a" }] } }), shapes);
        assert_eq!(shaped, json!({ "workbooks": { "workbook": { "id": "a" } } }));
    }

    #[test]
    fn xml_has_scalars_as_attributes_and_texts_as_elements() {
        let answer = json!({ "error": { "code": "401001", "summary": "Signin <Error>" } });
        let xml = xml(&answer);
        let inner = "<error code=\"401001\"><summary>Signin &lt;Error&gt;</summary></error>";
        assert!(xml.contains(inner), "{xml}");
    }
}
