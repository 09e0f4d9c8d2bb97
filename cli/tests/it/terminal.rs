//! A terminal of our own, in which a command runs as it does before somebody's eyes.

use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use vt100::Parser;

use crate::harness::Home;

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What stands on the screen, and whether the program has let go of it.
struct Seen {
    parser: Parser,
    raw: Vec<u8>,
    ended: bool,
}

/// A command in a terminal; killed if the test ends first.
pub(crate) struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

impl Home {
    /// Starts a command in a terminal of this size.
    pub(crate) fn terminal(&self, arguments: &[&str], (columns, rows): (u16, u16)) -> Terminal {
        let (pty, inside) = open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_afterrun"))
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("TERM", "xterm-256color");
        for name in ["PATH", "HOME", "USER", "TMPDIR", "AFTERRUN_PG_BIN"] {
            if let Some(value) = std::env::var_os(name) {
                command = command.env(name, value);
            }
        }
        let child = command.envs(self.environment().iter().cloned()).spawn(inside).unwrap();
        let pty = Arc::new(pty);
        let parser = Parser::new(some(rows), some(columns), 2_000);
        let seen =
            Arc::new((Mutex::new(Seen { parser, raw: vec![], ended: false }), Condvar::new()));
        let (from, to) = (Arc::clone(&pty), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Once the program has ended, reading fails.
            while let Ok(count @ 1..) = (&*from).read(&mut bytes) {
                let mut seen = to.0.lock().unwrap();
                seen.parser.process(&bytes[..count]);
                seen.raw.extend_from_slice(&bytes[..count]);
                to.1.notify_all();
            }
            to.0.lock().unwrap().ended = true;
            to.1.notify_all();
        });
        Terminal { pty, child, seen }
    }
}

fn some(size: u16) -> NonZero<u16> {
    NonZero::new(size).unwrap()
}

impl Terminal {
    /// Types.
    pub(crate) fn types(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Gives the window another size.
    pub(crate) fn resize(&self, (columns, rows): (u16, u16)) {
        self.seen.0.lock().unwrap().parser.screen_mut().set_size(some(rows), some(columns));
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    /// Waits until the screen is as it should be, and gives its text.
    #[track_caller]
    pub(crate) fn shows(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let limit = Instant::now() + PATIENCE;
        let mut seen = self.seen.0.lock().unwrap();
        loop {
            let screen = seen.parser.screen().contents();
            if is(&screen) {
                return screen;
            }
            let left = limit.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !seen.ended, "it never showed {what}, but:\n{screen}");
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// The screen, as it stands now.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&vt100::Screen) -> T) -> T {
        at(self.seen.0.lock().unwrap().parser.screen())
    }

    /// Waits for the end; gives the exit code and every byte that was written.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> (Option<i32>, String) {
        let limit = Instant::now() + PATIENCE;
        let mut seen = self.seen.0.lock().unwrap();
        while !seen.ended {
            let left = limit.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it did not end:\n{}", seen.parser.screen().contents());
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
        let code = self.child.wait().unwrap().code();
        (code, String::from_utf8_lossy(&seen.raw).into_owned())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
