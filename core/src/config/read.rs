//! Reads a part of the tree into any type that serde knows, with errors that say where.
//!
//! A field decides what a scalar is: one that wants text takes `007` or `true` as written, one that
//! wants a number takes a substituted `"7"` too. Errors hold what was expected and never the value;
//! how the value may be shown is for the tree to say.

use std::fmt;

use serde::{
    Deserializer,
    de::{
        self, DeserializeSeed, IntoDeserializer, Unexpected, Visitor, value::MapAccessDeserializer,
    },
};

use super::{
    node::{Entry, Kind, Node, Scalar, Value},
    trail::{Step, Trail},
};

#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a Node);

#[derive(Debug)]
pub(super) struct ReadError {
    /// From the node that was read; built up from the inside.
    pub(super) trail: Trail,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    UnknownKey { known: &'static [&'static str] },
    Missing,
    Unexpected { expected: String },
    UnknownChoice { known: &'static [&'static str] },
    Other(String),
}

impl ReadError {
    fn new(what: What) -> Self {
        ReadError { trail: Trail::default(), what }
    }

    fn at(mut self, step: Step) -> Self {
        self.trail.0.insert(0, step);
        self
    }
}

impl std::error::Error for ReadError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}", self.trail)
    }
}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        ReadError::new(What::Other(message.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        ReadError::new(What::Unexpected { expected: in_words(&expected.to_string()) })
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        ReadError::new(What::Unexpected { expected: in_words(&expected.to_string()) })
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        ReadError::new(What::UnknownChoice { known })
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        ReadError::new(What::UnknownKey { known }).at(Step::Key(field.to_owned()))
    }

    fn missing_field(field: &'static str) -> Self {
        ReadError::new(What::Missing).at(Step::Key(field.to_owned()))
    }
}

/// What serde calls a Rust type, in the words of somebody who writes YAML.
fn in_words(expected: &str) -> String {
    let words = match expected {
        "a string" | "a borrowed string" | "string" | "a character" => "text",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "a map" => "a map of keys",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "unit" => "nothing",
        other if other.starts_with("struct ") => "a map of keys",
        other if other.starts_with("a nonzero ") => "a whole number above zero",
        other => other,
    };
    words.to_owned()
}

impl Scalar {
    /// The text of a scalar that may be taken for a number or a boolean: quoted text may not,
    /// text that came from a substitution may, because quotes were needed to write it.
    fn untyped(&self) -> Option<&str> {
        (self.kind != Kind::Text || !self.from.is_empty()).then_some(self.text.trim())
    }
}

fn visit_scalar<'de, V: Visitor<'de>>(scalar: &Scalar, visitor: V) -> Result<V::Value, ReadError> {
    match scalar.kind {
        Kind::Text => visitor.visit_str(&scalar.text),
        Kind::Bool(value) => visitor.visit_bool(value),
        Kind::Unsigned(value) => visitor.visit_u64(value),
        Kind::Signed(value) => visitor.visit_i64(value),
        Kind::Float(value) => visitor.visit_f64(value),
        Kind::Null => visitor.visit_unit(),
    }
}

impl<'a> Reader<'a> {
    fn whole_number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError>
    where
        'a: 'de,
    {
        let Some(scalar) = self.0.scalar() else {
            return match self.0.value {
                Value::Patched => visitor.visit_u64(1),
                Value::Scalar(_) | Value::List(_) | Value::Map(_) => self.deserialize_any(visitor),
            };
        };
        match scalar.untyped() {
            Some(text) => {
                if let Ok(number) = text.parse() {
                    visitor.visit_u64(number)
                } else if let Ok(number) = text.parse() {
                    visitor.visit_i64(number)
                } else {
                    visit_scalar(scalar, visitor)
                }
            }
            None => visit_scalar(scalar, visitor),
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.whole_number(visitor)
        })*
    };
}

macro_rules! texts {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match &self.0.value {
                Value::Scalar(scalar) if scalar.kind != Kind::Null => {
                    visitor.visit_str(&scalar.text)
                }
                Value::Patched => visitor.visit_str(""),
                Value::Scalar(_) | Value::List(_) | Value::Map(_) => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Scalar(scalar) => visit_scalar(scalar, visitor),
            Value::List(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Map(entries) => visitor.visit_map(Entries::new(entries)),
            Value::Patched => visitor.visit_unit(),
        }
    }

    texts! { deserialize_str deserialize_string deserialize_char deserialize_identifier }

    whole_numbers! {
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let number = self.0.scalar().and_then(Scalar::untyped).and_then(|text| text.parse().ok());
        match number {
            Some(number) => visitor.visit_f64(number),
            None => self.whole_number(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.0.scalar().and_then(Scalar::untyped).map(str::parse) {
            Some(Ok(value)) => visitor.visit_bool(value),
            _ if matches!(self.0.value, Value::Patched) => visitor.visit_bool(false),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Patched => visitor.visit_none(),
            Value::Scalar(_) if self.0.is_null() => visitor.visit_none(),
            Value::Scalar(_) | Value::List(_) | Value::Map(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Patched => visitor.visit_seq(Items([].iter().enumerate())),
            Value::Scalar(_) | Value::List(_) | Value::Map(_) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Patched => visitor.visit_map(Entries::new(&[])),
            Value::Scalar(_) | Value::List(_) | Value::Map(_) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        // A list could be taken for a struct's fields in order; nobody means that.
        if let Value::List(_) = self.0.value {
            let expected = "a map of keys".to_owned();
            return Err(ReadError::new(What::Unexpected { expected }));
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Scalar(scalar) if scalar.kind != Kind::Null => {
                visitor.visit_enum(scalar.text.as_str().into_deserializer())
            }
            Value::Map(entries) if entries.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(Entries::new(entries)))
            }
            Value::Patched => visitor
                .visit_enum(variants.first().copied().unwrap_or_default().into_deserializer()),
            Value::Scalar(_) | Value::List(_) | Value::Map(_) => {
                Err(ReadError::new(What::UnknownChoice { known: variants }))
            }
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! { bytes byte_buf unit unit_struct ignored_any }
}

struct Items<'a>(std::iter::Enumerate<std::slice::Iter<'a, Node>>);

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let Some((index, item)) = self.0.next() else { return Ok(None) };
        seed.deserialize(Reader(item)).map(Some).map_err(|error| error.at(Step::Index(index)))
    }
}

struct Entries<'a> {
    rest: std::slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
}

impl<'a> Entries<'a> {
    fn new(entries: &'a [Entry]) -> Self {
        Entries { rest: entries.iter(), current: None }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        self.current = self.rest.next();
        let Some(entry) = self.current else { return Ok(None) };
        let key: de::value::StrDeserializer<'_, ReadError> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| match error.what {
            What::UnknownKey { .. } => error,
            What::Missing
            | What::Unexpected { .. }
            | What::UnknownChoice { .. }
            | What::Other(_) => error.at(Step::Key(entry.key.clone())),
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some(entry) = self.current else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(Reader(&entry.value))
            .map_err(|error| error.at(Step::Key(entry.key.clone())))
    }
}
