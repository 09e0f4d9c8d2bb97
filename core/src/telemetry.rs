//! Logs: one line each, on stderr, written by a thread of their own.
//!
//! Invariant: no reader of the log can stop or end the program, be it gone, slow or stuck; what it
//! does not take in time is dropped and counted.

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for a slow reader.
const WAITING: usize = 8192;
/// How long the end of the program waits for a reader to take what is left.
const FLUSH: Duration = Duration::from_secs(1);
/// The libraries say at `info` what only their authors want to know; and actix calls it an error that
/// a stranger's bytes are no HTTP, so that anyone could fill a log with errors.
const QUIET: &str = "actix_server=warn,actix_http::h1::dispatcher=off,sqlx=warn";

/// `AFTERRUN_LOG` or `RUST_LOG` has a value that means nothing.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("AFTERRUN_LOG is {0:?}: it can be pretty or json")]
    Format(String),
    #[error("RUST_LOG is not a filter such as info or afterrun_ingest=debug")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    #[error("could not start logging")]
    Start(#[source] io::Error),
    #[error("logging was started twice")]
    Twice(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Pretty,
    /// One JSON object a line, for machines.
    Json,
}

impl Format {
    /// From `AFTERRUN_LOG`; where it is not set, what suits whoever reads stderr.
    ///
    /// # Errors
    /// If the value is neither `pretty` nor `json`.
    pub fn from_setting(setting: Option<&str>) -> Result<Self, TelemetryError> {
        match setting {
            Some("pretty") => Ok(Self::Pretty),
            Some("json") => Ok(Self::Json),
            None | Some("") if io::stderr().is_terminal() => Ok(Self::Pretty),
            None | Some("") => Ok(Self::Json),
            Some(other) => Err(TelemetryError::Format(other.to_owned())),
        }
    }
}

/// Starts logging for the whole process, by a filter as in `RUST_LOG`, else from `info` on.
///
/// Keep what it returns until the end of `main`: dropping it writes what still waits.
///
/// # Errors
/// If the filter cannot be read, or logging runs already.
pub fn init(format: Format, filter: Option<&str>) -> Result<Logs, TelemetryError> {
    let (lines, logs) = Lines::start().map_err(TelemetryError::Start)?;
    let filter = match filter {
        None | Some("") => EnvFilter::new(format!("info,{QUIET}")),
        Some(filter) => EnvFilter::try_new(filter).map_err(TelemetryError::Filter)?,
    };
    let colour = io::stderr().is_terminal()
        && crate::env::var("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
    match format {
        Format::Pretty => set(builder.with_ansi(colour).finish())?,
        Format::Json => set(builder.json().flatten_event(true).finish())?,
    }
    Ok(logs)
}

fn set(subscriber: impl tracing::Subscriber + Send + Sync) -> Result<(), TelemetryError> {
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::Twice)
}

/// An error and all its causes on one line: `what failed: because: because`. A cause that was said
/// already is not said again: many libraries repeat theirs in their own text.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                said = format!("{said}: {text}");
            }
            cause = error.source();
        }
        f.write_str(&said)
    }
}

/// Holds the log open; what waits is written when it is dropped.
#[derive(Debug)]
pub struct Logs {
    lines: SyncSender<Message>,
}

impl Drop for Logs {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            // A reader that stopped reading must not keep the process from ending.
            let _ = written.recv_timeout(FLUSH);
        }
    }
}

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Where the subscriber writes: each `write` is one line, handed to the thread or dropped.
#[derive(Clone)]
struct Lines {
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Lines {
    fn start() -> io::Result<(Self, Logs)> {
        let (lines, taken) = sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dropped);
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write_all(&taken, &counted))?;
        Ok((Self { lines: lines.clone(), dropped }, Logs { lines }))
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lines.try_send(Message::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Writes until the last sender is gone. That nobody reads any more is no reason to stop.
fn write_all(taken: &Receiver<Message>, dropped: &AtomicU64) {
    let mut stderr = io::stderr();
    while let Ok(message) = taken.recv() {
        match message {
            Message::Line(line) => {
                let lost = dropped.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    drop(writeln!(stderr, "{{\"level\":\"WARN\",\"dropped_log_lines\":{lost}}}"));
                }
                drop(stderr.write_all(&line));
            }
            Message::Flush(done) => drop(done.try_send(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not store")]
    struct Outer(#[source] io::Error);

    #[test]
    fn an_error_is_told_with_its_causes_on_one_line() {
        let error = Outer(io::Error::other("connection refused"));
        assert_eq!(Chain(&error).to_string(), "could not store: connection refused");
    }

    #[test]
    fn a_cause_that_an_error_repeats_in_its_own_text_is_said_once() {
        let error = sqlx::Error::Io(io::Error::other("connection refused"));
        let text = Chain(&error).to_string();
        assert_eq!(text.matches("connection refused").count(), 1, "{text}");
    }

    #[test]
    fn a_reader_that_stopped_reading_costs_lines_and_nothing_else() {
        let (lines, taken) = sync_channel(1);
        let mut writer = Lines { lines, dropped: Arc::new(AtomicU64::new(0)) };
        for _ in 0..3 {
            writer.write_all(b"line\n").expect("a log line never fails");
        }
        assert_eq!(writer.dropped.load(Ordering::Relaxed), 2);
        drop(taken);
        writer.write_all(b"line\n").expect("nor does it when nobody is left to read");
    }

    #[test]
    fn a_format_nobody_knows_is_named() {
        let error = Format::from_setting(Some("xml")).expect_err("xml is no format of ours");
        assert!(error.to_string().contains("\"xml\""));
    }
}
