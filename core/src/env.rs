//! The environment: the only place that reads it. Every error names its variable and never its
//! value. An empty variable counts as unset, because that is what `NAME=` in an `.env` file means.

use std::{error::Error, str::FromStr};

use secrecy::SecretString;

#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    #[error("the environment variable {name} is not set")]
    Unset { name: String },
    #[error("the environment variable {name} is not valid UTF-8")]
    NotText { name: String },
    #[error("the environment variable {name} has a value that cannot be used")]
    NotUnderstood { name: String, source: Box<dyn Error + Send + Sync> },
}

/// The value as it stands, an empty one too; none where it is unset or not text.
pub fn var(name: &str) -> Option<String> {
    read(name).ok().flatten()
}

pub fn required(name: &str) -> Result<String, EnvError> {
    filled(name)?.ok_or_else(|| EnvError::Unset { name: name.to_owned() })
}

pub fn parsed<T>(name: &str) -> Result<Option<T>, EnvError>
where
    T: FromStr,
    T::Err: Into<Box<dyn Error + Send + Sync>>,
{
    let parse = |value: String| {
        value.trim().parse().map_err(|error: T::Err| EnvError::NotUnderstood {
            name: name.to_owned(),
            source: error.into(),
        })
    };
    filled(name)?.map(parse).transpose()
}

/// A secret, without the whitespace and newlines that copying and `.env` files leave around it.
pub fn secret(name: &str) -> Result<Option<SecretString>, EnvError> {
    Ok(filled(name)?.map(|value| SecretString::from(value.trim())))
}

fn filled(name: &str) -> Result<Option<String>, EnvError> {
    Ok(read(name)?.filter(|value| !value.trim().is_empty()))
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn read(name: &str) -> Result<Option<String>, EnvError> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(EnvError::NotText { name: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unset_variable_is_named() {
        let error = required("AFTERRUN_TEST_SURELY_UNSET").unwrap_err();
        assert!(error.to_string().contains("AFTERRUN_TEST_SURELY_UNSET"), "{error}");
        assert!(parsed::<u16>("AFTERRUN_TEST_SURELY_UNSET").unwrap().is_none());
        assert!(secret("AFTERRUN_TEST_SURELY_UNSET").unwrap().is_none());
    }

    #[test]
    fn a_value_that_does_not_parse_names_its_variable_and_not_the_value() {
        let path = var("PATH").unwrap();
        let error = parsed::<u16>("PATH").unwrap_err();
        assert!(error.to_string().contains("PATH"), "{error}");
        assert!(!error.to_string().contains(&path), "{error}");
    }
}
