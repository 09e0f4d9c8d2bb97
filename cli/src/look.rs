//! How to look at what runs: addresses, and commands to paste into another terminal.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use afterrun_core::config::{Config, SourceKind};
use afterrun_core::telemetry::Format;

use crate::local;
use crate::output::Paint;

/// What can be looked at, and by which command or where.
pub(crate) type Look = Vec<(String, String)>;

/// Where the webhooks of each dbt source go.
pub(crate) fn webhooks(config: &Config, public: SocketAddr) -> Look {
    let dbt = config.sources.iter().filter(|(_, source)| source.kind == SourceKind::Dbt);
    let address = local::reachable(public);
    dbt.map(|(name, _)| {
        (format!("webhooks of {name}"), format!("http://{address}/webhooks/dbt/{name}"))
    })
    .collect()
}

/// The pages for people.
pub(crate) fn console(private: SocketAddr) -> (String, String) {
    ("the console".into(), format!("http://{}/", local::reachable(private)))
}

/// The history in SQL, of a database whose address was left in a file.
pub(crate) fn in_sql(address: &Path) -> (String, String) {
    let psql = format!("psql \"$(cat {})\" -c 'select * from target_freshness'", quoted(address));
    ("in SQL".into(), psql)
}

/// Says it once the process serves: to somebody at a terminal as it is, else line by line to the
/// log.
pub(crate) fn tell(look: &Look) {
    let asked = afterrun_core::env::var("AFTERRUN_LOG");
    let pretty = matches!(Format::from_setting(asked.as_deref()), Ok(Format::Pretty));
    if !(pretty && io::stderr().is_terminal()) {
        for (what, how) in look {
            tracing::info!("{what}: {how}");
        }
        return;
    }
    let block = lines(look, Paint::stderr()).join("\n");
    // Whoever reads it may be gone.
    drop(writeln!(io::stderr().lock(), "\n{block}\n\nCtrl-C ends it.\n"));
}

/// Below each other, the commands in one column.
pub(crate) fn lines(look: &Look, paint: Paint) -> Vec<String> {
    let width = look.iter().map(|(what, _)| what.chars().count()).max().unwrap_or_default();
    look.iter()
        .map(|(what, how)| format!("  {}  {how}", paint.dim(format!("{what:<width$}"))))
        .collect()
}

/// How this program was started, as somebody would type it here.
pub(crate) fn program() -> String {
    let typed = env::args_os().next().unwrap_or_else(|| OsString::from("afterrun"));
    if !typed.to_string_lossy().contains('/') {
        return quoted(Path::new(&typed));
    }
    let exe = env::current_exe().unwrap_or_else(|_| PathBuf::from(typed));
    let here = env::current_dir().ok();
    let near = here.and_then(|here| exe.strip_prefix(here).ok().map(beside));
    quoted(&near.unwrap_or(exe))
}

/// A shell looks for a name without a folder elsewhere.
fn beside(near: &Path) -> PathBuf {
    if near.components().count() == 1 { Path::new(".").join(near) } else { near.to_owned() }
}

/// Safe to paste into a shell.
pub(crate) fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}
