//! A mail server on loopback: it takes one mail after the other, in the clear or by TLS, from anybody
//! or from its account, and is strict about lines, which is where headers are smuggled in.

mod talk;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustls::ServerConfig;

/// A mail as it was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Headers and text, as they came.
    pub data: String,
}

impl Mail {
    /// The value of a header, unfolded; nothing if there are several.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.data.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
        let mut values = head.split("\r\n").filter_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        });
        values.next().filter(|_| values.next().is_none())
    }
}

/// How the way to a mail server is protected.
#[derive(Debug, Clone, Default)]
pub enum Protection {
    #[default]
    None,
    /// TLS after a command in the clear.
    Starttls(Arc<ServerConfig>),
    /// TLS from the first byte.
    Tls(Arc<ServerConfig>),
}

/// How a mail server is reached, and whom it serves.
#[derive(Debug, Clone, Default)]
pub struct MailOptions {
    pub protection: Protection,
    /// The user and the password without which no mail is taken; said over TLS only.
    pub account: Option<(&'static str, &'static str)>,
    /// The ways to sign in that are offered: `PLAIN`, `LOGIN`.
    pub mechanisms: &'static [&'static str],
    /// How many recipients one mail may have; 0 for any number.
    pub most_recipients: usize,
}

/// What becomes of the next mail, instead of being taken.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Answer(&'static str),
    LoseAnswer,
    Reset,
}

#[derive(Default)]
struct State {
    mails: Vec<Mail>,
    /// What is said to the next command of that name.
    answers: Vec<(&'static str, &'static str)>,
    /// What becomes of the next mails once they were handed over.
    trouble: Vec<Trouble>,
    /// Mailboxes that are never given a mail.
    refused: Vec<(&'static str, &'static str)>,
    in_the_clear: Vec<String>,
    signed_in: usize,
}

/// A played mail server.
pub struct MailServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl MailServer {
    /// In the clear, for anybody.
    pub fn start() -> io::Result<Self> {
        Self::with(MailOptions::default())
    }

    pub fn with(options: MailOptions) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (address, state) = (listener.local_addr()?, Arc::<Mutex<State>>::default());
        let (shared, options) = (Arc::clone(&state), Arc::new(options));
        // It lives as long as the test's process, like the port.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, options) = (Arc::clone(&shared), Arc::clone(&options));
                thread::spawn(move || drop(talk::talk(stream, &options, &shared)));
            }
        });
        Ok(Self { address, state })
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The mails that were taken, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        locked(&self.state).mails.clone()
    }

    /// What was said to it before there was TLS.
    pub fn heard_in_the_clear(&self) -> Vec<String> {
        locked(&self.state).in_the_clear.clone()
    }

    /// How often somebody has signed in.
    pub fn signed_in(&self) -> usize {
        locked(&self.state).signed_in
    }

    /// The next mail is answered with this: `451 later`, `550 no`.
    pub fn refuse(&self, answer: &'static str) {
        locked(&self.state).trouble.push(Trouble::Answer(answer));
    }

    /// The next command of that name is answered with this, and does nothing.
    pub fn refuse_command(&self, command: &'static str, answer: &'static str) {
        locked(&self.state).answers.push((command, answer));
    }

    /// No mail is taken for this mailbox; that is answered.
    pub fn refuse_recipient(&self, mailbox: &'static str, answer: &'static str) {
        locked(&self.state).refused.push((mailbox, answer));
    }

    /// The next mail is taken, and nobody hears of it.
    pub fn lose_answer(&self) {
        locked(&self.state).trouble.push(Trouble::LoseAnswer);
    }

    /// The next mail is taken, and the connection reset.
    pub fn reset(&self) {
        locked(&self.state).trouble.push(Trouble::Reset);
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
