//! A sender's connection: one request out, one answer in, no more of HTTP than that takes.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// After this long dbt, too, gives up.
const LIMIT: Duration = Duration::from_secs(10);

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Box<[u8]>,
}

/// An open connection, kept alive from one request to the next.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// # Errors
    /// If nobody accepts it within ten seconds.
    pub async fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = tokio::time::timeout(LIMIT, TcpStream::connect(to)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(1024) })
    }

    /// Sends a request and waits for its answer. After an error the connection is of no more use.
    ///
    /// # Errors
    /// If the connection ends or ten seconds pass before the whole answer is there.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        tokio::time::timeout(LIMIT, async {
            self.stream.write_all(request).await?;
            self.received.clear();
            loop {
                if self.stream.read_buf(&mut self.received).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                if let Some(answer) = parse(&self.received)? {
                    return Ok(answer);
                }
            }
        })
        .await?
    }
}

/// `None` while there is more to come.
fn parse(received: &[u8]) -> io::Result<Option<Answer>> {
    let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "not an answer that we understand");
    let head = std::str::from_utf8(&received[..end]).map_err(|_| wrong())?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).ok_or_else(wrong)?;
    let status = status.get(..3).and_then(|code| code.parse().ok()).ok_or_else(wrong)?;
    let length: usize = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or_else(wrong)?;
    let body = received.get(end + 4..end + 4 + length);
    Ok(body.map(|body| Answer { status, body: body.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_length_has_come() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut]).unwrap(), None, "{cut}");
        }
        let answer = parse(bytes).unwrap();
        assert_eq!(answer, Some(Answer { status: 200, body: (*b"{}").into() }));
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        assert!(parse(b"SSH-2.0\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
