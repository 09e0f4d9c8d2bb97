//! A road between two of our processes, on loopback, that a fault can block, slow down or break.
//!
//! What passes is forwarded as it came, byte for byte, until a fault says otherwise. A road can also
//! be watched for certain bytes: the connection in which they come is then held until the fault has
//! decided about it, so that a process can be killed at exactly that moment.

mod pump;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::pump::Pump;

/// What is wrong with a road for as long as it lasts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Trouble {
    #[default]
    None,
    /// Everything takes so much longer, each way.
    Delay(Duration),
    /// One byte at a time.
    Drip(Duration),
    /// Nothing passes either way, and nobody is told. A connection that was open then, or was
    /// opened meanwhile, stays dead afterwards as well.
    Silence,
    /// Each connection is reset after so many bytes.
    CutAfter(usize),
    /// New connections are reset at once.
    Refuse,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the one who opened the connection.
    There,
    /// The answers.
    Back,
}

/// One road. It ends, with all its connections, when dropped.
pub struct Road {
    address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: JoinSet<()>,
}

struct Shared {
    to: SocketAddr,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    trouble: Trouble,
    open: Vec<Arc<Line>>,
    watches: Vec<Watch>,
}

struct Watch {
    way: Way,
    bytes: Vec<u8>,
    found: oneshot::Sender<Held>,
}

/// One connection of a road.
#[derive(Default)]
struct Line {
    /// Ends it: by a reset if `hard`, else in order.
    cut: CancellationToken,
    hard: Mutex<bool>,
    silence: CancellationToken,
}

impl Line {
    fn cut(&self, hard: bool) {
        *self.hard.lock().unwrap_or_else(PoisonError::into_inner) = hard;
        self.cut.cancel();
    }
}

/// A connection in which the bytes have come that were watched for; they have not passed yet.
/// Dropping it lets them pass.
pub struct Held {
    line: Arc<Line>,
    passes: Option<oneshot::Sender<()>>,
}

impl Held {
    /// Breaks the connection; what is held never arrives.
    pub fn cut(self) {
        self.line.cut(true);
    }

    /// Lets the bytes pass, and nothing after them: neither end is told.
    pub fn silence_after(mut self) {
        drop(self.passes.take());
        self.line.silence.cancel();
    }
}

impl Road {
    /// A road to this address.
    ///
    /// # Errors
    /// If no port is free here.
    pub async fn to(to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { to, state: Mutex::default() });
        let mut accepting = JoinSet::new();
        accepting.spawn(Arc::clone(&shared).accept(listener));
        Ok(Self { address, shared, _accepting: accepting })
    }

    /// A road to this port of a host.
    ///
    /// # Errors
    /// If the host has no address, or no port is free here.
    pub async fn to_host(host: &str, port: u16) -> io::Result<Self> {
        let mut addresses = tokio::net::lookup_host((host, port)).await?;
        Self::to(addresses.next().ok_or(io::ErrorKind::NotFound)?).await
    }

    /// Where the road begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this is wrong with it.
    pub fn suffer(&self, trouble: Trouble) {
        let mut state = self.shared.state();
        state.trouble = trouble;
        if trouble == Trouble::Silence {
            state.open.iter().for_each(|line| line.silence.cancel());
        }
    }

    /// Whether no connection is open, at either end.
    pub fn is_quiet(&self) -> bool {
        self.shared.state().open.is_empty()
    }

    /// Ends every connection that is open: by a reset if `hard`, else in order.
    pub fn cut(&self, hard: bool) {
        self.shared.state().open.iter().for_each(|line| line.cut(hard));
    }

    /// Holds the next connection in which these bytes come, if they come within that time.
    pub async fn hold(&self, way: Way, bytes: &[u8], within: Duration) -> Option<Held> {
        let (found, when_found) = oneshot::channel();
        self.shared.state().watches.push(Watch { way, bytes: bytes.to_owned(), found });
        let came = tokio::time::timeout(within, when_found).await;
        // One for which nobody waits any more is in nobody's way.
        self.shared.state().watches.retain(|watch| !watch.found.is_closed());
        came.ok()?.ok()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> Trouble {
        self.state().trouble
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut lines = JoinSet::new();
        loop {
            while lines.try_join_next().is_some() {}
            let Ok((from, _)) = listener.accept().await else {
                // Out of descriptors for a moment.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            if self.trouble() == Trouble::Refuse {
                reset(&from);
                continue;
            }
            lines.spawn(Arc::clone(&self).carry(from));
        }
    }

    async fn carry(self: Arc<Self>, from: TcpStream) {
        let line = Arc::new(Line::default());
        {
            let mut state = self.state();
            if state.trouble == Trouble::Silence {
                line.silence.cancel();
            }
            state.open.push(Arc::clone(&line));
        }
        self.run(from, &line).await;
        self.state().open.retain(|other| !Arc::ptr_eq(other, &line));
    }

    async fn run(&self, mut from: TcpStream, line: &Arc<Line>) {
        if line.silence.is_cancelled() {
            return dead(from, line).await;
        }
        // Nobody there looks like a connection that is refused.
        let Ok(to) = TcpStream::connect(self.to).await else { return reset(&from) };
        // Neither matters for what passes.
        let _ = (from.set_nodelay(true), to.set_nodelay(true));
        let (from_read, from_write) = from.into_split();
        let (to_read, to_write) = to.into_split();
        let mut there = Pump::new(self, line, Way::There, from_read, to_write);
        let mut back = Pump::new(self, line, Way::Back, to_read, from_write);
        let both = async {
            // An end in one direction is passed on, and the other direction may go on.
            tokio::join!(there.run(), back.run())
        };
        tokio::select! {
            _ = both => {}
            () = line.cut.cancelled() => {}
            () = line.silence.cancelled() => {}
        }
        let hard =
            line.cut.is_cancelled() && *line.hard.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(to) = back.read.reunite(there.write) else { return };
        let Ok(whole) = there.read.reunite(back.write) else { return };
        from = whole;
        if hard {
            reset(&to);
            reset(&from);
        } else if line.silence.is_cancelled() {
            drop(to);
            dead(from, line).await;
        }
    }
}

/// Takes what comes and answers nothing, until the other end has had enough.
async fn dead(mut from: TcpStream, line: &Line) {
    let mut thrown_away = vec![0; 8192];
    loop {
        tokio::select! {
            read = from.read(&mut thrown_away) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            },
            () = line.cut.cancelled() => return,
        }
    }
}

/// The connection ends as one that the other end knows nothing of.
fn reset(stream: &TcpStream) {
    // A connection that has ended already needs no reset.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
