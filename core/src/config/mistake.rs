//! What is wrong with a configuration, and where: file, line, column and key.
//!
//! A text here never holds a secret or a value that came from a substitution.

use std::{fmt, io, path::PathBuf};

/// Where something stands in the file: `afterrun.yml:12:5: routes[0].refresh[1]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// From 1; 0 where the file as a whole is meant.
    pub line: u32,
    /// From 1; 0 where the file as a whole is meant.
    pub column: u32,
    /// Empty at the top of the file.
    pub key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        Ok(())
    }
}

/// One mistake: where, what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub place: Place,
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Something that works but is likely not what was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub place: Place,
    pub what: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "there is no configuration at {}: copy afterrun.example.yml to it and edit it, \
         or name another file in AFTERRUN_CONFIG", path.display()
    )]
    Absent { path: PathBuf },
    #[error("the configuration {} cannot be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// All of them, in the order of the file.
    #[error("{}", listed(.0))]
    Wrong(Vec<Mistake>),
}

impl ConfigError {
    /// Empty where the file could not be read at all.
    pub fn mistakes(&self) -> &[Mistake] {
        match self {
            ConfigError::Absent { .. } | ConfigError::Unreadable { .. } => &[],
            ConfigError::Wrong(mistakes) => mistakes,
        }
    }
}

impl From<Vec<Mistake>> for ConfigError {
    fn from(mut mistakes: Vec<Mistake>) -> Self {
        // A sort that keeps equals in order: of two at one key, the one found first stands.
        mistakes.sort_by_key(|mistake| (mistake.place.line, mistake.place.column));
        mistakes.dedup_by(|later, first| !first.place.key.is_empty() && later.place == first.place);
        ConfigError::Wrong(mistakes)
    }
}

fn listed(mistakes: &[Mistake]) -> String {
    let mut text: String = mistakes.iter().map(|mistake| format!("{mistake}\n")).collect();
    let file = mistakes.first().map(|mistake| mistake.place.file.display().to_string());
    let plural = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
    text += &format!("{} {plural} in {}", mistakes.len(), file.unwrap_or_default());
    text
}
