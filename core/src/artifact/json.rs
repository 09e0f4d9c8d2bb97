//! JSON as it comes, of which only some parts are looked for: those of another shape than the one
//! that is looked for count as absent and are passed over, whatever they hold.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::dbt::clean;

/// What is kept of a value. By default nothing is.
pub(super) trait Keep<'de>: Default {
    fn text(_text: &str) -> Self {
        Self::default()
    }

    /// A number, or true or false.
    fn other() -> Self {
        Self::default()
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

/// A value of any shape.
#[derive(Default)]
pub(super) struct Loose<T>(pub(super) T);

impl<'de, T: Keep<'de>> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyShape(PhantomData))
    }
}

struct AnyShape<T>(PhantomData<T>);

impl<'de, T: Keep<'de>> Visitor<'de> for AnyShape<T> {
    type Value = Loose<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose(T::default()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Loose(T::other()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Loose(T::other()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Loose(T::other()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Loose(T::other()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Loose(T::text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        T::list(list).map(Loose)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::map(map).map(Loose)
    }
}

impl Keep<'_> for Option<String> {
    fn text(text: &str) -> Self {
        Some(clean(text.to_owned()))
    }
}

/// The texts of a list; a text by itself is a list of one.
impl<'de> Keep<'de> for Vec<String> {
    fn text(text: &str) -> Self {
        vec![clean(text.to_owned())]
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut texts = Vec::new();
        while let Some(Loose(item)) = list.next_element::<Loose<Option<String>>>()? {
            texts.extend(item);
        }
        Ok(texts)
    }
}

/// Whether there is a text or a number at all.
#[derive(Default)]
pub(super) struct Given(pub(super) bool);

impl Keep<'_> for Given {
    fn text(text: &str) -> Self {
        Self(!text.is_empty())
    }

    fn other() -> Self {
        Self(true)
    }
}

/// Structs of which some keys are looked for; they take nothing but objects.
macro_rules! keep_keys {
    ($($part:ty),+ $(,)?) => {$(
        impl<'de> $crate::artifact::json::Keep<'de> for $part {
            fn map<A: serde::de::MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
                serde::Deserialize::deserialize(serde::de::value::MapAccessDeserializer::new(map))
            }
        }
    )+};
}

pub(super) use keep_keys;

/// Tells a key that is there, whatever it holds, from one that is not.
pub(super) fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}
