//! `afterrun man`: the manual, from what `--help` says: one page, or a page for each command.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::args::{self, Args};
use crate::output::line;

pub(crate) fn run(args: &args::Man) -> anyhow::Result<()> {
    match &args.dir {
        Some(folder) => pages(folder),
        None => {
            let mut page = Vec::new();
            Man::new(program()).render(&mut page)?;
            Ok(io::stdout().lock().write_all(&page)?)
        }
    }
}

fn pages(folder: &Path) -> anyhow::Result<()> {
    let could_not = || format!("could not write into {}", folder.display());
    fs::create_dir_all(folder).with_context(could_not)?;
    clap_mangen::generate_to(program(), folder).with_context(could_not)?;
    Ok(line(format!("the manual is in {}", folder.display()))?)
}

/// All commands but `help`, which is of use only where it is typed.
fn program() -> clap::Command {
    Args::command().disable_help_subcommand(true)
}
