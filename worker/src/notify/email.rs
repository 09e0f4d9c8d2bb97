//! E-mail, by any SMTP server.
//!
//! Invariants: a password never crosses a network in the clear; a subject is one line, whatever is in
//! it; a repeat has the `Message-ID` of the first.

mod conversation;
mod settings;

use lettre::message::header::ContentType;

use self::conversation::Conversation;
pub(super) use self::settings::Settings;
use super::text::{line, lines};
use super::{Answer, Message, Notifier, NotifyError, Taken};
use crate::http::Caller;

pub(super) struct Channel;

impl Notifier for Channel {
    const KIND: &'static str = "email";
    const MOST: usize = 20;
    type Settings = Settings;

    fn secrets(settings: &Settings) -> Vec<String> {
        settings.secrets()
    }

    async fn send(http: &Caller, settings: &Settings, message: &Message) -> Answer<Taken> {
        let mail = mail(settings, message)?;
        let mut conversation = Conversation::begin(settings, http.deadline()).await?;
        let sent = conversation.send(&mail).await;
        conversation.end().await;
        sent
    }

    /// Connects, signs in, and leaves.
    async fn check(http: &Caller, settings: &Settings) -> Answer<String> {
        Conversation::begin(settings, http.deadline()).await?.end().await;
        let server = settings.server();
        Ok(match settings.password {
            Some(_) => format!("signed in to {server}"),
            None => format!("{server} takes mails"),
        })
    }
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
        // Of the sender's domain, which is what makes it nobody else's.
        .message_id(Some(format!("<{}@{}>", message.id(), settings.from.0.email.domain())))
        .subject(line(&message.title(), 200));
    for to in &settings.to {
        mail = mail.to(to.0.clone());
    }
    mail.header(ContentType::TEXT_PLAIN).body(text).map_err(|error| unfit(&error))
}
