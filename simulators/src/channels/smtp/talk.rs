//! What a mail server says to each command.

use std::io;
use std::net::TcpStream;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::wire::Wire;
use super::{Mail, MailOptions, Protection, State, Trouble, locked};

pub(super) fn talk(
    socket: TcpStream,
    options: &MailOptions,
    state: &Mutex<State>,
) -> io::Result<()> {
    let mut wire = Wire::clear(socket)?;
    if let Protection::Tls(config) = &options.protection {
        wire = wire.protected(config)?;
    }
    let (mut mail, mut is_signed_in) = (Mail::default(), options.account.is_none());
    wire.say("220 played")?;
    loop {
        let Some(line) = wire.line()? else { return Ok(()) };
        if !wire.is_protected {
            locked(state).in_the_clear.push(line.trim_end().to_owned());
        }
        let Some(line) = line.strip_suffix("\r\n").filter(|line| line.len() <= 510) else {
            wire.say("500 a line ends with CR LF and has at most 512 bytes")?;
            continue;
        };
        let upper = line.to_ascii_uppercase();
        let command = upper.split([' ', ':']).next().unwrap_or_default();
        if let Some(answer) = scripted(state, command) {
            wire.say(answer)?;
            continue;
        }
        match command {
            "EHLO" | "HELO" => greet(&mut wire, options)?,
            "STARTTLS" if !wire.is_protected => match &options.protection {
                Protection::Starttls(config) => {
                    wire.say("220 go ahead")?;
                    wire = wire.protected(config)?;
                    mail = Mail::default();
                }
                Protection::None | Protection::Tls(_) => wire.say("502 no such command")?,
            },
            "AUTH" if !wire.is_protected => wire.say("538 5.7.11 encryption required")?,
            "AUTH" => {
                is_signed_in = signs_in(&mut wire, options, line)?;
                locked(state).signed_in += usize::from(is_signed_in);
            }
            "MAIL" if !is_signed_in => wire.say("530 5.7.0 sign in first")?,
            "MAIL" => {
                mail = Mail { from: address(line).unwrap_or_default(), ..Mail::default() };
                wire.say("250 ok")?;
            }
            "RCPT" if !mail.from.is_empty() => {
                let answer = recipient(&mut mail, options, state, line);
                wire.say(answer)?;
            }
            "DATA" if !mail.to.is_empty() => {
                wire.say("354 go on")?;
                let Some(data) = data(&mut wire)? else {
                    wire.say("550 a line of a mail ends with CR LF and has at most 998 bytes")?;
                    continue;
                };
                mail.data = data;
                match take(state, std::mem::take(&mut mail)) {
                    Some(Trouble::Answer(answer)) => wire.say(answer)?,
                    Some(Trouble::LoseAnswer) => return wire.close(),
                    Some(Trouble::Reset) => return wire.reset(),
                    None => wire.say("250 taken")?,
                }
            }
            "NOOP" | "RSET" => wire.say("250 ok")?,
            "QUIT" => return wire.say("221 bye"),
            _ => wire.say("503 not now")?,
        }
    }
}

fn scripted(state: &Mutex<State>, command: &str) -> Option<&'static str> {
    let mut state = locked(state);
    let at = state.answers.iter().position(|(of, _)| *of == command)?;
    Some(state.answers.remove(at).1)
}

fn greet(wire: &mut Wire, options: &MailOptions) -> io::Result<()> {
    if matches!(options.protection, Protection::Starttls(_)) && !wire.is_protected {
        wire.say("250-STARTTLS")?;
    }
    // What may be said over TLS only is offered over TLS only.
    if options.account.is_some() && wire.is_protected {
        wire.say(&format!("250-AUTH {}", options.mechanisms.join(" ")))?;
    }
    wire.say("250 played")
}

/// `PLAIN` in one line, or `LOGIN` in three.
fn signs_in(wire: &mut Wire, options: &MailOptions, line: &str) -> io::Result<bool> {
    let Some((user, password)) = options.account else {
        wire.say("503 there is no account")?;
        return Ok(false);
    };
    let mut words = line.split(' ').skip(1);
    let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
    if !options.mechanisms.contains(&mechanism.as_str()) {
        wire.say("504 5.5.4 not a way to sign in here")?;
        return Ok(false);
    }
    let told = match mechanism.as_str() {
        "PLAIN" => decoded(words.next().unwrap_or_default()),
        _ => {
            wire.say("334 VXNlcm5hbWU6")?;
            let user = decoded(wire.line()?.unwrap_or_default().trim_end());
            wire.say("334 UGFzc3dvcmQ6")?;
            let password = decoded(wire.line()?.unwrap_or_default().trim_end());
            format!("\0{user}\0{password}")
        }
    };
    let is_right = told == format!("\0{user}\0{password}");
    if is_right {
        wire.say("235 2.7.0 welcome")?;
    } else {
        // Some say back what they were told.
        wire.say(&format!("535 5.7.8 not believed: {}", told.replace('\0', " ")))?;
    }
    Ok(is_right)
}

fn decoded(text: &str) -> String {
    let bytes = STANDARD.decode(text).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

fn address(line: &str) -> Option<String> {
    let (address, _) = line.split_once('<')?.1.split_once('>')?;
    Some(address.to_owned())
}

fn recipient(
    mail: &mut Mail,
    options: &MailOptions,
    state: &Mutex<State>,
    line: &str,
) -> &'static str {
    let Some(to) = address(line) else { return "501 5.1.3 no address" };
    if let Some((_, answer)) = locked(state).refused.iter().find(|(mailbox, _)| *mailbox == to) {
        return answer;
    }
    if options.most_recipients > 0 && mail.to.len() == options.most_recipients {
        return "452 4.5.3 too many recipients";
    }
    mail.to.push(to);
    "250 ok"
}

/// Keeps a mail, unless something is in its way.
fn take(state: &Mutex<State>, mail: Mail) -> Option<Trouble> {
    let mut state = locked(state);
    let trouble = if state.trouble.is_empty() { None } else { Some(state.trouble.remove(0)) };
    if !matches!(trouble, Some(Trouble::Answer(_))) {
        state.mails.push(mail);
    }
    trouble
}

/// The mail up to its lone dot; nothing if a line of it is not as lines must be.
fn data(wire: &mut Wire) -> io::Result<Option<String>> {
    let (mut data, mut right) = (String::new(), true);
    loop {
        let Some(line) = wire.line()? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if line == ".\r\n" {
            return Ok(right.then_some(data));
        }
        right &= line.ends_with("\r\n")
            && line.len() <= 1000
            && !line.trim_end_matches("\r\n").contains('\r');
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
