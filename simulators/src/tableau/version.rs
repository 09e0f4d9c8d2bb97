//! Versions of the REST API: `3.9` comes before `3.10`.

use super::refusal::Refusal;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    /// A call that came with this version of the API is not there in earlier ones.
    pub(super) fn at_least(self, major: u32, minor: u32) -> Result<(), Refusal> {
        if self >= (Self { major, minor }) { Ok(()) } else { Err(Refusal::NoSuchVersion) }
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(Version::parse("3.10") > Version::parse("3.9"));
        assert_eq!(Version::parse("three"), None);
    }
}
