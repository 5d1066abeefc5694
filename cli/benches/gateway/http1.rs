//! Reads HTTP's heads from a socket.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Reads on until there is a head, and tells where it ends; `None` where the connection ends before it has begun.
pub(crate) async fn head(stream: &mut TcpStream, read: &mut Vec<u8>) -> io::Result<Option<usize>> {
    loop {
        if let Some(end) = read.windows(4).position(|octets| octets == b"\r\n\r\n") {
            return Ok(Some(end + 4));
        }
        if stream.read_buf(read).await? == 0 {
            return if read.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}
