//! A mail server on loopback, in the clear: it takes one mail after the other and is strict about
//! lines, which is where headers are smuggled in.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

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

/// What becomes of the next mail, instead of being taken.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Answer(&'static str),
    LoseAnswer,
}

#[derive(Default)]
struct State {
    mails: Vec<Mail>,
    trouble: Vec<Trouble>,
}

/// A played mail server.
pub struct MailServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl MailServer {
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (address, state) = (listener.local_addr()?, Arc::<Mutex<State>>::default());
        let shared = Arc::clone(&state);
        // It lives as long as the test's process, like the port.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || drop(talk(&stream, &shared)));
            }
        });
        Ok(Self { address, state })
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The mails that were taken, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).mails.clone()
    }

    /// The next mail is answered with this: `451 later`, `550 no`.
    pub fn refuse(&self, answer: &'static str) {
        self.trouble(Trouble::Answer(answer));
    }

    /// The next mail is taken, and nobody hears of it.
    pub fn lose_answer(&self) {
        self.trouble(Trouble::LoseAnswer);
    }

    fn trouble(&self, trouble: Trouble) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).trouble.push(trouble);
    }
}

fn talk(stream: &TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut answers = stream;
    let mut say = move |line: &str| answers.write_all(format!("{line}\r\n").as_bytes());
    let mut lines = BufReader::new(stream);
    let mut mail = Mail::default();
    say("220 played")?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let Some(line) = line.strip_suffix("\r\n").filter(|line| line.len() <= 510) else {
            say("500 a line ends with CR LF and has at most 512 bytes")?;
            continue;
        };
        let address = |line: &str| {
            line.split_once('<')
                .and_then(|(_, rest)| rest.split_once('>'))
                .map(|(it, _)| it.to_owned())
        };
        let upper = line.to_ascii_uppercase();
        match upper.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" | "HELO" => say("250 played")?,
            "MAIL" => {
                mail = Mail { from: address(line).unwrap_or_default(), ..Mail::default() };
                say("250 ok")?;
            }
            "RCPT" if !mail.from.is_empty() => {
                mail.to.extend(address(line));
                say("250 ok")?;
            }
            "DATA" if !mail.to.is_empty() => {
                say("354 go on")?;
                let Some(data) = data(&mut lines)? else {
                    say("550 a line of a mail ends with CR LF and has at most 998 bytes")?;
                    continue;
                };
                mail.data = data;
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                let trouble =
                    if state.trouble.is_empty() { None } else { Some(state.trouble.remove(0)) };
                match trouble {
                    Some(Trouble::Answer(answer)) => say(answer)?,
                    Some(Trouble::LoseAnswer) => {
                        state.mails.push(std::mem::take(&mut mail));
                        return stream.shutdown(std::net::Shutdown::Both);
                    }
                    None => {
                        state.mails.push(std::mem::take(&mut mail));
                        say("250 taken")?;
                    }
                }
            }
            "NOOP" | "RSET" => say("250 ok")?,
            "QUIT" => return say("221 bye"),
            _ => say("503 not now")?,
        }
    }
}

/// The mail up to its lone dot; nothing if a line of it is not as lines must be.
fn data(lines: &mut impl io::BufRead) -> io::Result<Option<String>> {
    let (mut data, mut right) = (String::new(), true);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(right.then_some(data));
        }
        right &= line.ends_with("\r\n")
            && line.len() <= 1000
            && !line.trim_end_matches("\r\n").contains('\r');
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
