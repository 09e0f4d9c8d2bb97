//! What is said on one connection, and what must come back: a case of HTTP, and its judge.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

pub const MIB: usize = 1024 * 1024;
/// Where the source's events are posted.
pub const PATH: &str = "/webhooks/dbt/prod";

/// One connection: what is sent on it, and the statuses of what comes back.
#[derive(Debug, Clone)]
pub struct Wire {
    pub number: u16,
    pub sentence: String,
    pub sent: Vec<u8>,
    /// In the order of the answers; any of each. The connection may also be closed in place of a
    /// 400.
    pub statuses: Vec<&'static [u16]>,
    /// How many events are new by it.
    pub stored: usize,
    /// Nothing more can be said on this connection.
    pub closed: bool,
}

impl Wire {
    /// What is not as the table has it: of the answers, of which the last is `None` if the
    /// connection was closed instead, and of what was stored.
    pub fn wrong(&self, answers: &[Option<u16>], closed: bool, stored: usize) -> Option<String> {
        let fits = |(allowed, status): (&&[u16], &Option<u16>)| match status {
            Some(status) => allowed.contains(status),
            None => allowed.contains(&400),
        };
        let (answered, wanted) = (answers.len(), self.statuses.len());
        if answered != wanted || !self.statuses.iter().zip(answers).all(fits) {
            return Some(format!("{answers:?} and not {:?}", self.statuses));
        }
        if self.closed && !closed {
            return Some("the connection goes on".to_owned());
        }
        (stored != self.stored).then(|| format!("{stored} stored"))
    }
}

/// Refused with one answer, after which the connection ends.
pub(crate) fn refused(
    number: u16,
    sentence: &str,
    status: &'static [u16],
    sent: impl Into<Vec<u8>>,
) -> Wire {
    let (sentence, sent) = (sentence.to_owned(), sent.into());
    Wire { number, sentence, sent, statuses: vec![status], stored: 0, closed: true }
}

/// Stored, as one new event.
pub(crate) fn taken(number: u16, sentence: &str, sent: Vec<u8>) -> Wire {
    Wire { stored: 1, closed: false, ..refused(number, sentence, &[200], sent) }
}

/// As dbt signs.
pub fn sign(secret: &str, body: impl AsRef<[u8]>) -> String {
    // A key of any length will do.
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    hex::encode(mac.chain_update(body).finalize().into_bytes())
}

pub(crate) fn head(target: &str, headers: &[&str]) -> String {
    format!("POST {target} HTTP/1.1\r\n{}\r\n\r\n", headers.join("\r\n"))
}

/// A request whose head is written by hand; it is signed for another body than follows, if need be.
pub fn by_hand(
    secret: &str,
    headers: &[&str],
    signed: impl AsRef<[u8]>,
    sent: impl AsRef<[u8]>,
) -> Vec<u8> {
    let authorization = format!("Authorization: {}", sign(secret, signed));
    let all = [&["Host: h", &*authorization], headers].concat();
    [head(PATH, &all).as_bytes(), sent.as_ref()].concat()
}

/// A body under this credential.
pub fn posted(credential: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let headers = [
        "Host: h",
        &format!("Authorization: {credential}"),
        &format!("Content-Length: {}", body.len()),
    ];
    [head(PATH, &headers).as_bytes(), body].concat()
}

/// A body as dbt sends it.
pub fn delivery(secret: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    posted(&sign(secret, &body), body)
}

pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}
