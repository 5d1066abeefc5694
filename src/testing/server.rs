//! The server: what it is made of, and the handle on it.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use http::{HeaderValue, Uri};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::connection::drive;
#[cfg(feature = "http2")]
use super::connection::drive_http2;
use super::ntlm::NtlmAcceptor;
use super::offer::Offer;
use super::open::OpenConnection;
use super::quirk::{Quirk, Script, When};
use super::report::{Recorder, Report};
use super::shared::{Command, ServerState};
use super::spnego::SpnegoAcceptor;
use super::users::Users;
use crate::protection_space::{Challenger, Origin};

/// An HTTP/1.1 server on a loopback port that demands authentication. Dropping it closes
/// everything.
///
/// | Path | Answer |
/// |---|---|
/// | `/public…` | `200` for everyone |
/// | `/denied…` | `401` even for users who have proven who they are |
/// | `/status/NNN` | that status, after authentication |
/// | `/method-not-allowed` | `405` for all but `GET`, after authentication |
/// | `/upgrade` | `101` to the protocol asked for, after authentication; what comes is sent back |
/// | any other | `200`, after authentication |
///
/// `X-User`, `X-Connection`, `X-Leg` and `X-Body-Octets` in the answer tell who was served, on
/// which connection, and how much content the server had read.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<ServerState>,
    commands: watch::Sender<Command>,
}

impl Server {
    /// Starts the description of a server.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its origin, `http://127.0.0.1:port`.
    pub fn origin(&self) -> Origin {
        Origin::from_uri(&self.uri("/")).expect("an absolute http URI has an origin")
    }

    /// Returns the URI of a path on it.
    ///
    /// # Panics
    ///
    /// If `path` does not begin with a slash, or has characters that no URI has.
    pub fn uri(&self, path: &str) -> Uri {
        assert!(path.starts_with('/'), "{path:?} does not begin with a slash");
        format!("http://{}{path}", self.address).parse().expect("the path has no characters foreign to URIs")
    }

    /// Returns what the server has seen so far.
    pub fn report(&self) -> Report {
        self.shared.recorder.snapshot()
    }

    /// Waits until the report satisfies a condition, without polling, and returns it.
    ///
    /// It waits for as long as it takes: wrap it in a timeout where the test has none.
    pub async fn wait_for(&self, condition: impl Fn(&Report) -> bool) -> Report {
        let mut reports = self.shared.recorder.subscribe();
        let report = reports.wait_for(condition).await;
        report.expect("the server itself keeps the sender").clone()
    }

    /// Serves a connection that came by other ways: through TLS, or a pipe in memory. Its peer
    /// has no address in the report.
    ///
    /// Must be called in a Tokio runtime, like everything that begins a task.
    pub fn serve_connection<IO>(&self, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let open = OpenConnection::new(self.shared.clone(), None);
        tokio::spawn(drive(io, open, self.commands.subscribe()));
    }

    /// Serves a connection that has agreed to HTTP/2 (by ALPN). It takes 256 requests at a time.
    #[cfg(feature = "http2")]
    pub fn serve_http2_connection<IO>(&self, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let open = OpenConnection::new(self.shared.clone(), None);
        tokio::spawn(drive_http2(io, open, self.commands.subscribe()));
    }

    /// Closes the connections that have no request to answer, as servers do after a while.
    /// The report tells when they are closed.
    pub fn close_idle(&self) {
        self.commands.send_replace(Command::CloseIdle);
    }

    /// Closes everything and waits until it is closed.
    pub async fn shutdown(self) {
        self.commands.send_replace(Command::Stop);
        self.commands.closed().await;
    }
}

/// What a [`Server`] is to be: its users, offers and quirks.
#[derive(Default)]
pub struct Builder {
    users: Users,
    origin_offers: Vec<Offer>,
    proxy_offers: Vec<Offer>,
    script: Script,
    page: Option<Bytes>,
    tunnels: bool,
    ntlm: Option<Box<dyn Fn(NtlmAcceptor) -> NtlmAcceptor + Send + Sync>>,
    spnego: Option<Box<dyn Fn(SpnegoAcceptor) -> SpnegoAcceptor + Send + Sync>>,
}

impl Builder {
    /// Adds a user, `DOMAIN\user` or `user`, with a password.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users = self.users.with(name, password);
        self
    }

    /// Offers a scheme; challenges come in the order of these calls. A server without offers
    /// demands nothing.
    #[must_use]
    pub fn offer(self, offer: Offer) -> Self {
        self.offer_as(Challenger::Origin, offer)
    }

    /// Offers a scheme as the origin server or as a proxy.
    ///
    /// What a proxy offers is demanded, by `407`, for requests whose target is in absolute form,
    /// and for `CONNECT`. Nothing is forwarded but by [`tunnels`](Self::tunnels): the server then
    /// serves the page itself, as the origin, which may demand authentication in turn on the same
    /// connection.
    #[must_use]
    pub fn offer_as(mut self, challenger: Challenger, offer: Offer) -> Self {
        match challenger {
            Challenger::Origin => self.origin_offers.push(offer),
            Challenger::Proxy => self.proxy_offers.push(offer),
        }
        self
    }

    /// Opens the tunnels that `CONNECT` asks for, to wherever it says. Otherwise the answer is
    /// `501`.
    #[must_use]
    pub fn tunnels(mut self) -> Self {
        self.tunnels = true;
        self
    }

    /// Adds a quirk for all legs.
    #[must_use]
    pub fn quirk(self, quirk: Quirk) -> Self {
        self.quirk_when(When::always(), quirk)
    }

    /// Adds a quirk for the legs that fit.
    #[must_use]
    pub fn quirk_when(mut self, when: When, quirk: Quirk) -> Self {
        self.script.push(when, quirk);
        self
    }

    /// Sets the content of pages, instead of a line that tells user, connection and leg.
    #[must_use]
    pub fn page(mut self, content: impl Into<Bytes>) -> Self {
        self.page = Some(content.into());
        self
    }

    /// Sets up each NTLM acceptor: to demand channel bindings, say, or to challenge in an old form.
    #[must_use]
    pub fn ntlm(mut self, set_up: impl Fn(NtlmAcceptor) -> NtlmAcceptor + Send + Sync + 'static) -> Self {
        self.ntlm = Some(Box::new(set_up));
        self
    }

    /// Sets up each SPNEGO acceptor: to send no `mechListMIC`, say.
    #[must_use]
    pub fn spnego(
        mut self,
        set_up: impl Fn(SpnegoAcceptor) -> SpnegoAcceptor + Send + Sync + 'static,
    ) -> Self {
        self.spnego = Some(Box::new(set_up));
        self
    }

    /// Listens on a free loopback port and begins to serve, in the current Tokio runtime.
    ///
    /// # Errors
    ///
    /// If there is no free port, or if an offer does not fit into a header field.
    pub async fn start(self) -> io::Result<Server> {
        for offer in self.origin_offers.iter().chain(&self.proxy_offers) {
            for challenge in offer.challenges() {
                HeaderValue::from_bytes(challenge.as_bytes()).map_err(io::Error::other)?;
            }
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(ServerState {
            users: Arc::new(self.users),
            origin_offers: self.origin_offers,
            proxy_offers: self.proxy_offers,
            script: self.script,
            page: self.page,
            tunnels: self.tunnels,
            ntlm: self.ntlm,
            spnego: self.spnego,
            handshakes: AtomicU64::new(0),
            recorder: Recorder::new(),
        });
        let commands = watch::Sender::new(Command::Serve);
        tokio::spawn(accept(listener, shared.clone(), commands.subscribe()));
        Ok(Server { address, shared, commands })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("users", &self.users)
            .field("origin_offers", &self.origin_offers)
            .field("proxy_offers", &self.proxy_offers)
            .field("script", &self.script)
            .finish_non_exhaustive()
    }
}

/// Takes connections until the handle is gone.
async fn accept(listener: TcpListener, shared: Arc<ServerState>, mut commands: watch::Receiver<Command>) {
    loop {
        let accepted = tokio::select! {
            // Commands first: one that is older than a connection is none for it.
            biased;
            changed = commands.changed() => {
                if changed.is_err() || *commands.borrow_and_update() == Command::Stop {
                    return;
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        // An error here is that of one connection which was gone before it was taken.
        let Ok((stream, peer)) = accepted else { continue };
        let _ = stream.set_nodelay(true);
        tokio::spawn(drive(stream, OpenConnection::new(shared.clone(), Some(peer)), commands.clone()));
    }
}
