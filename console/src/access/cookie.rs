//! The cookie by which a browser is known once it has shown a token.

use actix_web::HttpRequest;
use actix_web::http::header::COOKIE;

/// Bytes of which nobody can guess any.
const BYTES: usize = 32;

/// Only a page of this host, over TLS, can have set one of this name.
const SECURE: &str = "__Host-afterrun";
const PLAIN: &str = "afterrun";

fn name(secure: bool) -> &'static str {
    if secure { SECURE } else { PLAIN }
}

/// What a browser is to keep.
pub(super) fn new() -> String {
    hex::encode(rand::random::<[u8; BYTES]>())
}

/// What a browser has kept, if it can be one of ours; where it comes over TLS alone, only what was
/// set over TLS.
pub(super) fn given(request: &HttpRequest, tls_alone: bool) -> Option<&str> {
    let of = |secure| {
        let all = request.headers().get_all(COOKIE).filter_map(|value| value.to_str().ok());
        let mut pairs =
            all.flat_map(|value| value.split(';')).filter_map(|it| it.trim().split_once('='));
        let (_, value) = pairs.find(|(key, _)| *key == name(secure))?;
        (value.len() == 2 * BYTES).then_some(value)
    };
    of(true).or_else(|| if tls_alone { None } else { of(false) })
}

/// `Set-Cookie` for a browser that has signed in, `secure` if over TLS. It is kept until the browser is
/// closed; when it is true no longer is told by the database.
pub(super) fn set(value: &str, secure: bool) -> String {
    let over_tls = if secure { "; Secure" } else { "" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{over_tls}", name(secure))
}

/// The same to make it forget, whichever it has; one that it takes over TLS alone, it has from there.
pub(super) fn unset() -> [String; 2] {
    [true, false].map(|secure| format!("{}; Max-Age=0", set("", secure)))
}
