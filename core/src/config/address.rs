//! The rule for addresses that the worker may call: whatever the operator names, but never one by
//! which a process is tricked into handing out its machine's own credentials.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Accepts `https://` and `http://` addresses, private and loopback ones included. A warning text
/// where the traffic would cross a network unprotected. Neither text repeats the address, which may
/// have come from a substitution; each continues "this value …".
pub fn check_address(address: &str) -> Result<Option<String>, String> {
    check(address, false)
}

/// The same for one that is called as it is: a query may hold what proves who calls.
pub(super) fn check_whole_address(address: &str) -> Result<Option<String>, String> {
    check(address, true)
}

fn check(address: &str, with_query: bool) -> Result<Option<String>, String> {
    if address.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("holds a blank or a control character".to_owned());
    }
    let Some((scheme, rest)) = address.split_once("://") else {
        return Err("has no scheme; write `https://` in front of it".to_owned());
    };
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return Err("is neither an https:// nor an http:// address".to_owned());
    }
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("holds user info (`user@`); remove it, credentials have their own keys".into());
    }
    let url = Url::parse(address).map_err(|_| "is not an address that can be read".to_owned())?;
    if url.fragment().is_some() || (url.query().is_some() && !with_query) {
        return Err("holds a `?` or `#` part; remove it".to_owned());
    }
    let host = url.host().ok_or("names no host")?;
    if is_forbidden(&host) {
        return Err("is a link-local or cloud metadata address, which is never called".to_owned());
    }
    let in_the_open = url.scheme() == "http" && !is_loopback(&url);
    Ok(in_the_open.then(|| "is plain http://, so credentials cross the network unprotected".into()))
}

/// The `url` crate has already turned decimal, octal and hex spellings into the address they mean.
fn is_forbidden(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            ["metadata.google.internal", "metadata.goog", "instance-data"].contains(&name.as_str())
                || name.ends_with(".metadata.google.internal")
        }
        Host::Ipv4(ip) => is_forbidden_v4(*ip),
        Host::Ipv6(ip) => {
            ip.is_unicast_link_local()
                || embedded_v4(ip).is_some_and(is_forbidden_v4)
                // AWS and Google Cloud.
                || *ip == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
                || *ip == Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)
        }
    }
}

fn is_forbidden_v4(ip: Ipv4Addr) -> bool {
    // Alibaba Cloud and Oracle Cloud keep theirs outside the link-local range.
    ip.is_link_local()
        || ip == Ipv4Addr::new(100, 100, 100, 200)
        || ip == Ipv4Addr::new(192, 0, 0, 192)
}

/// The IPv4 address inside a mapped (`::ffff:`), compatible (`::`) or NAT64 (`64:ff9b::`) one.
fn embedded_v4(ip: &Ipv6Addr) -> Option<Ipv4Addr> {
    let nat64 = matches!(ip.segments(), [0x64, 0xff9b, 0, 0, 0, 0, _, _]);
    let [.., a, b, c, d] = ip.octets();
    if nat64 { Some(Ipv4Addr::new(a, b, c, d)) } else { ip.to_ipv4() }
}

/// Where the host of an API is called: by https, except on this machine, where nobody can listen in.
/// `None` for anything but a bare host name, which may have a port. [`check_address`] is still due.
pub fn host_address(host: &str) -> Option<Url> {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    if host.is_empty() || host.len() > 253 || !host.chars().all(bare) {
        return None;
    }
    let secure = Url::parse(&format!("https://{host}")).ok()?;
    if is_loopback(&secure) { Url::parse(&format!("http://{host}")).ok() } else { Some(secure) }
}

/// Whether an address stays on this machine, however it spells that.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_private_and_loopback_addresses_are_the_operators_choice() {
        for address in [
            "https://app.mode.com",
            "https://10ax.online.tableau.com/",
            "HTTPS://tableau.acme.internal:8443/base",
            "https://10.0.0.7",
            "http://127.0.0.1:4000",
            "http://localhost:4000",
            "http://[::1]:4000",
        ] {
            assert_eq!(check_address(address), Ok(None), "{address}");
        }
    }

    #[test]
    fn plain_http_beyond_loopback_is_warned_of() {
        for address in
            ["http://tableau.acme.com", "http://10.0.0.7:80", "http://localhost.acme.com"]
        {
            assert!(matches!(check_address(address), Ok(Some(_))), "{address}");
        }
    }

    #[test]
    fn no_spelling_leads_to_a_metadata_service() {
        for address in [
            "http://169.254.169.254",
            "http://169.254.169.254./",
            "http://2852039166",
            "http://0xA9FEA9FE",
            "http://0251.0376.0251.0376",
            "http://0xa9.254.0xa9.254/latest",
            "http://169.254.43518",
            "http://[::ffff:169.254.169.254]",
            "http://[::169.254.169.254]",
            "http://[64:ff9b::169.254.169.254]",
            "http://[fe80::1]",
            "http://[febf::1]",
            "http://[fd00:ec2::254]",
            "https://metadata.google.internal",
            "https://METADATA.google.internal./computeMetadata",
            "https://100.100.100.200",
            "http://169.254.1.2",
            "http://①⑥⑨.254.169.254",
        ] {
            let error = check_address(address).unwrap_err();
            assert!(error.contains("metadata"), "{address}: {error}");
        }
    }

    #[test]
    fn a_bare_host_is_called_by_https_unless_it_is_this_machine() {
        for (host, address) in [
            ("ab123.us1.dbt.com", "https://ab123.us1.dbt.com/"),
            ("dbt.acme.internal:8443", "https://dbt.acme.internal:8443/"),
            ("127.0.0.1:4000", "http://127.0.0.1:4000/"),
            ("localhost", "http://localhost/"),
            ("[::1]:4000", "http://[::1]:4000/"),
        ] {
            assert_eq!(host_address(host).map(String::from).as_deref(), Some(address), "{host}");
        }
        for host in ["", "https://x.dbt.com", "x.dbt.com/", "a@b", "x?y", "x y", "x:99999", "[::1"]
        {
            assert_eq!(host_address(host), None, "{host}");
        }
    }

    #[test]
    fn other_schemes_user_info_and_unreadable_addresses_are_refused() {
        for (address, why) in [
            ("10ax.online.tableau.com", "has no scheme"),
            ("tableau.acme.com:8443", "has no scheme"),
            ("", "has no scheme"),
            ("file:///etc/passwd", "neither"),
            ("gopher://acme.com", "neither"),
            ("ftp://acme.com", "neither"),
            ("https://ok@evil.com", "user info"),
            ("https://user:word@evil.com", "user info"),
            ("https://@evil.com", "user info"),
            ("https://", "cannot"),
            ("https://acme.com?x=1", "`?`"),
            ("https://acme.com#x", "`#`"),
            ("https://ac me.com", "blank"),
            ("https://acme.com\n", "blank"),
            ("https://[::1", "cannot"),
        ] {
            let error = check_address(address).unwrap_err();
            let known =
                error.contains(why) || (why == "cannot" && error.contains("not an address"));
            assert!(known, "{address}: {error}");
        }
    }
}
