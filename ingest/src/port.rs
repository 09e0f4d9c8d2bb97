//! The public port: one that several instances share, and that one of them leaves unnoticed.
//!
//! Linux hands each new connection to one of the sockets that share a port, and resets those that
//! wait to be accepted on a socket that closes. So the socket that goes takes no new handshakes
//! first, and closes when those that were under way are accepted. Invariant: no client of a shared
//! port is reset; one that comes at the wrong moment is asked by its own kernel to try again, a
//! second later, and reaches another instance.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// How long handshakes under way may take to end: less than the second after which a client whose
/// first packet got no answer sends it again.
const HANDSHAKES: Duration = Duration::from_millis(700);

/// Connections that wait to be accepted, as std has it.
const BACKLOG: i32 = 4096;

/// Opens a port that others of the same user may open too.
///
/// # Errors
/// If somebody has it who does not share it.
pub fn share(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A listening socket, seen from its end.
pub(crate) struct Port(Option<Socket>);

impl Port {
    /// Of a listener that is about to be given away.
    pub(crate) fn of(listener: &TcpListener) -> io::Result<Self> {
        let socket = Socket::from(listener.try_clone()?);
        Ok(Self(socket.reuse_port()?.then_some(socket)))
    }

    /// Returns when the socket may be closed; until then it must be accepted from.
    pub(crate) async fn leave(self) {
        let Some(socket) = self.0 else { return };
        match turn_away(&socket) {
            Ok(()) => tokio::time::sleep(HANDSHAKES).await,
            Err(error) => tracing::warn!(
                %error,
                "connections that come at this moment may be reset: the kernel lets no filter be set"
            ),
        }
    }
}

/// Lets the first packet of no further handshake through.
#[cfg(target_os = "linux")]
fn turn_away(socket: &Socket) -> io::Result<()> {
    use socket2::SockFilter;
    // Classic BPF over the TCP header, whose byte 13 holds the flags: nothing that is SYN (0x02)
    // without ACK (0x10).
    socket.attach_filter(&[
        SockFilter::new(0x30, 0, 0, 13),       // ldb [13]
        SockFilter::new(0x54, 0, 0, 0x12),     // and #0x12
        SockFilter::new(0x15, 0, 1, 0x02),     // jeq #0x02, the next, the one after
        SockFilter::new(0x06, 0, 0, 0),        // ret #0: drop
        SockFilter::new(0x06, 0, 0, u32::MAX), // ret #-1: keep all of it
    ])
}

#[cfg(not(target_os = "linux"))]
fn turn_away(_: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
