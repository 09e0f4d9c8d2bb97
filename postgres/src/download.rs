//! Fetches a prebuilt PostgreSQL once, for a machine that has none.
//!
//! The archives are those of the `postgresql_embedded` project. What is used has the SHA-256 that
//! its release promises, arrived within the time limits, and has run once; or it is not kept.

use std::env;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use crate::binaries::Binaries;
use crate::error::DownloadError;

const VERSION: &str = "18.4.0";
const RELEASES: &str = "https://github.com/theseus-rs/postgresql-binaries/releases/download";
/// The archives are 10 to 40 MB.
const LARGEST: usize = 256 << 20;

/// Where downloaded programs are kept. As root it must be a place that the unprivileged user who
/// runs the server can read.
pub(crate) fn cache_folder() -> PathBuf {
    if geteuid().is_root() {
        return PathBuf::from("/var/cache/afterrun");
    }
    let set = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(env::temp_dir)
        .join("afterrun")
}

/// One download: from where, to where, how patient.
pub(crate) struct Download {
    /// `{releases}/{version}/postgresql-{version}-{target}.tar.gz`, and the same with `.sha256`.
    pub(crate) releases: String,
    pub(crate) cache: PathBuf,
    pub(crate) connect: Duration,
    /// The longest silence of a connection that stands.
    pub(crate) silence: Duration,
    pub(crate) whole: Duration,
}

impl Download {
    /// `AFTERRUN_PG_MIRROR` names another place with the same files, for networks that reach no
    /// other.
    pub(crate) fn of_this_machine() -> Download {
        let mirror = env::var_os("AFTERRUN_PG_MIRROR").and_then(|url| url.into_string().ok());
        Download {
            releases: mirror.unwrap_or_else(|| RELEASES.to_owned()),
            cache: cache_folder(),
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(20),
            whole: Duration::from_secs(600),
        }
    }

    pub(crate) async fn run(
        &self,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Binaries, DownloadError> {
        let name = format!("postgresql-{VERSION}-{}", target()?);
        let url = format!("{}/{VERSION}/{name}.tar.gz", self.releases.trim_end_matches('/'));
        progress(&format!("Downloading PostgreSQL {VERSION} once, from {url}"));
        let archive = tokio::time::timeout(self.whole, self.verified(&url, progress))
            .await
            .map_err(|_| DownloadError::TooSlow { url, seconds: self.whole.as_secs() })??;
        self.unpack(&archive, &name, progress)
    }

    async fn verified(
        &self,
        url: &str,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Vec<u8>, DownloadError> {
        // Refused when the program has installed one already, which is the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder()
            .user_agent(concat!("afterrun/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect)
            .build()
            .map_err(|source| DownloadError::Fetch { url: url.to_owned(), source })?;

        // First the checksum: it is small, so a network that leads nowhere is known at once.
        let promised_at = format!("{url}.sha256");
        let promised = self.fetch(&client, &promised_at, &|_| ()).await?;
        let expected = checksum(&promised)
            .ok_or_else(|| DownloadError::NoChecksum { url: promised_at.clone() })?;
        let archive = self.fetch(&client, url, progress).await?;
        let got = hex::encode(Sha256::digest(&archive));
        if got != expected {
            return Err(DownloadError::Damaged { url: url.to_owned(), got, expected });
        }
        Ok(archive)
    }

    async fn fetch(
        &self,
        client: &reqwest::Client,
        url: &str,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Vec<u8>, DownloadError> {
        let failed = |source: reqwest::Error| DownloadError::Fetch {
            url: url.to_owned(),
            source: source.without_url(),
        };
        let stalled =
            |_| DownloadError::Stalled { url: url.to_owned(), seconds: self.silence.as_secs() };
        #[expect(clippy::disallowed_methods, reason = "a download is no call of a BI tool")]
        let sent = client.get(url).send();
        let mut answer = tokio::time::timeout(self.connect + self.silence, sent)
            .await
            .map_err(stalled)?
            .map_err(failed)?;
        if !answer.status().is_success() {
            return Err(DownloadError::Status { url: url.to_owned(), status: answer.status() });
        }
        let whole = answer.content_length().filter(|length| *length > 1 << 20);
        let mut body = Vec::new();
        let mut tenths = 0;
        loop {
            let chunk = tokio::time::timeout(self.silence, answer.chunk()).await;
            let Some(chunk) = chunk.map_err(stalled)?.map_err(failed)? else {
                return Ok(body);
            };
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                return Err(DownloadError::TooLarge { url: url.to_owned(), limit: LARGEST >> 20 });
            }
            if let Some(whole) = whole
                && body.len() as u64 * 10 / whole > tenths
            {
                tenths = body.len() as u64 * 10 / whole;
                progress(&format!("Downloading PostgreSQL: {}0 % of {} MB", tenths, whole >> 20));
            }
        }
    }

    /// Unpacks beside the final place and moves there at the end, so that what is there is whole.
    fn unpack(
        &self,
        archive: &[u8],
        name: &str,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Binaries, DownloadError> {
        let at = |doing, path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| DownloadError::File { doing, path, source }
        };
        progress(&format!("Unpacking PostgreSQL into {}", self.cache.display()));
        std::fs::create_dir_all(&self.cache).map_err(at("make folder", &self.cache))?;
        // Two first starts at once: one works, the other waits and finds the work done.
        let lock_path = self.cache.join("download.lock");
        let lock = File::create(&lock_path).map_err(at("open", &lock_path))?;
        lock.lock().map_err(at("lock", &lock_path))?;
        let place = self.cache.join(name);
        if let Some(Ok(binaries)) = Binaries::ask(&place.join("bin")) {
            return Ok(binaries);
        }

        let new = self.cache.join(format!(".{name}"));
        clear(&new).map_err(at("remove", &new))?;
        tar::Archive::new(flate2::read::GzDecoder::new(archive))
            .unpack(&new)
            .map_err(at("unpack into", &new))?;
        clear(&place).map_err(at("remove", &place))?;
        // The archive holds one folder, named like itself.
        let inner = new.join(name);
        std::fs::rename(&inner, &place).map_err(at("move into place", &inner))?;
        clear(&new).map_err(at("remove", &new))?;
        let why = match Binaries::ask(&place.join("bin")) {
            Some(Ok(binaries)) => return Ok(binaries),
            Some(Err(why)) => why,
            None => "initdb and postgres are not in it".to_owned(),
        };
        clear(&place).map_err(at("remove", &place))?;
        Err(DownloadError::DoesNotRun { path: place, why })
    }
}

fn clear(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The first word of the file, if it is a SHA-256.
fn checksum(file: &[u8]) -> Option<String> {
    let word = std::str::from_utf8(file).ok()?.split_whitespace().next()?.to_ascii_lowercase();
    (word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(word)
}

/// The name that the archives have for this kind of machine.
fn target() -> Result<String, DownloadError> {
    let (arch, os) = (env::consts::ARCH, env::consts::OS);
    let libc = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    match (arch, os) {
        ("x86_64" | "aarch64", "linux") => Ok(format!("{arch}-unknown-linux-{libc}")),
        ("x86_64" | "aarch64", "macos") => Ok(format!("{arch}-apple-darwin")),
        _ => Err(DownloadError::NoSuchTarget(format!("{arch} {os}"))),
    }
}

#[cfg(test)]
mod tests;
