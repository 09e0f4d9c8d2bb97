//! The corpus of bad inputs against the program itself: it lives, answers as the tables say, and
//! does not grow.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use afterrun_corpus::wire::{MIB, Wire, delivery, posted, sign};
use afterrun_corpus::{Answer, bodies, event, wires, wrong_credentials};
use sqlx::PgPool;

use crate::harness::{Home, Running, SECRET, eventually};

const ANOTHER_SECRET: &str = "CANARY-another-source's-secret";

/// Longer than every limit of the program.
const PATIENCE: Duration = Duration::from_secs(60);

/// No case may leave the program larger by this, and neither may all of them.
const MOST_GROWTH_KIB: u64 = 10 * 1024;

/// Bodies that are sent before anything is measured.
const FIRST: usize = 16;

struct Scene {
    pool: PgPool,
    ingest: Running,
    address: String,
    resident_kib: u64,
}

impl Scene {
    fn start(pool: PgPool) -> Self {
        let home = Home::with_database(&pool).with("AFTERRUN_LOG", "json");
        // Some payloads are years old: dbt's own samples. Others are older.
        home.configure(&format!(
            "sources:\n  prod: {{ kind: dbt, account_id: 4711, secrets: [\"{SECRET}\"] }}\n  \
             staging: {{ kind: dbt, secrets: [\"{ANOTHER_SECRET}\"] }}\n\
             defaults: {{ retention: {{ keys: 3650d }} }}\n"
        ));
        let ingest = home.ingest();
        let url = ingest.webhooks();
        let address = url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        Self { pool, ingest, address, resident_kib: 0 }
    }

    fn connect(&self) -> Client {
        let io = TcpStream::connect(&self.address).unwrap();
        io.set_read_timeout(Some(PATIENCE)).unwrap();
        io.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { io, unread: Vec::new() }
    }

    /// The status of one request on a connection of its own, and its body.
    fn said(&self, request: &[u8]) -> Option<(u16, String)> {
        let mut client = self.connect();
        client.send(request);
        client.answer()
    }

    async fn stored(&self) -> usize {
        let count = sqlx::query_scalar::<_, i64>("select count(*) from event");
        count.fetch_one(&self.pool).await.unwrap().try_into().unwrap()
    }

    /// What the program holds in memory; fails if it is not there any more.
    fn resident_kib(&self) -> u64 {
        let file = format!("/proc/{}/status", self.ingest.pid());
        let status = std::fs::read_to_string(file).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let line = line.unwrap_or_else(|| panic!("it ended:\n{}", self.ingest.said()));
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// After each case.
    fn look(&mut self, case: &str) {
        let now = self.resident_kib();
        let grown = now.saturating_sub(self.resident_kib);
        assert!(grown < MOST_GROWTH_KIB, "{case} made the program larger by {grown} KiB");
        self.resident_kib = now;
    }

    /// What of the case is not as its table has it.
    async fn wrong(&self, wire: &Wire) -> Option<String> {
        let before = self.stored().await;
        let mut client = self.connect();
        client.send(&wire.sent);
        let mut answers = Vec::new();
        while answers.len() < wire.statuses.len() && !answers.ends_with(&[None]) {
            answers.push(client.answer().map(|(status, _)| status));
        }
        let closed = wire.closed && client.is_closed();
        wire.wrong(&answers, closed, self.stored().await - before)
    }
}

struct Client {
    io: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        // One that has answered and closed already is judged by its answer.
        let _ = self.io.write_all(bytes);
    }

    /// Status and body of the next answer; `None` when the connection was closed without one.
    fn answer(&mut self) -> Option<(u16, String)> {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            self.more()?;
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            self.more().expect("the whole body");
        }
        Some((status, String::from_utf8(self.unread.drain(..length).collect()).unwrap()))
    }

    /// Whether it is closed without another byte.
    fn is_closed(&mut self) -> bool {
        self.more().is_none() && self.unread.is_empty()
    }

    fn more(&mut self) -> Option<()> {
        let mut bytes = [0; 4096];
        match self.io.read(&mut bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the program neither answers nor closes")
            }
            Ok(0) | Err(_) => None,
            Ok(count) => {
                self.unread.extend(&bytes[..count]);
                Some(())
            }
        }
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_program_lives_through_the_whole_corpus_and_does_not_grow(pool: PgPool) {
    let mut scene = Scene::start(pool);
    // The first of everything takes memory that the later ones use again.
    for first in 0..FIRST {
        let large = delivery(SECRET, vec![b' '; MIB - first]);
        // A database that is slow to begin is asked again, as dbt does.
        eventually("a large body is stored", || scene.said(&large).filter(|said| said.0 == 200));
    }
    // Numbers 1 to 4 and 13 go on beside all others: nothing, half a head, half a body, half a chunk.
    let whole = delivery(SECRET, event("slow"));
    let slow = [&b""[..], &whole[..40], &whole[..whole.len() - 1], &whole[..whole.len() / 2]];
    let mut dawdling = slow.map(|sent| {
        let mut client = scene.connect();
        client.send(sent);
        client
    });
    let before = scene.resident_kib();
    scene.resident_kib = before;

    let mut wrong = Vec::new();
    for wire in wires(SECRET) {
        let name = format!("{} {}", wire.number, wire.sentence);
        wrong.extend(scene.wrong(&wire).await.map(|what| format!("{name}: {what}")));
        scene.look(&name);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    let (body, stored) = (event("never"), scene.stored().await);
    for case in wrong_credentials(SECRET, ANOTHER_SECRET, &body) {
        let headers: String =
            case.values.iter().map(|value| format!("Authorization: {value}\r\n")).collect();
        let length = body.len();
        let request = format!(
            "POST /webhooks/dbt/prod HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        assert_eq!(scene.said(request.as_bytes()).unwrap().0, 401, "{} {}", case.number, case.name);
        scene.look(case.name);
    }
    assert_eq!(scene.stored().await, stored);

    let table = bodies();
    for case in &table {
        let name = format!("{} {}", case.number, case.sentence);
        let forged = posted(&sign(ANOTHER_SECRET, &case.bytes), &case.bytes);
        assert_eq!(scene.said(&forged).unwrap().0, 401, "{name}, forged");
        for word in [case.answer.word(), "duplicate"] {
            let (status, said) = scene.said(&delivery(SECRET, &case.bytes)).unwrap();
            assert_eq!(status, 200, "{name}: {said}");
            assert!(said.contains(&format!("\"{word}\"")), "{name}: {said}");
        }
        scene.look(&name);
    }
    assert_eq!(scene.stored().await, stored + table.len());

    for client in &mut dawdling {
        let answered = client.answer().map(|(status, _)| status);
        assert!(matches!(answered, None | Some(408)), "{answered:?}");
        assert!(client.is_closed());
    }
    let after = scene.resident_kib();
    println!("{before} KiB before the corpus, {after} KiB after it");
    assert!(after < before + MOST_GROWTH_KIB, "it grew from {before} to {after} KiB");
    let quarantined = table.iter().filter(|case| case.answer == Answer::Quarantined).count();
    let count =
        sqlx::query_scalar::<_, i64>("select count(*) from event where state = 'quarantined'");
    let count: usize = count.fetch_one(&scene.pool).await.unwrap().try_into().unwrap();
    assert_eq!(count, quarantined + FIRST);
    let said = scene.ingest.said();
    for line in said.lines() {
        let object: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(!line.contains("CANARY") && object["level"] != "ERROR", "{line}");
    }
    assert_eq!(scene.ingest.ends_on("TERM"), Some(0));
}
