//! `meta.afterrun.target`: by it an exposure says which targets read what it depends on.
//!
//! Invariant: what cannot be meant is told from what is not there, so that nobody waits in vain.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::json::{Keep, Loose};

/// The names of targets: a text, or a list of them.
#[derive(Debug, Default)]
pub(super) struct Targets {
    pub(super) named: Vec<String>,
    /// Something is there, or a part of it, that names no target.
    pub(super) wrong: bool,
}

impl Targets {
    fn wrong() -> Self {
        Self { named: Vec::new(), wrong: true }
    }

    fn add(&mut self, name: Option<String>) {
        match name.as_deref().map(str::trim) {
            Some("") | None => self.wrong = true,
            Some(name) if self.named.iter().any(|named| named == name) => {}
            Some(name) => self.named.push(name.to_owned()),
        }
    }

    /// dbt 1.10 and later write what stands under `config.meta` under `meta` too.
    pub(super) fn and(mut self, other: Targets) -> Targets {
        other.named.into_iter().for_each(|name| self.add(Some(name)));
        self.wrong |= other.wrong;
        self
    }
}

impl<'de> Keep<'de> for Targets {
    fn text(text: &str) -> Self {
        let mut targets = Targets::default();
        targets.add(Keep::text(text));
        targets
    }

    fn other() -> Self {
        Self::wrong()
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut targets = Targets::default();
        while let Some(Loose(name)) = list.next_element::<Loose<Option<String>>>()? {
            targets.add(name);
        }
        Ok(targets)
    }

    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::wrong())
    }
}

/// The value of `meta.afterrun`.
#[derive(Debug, Default)]
pub(super) struct Afterrun(pub(super) Targets);

impl<'de> Keep<'de> for Afterrun {
    fn text(_text: &str) -> Self {
        Self(Targets::wrong())
    }

    fn other() -> Self {
        Self(Targets::wrong())
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self(Targets::wrong()))
    }

    fn map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        #[derive(Deserialize)]
        struct Keys {
            #[serde(default)]
            target: Loose<Targets>,
        }
        let Loose(mut targets) = Keys::deserialize(MapAccessDeserializer::new(map))?.target;
        targets.wrong |= targets.named.is_empty();
        Ok(Self(targets))
    }
}
