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

/// Four upstream proxies: one that wants no login, and does for a site too, and three that want one by NTLM. To each line that
/// comes it says how many connections and logins these three have had.
#[tokio::main]
pub(crate) async fn upstream() -> io::Result<()> {
    let open = Server::builder().page(PAGE).tunnels().start().await?;
    let mut wanting = Vec::new();
    for _ in 0..3 {
        let ntlm = Server::builder().user(USER, PASSWORD).offer_as(Challenger::Proxy, Offer::Ntlm);
        wanting.push(ntlm.page(PAGE).tunnels().start().await?);
    }
    let addresses = wanting.iter().map(|server| format!(" {}", server.address()));
    println!("{}{}", open.address(), addresses.collect::<String>());
    tokio::task::spawn_blocking(move || {
        for _ in io::stdin().lines().map_while(Result::ok) {
            let reports = wanting.iter().map(Server::report);
            let said =
                reports.map(|report| format!("{} {} ", report.connections().len(), report.handshakes()));
            println!("{}", said.collect::<String>());
        }
    })
    .await
    .map_err(io::Error::other)
}

/// Of a kibibyte.
const PAGE: &[u8] = &[b'x'; 1024];
