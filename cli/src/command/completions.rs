//! `afterrun completions`: the script by which a shell asks this program what Tab offers.

use std::env;
use std::io::{self, Write as _};

use clap_complete::env::{EnvCompleter, Shells};

use crate::args;
use crate::complete::VARIABLE;

const NAME: &str = "afterrun";

pub(crate) fn run(args: &args::Completions) -> anyhow::Result<()> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let shell: &dyn EnvCompleter = shells
        .completer(args.shell.name())
        .ok_or_else(|| anyhow::anyhow!("there are no completions for {}", args.shell.name()))?;
    shell.write_registration(VARIABLE, NAME, NAME, &program(), &mut script)?;
    Ok(io::stdout().lock().write_all(&script)?)
}

/// What the script calls: by its name where that is how it was called, so that an upgrade is found.
fn program() -> String {
    let typed = env::args_os().next().unwrap_or_default();
    let exe = env::current_exe().ok().filter(|_| typed.to_string_lossy().contains('/'));
    exe.map_or_else(|| NAME.to_owned(), |exe| exe.to_string_lossy().into_owned())
}
