//! Who may send what: the sources of `afterrun.yml` with their secrets, ready to verify with.
//!
//! Invariant: every look at a credential costs the same, whether its source is known or not.
//! Secrets stay in this module, as keyed MACs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use afterrun_core::config::{Retention, Source, SourceKind};
use afterrun_core::event;
use afterrun_core::tool_event::Sender;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

type HmacSha256 = Hmac<Sha256>;

/// The sources in force; a new configuration takes the place of the old one as a whole.
#[derive(Debug, Clone)]
pub(crate) struct SharedSources(Arc<RwLock<Arc<Sources>>>);

impl SharedSources {
    pub(crate) fn new(sources: Sources) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(sources))))
    }

    pub(crate) fn now(&self) -> Arc<Sources> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, sources: Sources) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(sources);
    }
}

/// What `afterrun.yml` says of those who send.
pub(crate) struct Sources {
    dbt: BTreeMap<String, Keys>,
    nudging: BTreeMap<(Sender, String), PathToken>,
    nobody: Keys,
    no_token: PathToken,
    /// How long the keys of events are kept, by which repeats are known.
    pub(crate) keys_kept: Duration,
}

impl Sources {
    pub(crate) fn new(sources: &BTreeMap<String, Source>, retention: &Retention) -> Self {
        let looks = sources.values().map(|source| source.secrets.len()).max().unwrap_or(0).max(1);
        let mut dbt = BTreeMap::new();
        let mut nudging = BTreeMap::new();
        for (name, source) in sources {
            let sender = match source.kind {
                SourceKind::Dbt => {
                    dbt.insert(name.clone(), Keys::new(&source.secrets, looks));
                    continue;
                }
                SourceKind::Mode => Sender::Mode,
                SourceKind::Tableau => Sender::Tableau,
            };
            if let Some(token) = &source.path_token {
                nudging.insert((sender, name.clone()), PathToken::new(token.expose_secret()));
            }
        }
        Self {
            dbt,
            nudging,
            nobody: Keys::new(&[], looks),
            no_token: PathToken::new(""),
            keys_kept: retention.keys,
        }
    }

    /// The keys of a dbt source; of the only one where the path names none. Those of a source
    /// that does not exist verify nothing.
    pub(crate) fn dbt<'a>(&'a self, named: Option<&'a str>) -> (&'a str, &'a Keys) {
        let found = match named {
            Some(name) => self.dbt.get_key_value(name),
            None if self.dbt.len() == 1 => self.dbt.first_key_value(),
            None => None,
        };
        found.map_or(("", &self.nobody), |(name, keys)| (name, keys))
    }

    /// Whether the configuration names it.
    pub(crate) fn knows(&self, source: &str) -> bool {
        self.dbt.contains_key(source) || self.nudging.keys().any(|(_, name)| name == source)
    }

    /// Whether a tool that calls under this source and token may nudge.
    pub(crate) fn may_nudge(&self, sender: Sender, source: &str, token: &str) -> bool {
        let known = self.nudging.get(&(sender, source.to_owned()));
        // Compared for an unknown source too, for the time it takes.
        let right = known.unwrap_or(&self.no_token).is(token);
        right && known.is_some()
    }
}

/// All active secrets of a source.
pub(crate) struct Keys {
    /// As many for every source; those past the active ones are there for the time they take.
    keys: Vec<HmacSha256>,
    /// What each active one is noted by.
    marks: Vec<i16>,
}

impl Keys {
    fn new(secrets: &[SecretString], looks: usize) -> Self {
        let mut keys: Vec<_> =
            secrets.iter().map(|secret| keyed(secret.expose_secret().as_bytes())).collect();
        keys.resize(looks.max(secrets.len()), keyed(b""));
        Self { keys, marks: secrets.iter().map(event::mark).collect() }
    }

    /// Which secret made this MAC of these bytes; `None` if none of them did.
    ///
    /// Every key is tried whatever came before, in constant time each, also when the request
    /// carried no credential at all.
    pub(crate) fn verify(&self, body: &[u8], mac: Option<[u8; 32]>) -> Option<Proof> {
        let claimed = mac.unwrap_or_default();
        let mut matched = None;
        for (place, key) in self.keys.iter().enumerate() {
            let right = key.clone().chain_update(body).verify_slice(&claimed).is_ok();
            if right
                && mac.is_some()
                && let Some(mark) = self.marks.get(place)
            {
                matched = Some(Proof { place: place + 1, mark: *mark });
            }
        }
        matched
    }
}

/// Which of a source's secrets signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof {
    /// Counted from 1.
    pub(crate) place: usize,
    /// [`event::mark`] of it.
    pub(crate) mark: i16,
}

/// The token at the end of a path, compared as the MAC of itself.
struct PathToken {
    key: HmacSha256,
    mac: Vec<u8>,
}

impl PathToken {
    fn new(token: &str) -> Self {
        let key = keyed(b"afterrun path token");
        let mac = key.clone().chain_update(token).finalize().into_bytes().to_vec();
        Self { key, mac }
    }

    fn is(&self, token: &str) -> bool {
        self.key.clone().chain_update(token).verify_slice(&self.mac).is_ok()
    }
}

fn keyed(secret: &[u8]) -> HmacSha256 {
    HmacSha256::new_from_slice(secret).expect("HMAC takes a key of any length")
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("dbt", &self.dbt.keys()).finish_non_exhaustive()
    }
}
