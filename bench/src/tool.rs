//! A BI tool that costs next to nothing: as much of Mode's API as starting a run and asking for it
//! takes. It notes when the first byte of each call came.
//!
//! Invariant: a run's token is its place in the list of runs, and each report is run as often as it
//! is asked for.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Stops when it is dropped.
pub(crate) struct Tool {
    address: SocketAddr,
    log: Arc<Log>,
    _stop: oneshot::Sender<()>,
}

/// A run, as it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) report: Box<str>,
    /// When the first byte of the call came.
    pub(crate) at: Instant,
}

struct Log {
    /// How long runs take.
    runs_take: Duration,
    /// What is said of when any run began: a moment before it.
    began: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    runs: Vec<Run>,
    /// When calls came, those that ask included.
    calls: Vec<Instant>,
    /// Who waits for the next run of a report.
    waiting: HashMap<Box<str>, oneshot::Sender<Instant>>,
}

impl Tool {
    /// Its runs take so long; it says of each that it began `now`.
    pub(crate) fn start(runs_take: Duration, now: DateTime<Utc>) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let log = Log { runs_take, began: now.to_rfc3339(), state: Mutex::default() };
        let (log, (stop, stopped)) = (Arc::new(log), oneshot::channel());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = Arc::clone(&log);
        thread::Builder::new().name("tool".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    // A listener that fails is one that does not answer, which the worker tells of.
                    _ = serve(listener, served) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, log, _stop: stop })
    }

    /// What stands as `base_url` on a connection.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All runs so far; the place of each is its token.
    pub(crate) fn runs(&self) -> Vec<Run> {
        self.log.state().runs.clone()
    }

    /// When calls came, in order.
    pub(crate) fn calls(&self) -> Vec<Instant> {
        self.log.state().calls.clone()
    }

    /// Gives when the first byte of the next call comes that runs this report.
    pub(crate) fn next_run(&self, report: &str) -> oneshot::Receiver<Instant> {
        let (waiting, called) = oneshot::channel();
        self.log.state().waiting.insert(report.into(), waiting);
        called
    }
}

/// The place of a run, by its token.
pub(crate) fn place(token: &str) -> Option<usize> {
    token.parse().ok()
}

impl Log {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is answered to a call that came at that time.
    fn answer(&self, method: &str, path: &str, at: Instant) -> String {
        let mut state = self.state();
        state.calls.push(at);
        let path: Vec<&str> = path.split('/').collect();
        let (status, token, ended) = match (method, path.as_slice()) {
            ("POST", ["", "api", _, "reports", report, "runs"]) => {
                let report = Box::from(*report);
                if let Some(waiting) = state.waiting.remove(&report) {
                    // Whoever waited may have given up.
                    let _ = waiting.send(at);
                }
                state.runs.push(Run { report, at });
                ("202 Accepted", state.runs.len() - 1, false)
            }
            ("GET", ["", "api", _, "reports", _, "runs", token]) => {
                let run = place(token).and_then(|place| Some((place, state.runs.get(place)?)));
                let Some((place, run)) = run else { return not_found() };
                ("200 OK", place, run.at.elapsed() >= self.runs_take)
            }
            _ => return not_found(),
        };
        let (ended, began) = (if ended { "succeeded" } else { "pending" }, &self.began);
        let body = format!(r#"{{"token":"{token:08}","state":"{ended}","created_at":"{began}"}}"#);
        response(status, &body)
    }
}

fn not_found() -> String {
    response("404 Not Found", r#"{"id":"not_found","message":"The page doesn't exist"}"#)
}

fn response(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/hal+json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

async fn serve(listener: std::net::TcpListener, log: Arc<Log>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                connections.spawn(converse(stream, Arc::clone(&log)));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

/// Answers one call after the other, until the caller ends the connection.
async fn converse(mut stream: TcpStream, log: Arc<Log>) -> io::Result<()> {
    let mut received = Vec::with_capacity(4096);
    loop {
        received.clear();
        let mut first_byte = None;
        let answer = loop {
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
            let at = *first_byte.get_or_insert_with(Instant::now);
            if let Some((method, path)) = request(&received) {
                break log.answer(method, path, at);
            }
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// Method and path, once the whole of a request is there. Callers send one at a time.
fn request(received: &[u8]) -> Option<(&str, &str)> {
    let end = received.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&received[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Some(0), |(_, length)| length.trim().parse().ok())?;
    (received.len() >= end + length).then_some(())?;
    Some((first.next()?, first.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Connection;

    #[test]
    fn a_request_is_whole_when_its_body_has_come() {
        let bytes = b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
        for cut in 0..bytes.len() {
            assert_eq!(request(&bytes[..cut]), None, "{cut}");
        }
        assert_eq!(request(bytes), Some(("POST", "/a")));
        assert_eq!(request(b"GET /b HTTP/1.1\r\n\r\n"), Some(("GET", "/b")));
    }

    #[tokio::test]
    async fn a_run_is_noted_told_of_and_found_again_and_ends_in_its_time() {
        let tool = Tool::start(Duration::from_secs(3600), DateTime::UNIX_EPOCH).unwrap();
        let told = tool.next_run("5d1b");
        let mut connection = Connection::open(tool.address).await.unwrap();
        let start = "POST /api/acme/reports/5d1b/runs HTTP/1.1\r\ncontent-length: 0\r\n\r\n";
        let started = connection.exchange(start.as_bytes()).await.unwrap();
        assert_eq!(started.status, 202);
        let runs = tool.runs();
        assert_eq!((runs.len(), &*runs[0].report), (1, "5d1b"));
        assert_eq!(told.await.unwrap(), runs[0].at);

        let ask = |run: &str| format!("GET /api/acme/reports/5d1b/runs/{run} HTTP/1.1\r\n\r\n");
        let asked = connection.exchange(ask("00000000").as_bytes()).await.unwrap();
        assert!(String::from_utf8_lossy(&asked.body).contains("pending"));
        assert_eq!(connection.exchange(ask("1").as_bytes()).await.unwrap().status, 404);
        assert_eq!((tool.runs().len(), tool.calls().len()), (1, 3));
    }
}
