//! The file as a tree in which everything knows its line and column.
//!
//! Scalars keep their text as written beside the type that YAML gives it: a field that wants text
//! takes `007` as it stands, a field that wants a number takes 7. The tree holds secrets, so its
//! `Debug` shows nothing of it.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::{Location, NonFiniteFloatPolicy, Spanned};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: u32,
    pub(super) column: u32,
}

#[derive(Clone)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

#[derive(Clone)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Stands where a mistake has been reported already, so that reading can go on; see `read_all`.
    Patched,
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Position,
    pub(super) value: Node,
}

#[derive(Clone)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) kind: Kind,
    /// What stood in `${…}`, where any did: the text may then not be shown.
    pub(super) from: Vec<String>,
    /// The key says that it is a secret: the text may then not be shown either.
    pub(super) secret: bool,
}

/// What YAML takes a scalar for. Whatever holds a substitution is text.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Text,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Null,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Scalar {
    pub(super) fn may_be_shown(&self) -> bool {
        self.from.is_empty() && !self.secret
    }

    /// How an error text names the value, which it may only quote if nobody could mind.
    pub(super) fn shown(&self) -> String {
        if !self.from.is_empty() {
            let names: Vec<String> = self.from.iter().map(|name| format!("${{{name}}}")).collect();
            return format!("the value of {}", names.join(" and "));
        }
        if self.secret {
            return "this value".to_owned();
        }
        if self.kind == Kind::Null {
            return "nothing".to_owned();
        }
        quoted(&self.text)
    }
}

/// In backticks, on one line and no longer than a line.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let cut: String = text.chars().take(SHOWN).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("`{}{dots}`", cut.escape_debug())
}

impl Node {
    pub(super) fn empty_map() -> Node {
        Node { at: Position::default(), value: Value::Map(Vec::new()) }
    }

    pub(super) fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::List(_) | Value::Map(_) | Value::Patched => None,
        }
    }

    /// Whether nothing stands there, as after `routes:` on a line of its own.
    pub(super) fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| scalar.kind == Kind::Null)
    }

    /// Empty for anything but a map.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Scalar(_) | Value::List(_) | Value::Patched => &[],
        }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// How an error text names the value.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::Scalar(scalar) => scalar.shown(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map of keys".to_owned(),
            Value::Patched => "this value".to_owned(),
        }
    }

    /// A map without, or with nothing but, the entries of these keys.
    pub(super) fn filtered(&self, keep: impl Fn(&str) -> bool) -> Node {
        match &self.value {
            Value::Map(entries) => {
                let entries = entries.iter().filter(|entry| keep(&entry.key)).cloned().collect();
                Node { at: self.at, value: Value::Map(entries) }
            }
            Value::Scalar(_) | Value::List(_) | Value::Patched => self.clone(),
        }
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Scalar(scalar) => match scalar.kind {
                Kind::Text => scalar.text.clone().into(),
                Kind::Bool(value) => value.into(),
                Kind::Unsigned(value) => value.into(),
                Kind::Signed(value) => value.into(),
                Kind::Float(value) => value.into(),
                Kind::Null => serde_json::Value::Null,
            },
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
            }
            Value::Patched => serde_json::Value::Null,
        }
    }
}

/// A configuration has six levels; the parser's own limit would overflow a test thread's stack.
const DEEPEST: usize = 24;

/// Why a text is not YAML that a tree can be made of.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) at: Position,
    pub(super) what: String,
}

/// Anchors and merge keys work; a duplicate key is an error; only `true` and `false` are booleans,
/// so that the key `on` is a key.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEEPEST },
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    let raw: Option<Spanned<Raw>> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| syntax(&error, text))?;
    Ok(raw.map_or_else(Node::empty_map, |raw| raw.into_node(text)))
}

fn syntax(error: &serde_saphyr::Error, text: &str) -> SyntaxError {
    let at = error.location().map(position).unwrap_or_default();
    let mut what = match error.without_snippet() {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {} stands here a second time; remove one of the two", quoted(key))
        }
        serde_saphyr::Error::MultipleDocuments { .. } => {
            "a second YAML document begins here (`---`); keep one".to_owned()
        }
        other => match other.to_string() {
            text if text.contains("budget breached") => {
                format!("this is nested deeper than {DEEPEST} levels, or too large")
            }
            text => format!("this is not valid YAML: {text}"),
        },
    };
    // The same place is named in front of the mistake already.
    if let Some(end) = what.find(&format!(" at line {}, column {}", at.line, at.column)) {
        what.truncate(end);
    }
    let line = text.lines().nth((at.line as usize).saturating_sub(1)).unwrap_or_default();
    if line.contains("${") && line.contains(['[', '{']) {
        what += "; inside `[ ]` and `{ }` a substitution needs quotes: \"${NAME}\"";
    }
    SyntaxError { at, what }
}

fn position(location: Location) -> Position {
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Position { line: narrow(location.line()), column: narrow(location.column()) }
}

/// What the YAML crate gives, before numbers get back the text they were written as.
enum Raw {
    Text(String),
    Other(Kind),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

trait IntoNode {
    fn into_node(self, text: &str) -> Node;
}

impl IntoNode for Spanned<Raw> {
    fn into_node(self, source: &str) -> Node {
        let value = match self.value {
            Raw::Text(text) => scalar(text, Kind::Text),
            Raw::Other(kind) => scalar(written(self.defined, source, kind), kind),
            Raw::List(items) => {
                Value::List(items.into_iter().map(|item| item.into_node(source)).collect())
            }
            Raw::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| Entry {
                        at: position(key.referenced),
                        key: key.value,
                        value: value.into_node(source),
                    })
                    .collect(),
            ),
        };
        Node { at: position(self.referenced), value }
    }
}

fn scalar(text: String, kind: Kind) -> Value {
    Value::Scalar(Scalar { text, kind, from: Vec::new(), secret: false })
}

/// The scalar as the file has it; as Rust writes it where the file's own text cannot be told.
fn written(defined: Location, source: &str, kind: Kind) -> String {
    let span = defined.span();
    let bytes = || {
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let end = start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
        Some(source.get(start..end)?.trim().to_owned())
    };
    let plain = |text: &String| !text.is_empty() && !text.starts_with(['"', '\'', '!', '|', '>']);
    bytes().filter(plain).unwrap_or_else(|| match kind {
        Kind::Bool(value) => value.to_string(),
        Kind::Unsigned(value) => value.to_string(),
        Kind::Signed(value) => value.to_string(),
        Kind::Float(value) => value.to_string(),
        Kind::Text | Kind::Null => String::new(),
    })
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
                Ok(Raw::Other(Kind::Bool(value)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
                Ok(Raw::Other(Kind::Unsigned(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
                let unsigned = u64::try_from(value).map(Kind::Unsigned);
                Ok(Raw::Other(unsigned.unwrap_or(Kind::Signed(value))))
            }

            fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
                Ok(Raw::Text(value.to_string()))
            }

            fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
                Ok(Raw::Text(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
                Ok(Raw::Other(Kind::Float(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
                Ok(Raw::Text(value.to_owned()))
            }

            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Other(Kind::Null))
            }

            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Other(Kind::Null))
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Raw, D::Error> {
                inner.deserialize_any(self)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Raw::List(items))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw::Map(entries))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(yaml: &str) -> Vec<String> {
        match parse(yaml).unwrap().value {
            Value::List(items) => {
                items.iter().map(|item| item.scalar().unwrap().text.clone()).collect()
            }
            Value::Scalar(_) | Value::Map(_) | Value::Patched => panic!("no list"),
        }
    }

    #[test]
    fn scalars_keep_their_text_as_written() {
        let yaml =
            "- 0012\n- 5e10\n- 1_000\n- 'x'\n- 123456789012345678901234567890\n- yes\n- é1\n- 7";
        let written = ["0012", "5e10", "1_000", "x", "123456789012345678901234567890", "yes"];
        assert_eq!(texts(yaml)[..6], written);
        assert_eq!(texts(yaml)[6..], ["é1", "7"]);
        assert_eq!(texts("[!!int \"5\", 1.50, .inf]"), ["5", "1.50", ".inf"]);
    }

    #[test]
    fn everything_knows_its_line_and_column() {
        let root = parse("é: 1\r\non:\n  - b\n  - {c: d}\n").unwrap();
        let on = root.entry("on").unwrap();
        assert_eq!((on.at.line, on.at.column), (2, 1));
        let Value::List(items) = &on.value.value else { panic!("no list") };
        assert_eq!((items[0].at.line, items[0].at.column), (3, 5));
        let inner = items[1].entry("c").unwrap();
        assert_eq!((inner.at.line, inner.at.column), (4, 6));
        assert_eq!((inner.value.at.line, inner.value.at.column), (4, 9));
    }

    #[test]
    fn anchors_and_merge_keys_work() {
        let root = parse("a: &x { k: 1, j: 007 }\nb:\n  <<: *x\n  k: 2\nc: *x\n").unwrap();
        let b = root.get("b").unwrap();
        assert_eq!(b.get("k").unwrap().scalar().unwrap().text, "2");
        assert_eq!(b.get("j").unwrap().scalar().unwrap().text, "007");
        assert_eq!(root.get("c").unwrap().entries().len(), 2);
    }

    #[test]
    fn a_syntax_error_knows_its_place_and_says_what_to_do() {
        for (yaml, line, column, what) in [
            ("a: 1\na: 2\n", 2, 1, "the key `a` stands here a second time; remove one of the two"),
            ("a: 1\n---\nb: 2\n", 3, 1, "a second YAML document begins here (`---`); keep one"),
            ("a: *nope\n", 1, 4, "this is not valid YAML: alias references unknown anchor"),
        ] {
            let error = parse(yaml).unwrap_err();
            assert_eq!((error.at.line, error.at.column, error.what.as_str()), (line, column, what));
        }
        let error = parse("a: [${X}]\n").unwrap_err();
        assert!(error.what.ends_with("a substitution needs quotes: \"${NAME}\""), "{}", error.what);
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"- ".repeat(100_000)).is_err());
        assert!(parse(&"{a: ".repeat(1_000)).is_err());
        let (open, close) = ("[".repeat(20), "]".repeat(20));
        let mut chained = format!("- &a0 {open}{close}\n");
        for link in 1..200 {
            chained += &format!("- &a{link} {open}*a{}{close}\n", link - 1);
        }
        let error = parse(&chained).unwrap_err();
        assert!(error.what.starts_with("this is nested deeper"), "{}", error.what);
    }

    #[test]
    fn the_tree_never_shows_its_contents() {
        assert!(!format!("{:?}", parse("a: canary").unwrap()).contains("canary"));
    }
}
