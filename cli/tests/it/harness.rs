//! Runs the program in a folder of its own, with nothing in its environment but what a test gives.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use afterrun_simulators::Mode;
use sqlx::{ConnectOptions as _, PgPool};

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const SECRET: &str = "CANARY-the-webhook-secret";

/// A folder with a configuration, and the environment of what is run in it.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

/// What a command that ended left behind.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    /// An empty folder, and no database.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    /// With the database of a test.
    pub(crate) fn with_database(pool: &PgPool) -> Self {
        Self::new().with("DATABASE_URL", pool.connect_options().to_url_lossy().as_str())
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What commands find in their environment beside what this machine needs.
    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes `afterrun.yml`.
    pub(crate) fn configure(&self, yaml: &str) -> PathBuf {
        let path = self.path().join("afterrun.yml");
        std::fs::write(&path, yaml).unwrap();
        path
    }

    /// One dbt source `prod` and nothing else.
    pub(crate) fn configure_source(&self) {
        self.configure(&source(SECRET));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_afterrun"));
        command.args(arguments).current_dir(self.path()).env_clear();
        for name in ["PATH", "HOME", "USER", "TMPDIR", "AFTERRUN_PG_BIN"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        let output = command.output().unwrap();
        Ended {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs several at the same time.
    pub(crate) fn run_at_once(&self, arguments: &[&str], times: usize) -> Vec<Ended> {
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..times).map(|_| scope.spawn(|| self.run(arguments))).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        })
    }

    /// Starts a command that goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self.command(arguments).spawn().unwrap();
        let said = Arc::new(Said::default());
        collect(child.stdout.take().unwrap(), &said);
        collect(child.stderr.take().unwrap(), &said);
        Running { child, said }
    }

    /// Starts `ingest` on free ports and waits until it listens.
    pub(crate) fn ingest(&self) -> Running {
        self.start(&["ingest", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
    }

    /// Starts `worker` on a free port.
    pub(crate) fn worker(&self) -> Running {
        self.start(&["worker", "--admin-listen", "127.0.0.1:0"])
    }
}

/// A configuration of one dbt source.
pub(crate) fn source(secret: &str) -> String {
    format!("sources:\n  prod: {{ kind: dbt, secrets: [\"{secret}\"] }}\n")
}

/// The connection `mode` to a played Mode, as a line below `connections`.
pub(crate) fn mode_connection(mode: &Mode) -> String {
    format!(
        "  mode: {{ kind: mode, workspace: {}, token: {}, secret: {}, base_url: \"{}\" }}\n",
        mode.workspace(),
        mode.token(),
        mode.secret(),
        mode.url()
    )
}

impl Ended {
    /// Asserts the exit code, and shows everything where it is another.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {:?}\n-- out:\n{}\n-- err:\n{}", self.code, self.out, self.err)
    }
}

/// A process that goes on until it is told to stop; killed if the test ends first.
pub(crate) struct Running {
    child: Child,
    said: Arc<Said>,
}

/// Every line that a process wrote, and how many of its streams have ended.
#[derive(Default)]
struct Said {
    lines: Mutex<(Vec<String>, usize)>,
    more: Condvar,
}

fn collect(stream: impl Read + Send + 'static, said: &Arc<Said>) {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            said.lines.lock().unwrap().0.push(line);
            said.more.notify_all();
        }
        said.lines.lock().unwrap().1 += 1;
        said.more.notify_all();
    });
}

impl Running {
    /// Waits for a line with this text, and gives it.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> String {
        self.wait(&format!("it never said {text:?}"), |lines, _| {
            lines.iter().find(|line| line.contains(text)).cloned()
        })
    }

    #[track_caller]
    fn wait<T>(&self, failing: &str, look: impl Fn(&[String], usize) -> Option<T>) -> T {
        let limit = Instant::now() + PATIENCE;
        let mut said = self.said.lines.lock().unwrap();
        loop {
            if let Some(seen) = look(&said.0, said.1) {
                return seen;
            }
            let left = limit.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{failing}, but:\n{}", said.0.join("\n"));
            said = self.said.more.wait_timeout(said, left).unwrap().0;
        }
    }

    /// All that it said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lines.lock().unwrap().0.join("\n")
    }

    /// Where webhooks come in.
    #[track_caller]
    pub(crate) fn webhooks(&self) -> String {
        format!("http://{}/webhooks/dbt/prod", self.public())
    }

    /// The address of the public listener.
    #[track_caller]
    pub(crate) fn public(&self) -> String {
        self.address("taking webhooks on ")
    }

    /// Where health is told.
    #[track_caller]
    pub(crate) fn private(&self) -> String {
        format!("http://{}", self.address("health on "))
    }

    #[track_caller]
    fn address(&self, before: &str) -> String {
        let line = self.says(before);
        let after = line.split_once(before).unwrap().1;
        after.split(['"', ' ']).next().unwrap().to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Sends the signal, and waits for the end.
    #[track_caller]
    pub(crate) fn ends_on(self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.ends().0
    }

    /// Waits for the end; gives its code, and all that it said.
    #[track_caller]
    pub(crate) fn ends(mut self) -> (Option<i32>, String) {
        // Both of its streams end with it.
        self.wait("it did not end", |_, ended| (ended == 2).then_some(()));
        (self.child.wait().unwrap().code(), self.said())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends the whole server behind the pool, as a machine without memory does.
pub(crate) async fn kill_server(pool: &PgPool) {
    let pid = "select split_part(pg_read_file('postmaster.pid'), chr(10), 1)";
    let pid: String = sqlx::query_scalar(pid).fetch_one(pool).await.unwrap();
    assert!(Command::new("kill").args(["-s", "KILL", &pid]).status().unwrap().success());
}

/// Runs what looks until it has seen it.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < limit, "it never came about that {what}");
    }
}
