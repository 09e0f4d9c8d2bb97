//! How the program ends: 0 done, 1 failed, 2 wrong usage or wrong configuration.

use std::io::Write as _;
use std::process::ExitCode;

use afterrun_core::config::ConfigError;
use afterrun_core::env::EnvError;
use afterrun_core::pool::NotAnAddress;
use afterrun_core::telemetry::{Chain, TelemetryError};

use crate::output::Paint;

/// The command cannot be done as it was asked for or set up; trying again changes nothing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Wrong(pub(crate) String);

/// Says what failed, with its causes, and picks the exit code.
pub(crate) fn code(ended: anyhow::Result<()>) -> ExitCode {
    let Err(error) = ended else { return ExitCode::SUCCESS };
    if nobody_reads_on(&error) {
        return ExitCode::SUCCESS;
    }
    // Whoever reads the text may be gone; the code says it too.
    let told = Chain(error.as_ref());
    drop(writeln!(std::io::stderr(), "{} {told}", Paint::stderr().red("error:")));
    ExitCode::from(if is_wrong(&error) { 2 } else { 1 })
}

/// `afterrun events | head`: whoever asked has seen enough.
fn nobody_reads_on(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn is_wrong(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<Wrong>()
            || cause.is::<ConfigError>()
            || cause.is::<EnvError>()
            || cause.is::<NotAnAddress>()
            || matches!(
                cause.downcast_ref(),
                Some(TelemetryError::Format(_) | TelemetryError::Filter(_))
            )
    })
}
