//! A KDC's two sockets (RFC 4120, section 7.2).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{JoinSet, spawn_blocking};

use super::core::{Answer, Core, Way};

/// More than a request may have: one with a ticket that holds a large PAC stays below it.
const MAX_REQUEST: usize = 64 * 1024;
/// How many ports are tried that may be free for one protocol and not for the other.
const TRIES: usize = 64;

/// Both sockets of one port. Dropping it closes them and the connections.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Sockets {
    /// Listens on a free port of loopback, over UDP and TCP.
    pub(super) async fn open(core: Arc<Core>) -> io::Result<Self> {
        let (listener, socket) = bind().await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_datagrams(socket, core.clone()));
        tasks.spawn(serve_connections(listener, core));
        Ok(Self { address, _tasks: tasks })
    }
}

async fn bind() -> io::Result<(TcpListener, UdpSocket)> {
    let mut failed = None;
    for _ in 0..TRIES {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        match UdpSocket::bind(listener.local_addr()?).await {
            Ok(socket) => return Ok((listener, socket)),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

async fn serve_datagrams(socket: UdpSocket, core: Arc<Core>) {
    let socket = Arc::new(socket);
    let mut requests = JoinSet::new();
    let mut buffer = vec![0; MAX_REQUEST];
    loop {
        // An error here is about a datagram that was sent to a client which is gone.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let (socket, core, request) = (socket.clone(), core.clone(), buffer[..length].to_vec());
        requests.spawn(async move {
            match answer(core, Way::Datagram, request).await {
                Answer::Message(message) | Answer::Cut(message) => {
                    let _ = socket.send_to(&message, client).await;
                }
                Answer::Nothing | Answer::Close => (),
            }
        });
        while requests.try_join_next().is_some() {}
    }
}

async fn serve_connections(listener: TcpListener, core: Arc<Core>) {
    let mut connections = JoinSet::new();
    loop {
        // An error here is about a connection that was gone before it was taken.
        let Ok((stream, _)) = listener.accept().await else { continue };
        core.connected();
        let core = core.clone();
        connections.spawn(async move {
            // However it ends: by the client, or by what the client has sent.
            let _ = serve_connection(stream, core).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Requests and answers, each behind its length.
async fn serve_connection(mut stream: TcpStream, core: Arc<Core>) -> io::Result<()> {
    loop {
        let length = stream.read_u32().await? as usize;
        if length > MAX_REQUEST {
            return Ok(());
        }
        let mut request = vec![0; length];
        stream.read_exact(&mut request).await?;
        match answer(core.clone(), Way::Stream, request).await {
            Answer::Message(message) => {
                let length = u32::try_from(message.len()).map_err(io::Error::other)?;
                stream.write_all(&[&length.to_be_bytes(), &*message].concat()).await?;
            }
            Answer::Cut(message) => {
                stream.write_all(&[&i32::MAX.to_be_bytes(), &*message].concat()).await?;
            }
            Answer::Nothing => (),
            Answer::Close => return Ok(()),
        }
    }
}

/// Away from the runtime's threads: making a key of a password is slow.
async fn answer(core: Arc<Core>, way: Way, request: Vec<u8>) -> Answer {
    spawn_blocking(move || core.answer(way, &request)).await.unwrap_or(Answer::Nothing)
}
