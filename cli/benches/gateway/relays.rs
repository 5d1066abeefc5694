//! What stands between client and upstream proxy.

use std::io;
use std::net::SocketAddr;

use legwork::protection_space::Challenger;
use legwork::testing::{Offer, Server};
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};

use crate::until_the_parent_ends;

pub(crate) const USER: &str = "LAB\\carol";
pub(crate) const PASSWORD: &str = "carol-pw";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relay {
    /// `tokio::io::copy_bidirectional` with its own buffers of 8 KiB.
    Copy,
    /// The same with the gateway's size of buffers.
    LargeCopy,
    /// The program itself.
    Gateway,
}

impl Relay {
    pub(crate) const ALL: [Self; 3] = [Self::Copy, Self::LargeCopy, Self::Gateway];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Copy => "copying",
            Self::LargeCopy => "copying-64-KiB",
            Self::Gateway => "gateway",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|relay| relay.name() == name)
    }

    /// Serves until the parent ends.
    #[tokio::main]
    pub(crate) async fn run(self, upstream: SocketAddr) -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        match self {
            Self::Copy => drop(tokio::spawn(copy(listener, upstream, 8 * 1024))),
            Self::LargeCopy => drop(tokio::spawn(copy(listener, upstream, 64 * 1024))),
            Self::Gateway => return Err(io::Error::other("it is another program")),
        }
        tokio::task::spawn_blocking(until_the_parent_ends).await?
    }
}

/// Passes each connection on to the upstream proxy, which itself answers `CONNECT`.
async fn copy(listener: TcpListener, upstream: SocketAddr, buffer: usize) -> io::Result<()> {
    loop {
        let (mut local, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut upstream = TcpStream::connect(upstream).await?;
            for stream in [&local, &upstream] {
                stream.set_nodelay(true)?;
            }
            copy_bidirectional_with_sizes(&mut local, &mut upstream, buffer, buffer).await
        });
    }
}

/// Two upstream proxies: one that wants no login, and does for a site too, and one that wants one by NTLM.
#[tokio::main]
pub(crate) async fn upstream() -> io::Result<()> {
    let open = Server::builder().page(PAGE).tunnels().start().await?;
    let ntlm = Server::builder().user(USER, PASSWORD).offer_as(Challenger::Proxy, Offer::Ntlm);
    let ntlm = ntlm.page(PAGE).tunnels().start().await?;
    println!("{} {}", open.address(), ntlm.address());
    tokio::task::spawn_blocking(until_the_parent_ends).await?
}

/// Of a kibibyte.
pub(crate) const PAGE: &[u8] = &[b'x'; 1024];
