//! One call to a played tool: as the tool sees it, as it answers, and as the log keeps it.

use std::pin::Pin;

use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use chrono::{DateTime, Utc};

/// One call that reached a played server, or would have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub at: DateTime<Utc>,
    pub method: String,
    pub path: String,
    pub query: String,
    /// What the call was about: a report's token, a workbook's id.
    pub target: Option<String>,
    /// The run or job that the call started or asked for.
    pub remote_id: Option<String>,
    /// The status that was answered, or would have been; 0 when the call was never handled.
    pub status: u16,
    pub fate: Fate,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Handled, and its answer sent, if perhaps in bad shape.
    Answered,
    /// Handled, and its answer thrown away.
    AnswerLost,
    /// Cut or swallowed before it was handled.
    NeverArrived,
    /// Not handled: a scripted answer stood in.
    Scripted,
}

/// A call as a played tool sees it.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The value of a query parameter, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    }

    /// Whether a header names this media type, whatever its parameters.
    pub(crate) fn says(&self, header: &str, media_type: &str) -> bool {
        self.header(header).is_some_and(|value| {
            value.split(',').any(|one| {
                let name = one.split(';').next().unwrap_or_default();
                name.trim().eq_ignore_ascii_case(media_type)
            })
        })
    }
}

/// What a played tool answers.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) target: Option<String>,
    pub(crate) remote_id: Option<String>,
    /// What must be done before the answer goes, where that takes its time; it gives the body.
    pub(crate) errand: Option<Errand>,
}

/// Work outside the played tool, on the server's own thread.
pub(crate) type Errand = Pin<Box<dyn Future<Output = Vec<u8>>>>;

impl Reply {
    pub(crate) fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let (headers, body) = (Vec::new(), body.into());
        let (target, remote_id, errand) = (None, None, None);
        Self { status, content_type, headers, body, target, remote_id, errand }
    }

    /// Answers only after this, with the body that it gives.
    pub(crate) fn after(mut self, errand: impl Future<Output = Vec<u8>> + 'static) -> Self {
        self.errand = Some(Box::pin(errand));
        self
    }

    /// Notes for the log what the call was about.
    pub(crate) fn about(mut self, target: Option<&str>, remote_id: Option<&str>) -> Self {
        self.target = target.map(str::to_owned);
        self.remote_id = remote_id.map(str::to_owned);
        self
    }
}

/// The tool behind the wire.
pub(crate) trait Played: Send + Sync + 'static {
    fn answer(&self, request: &Request) -> Reply;
}
