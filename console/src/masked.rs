//! Texts without what nobody needs to see: values under keys that name secrets, those of parameters of
//! addresses that do, and the names in e-mail addresses.
//!
//! Invariants: a body that is no JSON, or is too deep to be read, is masked by its text all the same;
//! what the API answers names things as it does to everybody, so that they can be asked for.

use serde_json::Value;

/// Parts of such keys, as they are without case, dashes and underscores.
const SECRETIVE: [&str; 14] = [
    "secret",
    "token",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "authorization",
    "apikey",
    "accesskey",
    "privatekey",
    "signature",
    "credential",
    "cookie",
    "bearer",
];

/// Parameters of an address that give access under a name that is harmless elsewhere.
const PARAMETERS: [&str; 4] = ["key", "sig", "auth", "code"];

const MASK: &str = "•••";

/// A body as it is shown: in lines if it is JSON.
pub(crate) fn body(raw: &str) -> String {
    let read = serde_json::from_str::<Value>(raw).ok();
    let lines = read.and_then(|mut value| {
        within(&mut value, false);
        serde_json::to_string_pretty(&value).ok()
    });
    message(&lines.unwrap_or_else(|| secrets(raw)))
}

/// A sentence or more, which may say by whom something was done and at which address.
pub(crate) fn message(text: &str) -> String {
    emails(&parameters(text))
}

/// By these, things are asked for again or known in the audit.
const NAMES: [&str; 6] = ["event_id", "source", "next", "body_url", "operator", "subject"];

/// An answer of the API, whose texts say what people and tools said.
pub(crate) fn answer(json: &[u8]) -> Vec<u8> {
    let masked = serde_json::from_slice::<Value>(json).and_then(|mut value| {
        texts(&mut value);
        serde_json::to_vec(&value)
    });
    masked.unwrap_or_else(|_| message(&String::from_utf8_lossy(json)).into_bytes())
}

fn texts(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter_mut().filter(|(key, _)| !NAMES.contains(&key.as_str()));
            fields.for_each(|(_, value)| texts(value));
        }
        Value::Array(values) => values.iter_mut().for_each(texts),
        Value::String(text) => *text = message(text),
        Value::Null | Value::Number(_) | Value::Bool(_) => {}
    }
}

/// `?token=abc` is shown as `?token=•••`.
fn parameters(text: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '%');
    let is_end = |c: char| {
        c.is_whitespace() || matches!(c, '&' | ';' | '#' | '"' | '\'' | '<' | '>' | ')' | '\\')
    };
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in text.match_indices(['?', '&', ';', '#']) {
        let rest = &text[at + 1..];
        let name = &rest[..rest.find(|c: char| !is_name(c)).unwrap_or(rest.len())];
        let Some(value) = rest[name.len()..].strip_prefix('=') else { continue };
        let names_secret =
            is_secretive(name) || PARAMETERS.iter().any(|it| name.eq_ignore_ascii_case(it));
        // What stands within a value that is masked is masked with it.
        if at < from || !names_secret {
            continue;
        }
        let start = text.len() - value.len();
        let length = value.find(is_end).unwrap_or(value.len());
        if length > 0 {
            shown.push_str(&text[from..start]);
            shown.push_str(MASK);
            from = start + length;
        }
    }
    shown.push_str(&text[from..]);
    shown
}

/// Masks all below a secretive key, and in texts that are JSON themselves.
fn within(value: &mut Value, is_secret: bool) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                within(value, is_secret || is_secretive(key));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| within(value, is_secret)),
        Value::Null => {}
        _ if is_secret => *value = MASK.into(),
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
            if let Ok(mut inner) = serde_json::from_str::<Value>(text) {
                within(&mut inner, false);
                *text = inner.to_string();
            }
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {}
    }
}

/// Walks over the strings of the text; the value of a secretive key is left out.
fn secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        let end = string_end(rest, start);
        let (key, after) = (&rest[start..end], &rest[end..]);
        shown.push_str(&rest[..end]);
        rest = after;
        let value = after.trim_start();
        if let Some(value) = value.strip_prefix(':').filter(|_| is_secretive(key)) {
            let value = value.trim_start();
            shown.push_str(&after[..after.len() - value.len()]);
            rest = value;
            let end = match value.chars().next() {
                Some('"') => string_end(value, 0),
                Some('{' | '[') | None => 0,
                Some(_) => value.find([',', '}', ']', '\n']).unwrap_or(value.len()),
            };
            if end > 0 {
                shown.push('"');
                shown.push_str(MASK);
                shown.push('"');
                rest = &value[end..];
            }
        }
    }
    shown.push_str(rest);
    shown
}

/// Behind the string that starts there.
fn string_end(text: &str, start: usize) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(start + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn is_secretive(key: &str) -> bool {
    let key: String = key.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).collect();
    let key = key.to_ascii_lowercase();
    SECRETIVE.iter().any(|word| key.contains(word))
}

/// `jane@example.com` is shown as `j•••@example.com`.
fn emails(text: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '%' | '\'');
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in text.match_indices('@') {
        let local = text[from..at]
            .chars()
            .rev()
            .take_while(|c| is_part(*c))
            .map(char::len_utf8)
            .sum::<usize>();
        let has_host = text[at + 1..].chars().next().is_some_and(char::is_alphanumeric);
        if local == 0 || !has_host {
            continue;
        }
        let start = at - local;
        let first = text[start..].chars().next().map_or(0, char::len_utf8);
        shown.push_str(&text[from..start + first]);
        shown.push_str(MASK);
        from = at;
    }
    shown.push_str(&text[from..]);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_addresses_are_masked_and_nothing_else() {
        let shown = body(
            r#"{"apiToken": "abc\"def", "by": "jane.doe@example.com", "n": [1], "secret": 5, "x": "@"}"#,
        );
        assert!(!shown.contains("abc") && !shown.contains("def"), "{shown}");
        assert!(shown.contains("\"apiToken\": \"•••\""), "{shown}");
        assert!(shown.contains("j•••@example.com"), "{shown}");
        assert!(shown.contains("\"secret\": \"•••\"") && shown.contains("\"x\": \"@\""), "{shown}");
    }

    #[test]
    fn nothing_below_a_secretive_key_is_shown_nor_in_a_text_that_is_json() {
        let shown = body(
            r#"{"Api-Key": {"value": ["abc"]}, "body": "{\"access_key\":\"abc\",\"n\":1}", "set": null}"#,
        );
        assert!(!shown.contains("abc"), "{shown}");
        assert!(shown.contains(r#"\"n\":1"#) && shown.contains("\"set\": null"), "{shown}");
    }

    #[test]
    fn what_gives_access_in_an_address_is_masked_and_the_address_is_not() {
        for (text, shown) in [
            ("at https://a.b/c?token=abc&x=1#y.", "at https://a.b/c?token=•••&x=1#y."),
            (
                "(https://a.b/?x=1&amp;X-Amz-Signature=abc)",
                "(https://a.b/?x=1&amp;X-Amz-Signature=•••)",
            ),
            (
                "https://a.b/?key=abc https://a.b/#access_token=a",
                "https://a.b/?key=••• https://a.b/#access_token=•••",
            ),
            ("https://a.b/?token=a?key=b?c", "https://a.b/?token=•••"),
            ("https://a.b/?monkey=1&key=&token", "https://a.b/?monkey=1&key=&token"),
            ("who? me; k=1 & so on", "who? me; k=1 & so on"),
        ] {
            assert_eq!(message(text), shown);
        }
        let shown =
            body(r#"{"href": "https://a.b/?sig=abc", "in": "{\"u\":\"https://a.b?token=abc\"}"}"#);
        assert!(!shown.contains("abc") && shown.contains(r#"token=•••\"}"#), "{shown}");
    }

    #[test]
    fn an_answer_keeps_what_things_are_asked_for_by_and_stays_json() {
        let json =
            br#"{"event_id": "a@b", "at": ["x\u0001jane@b.c"], "n": 1.5, "next": "/?key=a"}"#;
        let masked: Value = serde_json::from_slice(&answer(json)).unwrap();
        let wanted = serde_json::json!(
            {"event_id": "a@b", "at": ["x\u{1}j•••@b.c"], "n": 1.5, "next": "/?key=a"}
        );
        assert_eq!(masked, wanted);
        assert_eq!(answer(b"{ jane@b.c"), "{ j•••@b.c".as_bytes());
    }

    #[test]
    fn what_is_no_json_is_masked_too() {
        assert_eq!(body(r#"{"password":"p", jane@x.y"#), r#"{"password":"•••", j•••@x.y"#);
        assert_eq!(body("\"token\": \"never ends"), "\"token\": \"•••\"");
    }
}
