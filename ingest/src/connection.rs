//! A client's connection, which stands under a deadline from its first byte to its last.
//!
//! actix times the head of the first request only: on a connection that is kept alive, a later
//! head may be dripped for ever. Here every head has the same limit, and every request one by
//! which it is over, whatever is still to be read or written.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::Limits;

const TOO_SLOW: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// What a request may take beyond its own limits until its answer is on the wire.
const MARGIN: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between requests: not a byte of a further head has come.
    Idle,
    /// A head is coming in.
    Head,
    /// The head is there; the request is being read, worked on, or answered.
    Request,
    /// The last answer was given; what still comes is thrown away.
    Closing,
}

#[derive(Debug, Clone, Copy)]
struct Moment {
    phase: Phase,
    /// When the first byte of the request at hand came.
    begun: Instant,
    /// When the phase must be over.
    until: Instant,
}

/// Where a connection stands; shared by its stream, which counts bytes, and the requests on it.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    moment: Rc<Cell<Moment>>,
    limits: Rc<Limits>,
}

impl Watch {
    fn new(limits: Rc<Limits>) -> Self {
        let begun = Instant::now();
        let moment = Moment { phase: Phase::Idle, begun, until: begun + limits.head };
        Self { moment: Rc::new(Cell::new(moment)), limits }
    }

    /// The head of a request is complete; gives when its first byte came.
    pub(crate) fn begin(&self) {
        let Moment { phase, begun, .. } = self.moment.get();
        // A pipelined request may have come in with the bytes of the one before.
        let begun = if phase == Phase::Head { begun } else { Instant::now() };
        let until = begun + self.limits.request + self.limits.store + MARGIN;
        self.moment.set(Moment { phase: Phase::Request, begun, until });
    }

    /// The request at hand was answered.
    pub(crate) fn answered(&self, last: bool) {
        let begun = Instant::now();
        let (phase, rest) = if last {
            (Phase::Closing, self.limits.linger)
        } else {
            (Phase::Idle, self.limits.keep_alive)
        };
        self.moment.set(Moment { phase, begun, until: begun + rest });
    }

    /// When the whole of this request must have been read.
    pub(crate) fn read_until(request: &HttpRequest, limits: &Limits) -> Instant {
        let begun =
            request.conn_data::<Self>().map_or_else(Instant::now, |watch| watch.moment.get().begun);
        begun + limits.request
    }

    fn bytes_came(&self) {
        if self.moment.get().phase == Phase::Idle {
            let begun = Instant::now();
            self.moment.set(Moment { phase: Phase::Head, begun, until: begun + self.limits.head });
        }
    }
}

/// A stream that ends when its [`Watch`] says so.
pub(crate) struct Watched {
    io: TcpStream,
    timer: Pin<Box<Sleep>>,
    watch: Watch,
}

impl Watched {
    pub(crate) fn new(io: TcpStream, limits: Rc<Limits>) -> Self {
        let watch = Watch::new(limits);
        Self { io, timer: Box::pin(sleep_until(watch.moment.get().until)), watch }
    }

    pub(crate) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.watch.moment.get().until;
        if self.timer.deadline() != until {
            self.timer.as_mut().reset(until);
        }
        self.timer.as_mut().poll(cx)
    }

    /// What a reader gets when time is up: the end of the stream, before which a head that was
    /// begun is answered. A request at hand has had its answer long ago, or never will.
    fn late(&mut self) -> io::Result<()> {
        match self.watch.moment.get().phase {
            Phase::Idle | Phase::Closing => Ok(()),
            Phase::Head => {
                // The answer before this one is out: each is smaller than a socket's buffer. If
                // not even this fits, the client is not reading.
                let _ = self.io.try_write(TOO_SLOW);
                self.watch.answered(true);
                Ok(())
            }
            Phase::Request => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Asked before reading: a client that never pauses must come to its end as well.
        if self.poll_late(cx).is_ready() {
            return Poll::Ready(self.late());
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.watch.bytes_came();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        // With an answer a new phase has begun, whose end must wake the reader.
        if self.poll_late(cx).is_ready() {
            if written.is_pending() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            cx.waker().wake_by_ref();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
