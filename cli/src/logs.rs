//! Logging as AFTERRUN_LOG and RUST_LOG ask for it.

use afterrun_core::env;
use afterrun_core::telemetry::{self, Format, Logs};

/// For the commands that serve: from `info` on.
pub(crate) fn start() -> anyhow::Result<Logs> {
    start_with(None)
}

/// With another filter where RUST_LOG names none.
pub(crate) fn start_with(filter: Option<&str>) -> anyhow::Result<Logs> {
    let format = Format::from_setting(env::var("AFTERRUN_LOG").as_deref())?;
    let asked = env::var("RUST_LOG").filter(|asked| !asked.is_empty());
    Ok(telemetry::init(format, asked.as_deref().or(filter))?)
}
