//! Where an ingest or a worker of this machine listens, by the same variables as they do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use afterrun_core::env;

use crate::exit::Wrong;

pub(crate) const PUBLIC: &str = "0.0.0.0:8080";
pub(crate) const PRIVATE: &str = "127.0.0.1:8081";

/// Where webhooks are taken.
pub(crate) fn public() -> anyhow::Result<SocketAddr> {
    named("AFTERRUN_LISTEN", PUBLIC)
}

/// Where health is told.
pub(crate) fn private() -> anyhow::Result<SocketAddr> {
    named("AFTERRUN_ADMIN_LISTEN", PRIVATE)
}

fn named(variable: &str, default: &str) -> anyhow::Result<SocketAddr> {
    let set = env::var(variable).filter(|address| !address.trim().is_empty());
    let address = parse(set.as_deref().unwrap_or(default).trim());
    Ok(reachable(address.map_err(|what| Wrong(format!("{variable}: {what}")))?))
}

/// An address to listen on.
pub(crate) fn parse(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = if text.parse::<u16>().is_ok() { text } else { "8080" };
        format!("write an IP address and a port, such as 0.0.0.0:{port}")
    })
}

/// Where whoever listens there is found from this machine.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_found_on_loopback() {
        let found = ["0.0.0.0:1", "[::]:2", "10.0.0.7:3"].map(|address| {
            let address = parse(address).expect("these are addresses");
            reachable(address).to_string()
        });
        assert_eq!(found, ["127.0.0.1:1", "[::1]:2", "10.0.0.7:3"]);
    }

    #[test]
    fn a_port_alone_is_answered_with_the_address_that_was_meant() {
        let what = parse("9000").expect_err("a port is no address");
        assert!(what.contains("0.0.0.0:9000"), "{what}");
    }
}
