//! What ingest notes of its sources beside their events: which secret proves what comes, and how much
//! is refused.
//!
//! Invariant: nothing hangs on it; it is written apart from any event, and may be lost.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::pool::Lent;
use crate::{Doing as _, Store, StoreError};

/// What was seen since it was noted last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Source, and the [`mark`] of the secret; 0 for a token in the path.
    pub proved: Vec<(String, i16)>,
    /// How many requests under the name of a source nothing proved.
    pub refused: BTreeMap<String, i64>,
}

/// What a secret is known by in the database, whatever its place in a list: 1 to 32,767.
///
/// 15 bits of a digest: two of a list hardly share one, and of a million guesses thirty fit, so that
/// the table proves none of them right.
pub fn mark(secret: &SecretString) -> i16 {
    let digest = Sha256::new()
        .chain_update(b"afterrun: which secret\0")
        .chain_update(secret.expose_secret())
        .finalize();
    let bits = u16::from_be_bytes([digest[0], digest[1]]) >> 1;
    i16::try_from(bits.max(1)).expect("15 bits are an i16")
}

impl Store {
    /// Notes it, as of now.
    ///
    /// # Errors
    /// If the database is away; it may be noted twice then.
    pub async fn note_seen(&self, seen: &Seen) -> Result<(), StoreError> {
        const DOING: &str = "note what sources send";
        let mut proved: Vec<_> = seen.proved.iter().collect();
        // In one order, so that nobody waits in a circle.
        proved.sort_unstable();
        let (sources, secrets): (Vec<&str>, Vec<i16>) =
            proved.into_iter().map(|(source, secret)| (source.as_str(), *secret)).unzip();
        let (refusing, refused): (Vec<&str>, Vec<i64>) =
            seen.refused.iter().map(|(source, count)| (source.as_str(), *count)).unzip();
        let mut connection = Lent::from(&self.pool).await.doing(DOING)?;
        sqlx::query!(
            r#"
            with proved as (
                insert into source_seen (source, secret, seen_at)
                select source, secret, coalesce($5, now())
                from unnest($1::text[], $2::smallint[]) as seen (source, secret)
                on conflict (source, secret) do update
                set seen_at = greatest(source_seen.seen_at, excluded.seen_at)
            )
            insert into source_refused (source, refused, refused_at)
            select source, refused, coalesce($5, now())
            from unnest($3::text[], $4::bigint[]) as seen (source, refused)
            on conflict (source) do update
            set
                refused = source_refused.refused + excluded.refused,
                refused_at = greatest(source_refused.refused_at, excluded.refused_at)
            "#,
            &sources as _,
            &secrets,
            &refusing as _,
            &refused,
            self.now(),
        )
        .execute(&mut *connection)
        .await
        .doing(DOING)?;
        connection.give_back();
        Ok(())
    }
}
