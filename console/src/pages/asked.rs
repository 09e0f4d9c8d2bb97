//! What a request asks for: its query, its form, and the parts of its path.
//!
//! Invariant: no text gets past that the database could not take, and a key given twice is never
//! half of what was asked.

use std::time::Duration;

use afterrun_core::config::duration;

use super::problem::NoPage;

/// Key and value, as often as they were given; empty values are as if they were not there, since
/// forms send what nobody filled in.
pub(super) struct Asked(Vec<(String, String)>);

impl Asked {
    /// Of a query, or of a form.
    pub(super) fn of(encoded: &[u8]) -> Result<Self, NoPage> {
        let pairs: Vec<_> = url::form_urlencoded::parse(encoded)
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        for (key, value) in &pairs {
            plain(key)?;
            plain(value)?;
        }
        Ok(Self(pairs))
    }

    /// The value of a key that makes sense once.
    pub(super) fn one(&self, key: &str) -> Result<Option<&str>, NoPage> {
        match self.all(key).collect::<Vec<_>>()[..] {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(NoPage::wrong(format!("`{key}` is given twice; give it once"))),
        }
    }

    /// The values of a key that may be given several times.
    pub(super) fn all<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// How far back, from the choices of a form.
    pub(super) fn since(&self, key: &str) -> Result<Option<Duration>, NoPage> {
        let wrong = || NoPage::wrong("a time is written as `90s`, `30m`, `24h` or `7d`");
        self.one(key)?.map(|text| duration::parse(text).ok_or_else(wrong)).transpose()
    }

    /// The same as a query, with this key set to that value, or without it.
    pub(super) fn with(&self, key: &str, value: Option<&str>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.0.iter().filter(|(known, _)| known != key));
        if let Some(value) = value {
            query.append_pair(key, value);
        }
        query.finish()
    }
}

/// A part of a path, as it was meant.
pub(super) fn plain(text: &str) -> Result<&str, NoPage> {
    if text.contains('\0') {
        return Err(NoPage::wrong("no name holds a NUL character"));
    }
    Ok(text)
}
