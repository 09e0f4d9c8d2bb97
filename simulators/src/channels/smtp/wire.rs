//! The lines of one connection, in the clear or by TLS.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

pub(super) struct Wire {
    lines: BufReader<Box<dyn Stream>>,
    /// The connection below.
    socket: TcpStream,
    pub(super) is_protected: bool,
}

impl Wire {
    pub(super) fn clear(socket: TcpStream) -> io::Result<Self> {
        let stream: Box<dyn Stream> = Box::new(socket.try_clone()?);
        Ok(Self { lines: BufReader::new(stream), socket, is_protected: false })
    }

    /// TLS from here on. What came before it was finished is nobody's.
    pub(super) fn protected(self, config: &Arc<ServerConfig>) -> io::Result<Self> {
        if !self.lines.buffer().is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        let stream = StreamOwned::new(connection, self.socket.try_clone()?);
        let lines = BufReader::new(Box::new(stream) as Box<dyn Stream>);
        Ok(Self { lines, socket: self.socket, is_protected: true })
    }

    pub(super) fn say(&mut self, line: &str) -> io::Result<()> {
        let stream = self.lines.get_mut();
        stream.write_all(format!("{line}\r\n").as_bytes())?;
        stream.flush()
    }

    /// With its end; nothing once nobody is there any more.
    pub(super) fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        Ok((self.lines.read_line(&mut line)? > 0).then_some(line))
    }

    /// Ends the connection without a word.
    pub(super) fn close(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Both)
    }

    /// Ends the connection as a process that dies does.
    pub(super) fn reset(self) -> io::Result<()> {
        SockRef::from(&self.socket).set_linger(Some(Duration::ZERO))
    }
}
