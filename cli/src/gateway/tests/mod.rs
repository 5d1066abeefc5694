//! Programs that know of no login, this proxy, and an upstream proxy that wants one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use legwork::handshake::AuthenticatorBuilder;
use legwork::protection_space::Challenger;
use legwork::testing::{Builder, Offer, Server};
use legwork::{Authenticator, Credentials, Origin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use http::HeaderName;
use legwork::client::proxy::{Proxies, Proxy};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use super::access::{Access, Token, Users};
use super::counts::Counts;
use super::listener::{Address, Listener};
use super::origin::ServedOrigin;
use super::proxy::{ForwardProxy, Upstream};
use super::server::{Gateway, Limits, Role, Service};

mod access;
mod by_tls;
mod memory;
mod origins;
#[cfg(feature = "pac")]
mod pac;
mod plain;
mod tunnels;

const USER: &str = "LAB\\carol";
const PASSWORD: &str = "carol-pw";

/// A proxy that wants a login and opens tunnels.
fn upstream(offer: Offer) -> Builder {
    Server::builder()
        .user(USER, PASSWORD)
        .user("alice", "alice-pw")
        .offer_as(Challenger::Proxy, offer)
        .tunnels()
}

fn carol_at(upstream: &Server) -> AuthenticatorBuilder {
    Authenticator::builder().proxy_credentials(upstream.origin(), Credentials::password(USER, PASSWORD))
}

fn all(upstream: Origin) -> Proxies {
    Proxies::all(Proxy::new(upstream))
}

/// Trusts these.
fn tls(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the usual versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// A forward proxy that serves.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
    counts: Arc<Counts>,
    /// What it does.
    services: watch::Sender<Arc<Service>>,
}

impl Running {
    async fn in_front_of(upstream: &Server) -> Self {
        Self::new(upstream, carol_at(upstream), Limits::default()).await
    }

    async fn new(upstream: &Server, authenticator: AuthenticatorBuilder, limits: Limits) -> Self {
        Self::at(upstream.origin(), authenticator, limits).await
    }

    async fn at(upstream: Origin, authenticator: AuthenticatorBuilder, limits: Limits) -> Self {
        Self::through(all(upstream), authenticator, tls(RootCertStore::empty()), limits).await
    }

    async fn through(
        proxies: Proxies,
        authenticator: AuthenticatorBuilder,
        tls: ClientConfig,
        limits: Limits,
    ) -> Self {
        let counts = Arc::default();
        let upstream = Upstream::new(proxies, authenticator.build(), tls, &limits, &counts);
        let role = Role::Proxy(ForwardProxy::new(Arc::new(upstream), Vec::new()));
        Self::serving(Service { access: Access::new(Users::Own), role }, limits, counts).await
    }

    async fn serving(service: Service, limits: Limits, counts: Arc<Counts>) -> Self {
        let listen = Address::Tcp("127.0.0.1:0".parse().expect("an address"));
        let listener = Listener::bind(&listen).await.expect("a port");
        let Ok(Address::Tcp(address)) = listener.address() else { panic!("it listens") };
        let mut server = Gateway::new(limits, Arc::clone(&counts));
        let (services, service) = watch::channel(Arc::new(service));
        server.listen(listener, service);
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.serve(async {
            let _ = stopped.await;
        }));
        Self { address, stop, ended, counts, services }
    }

    async fn send(&self, request: &str) -> TcpStream {
        let mut local = TcpStream::connect(self.address).await.expect("it listens");
        local.write_all(request.as_bytes()).await.expect("sent");
        local
    }

    /// The answer to a request, up to the connection's end.
    async fn answer(&self, request: &str) -> String {
        let mut answer = String::new();
        let mut local = self.send(request).await;
        without_hanging(local.read_to_string(&mut answer)).await.expect("an answer");
        answer
    }

    /// A tunnel to this address.
    async fn tunnel(&self, target: SocketAddr) -> TcpStream {
        let mut local = self.send(&connect(target)).await;
        let head = head(&mut local).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        local
    }
}

fn connect(target: SocketAddr) -> String {
    format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(without_hanging(stream.read_u8()).await.expect("a head"));
    }
    String::from_utf8(head).expect("UTF-8")
}

/// An origin that says what it hears, and ends when it has heard all.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it listens");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await?;
                write.shutdown().await
            });
        }
    });
    address
}

async fn echoes(tunnel: &mut TcpStream, text: &str) {
    tunnel.write_all(text.as_bytes()).await.expect("sent");
    let mut heard = vec![0; text.len()];
    without_hanging(tunnel.read_exact(&mut heard)).await.expect("an echo");
    assert_eq!(String::from_utf8_lossy(&heard), text);
}

/// Six descriptors a tunnel, since all its ends are in this process.
fn as_many_as_the_descriptors_allow(tunnels: usize) -> usize {
    let Some(files) = crate::gateway::files::limit() else { return tunnels };
    let allowed = tunnels.min((files - 200) / 6);
    if allowed < tunnels {
        println!("{allowed} tunnels instead of {tunnels}: the process may open {files} files");
    }
    allowed
}

/// A safety net, never a measure: what takes longer hangs.
async fn without_hanging<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(300), work).await.expect("it ends by itself")
}
