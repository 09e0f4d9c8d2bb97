//! The server process: started, watched, ended.
//!
//! Invariant: it never outlives us. On an orderly end it is stopped; when we are killed, a guard
//! that holds the other end of a pipe sees the pipe close and stops it; and whatever may be left
//! over all the same is stopped before the next start.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::account::Account;
use crate::binaries::Binaries;
use crate::error::{Doing, PostgresError};

/// How to start the server; the same each time.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) binaries: Binaries,
    pub(crate) pgdata: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) account: Option<Account>,
    pub(crate) durable: bool,
}

impl Launch {
    pub(crate) fn spawn(&self, port: u16) -> Result<Postmaster, PostgresError> {
        let log = OpenOptions::new().append(true).open(&self.log).doing("open", &self.log)?;
        let mut server = self.binaries.program("postgres");
        server.arg("-D").arg(&self.pgdata).arg("-p").arg(port.to_string());
        let mut set = |setting: &str| {
            server.args(["-c", setting]);
        };
        // Only this machine gets in, and only with the password: no socket file either.
        set("listen_addresses=127.0.0.1");
        set("unix_socket_directories=");
        set("log_checkpoints=off");
        if self.durable {
            set("fsync=on");
            set("synchronous_commit=on");
            set("full_page_writes=on");
        } else {
            set("fsync=off");
            set("synchronous_commit=off");
            set("full_page_writes=off");
            // One throwaway server serves many tests at once.
            set("max_connections=400");
        }
        // A group of its own: Ctrl-C on the terminal is for us, who then stop the server in order.
        server.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.as_account(&mut server);
        let program = self.binaries.folder.join("postgres");
        let child = server.spawn().map_err(|source| PostgresError::Run { program, source })?;
        let mut postmaster = Postmaster { child, guard: None, durable: self.durable };
        let guard = self.guard(&postmaster.child);
        let guard =
            guard.map_err(|source| PostgresError::Run { program: "/bin/sh".into(), source })?;
        postmaster.guard = Some(guard);
        Ok(postmaster)
    }

    /// Reads from a pipe that only we can write to, and nobody does: it ends when we do.
    fn guard(&self, server: &Child) -> io::Result<Child> {
        let mut guard = Command::new("/bin/sh");
        guard
            .args(["-c", "trap '' HUP INT TERM; read -r _; kill -INT \"$1\"", "sh"])
            .arg(server.id().to_string())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.as_account(&mut guard);
        guard.spawn()
    }

    fn as_account(&self, command: &mut Command) {
        if let Some(account) = &self.account {
            command.uid(account.uid).gid(account.gid);
        }
    }

    /// Ends a server that a killed process left behind. Our lock on the directory says that nobody
    /// uses that server any more.
    pub(crate) fn clear_leftover(&self) -> Result<(), PostgresError> {
        let mark = self.pgdata.join("postmaster.pid");
        let Ok(text) = std::fs::read_to_string(&mark) else {
            return Ok(());
        };
        let pid = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok());
        match pid.filter(|pid| *pid > 1) {
            Some(pid) if serves(pid, &self.pgdata) => self.end(pid),
            // Of a dead process: the next server looks after what it left, with this mark.
            Some(pid) if kill(Pid::from_raw(pid), None).is_err() => Ok(()),
            // Another process has the number by now. It must not be touched, and the next server
            // would take it for a server and refuse to start.
            _ => match std::fs::remove_file(&mark) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                done => done.doing("remove", &mark),
            },
        }
    }

    fn end(&self, pid: i32) -> Result<(), PostgresError> {
        tracing::info!(pid, "stopping the database server that an earlier process left behind");
        let gone = [Signal::SIGINT, Signal::SIGQUIT].into_iter().any(|signal| {
            kill(Pid::from_raw(pid), signal).is_err()
                || wait_until(Duration::from_secs(20), || !serves(pid, &self.pgdata))
        });
        if gone {
            Ok(())
        } else {
            Err(PostgresError::Leftover { pid, pgdata: self.pgdata.clone() })
        }
    }

    /// The last lines of the log.
    pub(crate) fn log_tail(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

/// A server process of ours, and the guard that ends it if we are killed. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Postmaster {
    child: Child,
    guard: Option<Child>,
    durable: bool,
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Postmaster {
    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten()?;
        self.dismiss_guard();
        Some(status)
    }

    /// Ends the server: in order where its data matters, else at once.
    fn stop(&mut self) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let steps: &[(Signal, u64)] = if self.durable {
            &[(Signal::SIGINT, 60), (Signal::SIGQUIT, 10), (Signal::SIGKILL, 10)]
        } else {
            &[(Signal::SIGQUIT, 10), (Signal::SIGKILL, 10)]
        };
        for (signal, seconds) in steps {
            // Not reaped yet, so the number is still its own.
            if self.ended().is_some() || kill(pid, *signal).is_err() {
                break;
            }
            if wait_until(Duration::from_secs(*seconds), || self.ended().is_some()) {
                break;
            }
        }
        self.dismiss_guard();
    }

    fn dismiss_guard(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            // Killed before its pipe closes: it must not act.
            drop(guard.kill());
            drop(guard.wait());
        }
    }
}

fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while !done() {
        if Instant::now() > end {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Whether that process is a server on this data directory: servers live in theirs.
fn serves(pid: i32, pgdata: &Path) -> bool {
    if Path::new("/proc/self").exists() {
        let folder = std::fs::read_link(format!("/proc/{pid}/cwd"));
        return folder
            .is_ok_and(|folder| pgdata.canonicalize().is_ok_and(|pgdata| pgdata == folder));
    }
    let told = Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output();
    told.is_ok_and(|output| {
        let command = String::from_utf8_lossy(&output.stdout).into_owned();
        command.contains("postgres") && command.contains(&*pgdata.to_string_lossy())
    })
}
