//! One conversation with a mail server, from the greeting to the farewell.
//!
//! Invariants: nothing is in doubt before a mail was handed over whole, and everything is from then
//! until it was answered; a mailbox that is refused takes the mail from no other; no password is said
//! before the way is protected as the settings want it.

use std::pin::pin;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use tokio::time::{Instant, timeout, timeout_at};

use super::settings::{Security, Settings};
use crate::http::clean;
use crate::notify::error::MailCause;
use crate::notify::{Answer, NotifyError, Taken};

/// For each step up to the mail itself.
const STEP: Duration = Duration::from_secs(10);

/// For each of the addresses that a server's name stands for.
const CONNECT: Duration = Duration::from_secs(5);

/// What was taken stays taken, whether the server says goodbye or not.
const FAREWELL: Duration = Duration::from_secs(1);

/// The service ends the conversation, whatever it was asked.
const CLOSING: u16 = 421;

/// How far the conversation is, which says what a failure means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting,
    SignIn,
    Envelope,
    /// The mail is on its way, or was handed over.
    Mail,
}

pub(super) struct Conversation<'a> {
    settings: &'a Settings,
    smtp: AsyncSmtpConnection,
    /// All of it ends then.
    deadline: Instant,
}

/// Who is not given a mail, and why.
type Refusals = Vec<(Address, Error)>;

impl<'a> Conversation<'a> {
    /// Connects, protects the way, and signs in.
    pub(super) async fn begin(settings: &'a Settings, deadline: Instant) -> Answer<Self> {
        let host = settings.host.as_str();
        let us = ClientId::default();
        let failed = |phase, failed| unsent(settings, phase, failed);
        let parameters = || {
            TlsParameters::new_rustls(host.to_owned())
                .map_err(|error| failed(Phase::Greeting, Failed::Said(error)))
        };
        let tls = if settings.security == Security::Tls { Some(parameters()?) } else { None };
        let server = (host, settings.port());
        let connecting = AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT), &us, tls, None);
        let mut smtp =
            within(deadline, connecting).await.map_err(|error| failed(Phase::Greeting, error))?;
        if settings.security == Security::Starttls {
            within(deadline, smtp.starttls(parameters()?, &us))
                .await
                .map_err(|error| failed(Phase::Greeting, error))?;
        }
        if let (Some(username), Some(password)) = (&settings.username, &settings.password) {
            let credentials = Credentials::new(username.clone(), password.expose().to_owned());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            within(deadline, smtp.auth(&mechanisms, &credentials))
                .await
                .map_err(|error| failed(Phase::SignIn, error))?;
        }
        Ok(Self { settings, smtp, deadline })
    }

    /// Hands a mail over, for everybody in its envelope whom the server takes it for.
    pub(super) async fn send(&mut self, mail: &lettre::Message) -> Answer<Taken> {
        let text = mail.formatted();
        let (mut waiting, mut refused) = (mail.envelope().to().to_vec(), Refusals::new());
        let mut is_taken = false;
        loop {
            let (taken, later) = match self.hand_over(mail, &waiting, &text, &mut refused).await {
                Ok(went) => went,
                // Some have it by now, and need not get it again.
                Err(error) if is_taken => {
                    return Ok(Taken { but: Some(format!("{error} ({})", names(&waiting))) });
                }
                Err(error) => return Err(error),
            };
            is_taken |= taken;
            // A server that takes no more at once takes the rest in another go.
            if taken && !later.is_empty() {
                waiting = later.into_iter().map(|(address, _)| address).collect();
                continue;
            }
            let is_for_now = !later.is_empty();
            refused.extend(later);
            let why = (!refused.is_empty()).then(|| self.not_for(&refused));
            return match (is_taken, why) {
                (true, but) => Ok(Taken { but }),
                (false, why) => Err(NotifyError::Mail {
                    cause: if is_for_now { MailCause::NotNow } else { MailCause::Closed },
                    text: why.unwrap_or_default(),
                }),
            };
        }
    }

    /// One go: whether somebody was given the mail, and who is not given it for now.
    async fn hand_over(
        &mut self,
        mail: &lettre::Message,
        waiting: &[Address],
        text: &[u8],
        refused: &mut Refusals,
    ) -> Answer<(bool, Refusals)> {
        let envelope = mail.envelope();
        let all = envelope.from().into_iter().chain(envelope.to());
        let parameters = if all.map(AsRef::<str>::as_ref).any(|one| !one.is_ascii()) {
            if !self.smtp.server_info().supports_feature(Extension::SmtpUtfEight) {
                let server = self.settings.server();
                let text = format!(
                    "{server} takes no addresses beyond ASCII, and one of `from` and `to` is such"
                );
                return Err(NotifyError::Mail { cause: MailCause::Closed, text });
            }
            vec![MailParameter::SmtpUtfEight]
        } else {
            Vec::new()
        };
        let failed = |error| unsent(self.settings, Phase::Envelope, error);
        let from = Mail::new(envelope.from().cloned(), parameters);
        within(self.deadline, self.smtp.command(from)).await.map_err(failed)?;
        let (mut is_taken, mut later) = (false, Refusals::new());
        for to in waiting {
            let asked = Rcpt::new(to.clone(), Vec::new());
            match within(self.deadline, self.smtp.command(asked)).await {
                Ok(_) => is_taken = true,
                Err(Failed::Said(error)) if error.is_permanent() => {
                    refused.push((to.clone(), error));
                }
                Err(Failed::Said(error)) if error.is_transient() && !is_closing(&error) => {
                    later.push((to.clone(), error));
                }
                Err(error) => return Err(failed(error)),
            }
        }
        if is_taken {
            within(self.deadline, self.smtp.command(Data)).await.map_err(failed)?;
            // It may take as long as is left: to stop waiting is to be in doubt.
            let said = timeout_at(self.deadline, self.smtp.message(text)).await;
            said.map_err(|_| Failed::Silent)
                .and_then(|said| said.map_err(Failed::Said))
                .map_err(|error| unsent(self.settings, Phase::Mail, error))?;
        }
        Ok((is_taken, later))
    }

    pub(super) async fn end(mut self) {
        // Whatever comes of it.
        drop(timeout(FAREWELL, pin!(self.smtp.quit())).await);
    }

    fn not_for(&self, refused: &Refusals) -> String {
        let each = refused.iter().map(|(to, error)| format!("not for {to}: {}", words(error)));
        format!("{}: {}", self.settings.server(), each.collect::<Vec<_>>().join("; "))
    }
}

fn names(addresses: &[Address]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What came of a step that did not go well.
enum Failed {
    Said(Error),
    /// Nothing came in time.
    Silent,
}

async fn within<T>(
    deadline: Instant,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failed> {
    let latest = deadline.min(Instant::now() + STEP);
    let said = timeout_at(latest, step).await.map_err(|_| Failed::Silent)?;
    said.map_err(Failed::Said)
}

/// Why a mail was not taken. What the server says is kept, cleaned.
fn unsent(settings: &Settings, phase: Phase, failed: Failed) -> NotifyError {
    let server = settings.server();
    let Failed::Said(error) = failed else {
        let cause =
            if phase == Phase::Mail { MailCause::AnswerLost } else { MailCause::Unreachable };
        return NotifyError::Mail { cause, text: format!("{server} did not answer in time") };
    };
    let cause = match phase {
        _ if error.is_transient() => MailCause::NotNow,
        Phase::SignIn if error.is_permanent() || error.is_client() => MailCause::SignInRefused,
        Phase::Mail if error.is_permanent() => MailCause::Refused,
        _ if error.is_permanent() => MailCause::Closed,
        Phase::Mail => MailCause::AnswerLost,
        Phase::Greeting | Phase::SignIn | Phase::Envelope => MailCause::Unreachable,
    };
    let doing = match phase {
        Phase::SignIn => ": signing in",
        Phase::Greeting | Phase::Envelope | Phase::Mail => "",
    };
    NotifyError::Mail { cause, text: format!("{server}{doing}: {}", words(&error)) }
}

/// What a server said, or why it could not be talked to.
fn words(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(&format!(": {cause_text}"));
        }
        source = cause.source();
    }
    clean(text.strip_prefix("internal client error: ").unwrap_or(&text))
}

fn is_closing(error: &Error) -> bool {
    error.status().is_some_and(|code| u16::from(code) == CLOSING)
}
