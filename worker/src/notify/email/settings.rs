//! The keys of a channel that is a mailbox.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::message::Mailbox;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};

use crate::connector::Secret;

/// Mailboxes, reached by an SMTP server.
#[derive(JsonSchema)]
pub(in crate::notify) struct Settings {
    /// The mail server's name.
    pub(super) host: Host,
    /// The server's port: 465 with tls, 587 with starttls, 25 with none, where nothing else is given.
    pub(super) port: Option<u16>,
    /// How the way to it is protected.
    #[schemars(extend("default" = "tls"))]
    pub(super) security: Security,
    /// For servers that want it, together with password.
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    /// The sender: afterrun@acme.com, or Afterrun <afterrun@acme.com>.
    pub(super) from: Address,
    /// Who gets the mails.
    #[schemars(length(min = 1))]
    pub(super) to: Vec<Address>,
}

/// As they are written; what goes together is checked after.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    host: Host,
    port: Option<u16>,
    #[serde(default)]
    security: Security,
    username: Option<String>,
    password: Option<Secret>,
    from: Address,
    to: Vec<Address>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Security {
    /// TLS from the first byte.
    #[default]
    Tls,
    /// TLS after a command in the clear; refused if the server does not offer it.
    Starttls,
    /// No protection; without a password, unless the server is on this machine.
    None,
}

impl Settings {
    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            Security::Tls => 465,
            Security::Starttls => 587,
            Security::None => 25,
        })
    }

    /// The password, and the forms in which a sign-in says it, which a server may repeat.
    pub(super) fn secrets(&self) -> Vec<String> {
        let (Some(username), Some(password)) = (&self.username, &self.password) else {
            return Vec::new();
        };
        let password = password.expose();
        let plain = STANDARD.encode(format!("\0{username}\0{password}"));
        vec![password.to_owned(), plain, STANDARD.encode(password)]
    }

    /// For texts.
    pub(super) fn server(&self) -> String {
        format!("mail server {}:{}", self.host.as_str(), self.port())
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { host, port, security, username, password, from, to } =
            Written::deserialize(deserializer)?;
        if username.is_some() != password.is_some() {
            return Err(D::Error::custom(
                "`username` and `password` go together; give both or neither",
            ));
        }
        if password.is_some() && security == Security::None && !host.is_loopback() {
            let what = "with `security: none` the password would cross the network in the clear; \
                        write `tls` or `starttls`, or remove `username` and `password`";
            return Err(D::Error::custom(what));
        }
        if to.is_empty() {
            return Err(D::Error::custom("`to` is empty; list at least one address"));
        }
        Ok(Self { host, port, security, username, password, from, to })
    }
}

/// A bare host name.
#[derive(Clone, Debug)]
pub(super) struct Host(String);

impl Host {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn is_loopback(&self) -> bool {
        afterrun_core::config::host_address(&self.0).is_some_and(|url| url.scheme() == "http")
    }
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let host = String::deserialize(deserializer)?;
        let bare = afterrun_core::config::host_address(&host).filter(|url| url.port().is_none());
        if bare.is_none() || host.contains(':') {
            let what =
                "expected a bare host name such as smtp.acme.com; the port has a key of its own";
            return Err(D::Error::custom(what));
        }
        afterrun_core::config::check_address(&format!("https://{host}"))
            .map_err(D::Error::custom)?;
        Ok(Self(host))
    }
}

impl JsonSchema for Host {
    fn schema_name() -> Cow<'static, str> {
        "Host".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// A mailbox, with or without a name.
#[derive(Clone, Debug)]
pub(super) struct Address(pub(super) Mailbox);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| {
            D::Error::custom(
                "expected a mail address such as data@acme.com or Data <data@acme.com>",
            )
        })
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "MailAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 3 })
    }
}
