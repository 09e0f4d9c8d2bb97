//! One direction of a connection: forwards bytes under the trouble of the hour.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;

use super::{Held, Line, Shared, Trouble, Watch, Way};

/// One direction of a connection.
pub(super) struct Pump<'a> {
    shared: &'a Shared,
    line: &'a Arc<Line>,
    way: Way,
    pub(super) read: OwnedReadHalf,
    pub(super) write: OwnedWriteHalf,
    passed: usize,
    /// The end of what has passed, in which the beginning of the watched bytes may be.
    tail: Vec<u8>,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        line: &'a Arc<Line>,
        way: Way,
        read: OwnedReadHalf,
        write: OwnedWriteHalf,
    ) -> Self {
        Self { shared, line, way, read, write, passed: 0, tail: Vec::new() }
    }

    pub(super) async fn run(&mut self) {
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
                let held = Held { line: Arc::clone(self.line), passes: Some(passes) };
                if watch.found.send(held).is_ok() {
                    // Dropping is leave to go on.
                    let _ = when_it_may.await;
                    if self.line.cut.is_cancelled() {
                        // The cut is about to be seen, and until then nothing passes.
                        return std::future::pending().await;
                    }
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

    /// The watch that these bytes end. What else waits for them waits for the next.
    fn seen(&mut self, bytes: &[u8]) -> Option<Watch> {
        let mut state = self.shared.state();
        let lengths = state.watches.iter().filter(|watch| watch.way == self.way);
        let Some(longest) = lengths.map(|watch| watch.bytes.len()).max() else {
            self.tail.clear();
            return None;
        };
        let passed = self.tail.len();
        self.tail.extend_from_slice(bytes);
        let ends_here = |watch: &Watch| {
            // Bytes that have passed as a whole are too late for it.
            let from = (passed + 1).saturating_sub(watch.bytes.len());
            let mut windows = self.tail[from..].windows(watch.bytes.len());
            watch.way == self.way && windows.any(|window| window == watch.bytes)
        };
        if let Some(place) = state.watches.iter().position(ends_here) {
            self.tail.clear();
            return Some(state.watches.remove(place));
        }
        let keep = self.tail.len().min(longest.saturating_sub(1));
        self.tail.drain(..self.tail.len() - keep);
        None
    }
}
