//! Requests that are given up wherever they wait: after each poll, and on being woken for the next one.
//!
//! This is done for each scheme over each client, until a request comes to its end. Bob's connection is open
//! all the time, and there is room for one more: a place that is lost would show in the next request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::tunnel::Tunnel;
use legwork::client::{ClientBuilder, KdcSockets};
use legwork::credentials::ProxyCredentials;
use legwork::handshake::{AuthenticatorBuilder, LockoutBounds};
use legwork::mechanism::kerberos::Kerberos;
use legwork::protection_space::Challenger;
use legwork::scheme::Negotiate;
use legwork::service::{
    Authenticate, AuthenticateLayer, BoxFuture, ConnectionInfo, Environment, Error, ErrorKind,
};
use legwork::testing::{
    DigestAcceptor, Judge, Judgement, Kdc, Offer, Presentation, ScramAcceptor, Server, Users,
};
use legwork::{Client, Credentials, Origin};
use tokio::sync::Mutex;
use tower::Layer;

use crate::https::{ECDSA, Https, trusting};
use crate::leaf::{self, Leaf};
use crate::support::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Basic,
    Bearer,
    Digest,
    Scram,
    Ntlm,
    /// NTLM inside SPNEGO.
    Negotiate,
    Kerberos,
    Iakerb,
}

/// The client, and how it reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Hyper,
    Reqwest,
    Legacy,
    Layer,
    /// It is the proxy that wants the login.
    Proxy,
    /// Through a proxy that wants one, and to an origin that wants one by NTLM.
    Tunnel,
    /// By HTTP/2, and by HTTP/1.1 where the scheme logs connections in.
    Http2,
    /// Through a proxy that wants a login by the scheme, and to an origin that wants one by Digest over HTTP/2.
    Http2Tunnel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Alice,
    /// Alice, by a password that is wrong.
    Mistaken,
    Bob,
}

/// When a request is given up after so many polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drop {
    AtOnce,
    /// What it waited for has come, and it has not looked.
    OnceWoken,
}

const SCHEMES: [Scheme; 8] = [
    Scheme::Basic,
    Scheme::Bearer,
    Scheme::Digest,
    Scheme::Scram,
    Scheme::Ntlm,
    Scheme::Negotiate,
    Scheme::Kerberos,
    Scheme::Iakerb,
];

const HOUR: Duration = Duration::from_secs(3_600);
const REALM: &str = "LAB.TEST";
const SERVICE: &str = "HTTP/www.lab.test";

#[tokio::test]
async fn costs_its_connection_and_nothing_else_over_hyper() {
    holds(Way::Hyper).await;
}

#[tokio::test]
async fn costs_its_connection_and_nothing_else_over_reqwest() {
    holds(Way::Reqwest).await;
}

#[tokio::test]
async fn costs_its_connection_and_nothing_else_over_the_legacy_client() {
    holds(Way::Legacy).await;
}

#[tokio::test]
async fn costs_its_connection_and_nothing_else_over_the_layer() {
    holds(Way::Layer).await;
}

#[tokio::test]
async fn costs_its_connection_and_nothing_else_by_a_proxy() {
    holds(Way::Proxy).await;
}

#[tokio::test]
async fn costs_its_connection_and_nothing_else_through_a_tunnel() {
    holds(Way::Tunnel).await;
}

#[tokio::test]
async fn costs_its_stream_and_nothing_else_over_http2() {
    holds(Way::Http2).await;
}

#[tokio::test]
async fn costs_its_stream_and_nothing_else_over_http2_through_a_tunnel() {
    holds(Way::Http2Tunnel).await;
}

#[tokio::test]
async fn holds_nobody_up_over_hyper() {
    holds_nobody_up(Way::Hyper).await;
}

#[tokio::test]
async fn holds_nobody_up_over_reqwest() {
    holds_nobody_up(Way::Reqwest).await;
}

#[tokio::test]
async fn holds_nobody_up_over_the_legacy_client() {
    holds_nobody_up(Way::Legacy).await;
}

#[tokio::test]
async fn holds_nobody_up_over_http2() {
    holds_nobody_up(Way::Http2).await;
}

#[tokio::test]
async fn a_wrong_password_is_tried_twice_at_most_over_hyper() {
    stays_bounded(Way::Hyper).await;
}

#[tokio::test]
async fn a_wrong_password_is_tried_twice_at_most_over_reqwest() {
    stays_bounded(Way::Reqwest).await;
}

#[tokio::test]
async fn a_wrong_password_is_tried_twice_at_most_over_the_legacy_client() {
    stays_bounded(Way::Legacy).await;
}

#[tokio::test]
async fn a_wrong_password_is_tried_twice_at_most_over_the_layer() {
    stays_bounded(Way::Layer).await;
}

#[tokio::test]
async fn a_wrong_password_is_tried_twice_at_most_by_a_proxy() {
    stays_bounded(Way::Proxy).await;
}

#[tokio::test]
async fn a_wrong_password_is_tried_twice_at_most_through_a_tunnel() {
    stays_bounded(Way::Tunnel).await;
}

#[tokio::test]
async fn a_wrong_password_is_tried_twice_at_most_over_http2() {
    stays_bounded(Way::Http2).await;
}

#[tokio::test]
async fn a_wrong_password_is_tried_twice_at_most_over_http2_through_a_tunnel() {
    stays_bounded(Way::Http2Tunnel).await;
}

/// Counts polls until one is the last.
async fn at_every_poll<F: Future<Output = bool>>(mut given_up: impl FnMut(usize, Drop) -> F) -> usize {
    let mut points = 0;
    for drop in [Drop::AtOnce, Drop::OnceWoken] {
        let mut polls = 0;
        while without_hanging(given_up(polls, drop)).await {
            (points, polls) = (points + 1, polls + 1);
            assert!(polls < 1_000, "it comes to an end");
        }
    }
    points
}

async fn holds(way: Way) {
    for scheme in SCHEMES {
        let points = at_every_poll(|polls, drop| async move {
            let peer = Peer::start(way, scheme).await;
            let asks = peer.asks(Who::Alice, 2);
            let before = asks.status(Who::Bob, "/before").await;
            assert_eq!(before, 200, "{scheme:?}");
            let given_up = asks.give_up(Who::Alice, polls, drop).await;
            // Who has nothing to do with it first: nobody lets go of a place for him.
            assert_eq!(asks.status(Who::Bob, "/bob").await, 200);
            assert_eq!(asks.status(Who::Alice, "/alice").await, 200);
            assert_eq!(asks.status(Who::Bob, "/bob").await, 200);
            peer.is_left_by(&asks).await;

            let report = peer.server.report();
            let at = format!("{way:?}, {scheme:?}, {polls} polls, {drop:?}: {report}");
            assert_eq!((report.misplaced(), report.refused()), (0, 0), "{at}");
            assert!(report.connections().iter().all(|connection| users(connection).len() <= 1), "{at}");
            // One that a scheme could not be used on ended with the first challenge.
            let [unfit @ .., bobs] = &report.connections()[..peer.first_connections()] else {
                panic!("{at}")
            };
            let others = &report.connections()[peer.first_connections()..];
            assert!(others.len() <= 2, "{at}");
            let of = |connection, path: &str| {
                targets_on(connection).into_iter().filter(|target| target.ends_with(path)).count()
            };
            assert!(of(bobs, "/bob") >= 2 && of(bobs, "/alice") == 0, "{at}");
            let mut others = others.iter().chain(unfit);
            assert!(others.all(|connection| of(connection, "/bob") == 0), "{at}");
            if let Some(proxy) = &peer.tunnels {
                let report = proxy.report();
                assert_eq!((report.misplaced(), report.refused()), (0, 0), "{at}{report}");
                assert!(report.connections().len() <= 3, "{at}{report}");
            }
            given_up
        })
        .await;
        assert!(points > 5, "{way:?}, {scheme:?}: it is given up at {points} points");
    }
}

/// The same amid others: with one place or two they wait for those, with three for each other's logins.
async fn holds_nobody_up(way: Way) {
    for scheme in [Scheme::Basic, Scheme::Digest, Scheme::Ntlm, Scheme::Kerberos] {
        for places in 1..=3 {
            let points = at_every_poll(|polls, drop| async move {
                let peer = Peer::start(way, scheme).await;
                let asks = peer.asks(Who::Alice, places);
                let (bob, given_up, alice) = tokio::join!(
                    asks.status(Who::Bob, "/bob"),
                    asks.give_up(Who::Alice, polls, drop),
                    asks.status(Who::Alice, "/alice"),
                );
                assert_eq!((bob, alice), (200, 200));
                peer.is_left_by(&asks).await;
                let report = peer.server.report();
                let at = format!("{way:?}, {scheme:?}, {places}, {polls} polls, {drop:?}: {report}");
                assert_eq!((report.misplaced(), report.refused()), (0, 0), "{at}");
                assert!(report.connections().iter().all(|connection| users(connection).len() <= 1), "{at}");
                given_up
            })
            .await;
            assert!(points > 5, "{way:?}, {scheme:?}: it is given up at {points} points");
        }
    }
}

async fn stays_bounded(way: Way) {
    for scheme in SCHEMES {
        let points = at_every_poll(|polls, drop| async move {
            let peer = Peer::start(way, scheme).await;
            let asks = peer.asks(Who::Mistaken, 2);
            let mut given_up = false;
            for _ in 0..4 {
                given_up |= asks.give_up(Who::Mistaken, polls, drop).await;
            }
            for _ in 0..2 {
                assert_ne!(asks.result(Who::Mistaken, "/mistaken").await, Some(200));
            }
            if !matches!(way, Way::Tunnel | Way::Http2Tunnel) {
                assert_eq!(asks.status(Who::Bob, "/bob").await, 200);
            }
            peer.is_left_by(&asks).await;
            let at = format!("{way:?}, {scheme:?}, {polls} polls, {drop:?}: {}", peer.server.report());
            assert!(peer.wrong_attempts() <= 2, "{} attempts: {at}", peer.wrong_attempts());
            given_up
        })
        .await;
        assert!(points > 5, "{way:?}, {scheme:?}: it is given up at {points} points");
    }
}

/// The server of one request that is given up, and what is around it.
struct Peer {
    way: Way,
    scheme: Scheme,
    server: Arc<Server>,
    /// What it is behind, if that is TLS.
    https: Option<Https>,
    /// The proxy, if it is one for tunnels.
    tunnels: Option<Server>,
    kdc: Option<Kdc>,
}

impl Peer {
    async fn start(way: Way, scheme: Scheme) -> Self {
        let kdc = match scheme {
            Scheme::Kerberos | Scheme::Iakerb => {
                let kdc = Kdc::builder(REALM).user("alice", "alice-pw").user("bob", "bob-pw");
                Some(kdc.service(SERVICE).start().await.expect("a port"))
            }
            _ => None,
        };
        let offer = scheme.offer(kdc.as_ref());
        let (server, tunnels) = match way {
            Way::Hyper | Way::Reqwest | Way::Legacy | Way::Layer => (server_of_three([offer]), None),
            Way::Proxy => (server_of_three([]).offer_as(Challenger::Proxy, offer), None),
            Way::Http2 => (server_of_three([offer]), None),
            Way::Tunnel => (server_of_three([Offer::Ntlm]), Some(tunnelling(offer))),
            Way::Http2Tunnel => (server_of_three([Scheme::Digest.offer(None)]), Some(tunnelling(offer))),
        };
        let tunnels = match tunnels {
            Some(proxy) => Some(proxy.start().await.expect("a proxy")),
            None => None,
        };
        let (server, https) = match way {
            Way::Http2 | Way::Http2Tunnel => {
                let https = Https::offering(server, ECDSA, &["h2", "http/1.1"]).await;
                (Arc::clone(&https.server), Some(https))
            }
            _ => (Arc::new(server.start().await.expect("a server")), None),
        };
        Self { way, scheme, server, https, tunnels, kdc }
    }

    fn origin(&self) -> Origin {
        match &self.https {
            Some(https) => Origin::from_uri(&https.uri("/")).expect("an origin"),
            None => self.server.origin(),
        }
    }

    /// How many connections the first request takes.
    fn first_connections(&self) -> usize {
        let is_bound =
            !matches!(self.scheme, Scheme::Basic | Scheme::Bearer | Scheme::Digest | Scheme::Scram);
        if self.way == Way::Http2 && is_bound { 2 } else { 1 }
    }

    /// The one that wants logins by the scheme.
    fn challenger(&self) -> Origin {
        self.tunnels.as_ref().map_or_else(|| self.origin(), Server::origin)
    }

    fn authenticator(&self) -> AuthenticatorBuilder {
        // Who is not woken waits for longer than any test.
        let mut bounds = LockoutBounds::default();
        (bounds.unanswered, bounds.patience) = (HOUR, HOUR);
        let authenticator = builder()
            .lockout_bounds(bounds)
            .dangerous_secrets_over_plain_http(true)
            .dangerous_secrets_to_plain_http_proxies(true)
            .target_name(self.challenger(), SERVICE);
        let negotiate = match (self.scheme, &self.kdc) {
            (Scheme::Kerberos, Some(kdc)) => {
                Negotiate::kerberos(Kerberos::new().kdc(REALM, [kdc.address().to_string()]))
            }
            (Scheme::Iakerb, _) => Negotiate::kerberos_or_iakerb(Kerberos::new()),
            _ => return authenticator,
        };
        authenticator.negotiate(negotiate)
    }

    /// A client. A tunnel's proxy has one user whoever the request is for: `at_the_proxy`.
    fn asks(&self, at_the_proxy: Who, places: usize) -> Asks {
        let sockets = KdcSockets::new().patience(HOUR).timeout(HOUR);
        let environment = Environment::tokio().kdc_transport(sockets);
        let authenticator = self.authenticator();
        let authenticator = match self.way {
            Way::Tunnel | Way::Http2Tunnel => {
                authenticator.proxy_credentials(self.challenger(), self.scheme.credentials(at_the_proxy))
            }
            _ => authenticator,
        };
        let authenticator = authenticator.build();
        let builder =
            || Client::builder(authenticator.clone()).environment(environment.clone()).max_per_origin(places);
        let origin = match self.way {
            Way::Proxy => "http://site.example".to_owned(),
            _ => self.origin().to_string(),
        };
        let (way, scheme) = (self.way, self.scheme);
        let request = move |who: Who, path: &str| {
            let uri: Uri = format!("{origin}{path}").parse().expect("a URI");
            let request = match way {
                Way::Layer => leaf::origin_form("POST", path, "twelve bytes"),
                _ => request("POST", uri, "twelve bytes"),
            };
            match way {
                Way::Tunnel | Way::Http2Tunnel => acting_as(request, Scheme::Ntlm.credentials(who)),
                Way::Proxy => {
                    let mut request = request;
                    request.extensions_mut().insert(ProxyCredentials(scheme.credentials(who)));
                    request
                }
                _ => acting_as(request, scheme.credentials(who)),
            }
        };
        match self.way {
            Way::Hyper => over(builder().build_http(), request),
            Way::Proxy => {
                let proxy: Proxy = self.server.origin().to_string().parse().expect("a proxy");
                over(builder().proxies(Proxies::all(proxy)).build_http(), request)
            }
            Way::Tunnel => {
                let tunnel = Tunnel::builder(self.challenger(), authenticator.clone());
                over(builder().build(tunnel.environment(environment.clone()).build_http()), request)
            }
            Way::Http2 => over(builder().http2().build_with_tls(trusting([ECDSA])), request),
            Way::Http2Tunnel => {
                let proxy: Proxy = self.challenger().to_string().parse().expect("a proxy");
                let through = builder().http2().proxies(Proxies::all(proxy));
                over(through.build_with_tls(trusting([ECDSA])), request)
            }
            Way::Legacy => {
                let settings = legacy::Client::builder(TokioExecutor::new());
                over(builder().build_legacy(settings, HttpConnector::new()), request)
            }
            Way::Reqwest => over_reqwest(builder(), request),
            Way::Layer => {
                let info = ConnectionInfo::new(self.server.origin());
                let layer = AuthenticateLayer::new(authenticator, info).environment(environment);
                over_layer(Arc::clone(&self.server), layer, request)
            }
        }
    }

    /// Waits until the client has nothing under way and each of its connections is closed.
    async fn is_left_by(&self, asks: &Asks) {
        without_hanging(async {
            while (asks.connections)().0 != (asks.connections)().1 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!((asks.connections)().0 <= 3);
        (asks.close_idle)().await;
        assert_eq!((asks.connections)(), (0, 0));
        without_hanging(self.server.wait_for(|report| report.open() == 0)).await;
        if let Some(proxy) = &self.tunnels {
            without_hanging(proxy.wait_for(|report| report.open() == 0)).await;
        }
    }

    /// How often a server or KDC has looked at Alice's wrong password.
    fn wrong_attempts(&self) -> usize {
        let kdc = self.kdc.as_ref().map_or(0, |kdc| kdc.report().failures("alice"));
        let challenger = self.tunnels.as_ref().unwrap_or(&self.server);
        challenger.report().refused() + kdc
    }
}

impl Scheme {
    fn offer(self, kdc: Option<&Kdc>) -> Offer {
        match (self, kdc.map(|kdc| kdc.service(SERVICE))) {
            (Self::Kerberos, Some(service)) => Offer::kerberos(&service),
            (Self::Iakerb, Some(service)) => Offer::kerberos_and_iakerb(&service),
            (Self::Basic, _) => Offer::basic("lab"),
            (Self::Bearer, _) => Offer::judged("Bearer", Tokens),
            (Self::Digest, _) => {
                let digest = DigestAcceptor::new("lab").user("alice", "alice-pw").user("bob", "bob-pw");
                Offer::judged("Digest", digest)
            }
            (Self::Scram, _) => {
                let users = Users::new().with("alice", "alice-pw").with("bob", "bob-pw");
                Offer::judged("SCRAM-SHA-256", ScramAcceptor::new(Arc::new(users), "lab", [7; 32]))
            }
            (Self::Ntlm, _) => Offer::Ntlm,
            (Self::Negotiate, _) => Offer::Negotiate,
            (Self::Kerberos | Self::Iakerb, None) => unreachable!("there is a KDC"),
        }
    }

    fn credentials(self, who: Who) -> Credentials {
        let (name, password) = match who {
            Who::Alice => ("alice", "alice-pw"),
            Who::Mistaken => ("alice", "wrong-pw"),
            Who::Bob => ("bob", "bob-pw"),
        };
        match self {
            Self::Bearer => Credentials::bearer_token(password),
            Self::Kerberos | Self::Iakerb => Credentials::password(format!("{name}@{REALM}"), password),
            _ => Credentials::password(name, password),
        }
    }
}

/// Takes the passwords of two users for tokens.
struct Tokens;

impl Judge for Tokens {
    fn challenges(&self) -> Vec<String> {
        vec!["Bearer realm=\"lab\"".to_owned()]
    }

    fn judge(&self, presentation: &Presentation<'_>) -> Judgement {
        match presentation.credentials {
            "alice-pw" => Judgement::accepted("alice"),
            "bob-pw" => Judgement::accepted("bob"),
            _ => Judgement::refused("no such token"),
        }
    }
}

/// A client.
struct Asks {
    /// Sends a request, reads the response, and tells its status.
    send: Box<Sends>,
    connections: Box<dyn Fn() -> (usize, usize)>,
    close_idle: Box<dyn Fn() -> BoxFuture<()>>,
}

type Sends = dyn Fn(Who, &str) -> Asking;
type Asking = BoxFuture<Result<u16, Error>>;

impl Asks {
    async fn status(&self, who: Who, path: &str) -> u16 {
        without_hanging((self.send)(who, path)).await.expect("a response")
    }

    /// `None` for an error.
    async fn result(&self, who: Who, path: &str) -> Option<u16> {
        without_hanging((self.send)(who, path)).await.ok()
    }

    /// Whether the request had not come to its end before that.
    async fn give_up(&self, who: Who, polls: usize, drop: Drop) -> bool {
        let asking = (self.send)(who, "/given-up");
        GivenUp { asking, polls, drop }.await.is_none()
    }
}

/// Ends with `None` after so many polls.
struct GivenUp {
    asking: Asking,
    polls: usize,
    drop: Drop,
}

impl Future for GivenUp {
    type Output = Option<Result<u16, Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        match self.asking.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if self.polls == 0 && self.drop == Drop::AtOnce => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

async fn read<B: Body<Data: Send>>(response: Response<B>) -> u16 {
    let status = response.status().as_u16();
    // A connection that ends in the middle of it is told by what follows.
    let _ = response.into_body().collect().await;
    status
}

fn over(client: Client<Full<Bytes>>, request: impl Fn(Who, &str) -> Request<Full<Bytes>> + 'static) -> Asks {
    let (counted, closed) = (client.clone(), client.clone());
    Asks {
        send: Box::new(move |who, path| {
            let sending = client.request(request(who, path));
            Box::pin(async move { Ok(read(sending.await?).await) })
        }),
        connections: Box::new(move || counted.connections()),
        close_idle: Box::new(move || {
            closed.close_idle();
            Box::pin(std::future::ready(()))
        }),
    }
}

fn over_reqwest(
    builder: ClientBuilder,
    request: impl Fn(Who, &str) -> Request<Full<Bytes>> + 'static,
) -> Asks {
    let client = builder.build_reqwest(settings).expect("settings that fit");
    let (counted, closed) = (client.clone(), client.clone());
    Asks {
        send: Box::new(move |who, path| {
            let mut request = request(who, path);
            let credentials = request.extensions_mut().remove::<Credentials>().expect("the user's");
            let again = client.post(request.uri().to_string()).body("twelve bytes");
            let sending = again.credentials(credentials).send();
            Box::pin(async move {
                let response = sending.await?;
                let status = response.status().as_u16();
                let _ = response.bytes().await;
                Ok(status)
            })
        }),
        connections: Box::new(move || counted.connections()),
        close_idle: Box::new(move || {
            closed.close_idle();
            Box::pin(std::future::ready(()))
        }),
    }
}

/// Each user has a connection, which is replaced where it is gone.
fn over_layer(
    server: Arc<Server>,
    layer: AuthenticateLayer,
    request: impl Fn(Who, &str) -> Request<Full<Bytes>> + 'static,
) -> Asks {
    type Slot = Arc<Mutex<Option<Authenticate<Leaf>>>>;
    let (alices, bobs) = (Slot::default(), Slot::default());
    let slots = [Arc::clone(&alices), Arc::clone(&bobs)];
    Asks {
        send: Box::new(move |who, path| {
            let slot = Arc::clone(if who == Who::Bob { &bobs } else { &alices });
            let (server, layer) = (Arc::clone(&server), layer.clone());
            let again = request(who, path);
            Box::pin(async move {
                let mut slot = slot.lock().await;
                loop {
                    let service = match &mut *slot {
                        Some(service) => service,
                        none => none.insert(layer.layer(Leaf::connect(&server).await)),
                    };
                    match leaf::send(service, again.clone()).await {
                        Ok(response) => return Ok(read(response).await),
                        Err(error) => match error.kind() {
                            ErrorKind::ConnectionGone | ErrorKind::NewConnectionNeeded(_) => *slot = None,
                            _ => return Err(error),
                        },
                    }
                }
            })
        }),
        connections: Box::new(|| (0, 0)),
        close_idle: Box::new(move || {
            let slots = slots.clone();
            Box::pin(async move {
                for slot in slots {
                    *slot.lock().await = None;
                }
            })
        }),
    }
}
