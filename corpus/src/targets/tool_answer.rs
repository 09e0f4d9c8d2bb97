//! Any bytes as the answer of a BI tool, by way of a real socket: classified, and never taken for
//! a success that it does not spell out.

use std::cell::RefCell;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use afterrun_core::config::Config;
use afterrun_core::refresh::RefreshId;
use afterrun_worker::Targets;
use afterrun_worker::connector::{Answer, Looked, Polled, Refresh, Started, Triggered};
use afterrun_worker::http::{Http, Limits};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::timed;

const CANARY: &str = "CANARY-7f3a";

/// What a tool may answer; 404 is left out since Mode is asked again after a while then.
const STATUSES: [u16; 12] = [200, 200, 200, 200, 201, 202, 204, 400, 401, 409, 429, 503];

/// Who is asked what.
const ASKED: [(&str, Asked); 9] = [
    ("report", Asked::Poll),
    ("report", Asked::Trigger),
    ("report", Asked::Find),
    ("workbook", Asked::Poll),
    ("workbook", Asked::Trigger),
    ("workbook", Asked::Find),
    ("workbook", Asked::SignIn),
    ("flow", Asked::Poll),
    ("dataset", Asked::Poll),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Poll,
    Trigger,
    Find,
    /// The answers to the questions before any other.
    SignIn,
}

/// What the played tool answers at the moment.
#[derive(Default)]
struct Script {
    status: u16,
    body: Vec<u8>,
    also_sign_in: bool,
}

struct World {
    runtime: Runtime,
    script: Arc<Mutex<Script>>,
    address: String,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// The first byte says who is asked, the second with which status it answers; the rest is the body.
pub fn tool_answer(bytes: &[u8]) {
    let [who, status, body @ ..] = bytes else { return };
    let (target, asked) = ASKED[usize::from(*who) % ASKED.len()];
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    WORLD.with_borrow_mut(|world| {
        let world = world.get_or_insert_with(World::new);
        *world.script.lock().unwrap_or_else(PoisonError::into_inner) =
            Script { status, body: body.to_vec(), also_sign_in: asked == Asked::SignIn };
        timed("a tool's answer", || {
            world.runtime.block_on(ask(world, target, asked, status, body))
        });
    });
}

async fn ask(world: &World, name: &str, asked: Asked, status: u16, body: &[u8]) {
    let targets = world.open();
    let target = targets.get(name).expect("it was just configured");
    let refresh = Refresh { id: RefreshId(4711), target: name };
    match asked {
        Asked::Poll | Asked::SignIn => {
            let answer = target.poll("5d1b2c3d4e5f").await.answer;
            if let Some(Polled::Succeeded { .. }) = said(&answer) {
                spelt_out(name, status, body);
            }
        }
        Asked::Trigger => match said(&target.trigger(refresh).await.answer) {
            Some(Triggered::Started(started)) => usable(world, started, status),
            Some(Triggered::AlreadyRunning { remote_id: Some(id), .. }) => plain(id),
            Some(Triggered::AlreadyRunning { .. }) | None => {}
            Some(Triggered::Finished) => panic!("no tool of ours answers when it is done"),
        },
        Asked::Find => {
            let since = "2026-11-20T06:00:00Z".parse().expect("a time");
            match said(&target.find(refresh, since).await.answer) {
                Some(Looked::Found(found)) => usable(world, &found.started, status),
                Some(Looked::Nothing | Looked::CannotTell) | None => {}
            }
        }
    }
}

/// The answer if it is one; errors must be fit to be stored and shown.
fn said<T>(answer: &Answer<T>) -> Option<&T> {
    let error = match answer {
        Ok(answer) => return Some(answer),
        Err(error) => error.to_string(),
    };
    assert!(!error.is_empty() && error.len() < 20_000, "an error of {} bytes", error.len());
    assert!(!error.chars().any(char::is_control), "{error:?}");
    assert!(!error.contains(CANARY), "{error}");
    None
}

/// A success stands in the answer by the tool's own words.
fn spelt_out(name: &str, status: u16, body: &[u8]) {
    assert!((200..300).contains(&status), "a success of status {status}");
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        // Half a surrogate pair is no text, and no harm in a value that nobody reads.
        serde_json::from_slice::<Box<RawValue>>(body).expect("a success that is no JSON");
        return;
    };
    let plain = |value: &Value| match value {
        Value::Number(number) => number.to_string(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let ended = |value: &Value| !plain(value).trim().is_empty();
    let spelt = match name {
        "workbook" => {
            let job = &answer["job"];
            ended(&job["completedAt"]) && ["0", "3"].contains(&&*plain(&job["finishCode"]))
        }
        "flow" => plain(&answer["flowRun"]["status"]) == "Success",
        _ => ["succeeded", "completed"].contains(&&*plain(&answer["state"])),
    };
    assert!(spelt, "a success that {name} did not tell: {answer}");
}

fn usable(world: &World, started: &Started, status: u16) {
    assert!((200..300).contains(&status), "a start of status {status}");
    plain(&started.remote_id);
    let url = started.url.as_deref().unwrap_or_default();
    assert!(url.starts_with(&world.address), "a link that leads away: {url}");
    assert!(!url.chars().any(|c| c.is_control() || c.is_whitespace()), "{url:?}");
}

/// An id that may go into an address.
fn plain(id: &str) {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    assert!((1..=64).contains(&id.len()) && id.bytes().all(fits), "{id:?}");
}

impl World {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let script = Arc::new(Mutex::new(Script::default()));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = format!("http://{}/", listener.local_addr().expect("an address"));
        runtime.spawn(serve(listener, Arc::clone(&script)));
        Self { runtime, script, address }
    }

    /// A target of its own for each question: no login, and nothing found before.
    fn open(&self) -> Targets {
        let url = self.address.trim_end_matches('/');
        let text = format!(
            "sources: {{ prod: {{ kind: dbt, secrets: [x] }} }}\n\
             connections:\n  mode: {{ kind: mode, workspace: acme, token: '${{T}}', secret: '${{T}}', base_url: '{url}' }}\n  \
             tab: {{ kind: tableau, server: '{url}', site: '', token_name: n, token_secret: '${{T}}' }}\n\
             targets:\n  report: {{ connection: mode, report: 5d1b2c3d4e5f }}\n  \
             dataset: {{ connection: mode, dataset: da7a5e7da7a5 }}\n  \
             workbook: {{ connection: tab, workbook_id: 3cc6cd06-89ce-4fdc-b935-5294135d6d42 }}\n  \
             flow: {{ connection: tab, flow_id: 3cc6cd06-89ce-4fdc-b935-5294135d6d42 }}\n\
             routes: [{{ name: r, on: success, refresh: [report] }}]\n"
        );
        let env = |_: &str| Some(CANARY.to_owned());
        let config = Config::from_text(Path::new("afterrun.yml"), &text, &env);
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let http = HTTP.with(Http::clone);
        Targets::open(config, &http).unwrap_or_else(|error| panic!("{error}"))
    }
}

thread_local! {
    static HTTP: Http = Http::new(Limits::default()).expect("a client");
}

async fn serve(listener: TcpListener, script: Arc<Mutex<Script>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let script = Arc::clone(&script);
        connections.spawn(async move {
            // A client that goes away is none of ours.
            let _ = answer(stream, &script).await;
        });
    }
}

/// Answers each request of a connection, whatever it is, but for a sign-in that is to work.
async fn answer(mut stream: TcpStream, script: &Mutex<Script>) -> std::io::Result<()> {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        while read.len() < end + length {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        read.drain(..end + length);
        let (status, body) = {
            let script = script.lock().unwrap_or_else(PoisonError::into_inner);
            match () {
                () if script.also_sign_in => (script.status, script.body.clone()),
                () if head.contains("/serverinfo") => {
                    (200, br#"{"serverInfo":{"restApiVersion":"3.24"}}"#.to_vec())
                }
                () if head.contains("/auth/signin") => (
                    200,
                    br#"{"credentials":{"token":"CANARY-7f3a","site":{"id":"s1","contentUrl":""}}}"#
                        .to_vec(),
                ),
                () => (script.status, script.body.clone()),
            }
        };
        let body = if status == 204 { Vec::new() } else { body };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    }
}
