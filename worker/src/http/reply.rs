//! A tool's answer, read whole under the size limit, and what its status means.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::text::clean;
use crate::connector::{Answer, ConnectorError, Said};

/// No `Retry-After` makes us wait longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// An answer of any status. A connector looks at what its tool means by it, or takes `refusal`.
pub struct Reply {
    pub status: StatusCode,
    pub body: Vec<u8>,
    /// Method and address without the query: what error texts may show.
    pub place: String,
    headers: header::HeaderMap,
}

impl Reply {
    pub(super) fn new(
        place: String,
        status: StatusCode,
        headers: header::HeaderMap,
        body: Vec<u8>,
    ) -> Self {
        Self { status, body, place, headers }
    }

    pub fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// The body as JSON of the given shape.
    pub fn json<T: DeserializeOwned>(&self) -> Answer<T> {
        serde_json::from_slice(&self.body).map_err(|error| self.not_understood(unlike(&error)))
    }

    /// An answer of the right status whose content makes no sense.
    pub fn not_understood(&self, why: impl Into<String>) -> ConnectorError {
        ConnectorError::NotUnderstood { said: Box::new(self.said(None, &why.into())) }
    }

    /// The cause that this status stands for, with the tool's own code and words.
    pub fn refusal(&self, code: Option<String>, message: &str) -> ConnectorError {
        let retry_after = self.retry_after();
        let said = Box::new(self.said(code, message));
        match self.status.as_u16() {
            300..=399 => ConnectorError::Refused { said: Box::new(self.redirected()) },
            401 | 403 => ConnectorError::Unauthorized { said },
            404 => ConnectorError::NotFound { said },
            429 => ConnectorError::RateLimited { said, retry_after },
            408 | 425 | 500.. => ConnectorError::Unavailable { said, retry_after },
            200..=299 => ConnectorError::NotUnderstood { said },
            _ => ConnectorError::Refused { said },
        }
    }

    pub fn said(&self, code: Option<String>, message: &str) -> Said {
        Said {
            place: self.place.clone(),
            status: self.status,
            code: code.map(|code| clean(&code)),
            message: clean(message),
        }
    }

    /// The tool's own clock, as far as it tells.
    pub fn date(&self) -> Option<DateTime<Utc>> {
        http_date(self.text(header::DATE)?)
    }

    pub fn location(&self) -> Option<&str> {
        self.text(header::LOCATION)
    }

    /// The wait that the tool asks for, never longer than an hour.
    ///
    /// A date is held against the tool's own `Date`; our clock may differ from both.
    fn retry_after(&self) -> Option<Duration> {
        let value = self.text(header::RETRY_AFTER)?.trim();
        let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            Duration::from_secs(value.parse().unwrap_or(u64::MAX))
        } else {
            (http_date(value)? - self.date()?).to_std().unwrap_or(Duration::ZERO)
        };
        Some(wait.min(LONGEST_WAIT))
    }

    /// Names the host the redirect points at and nothing else of it: the rest may be a secret.
    fn redirected(&self) -> Said {
        let to = self
            .location()
            .and_then(|to| reqwest::Url::parse(to).ok())
            .and_then(|to| to.host_str().map(|host| format!("{}://{host}", to.scheme())));
        let message = match to {
            Some(to) => format!(
                "a redirect to {to}, which is not followed; if it is there now, give that address in afterrun.yml"
            ),
            None => "a redirect, which is not followed".to_owned(),
        };
        self.said(None, &message)
    }

    fn text(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc())
}

/// What serde says, without the values it quotes: a sign-in's answer holds a session token.
fn unlike(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let place = format!("line {} column {}", error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data if said.starts_with("missing field") => said,
        serde_json::error::Category::Data => format!("a field of an unexpected type ({place})"),
        serde_json::error::Category::Eof => "JSON that ends too early".to_owned(),
        _ => format!("not JSON ({place})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&'static str, &'static str)]) -> Reply {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (header::HeaderName::from_static(name), header::HeaderValue::from_static(value))
            })
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        Reply::new("GET https://tool.example/x".to_owned(), status, headers, Vec::new())
    }

    fn wait(value: &'static str) -> Option<Duration> {
        let date = ("date", "Fri, 20 Nov 2026 06:00:00 GMT");
        reply(429, &[("retry-after", value), date]).retry_after()
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date_and_kept_within_an_hour() {
        assert_eq!(wait("30"), Some(Duration::from_secs(30)));
        assert_eq!(wait("0"), Some(Duration::ZERO));
        assert_eq!(wait("1000000000000"), Some(LONGEST_WAIT));
        assert_eq!(wait("99999999999999999999999999"), Some(LONGEST_WAIT));
        assert_eq!(wait("Fri, 20 Nov 2026 06:00:40 GMT"), Some(Duration::from_secs(40)));
        assert_eq!(wait("Fri, 20 Nov 2026 05:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("Fri, 20 Nov 2099 06:00:00 GMT"), Some(LONGEST_WAIT));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("-5"), None);
    }

    #[test]
    fn a_redirect_names_the_host_it_points_at_and_nothing_else() {
        let error =
            reply(302, &[("location", "https://user:pw@evil.example/x?token=1")]).refusal(None, "");
        let text = error.to_string();
        assert!(text.contains("https://evil.example,"), "{text}");
        assert!(!text.contains("token") && !text.contains("pw"), "{text}");
        assert!(error.retry().is_none());
    }

    #[test]
    fn an_answer_of_another_shape_is_described_without_its_values() {
        let mut reply = reply(200, &[]);
        reply.body = br#"{"token":"CANARY"}"#.to_vec();
        #[derive(Debug, serde::Deserialize)]
        struct Shape {
            #[expect(dead_code, reason = "only its type matters")]
            token: u32,
        }
        let error = reply.json::<Shape>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("CANARY"), "{error:?}");
    }
}
