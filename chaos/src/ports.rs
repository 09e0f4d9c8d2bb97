//! Ports for what must come back where it was.
//!
//! They lie below those that Linux gives to connections that go out: one of these could otherwise
//! sit on the port of a server that is away for a moment.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::bail;

/// A port that nobody listens on now.
pub(crate) fn free() -> anyhow::Result<u16> {
    for _ in 0..1000 {
        let port = rand::random_range(20_000..32_000);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}

/// The same as an address.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, free()?).into())
}
