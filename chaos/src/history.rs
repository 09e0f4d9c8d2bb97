//! One run as it was seen from outside: what the senders remember, what the tools logged, and what
//! stands in the database, with every change that it noted on the way.
//!
//! All times are by clocks of one machine, which no fault touches: the senders' and the tools' own,
//! and the database's.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Everything that the judge is told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    pub bounds: Bounds,
    pub routes: Vec<Route>,
    pub deliveries: Vec<Delivery>,
    /// Those of the sources that can be asked.
    #[serde(default)]
    pub runs: Vec<Run>,
    pub remote_runs: Vec<RemoteRun>,
    pub events: Vec<Event>,
    pub refreshes: Vec<Refresh>,
    pub causes: Vec<Cause>,
    pub attempts: Vec<Attempt>,
    /// In the order in which they were made.
    pub changes: Vec<Change>,
    pub faults: Vec<Fault>,
    pub processes: Vec<Process>,
    /// Where a secret was found: `log of worker 2, line 17`.
    pub leaks: Vec<String>,
    /// How often a worker said that its result came too late and was dropped.
    pub refused_writes: u64,
    /// When the database was read at the end.
    pub read_at: DateTime<Utc>,
}

/// What is promised, in figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// No answer is later than this, whatever happens.
    pub answer: Duration,
    /// How long a claim holds.
    pub lease: Duration,
    /// How long after its lease a refresh may be without an owner, when nothing stands in the way.
    pub sweep: Duration,
    /// How often in a row a refresh may lose its worker.
    pub lost_leases: usize,
    /// How long the tries of one refresh may last.
    pub give_up_after: Duration,
    /// How long after its claim a call may still reach the tool: its worker may have been frozen in
    /// the middle of it.
    pub late_call: Duration,
    /// By how many bytes a process may grow over a run.
    pub growth: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(10),
            lease: Duration::from_secs(30),
            sweep: Duration::from_secs(15),
            lost_leases: 5,
            give_up_after: Duration::from_secs(12 * 60 * 60),
            late_call: Duration::from_secs(180),
            growth: 16 * 1024 * 1024,
        }
    }
}

/// A route of the configuration: these runs of this job refresh these targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub name: String,
    /// `success`, `error`, …
    pub on: String,
    pub job: String,
    pub targets: Vec<String>,
}

/// One event as its sender knows it, and everything that came of sending it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub source: String,
    /// The id in the body.
    pub event_id: String,
    /// Of the body, in hexadecimal digits.
    pub sha256: String,
    /// In which way it was forged; `None` if it was signed rightly.
    pub forged: Option<String>,
    pub job: String,
    /// What a route's `on` is compared with; `None` if none acts on it.
    pub ended: Option<String>,
    pub run_finished_at: DateTime<Utc>,
    pub tries: Vec<Try>,
}

/// One try to deliver it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    pub at: DateTime<Utc>,
    pub took: Duration,
    /// `ingest 1`
    pub to: String,
    /// The HTTP status; `None` if the connection ended, or the sender's patience.
    pub status: Option<u16>,
    /// What the body of the answer calls it, or why there was none.
    pub word: String,
}

impl Try {
    /// It was told that the event is safe: any 2xx says so.
    pub fn took(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// When its answer was there, or was given up.
    pub fn ended(&self) -> DateTime<Utc> {
        self.at + self.took
    }
}

impl Delivery {
    /// The sender was told that the event is safe.
    pub fn acknowledged(&self) -> bool {
        self.forged.is_none() && self.tries.iter().any(Try::took)
    }
}

/// A run that ended, as dbt tells whoever asks, whether its event came or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub source: String,
    pub id: String,
    pub job: String,
    /// What a route's `on` is compared with.
    pub ended: String,
    pub finished_at: DateTime<Utc>,
}

/// A refresh as the tool knows it, whoever started it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteRun {
    pub target: String,
    pub id: String,
    /// When the call came that made it.
    pub created_at: DateTime<Utc>,
    /// When it began to read the data.
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub succeeded: bool,
    /// Not by a schedule of the tool or by a person.
    pub by_us: bool,
}

/// A row of `event`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub id: i64,
    pub source: String,
    pub event_key: String,
    pub sha256: String,
    pub state: String,
    pub reason: Option<String>,
    pub received_at: DateTime<Utc>,
    #[serde(default)]
    pub run_id: Option<String>,
    /// Nobody sent it: dbt was asked.
    #[serde(default)]
    pub found: bool,
}

/// A row of `refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    pub id: i64,
    pub target: String,
    pub state: String,
    pub reason: Option<String>,
    pub fence: i64,
    pub lease_until: Option<DateTime<Utc>>,
    pub remote_id: Option<String>,
    pub created_at: DateTime<Utc>,
}

impl Refresh {
    /// Whether nothing may change any more.
    pub fn has_ended(&self) -> bool {
        ended(&self.state)
    }
}

pub(crate) fn ended(state: &str) -> bool {
    matches!(state, "succeeded" | "failed" | "cancelled" | "skipped")
}

/// A row of `refresh_cause`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    pub refresh_id: Option<i64>,
    pub event_id: i64,
    pub route: String,
    pub target: String,
}

/// A row of `attempt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub refresh_id: i64,
    /// The fence under which it was made.
    pub call: i64,
    pub kind: String,
    pub outcome: String,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    pub worker: String,
}

/// A row of `refresh` made or changed, as the database itself noted it in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub at: DateTime<Utc>,
    pub refresh_id: i64,
    /// `None` when the row was made.
    pub before: Option<Owned>,
    pub after: Owned,
}

/// Who had a refresh, and how far it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    pub state: String,
    pub fence: i64,
    pub worker: Option<String>,
    pub lease_until: Option<DateTime<Utc>>,
    pub remote_id: Option<String>,
}

/// Something that was broken on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub name: String,
    /// Whom it struck.
    pub whom: String,
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// What a process that was there at the beginning and at the end took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub name: String,
    /// Resident bytes.
    pub memory: (u64, u64),
    pub descriptors: (u64, u64),
}

impl History {
    /// Writes it as JSON.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, to: &Path) -> anyhow::Result<()> {
        let writing = || format!("writing {}", to.display());
        let mut file = BufWriter::new(File::create(to).with_context(writing)?);
        serde_json::to_writer(&mut file, self).with_context(writing)?;
        file.flush().with_context(writing)
    }

    /// Reads what [`History::save`] wrote.
    ///
    /// # Errors
    /// If the file is not there, or is none of ours.
    pub fn load(from: &Path) -> anyhow::Result<Self> {
        let reading = || format!("reading {}", from.display());
        let file = BufReader::new(File::open(from).with_context(reading)?);
        serde_json::from_reader(file).with_context(reading)
    }
}
