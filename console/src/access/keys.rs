//! The tokens: which role each gives, and what is made of them.
//!
//! Invariants: a token is compared in constant time, whatever its length, and never shown; nor is any
//! compared once many from the same address were wrong, so that no token is guessed.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use actix_web::http::header::HeaderValue;
use afterrun_core::session::CookieMac;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::attempts::{Attempts, Refused};

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    Admin,
    /// Look at everything.
    Reader,
}

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Reader => "read-only",
        }
    }
}

/// The tokens of a process. Clones count wrong ones together.
#[derive(Clone, Default)]
pub struct Keys {
    admin: Option<Key>,
    read: Option<Key>,
    sign_ins: Arc<Mutex<Attempts>>,
    /// A machine with an old token shows it every few seconds, and keeps nobody from signing in.
    scrapes: Arc<Mutex<Attempts>>,
}

/// A token, and what another is compared with: MACs by a key that nobody knows have one length, and
/// are alike in no part where tokens are.
#[derive(Clone)]
struct Key {
    token: SecretString,
    blind: Hmac<Sha256>,
    mac: [u8; 32],
}

impl Key {
    fn new(token: SecretString) -> Self {
        let blind = Hmac::new_from_slice(&rand::random::<[u8; 32]>()).expect("HMAC takes any key");
        let mac = blinded(&blind, token.expose_secret().as_bytes());
        Self { token, blind, mac }
    }

    fn is(&self, token: &[u8]) -> bool {
        blinded(&self.blind, token).ct_eq(&self.mac).into()
    }
}

fn blinded(blind: &Hmac<Sha256>, token: &[u8]) -> [u8; 32] {
    blind.clone().chain_update(token).finalize().into_bytes().into()
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("are_none", &self.are_none()).finish_non_exhaustive()
    }
}

/// Why tokens cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    #[error(
        "AFTERRUN_READ_TOKEN is set and AFTERRUN_ADMIN_TOKEN is not, so everybody could change \
         what some may read: set both"
    )]
    NoAdmin,
    #[error(
        "AFTERRUN_READ_TOKEN and AFTERRUN_ADMIN_TOKEN are the same, so whoever may read could \
         change: make them two"
    )]
    Same,
}

impl Keys {
    /// `AFTERRUN_ADMIN_TOKEN` and `AFTERRUN_READ_TOKEN`; with neither, all who reach the listener
    /// may do everything.
    ///
    /// # Errors
    /// If a token for reading would keep nobody from changing.
    pub fn new(admin: Option<SecretString>, read: Option<SecretString>) -> Result<Self, KeysError> {
        match (&admin, &read) {
            (None, Some(_)) => return Err(KeysError::NoAdmin),
            (Some(admin), Some(read)) if admin.expose_secret() == read.expose_secret() => {
                return Err(KeysError::Same);
            }
            _ => {}
        }
        let (admin, read) = (admin.map(Key::new), read.map(Key::new));
        Ok(Self { admin, read, ..Self::default() })
    }

    /// Whether everybody may do everything.
    pub fn are_none(&self) -> bool {
        self.admin.is_none()
    }

    /// The role that a token gives to whoever calls from there.
    pub(super) fn role_of(&self, address: IpAddr, token: &[u8]) -> Result<Role, Refused> {
        self.tried(&self.sign_ins, address, token)
    }

    /// Whether somebody may read the numbers; what machines ask every few seconds notes nothing.
    pub(crate) fn may_read(
        &self,
        address: IpAddr,
        given: Option<&HeaderValue>,
    ) -> Result<(), Refused> {
        if self.are_none() {
            return Ok(());
        }
        // Without a token nothing is guessed.
        let token = given.and_then(bearer).ok_or(Refused::Wrong { note: None })?;
        self.tried(&self.scrapes, address, token).map(|_role| ())
    }

    /// What a token gives, if one more from there may be tried; a wrong one is counted.
    fn tried(
        &self,
        attempts: &Mutex<Attempts>,
        address: IpAddr,
        token: &[u8],
    ) -> Result<Role, Refused> {
        let mut attempts = attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        attempts.may_try(address, now)?;
        self.matching(token).ok_or_else(|| attempts.wrong(address, now))
    }

    fn matching(&self, token: &[u8]) -> Option<Role> {
        let is = |key: &Option<Key>| key.as_ref().is_some_and(|key| key.is(token));
        match (is(&self.admin), is(&self.read)) {
            (true, _) => Some(Role::Admin),
            (false, true) => Some(Role::Reader),
            (false, false) => None,
        }
    }

    /// By what the database would know this cookie, if it was given for the token of a role.
    pub(super) fn macs(&self, cookie: &str) -> Vec<(Role, CookieMac)> {
        let keys = [(Role::Admin, &self.admin), (Role::Reader, &self.read)];
        keys.into_iter()
            .filter_map(|(role, key)| {
                let key = key.as_ref()?.token.expose_secret().as_bytes();
                let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
                mac.update(b"afterrun console session ");
                mac.update(cookie.as_bytes());
                Some((role, mac.finalize().into_bytes().into()))
            })
            .collect()
    }
}

/// The token of `Authorization: Bearer …`.
pub(super) fn bearer(header: &HeaderValue) -> Option<&[u8]> {
    let value = header.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}
