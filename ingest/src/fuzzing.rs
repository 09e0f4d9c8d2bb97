//! The verification without its request, for fuzz targets; no part of the service.

use std::collections::BTreeMap;

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use afterrun_core::config::{Retention, Source, SourceKind};
use secrecy::SecretString;

use crate::signature::credential;
use crate::sources::Sources;

/// Which of the secrets, counted from 1, signed this body by what stands in the `Authorization`
/// headers.
pub fn verified_by(secrets: &[&str], authorization: &[&[u8]], body: &[u8]) -> Option<usize> {
    let mut headers = HeaderMap::new();
    for value in authorization {
        // Bytes that no header may hold do not get as far.
        headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).ok()?);
    }
    let source = Source {
        expect_every: None,
        kind: SourceKind::Dbt,
        secrets: secrets.iter().map(|secret| SecretString::from(*secret)).collect(),
        account_id: None,
        api: None,
        connection: None,
        path_token: None,
    };
    let sources = BTreeMap::from([("prod".to_owned(), source)]);
    let sources = Sources::new(&sources, &Retention::default());
    let (_, keys) = sources.dbt(Some("prod"));
    keys.verify(body, credential(&headers)).map(|proof| proof.place)
}
