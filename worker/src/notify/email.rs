//! E-mail, by any SMTP server.
//!
//! Invariants: a password never crosses a network in the clear; a subject is one line, whatever is in
//! it; a repeat has the `Message-ID` of the first.

mod settings;

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use self::settings::Security;
pub(super) use self::settings::Settings;
use super::error::MailCause;
use super::text::{line, lines};
use super::{Answer, Message, Notifier, NotifyError};
use crate::http::{Caller, clean};

/// For each step of the conversation; all of it ends with the operation.
const STEP: Duration = Duration::from_secs(10);

pub(super) struct Channel;

type Transport = AsyncSmtpTransport<Tokio1Executor>;

impl Notifier for Channel {
    const KIND: &'static str = "email";
    const MOST: usize = 20;
    type Settings = Settings;

    fn secrets(settings: &Settings) -> Vec<String> {
        settings.password.iter().map(|password| password.expose().to_owned()).collect()
    }

    async fn send(http: &Caller, settings: &Settings, message: &Message) -> Answer<()> {
        let mail = mail(settings, message)?;
        let transport = transport(settings)?;
        let sent = tokio::time::timeout_at(http.deadline(), transport.send(mail)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(unsent(settings, &error)),
            Err(_elapsed) => Err(NotifyError::Mail {
                cause: MailCause::AnswerLost,
                text: format!("{} did not answer in time", settings.server()),
            }),
        }
    }

    /// Connects, signs in, and leaves.
    async fn check(http: &Caller, settings: &Settings) -> Answer<String> {
        let transport = transport(settings)?;
        let tested = tokio::time::timeout_at(http.deadline(), transport.test_connection()).await;
        let server = settings.server();
        match tested {
            Ok(Ok(true)) if settings.password.is_some() => Ok(format!("signed in to {server}")),
            Ok(Ok(true)) => Ok(format!("{server} takes mails")),
            Ok(Ok(false)) => Err(NotifyError::Mail {
                cause: MailCause::NotNow,
                text: format!("{server} closed the connection"),
            }),
            Ok(Err(error)) => Err(unsent(settings, &error)),
            Err(_elapsed) => Err(NotifyError::Mail {
                cause: MailCause::Unreachable,
                text: format!("{server} did not answer in time"),
            }),
        }
    }
}

fn transport(settings: &Settings) -> Answer<Transport> {
    let parameters = || {
        TlsParameters::new_rustls(settings.host.as_str().to_owned())
            .map_err(|error| unsent(settings, &error))
    };
    let tls = match settings.security {
        Security::Tls => Tls::Wrapper(parameters()?),
        Security::Starttls => Tls::Required(parameters()?),
        Security::None => Tls::None,
    };
    let mut builder = Transport::builder_dangerous(settings.host.as_str())
        .port(settings.port())
        .timeout(Some(STEP))
        .tls(tls);
    if let (Some(username), Some(password)) = (&settings.username, &settings.password) {
        builder =
            builder.credentials(Credentials::new(username.clone(), password.expose().to_owned()));
    }
    Ok(builder.build())
}

fn mail(settings: &Settings, message: &Message) -> Answer<lettre::Message> {
    let unfit = |error: &dyn std::fmt::Display| {
        NotifyError::Unfit(format!("the mail could not be written: {error}"))
    };
    let text = message.notes.iter().map(|note| {
        let mut text = format!("{}\r\n", line(&note.title, 500));
        for line in lines(&note.detail, 8000).lines() {
            text.push_str(&format!("  {line}\r\n"));
        }
        if let Some(url) = &note.url {
            text.push_str(&format!("  {}\r\n", line(url, 900)));
        }
        text
    });
    let text = text.collect::<Vec<_>>().join("\r\n");
    let mut mail = lettre::Message::builder()
        .from(settings.from.0.clone())
        .message_id(Some(format!("<{}@afterrun>", message.id())))
        .subject(line(&message.title(), 200));
    for to in &settings.to {
        mail = mail.to(to.0.clone());
    }
    mail.header(ContentType::TEXT_PLAIN).body(text).map_err(|error| unfit(&error))
}

/// Why a mail was not taken. What the server says is kept, cleaned.
fn unsent(settings: &Settings, error: &Error) -> NotifyError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(&format!(": {cause_text}"));
        }
        source = cause.source();
    }
    let cause = if error.is_permanent() {
        MailCause::Refused
    } else if error.is_transient() {
        MailCause::NotNow
    } else if error.is_client() || error.is_response() || error.is_timeout() {
        MailCause::AnswerLost
    } else {
        MailCause::Unreachable
    };
    NotifyError::Mail { cause, text: format!("{}: {}", settings.server(), clean(&text)) }
}
