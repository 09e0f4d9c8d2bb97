//! A road between two of our processes, on loopback, that a fault can block, slow down or break.
//!
//! What passes is forwarded as it came, byte for byte, until a fault says otherwise. A road can also
//! be watched for certain bytes: the connection in which they come is then held until the fault has
//! decided about it, so that a process can be killed at exactly that moment.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What is wrong with a road for as long as it lasts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Trouble {
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
pub(crate) enum Way {
    /// From the one who opened the connection.
    There,
    /// The answers.
    Back,
}

/// One road. It ends, with all its connections, when dropped.
pub(crate) struct Road {
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
    watch: Option<Watch>,
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
pub(crate) struct Held {
    line: Arc<Line>,
    passes: Option<oneshot::Sender<()>>,
}

impl Held {
    /// Breaks the connection; what is held never arrives.
    pub(crate) fn cut(self) {
        self.line.cut(true);
    }

    /// Lets the bytes pass, and nothing after them: neither end is told.
    pub(crate) fn silence_after(mut self) {
        drop(self.passes.take());
        self.line.silence.cancel();
    }
}

impl Road {
    /// A road to this address.
    pub(crate) async fn to(to: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, crate::ports::free()?)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { to, state: Mutex::default() });
        let mut accepting = JoinSet::new();
        accepting.spawn(Arc::clone(&shared).accept(listener));
        Ok(Self { address, shared, _accepting: accepting })
    }

    /// Where the road begins.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this is wrong with it.
    pub(crate) fn suffer(&self, trouble: Trouble) {
        let mut state = self.shared.state();
        state.trouble = trouble;
        if trouble == Trouble::Silence {
            state.open.iter().for_each(|line| line.silence.cancel());
        }
    }

    /// Ends every connection that is open: by a reset if `hard`, else in order.
    pub(crate) fn cut(&self, hard: bool) {
        self.shared.state().open.iter().for_each(|line| line.cut(hard));
    }

    /// Holds the next connection in which these bytes come, if they come within that time.
    pub(crate) async fn hold(&self, way: Way, bytes: &[u8], within: Duration) -> Option<Held> {
        let (found, when_found) = oneshot::channel();
        self.shared.state().watch = Some(Watch { way, bytes: bytes.to_owned(), found });
        if let Ok(Ok(held)) = tokio::time::timeout(within, when_found).await {
            return Some(held);
        }
        self.shared.state().watch = None;
        None
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

    async fn run(&self, mut from: TcpStream, line: &Line) {
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
        let Ok(to) = there.write.reunite_with(back.read) else { return };
        let Ok(whole) = back.write.reunite_with(there.read) else { return };
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

/// One direction of a connection.
struct Pump<'a> {
    shared: &'a Shared,
    line: &'a Line,
    way: Way,
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    passed: usize,
    /// The end of what has passed, in which the beginning of the watched bytes may be.
    tail: Vec<u8>,
}

trait Reunite {
    fn reunite_with(self, read: OwnedReadHalf) -> io::Result<TcpStream>;
}

impl Reunite for OwnedWriteHalf {
    fn reunite_with(self, read: OwnedReadHalf) -> io::Result<TcpStream> {
        read.reunite(self).map_err(io::Error::other)
    }
}

impl<'a> Pump<'a> {
    fn new(
        shared: &'a Shared,
        line: &'a Line,
        way: Way,
        read: OwnedReadHalf,
        write: OwnedWriteHalf,
    ) -> Self {
        Self { shared, line, way, read, write, passed: 0, tail: Vec::new() }
    }

    async fn run(&mut self) {
        // How it ended does not matter: the other end is told that it did.
        let _ = self.forward().await;
        let _ = self.write.shutdown().await;
    }

    async fn forward(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let count = self.read.read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            let bytes = &buffer[..count];
            if let Some(watch) = self.seen(bytes) {
                let (passes, when_it_may) = oneshot::channel();
                let line = self
                    .shared
                    .state()
                    .open
                    .iter()
                    .find(|line| std::ptr::eq(&***line, self.line))
                    .cloned();
                if let Some(line) = line
                    && watch.found.send(Held { line, passes: Some(passes) }).is_ok()
                {
                    // Dropping is leave to go on.
                    let _ = when_it_may.await;
                }
            }
            match self.shared.trouble() {
                Trouble::None | Trouble::Silence | Trouble::Refuse => {
                    self.write.write_all(bytes).await?
                }
                Trouble::Delay(by) => {
                    tokio::time::sleep(by).await;
                    self.write.write_all(bytes).await?;
                }
                Trouble::Drip(pause) => {
                    for byte in bytes {
                        self.write.write_all(std::slice::from_ref(byte)).await?;
                        tokio::time::sleep(pause).await;
                    }
                }
                Trouble::CutAfter(most) => {
                    let left = most.saturating_sub(self.passed).min(count);
                    self.write.write_all(&bytes[..left]).await?;
                    if left < count {
                        self.line.cut(true);
                    }
                }
            }
            self.passed += count;
        }
    }

    /// The watch that these bytes end.
    fn seen(&mut self, bytes: &[u8]) -> Option<Watch> {
        let mut state = self.shared.state();
        let Some(watch) = state.watch.as_ref().filter(|watch| watch.way == self.way) else {
            self.tail.clear();
            return None;
        };
        self.tail.extend_from_slice(bytes);
        let length = watch.bytes.len();
        if self.tail.windows(length).any(|window| window == watch.bytes) {
            self.tail.clear();
            return state.watch.take();
        }
        let keep = self.tail.len().min(length.saturating_sub(1));
        self.tail.drain(..self.tail.len() - keep);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    /// A server that sends back what it gets, and a road to it.
    async fn road() -> (Road, JoinSet<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let road = Road::to(listener.local_addr().unwrap()).await.unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut all = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                all.spawn(async move {
                    let (mut read, mut write) = stream.split();
                    drop(tokio::io::copy(&mut read, &mut write).await);
                });
            }
        });
        (road, server)
    }

    async fn echo(stream: &mut TcpStream, text: &str) -> io::Result<String> {
        stream.write_all(text.as_bytes()).await?;
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back).await?;
        Ok(String::from_utf8(back).unwrap())
    }

    #[tokio::test]
    async fn what_passes_is_what_came() {
        let (road, _server) = road().await;
        let mut stream = TcpStream::connect(road.address()).await.unwrap();
        assert_eq!(echo(&mut stream, "hello").await.unwrap(), "hello");
        road.suffer(Trouble::Drip(Duration::from_millis(1)));
        assert_eq!(echo(&mut stream, "drop by drop").await.unwrap(), "drop by drop");
        road.suffer(Trouble::Delay(Duration::from_millis(1)));
        assert_eq!(echo(&mut stream, "late").await.unwrap(), "late");
    }

    #[tokio::test]
    async fn a_cut_resets_what_is_open_and_lets_the_next_one_through() {
        let (road, _server) = road().await;
        let mut stream = TcpStream::connect(road.address()).await.unwrap();
        echo(&mut stream, "hello").await.unwrap();
        road.cut(true);
        let error = stream.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let mut stream = TcpStream::connect(road.address()).await.unwrap();
        assert_eq!(echo(&mut stream, "again").await.unwrap(), "again");
        road.suffer(Trouble::CutAfter(2));
        let mut stream = TcpStream::connect(road.address()).await.unwrap();
        assert!(echo(&mut stream, "longer").await.is_err());
    }

    #[tokio::test]
    async fn a_silenced_connection_stays_dead_and_is_not_told() {
        let (road, _server) = road().await;
        let mut stream = TcpStream::connect(road.address()).await.unwrap();
        echo(&mut stream, "hello").await.unwrap();
        road.suffer(Trouble::Silence);
        road.suffer(Trouble::None);
        stream.write_all(b"anybody?").await.unwrap();
        let mut byte = [0];
        let read = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut byte)).await;
        assert!(read.is_err(), "{read:?}");
        let mut fresh = TcpStream::connect(road.address()).await.unwrap();
        assert_eq!(echo(&mut fresh, "fresh").await.unwrap(), "fresh");
    }

    #[tokio::test]
    async fn watched_bytes_are_held_even_if_they_come_in_two_pieces() {
        let (road, _server) = road().await;
        let mut stream = TcpStream::connect(road.address()).await.unwrap();
        let watching = road.hold(Way::There, b"COMMIT", SOON);
        let sending = async {
            stream.write_all(b"please COM").await.unwrap();
            tokio::task::yield_now().await;
            stream.write_all(b"MIT now").await.unwrap();
        };
        let (held, ()) = tokio::join!(watching, sending);
        let held = held.expect("the bytes came");
        let mut back = vec![0; 17];
        let early = tokio::time::timeout(Duration::from_millis(100), stream.read_exact(&mut back));
        assert!(early.await.is_err(), "what is held passed");
        held.cut();
        assert!(stream.read(&mut [0; 32]).await.is_err());
    }
}
