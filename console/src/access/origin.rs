//! Where a request comes from and where it means to go, as browsers say it.
//!
//! Invariant: a browser that shows somebody else's page cannot have it change anything here, nor,
//! by a name that it makes lead to this machine, read what is open to this machine alone.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, HeaderName, ORIGIN};
use url::{Host, Url};

use crate::problem::Problem;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The address under which browsers know the console: scheme, host and port.
pub(super) fn console_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

/// Whether its host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Without a token the listener is for this machine alone, and so are the names it goes by.
pub(super) fn is_local(request: &HttpRequest, console: Option<&Url>) -> Result<(), Problem> {
    let own = one(request, &HOST)?.and_then(|host| at(host, "http"));
    if own.is_some_and(|own| is_loopback(&own) || console.is_some_and(|it| it.host() == own.host()))
    {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "without AFTERRUN_ADMIN_TOKEN the console is shown under the names of this machine alone: \
         localhost, 127.0.0.1, [::1]",
    ))
}

/// Refuses a change that a page of somebody else's sends. Whether a browser said that it is a page
/// of ours; if nothing is said, it is no browser.
pub(super) fn is_ours(request: &HttpRequest, console: Option<&Url>) -> Result<bool, Problem> {
    let site = one(request, &FETCH_SITE)?;
    let origin = one(request, &ORIGIN)?;
    let host = one(request, &HOST)?.unwrap_or_default();
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
        || origin.is_some_and(|origin| !is_same(origin, host, console))
    {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "a page of another origin may change nothing here; if this is the console behind a \
             proxy, AFTERRUN_CONSOLE_URL must be its address",
        ));
    }
    Ok(site.is_some() || origin.is_some())
}

/// Whether a browser says that it has the page over TLS, whatever is between it and us. What it says
/// was compared with where it goes before.
pub(super) fn is_over_tls(request: &HttpRequest) -> bool {
    let origin = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok());
    origin.and_then(|origin| Url::parse(origin).ok()).is_some_and(|url| url.scheme() == "https")
}

fn is_same(origin: &str, host: &str, console: Option<&Url>) -> bool {
    let Ok(from) = Url::parse(origin) else { return false };
    if console.is_some_and(|console| console.origin() == from.origin()) {
        return true;
    }
    let Some(own) = at(host, from.scheme()) else { return false };
    // Where the console is behind TLS, a page without it is somebody's on the way.
    let in_the_clear = from.scheme() == "http" && !is_loopback(&own);
    let needs_tls = console.is_some_and(|console| console.scheme() == "https");
    own.origin() == from.origin() && !(in_the_clear && needs_tls)
}

fn at(host: &str, scheme: &str) -> Option<Url> {
    let url = matches!(scheme, "http" | "https").then(|| format!("{scheme}://{host}/"))?;
    console_url(&url)
}

/// The value of a header that is there once at most.
fn one<'r>(request: &'r HttpRequest, name: &HeaderName) -> Result<Option<&'r str>, Problem> {
    let mut values = request.headers().get_all(name);
    let value = values.next().map(|value| value.to_str());
    match (value.transpose(), values.next()) {
        (Ok(value), None) => Ok(value),
        _ => Err(Problem::bad_request(format!(
            "the header {name} is not understood, or there twice"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_ours_by_scheme_host_and_port() {
        let behind = console_url("https://afterrun.example.com");
        for (origin, host, console, ours) in [
            ("http://127.0.0.1:8081", "127.0.0.1:8081", None, true),
            ("http://LOCALHOST:8081", "localhost:8081", None, true),
            ("https://a.example", "a.example", None, true),
            ("https://a.example", "a.example:443", None, true),
            ("http://127.0.0.1:8080", "127.0.0.1:8081", None, false),
            ("http://127.0.0.1:8081", "localhost:8081", None, false),
            ("http://a.example.evil", "a.example", None, false),
            ("http://a.example@evil", "a.example", None, false),
            ("null", "127.0.0.1:8081", None, false),
            ("", "127.0.0.1:8081", None, false),
            ("file://", "", None, false),
            ("https://afterrun.example.com", "127.0.0.1:8081", behind.as_ref(), true),
            ("http://afterrun.example.com", "afterrun.example.com", behind.as_ref(), false),
            ("http://127.0.0.1:8081", "127.0.0.1:8081", behind.as_ref(), true),
            ("https://evil.example", "127.0.0.1:8081", behind.as_ref(), false),
        ] {
            assert_eq!(is_same(origin, host, console), ours, "{origin} at {host}");
        }
    }

    #[test]
    fn an_address_of_the_console_has_a_host_and_nothing_behind_it() {
        for wrong in
            ["afterrun.example.com", "ftp://h", "https://h/console", "https://u@h", "https://"]
        {
            assert_eq!(console_url(wrong), None, "{wrong}");
        }
        assert!(console_url("https://h:8443/").is_some());
    }
}
