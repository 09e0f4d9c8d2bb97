//! Answer bodies that go wrong on the wire: cut in the middle, or without an end.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::rt::time::{Sleep, sleep};
use actix_web::web::Bytes;

/// How long a half body is given to leave before its connection is cut.
const HALF_LEAVES: Duration = Duration::from_millis(30);

/// A body that does not end as it should.
pub(crate) enum Evil {
    Half { first: Option<Bytes>, announced: u64, socket: Arc<TcpStream>, cut: Pin<Box<Sleep>> },
    Endless(Bytes),
    Drip { every: Duration, next: Pin<Box<Sleep>> },
}

impl Evil {
    /// Announces the whole body, sends half of it and cuts the connection.
    pub(crate) fn half(body: &[u8], socket: Arc<TcpStream>) -> Self {
        let first = Bytes::copy_from_slice(&body[..body.len() / 2]);
        // At least one byte is announced, so that even the half of nothing is too short.
        let announced = body.len().max(1) as u64;
        Self::Half { first: Some(first), announced, socket, cut: Box::pin(sleep(HALF_LEAVES)) }
    }

    pub(crate) fn endless() -> Self {
        Self::Endless(Bytes::from(vec![b' '; 64 * 1024]))
    }

    pub(crate) fn drip(every: Duration) -> Self {
        Self::Drip { every, next: Box::pin(sleep(every)) }
    }
}

impl MessageBody for Evil {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        match self {
            Self::Half { announced, .. } => BodySize::Sized(*announced),
            Self::Endless(_) | Self::Drip { .. } => BodySize::Stream,
        }
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, io::Error>>> {
        match &mut *self {
            Self::Half { first, socket, cut, .. } => {
                if let Some(bytes) = first.take().filter(|bytes| !bytes.is_empty()) {
                    return Poll::Ready(Some(Ok(bytes)));
                }
                ready!(cut.as_mut().poll(cx));
                // The client may have gone already; then it is cut as well.
                let _ = socket.shutdown(Shutdown::Both);
                Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))
            }
            Self::Endless(chunk) => Poll::Ready(Some(Ok(chunk.clone()))),
            Self::Drip { every, next } => {
                ready!(next.as_mut().poll(cx));
                *next = Box::pin(sleep(*every));
                Poll::Ready(Some(Ok(Bytes::from_static(b" "))))
            }
        }
    }
}
