//! Content that a login covers (Digest's `auth-int`), where the server offers nothing less.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::client::ClientBuilder;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::handshake::{AuthenticatorBuilder, Outcome, Why};
use legwork::protection_space::Challenger;
use legwork::service::{Environment, Limits};
use legwork::testing::{DigestAcceptor, Gate, Offer, Quirk, Server, When};
use legwork::{Client, Credentials};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::support::*;

/// How much content is kept, if it comes in pieces.
const KEPT: u64 = 10_000;

/// Pieces of a kilobyte, each of which lets itself be waited for; their number is not told.
struct Pieces {
    upload: Upload,
    is_ready: bool,
}

impl Pieces {
    fn of(count: usize) -> Self {
        Self { upload: Upload::of(count, 1000), is_ready: false }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.is_ready = !self.is_ready;
        if self.is_ready {
            return Pin::new(&mut self.upload).poll_frame(cx);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Nothing comes of it.
struct Stalled(Arc<Notify>);

impl Body for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.notify_one();
        Poll::Pending
    }
}

type Content = BoxBody<Bytes, Infallible>;

fn pieces(count: usize) -> Content {
    Pieces::of(count).boxed()
}

fn whole(octets: usize) -> Content {
    Full::from(vec![b'w'; octets]).boxed()
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Hyper,
    Proxy,
    Reqwest,
    Legacy,
}

const WAYS: [Way; 4] = [Way::Hyper, Way::Proxy, Way::Reqwest, Way::Legacy];

/// A client that has an account at the server, or at the proxy that it is.
#[derive(Clone)]
enum Sends {
    Hyper(Client<Content>, String),
    Reqwest(legwork::client::reqwest::Client, String),
    Legacy(legwork::Client<Content>, String),
}

impl Way {
    fn offer(self, builder: legwork::testing::Builder) -> legwork::testing::Builder {
        let acceptor = DigestAcceptor::new("the lab").user(USER, PASSWORD).qop("auth-int");
        let by = if let Self::Proxy = self { Challenger::Proxy } else { Challenger::Origin };
        builder.offer_as(by, Offer::judged("Digest", acceptor))
    }

    async fn server(self) -> Server {
        self.offer(Server::builder()).start().await.expect("a server")
    }

    fn client(
        self,
        server: &Server,
        password: &str,
        with: fn(AuthenticatorBuilder, &Server) -> AuthenticatorBuilder,
    ) -> Sends {
        let user = Credentials::password(USER, password);
        let authenticator = builder().credentials(server.origin(), user.clone());
        let authenticator = with(authenticator.proxy_credentials(server.origin(), user), server).build();
        let builder: ClientBuilder = Client::builder(authenticator)
            .environment(Environment::tokio().limits(Limits::default().replay(KEPT)));
        let origin = server.origin().to_string();
        match self {
            Self::Hyper => Sends::Hyper(builder.build_http(), origin),
            Self::Proxy => {
                let proxies = Proxies::all(Proxy::new(server.origin()));
                Sends::Hyper(builder.proxies(proxies).build_http(), "http://site.example".to_owned())
            }
            Self::Reqwest => {
                Sends::Reqwest(builder.build_reqwest(settings).expect("settings that fit"), origin)
            }
            Self::Legacy => {
                let settings = legacy::Client::builder(TokioExecutor::new());
                Sends::Legacy(builder.build_legacy(settings, HttpConnector::new()), origin)
            }
        }
    }
}

impl Sends {
    /// Status, and what came of the login.
    async fn post(&self, content: Content) -> (u16, Option<Outcome>) {
        self.post_to("/", content).await
    }

    async fn post_to(&self, path: &str, content: Content) -> (u16, Option<Outcome>) {
        fn told<B>(response: Response<B>) -> (u16, Option<Outcome>, B) {
            let (parts, body) = response.into_parts();
            (parts.status.as_u16(), parts.extensions.get().cloned(), body)
        }
        let post = |origin: &str, content| {
            Request::post(format!("{origin}{path}")).body(content).expect("a request")
        };
        match self {
            Self::Hyper(client, origin) => {
                let sending = client.request(post(origin, content));
                let (status, outcome, body) = told(without_hanging(sending).await.expect("a response"));
                body.collect().await.expect("a body");
                (status, outcome)
            }
            Self::Legacy(client, origin) => {
                let sending = client.request(post(origin, content));
                let (status, outcome, body) = told(without_hanging(sending).await.expect("a response"));
                body.collect().await.expect("a body");
                (status, outcome)
            }
            Self::Reqwest(client, origin) => {
                let sending =
                    client.post(format!("{origin}{path}")).body(reqwest::Body::wrap(content)).send();
                let response = without_hanging(sending).await.expect("a response");
                let told = (response.status().as_u16(), response.extensions().get().cloned());
                response.bytes().await.expect("a body");
                told
            }
        }
    }
}

fn as_it_is(builder: AuthenticatorBuilder, _: &Server) -> AuthenticatorBuilder {
    builder
}

fn declared(builder: AuthenticatorBuilder, server: &Server) -> AuthenticatorBuilder {
    let builder = builder.declare(server.origin(), "Digest");
    builder.and_then(|builder| builder.declare_proxy(server.origin(), "Digest")).expect("a known scheme")
}

fn is_not_kept(told: &(u16, Option<Outcome>)) -> bool {
    let (401 | 407, Some(Outcome::Refused(refusal))) = told else { return false };
    !refusal.is_refusal() && refusal.tried.iter().all(|tried| tried.why == Why::ContentNotKept)
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_not_kept_is_not_sent_and_the_login_says_so() {
    for way in WAYS {
        // Declared, and known from an earlier request.
        for is_declared in [true, false] {
            let server = way.server().await;
            let client = way.client(&server, PASSWORD, if is_declared { declared } else { as_it_is });
            if !is_declared {
                assert_eq!(client.post(whole(1)).await.0, 200);
            }
            let before = (server.report().legs().count(), server.report().body_octets());
            for _ in 0..2 {
                let told = client.post(pieces(60)).await;
                assert!(is_not_kept(&told), "{way:?}: {told:?}");
            }
            let report = server.report();
            assert_eq!(report.body_octets(), before.1, "{way:?}: {report}");
            assert_eq!(report.legs().count() - before.0, 2, "{way:?}: {report}");
            let proxied = |leg: &legwork::testing::Leg| leg.proxy_authorization.is_some();
            let carried = |leg: &&legwork::testing::Leg| leg.authorization.is_some() || proxied(leg);
            let logins = report.legs().filter(carried).count();
            assert_eq!(logins, before.0 / 2, "nothing of the password: {way:?}: {report}");
            // It says nothing about the password.
            assert_eq!(client.post(whole(60_000)).await.0, 200, "{way:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn content_in_pieces_is_read_before_it_is_sent() {
    for way in WAYS {
        let server = way.server().await;
        let client = way.client(&server, PASSWORD, declared);
        for _ in 0..3 {
            assert_eq!(client.post(pieces(8)).await.0, 200, "{way:?}");
        }
        let report = server.report();
        assert_eq!((report.legs().count(), report.body_octets()), (4, 24_000), "{way:?}: {report}");

        let mut tasks = JoinSet::new();
        for task in 0..32 {
            let client = client.clone();
            tasks.spawn(async move {
                match task % 3 {
                    0 => client.post(pieces(60)).await,
                    1 => client.post(pieces(10)).await,
                    _ => client.post(whole(50_000)).await,
                }
            });
        }
        let told = tasks.join_all().await;
        let (unkept, served) = (told.iter().filter(|told| is_not_kept(told)).count(), told.iter());
        assert_eq!((unkept, served.filter(|told| told.0 == 200).count()), (11, 21), "{way:?}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn content_whose_upload_was_cut_short_by_a_challenge_is_read_for_the_next_connection() {
    for way in [Way::Hyper, Way::Reqwest] {
        let builder =
            way.offer(Server::builder()).quirk_when(When::leg(1).connections(..=1), Quirk::EarlyRefusal);
        let server = builder.start().await.expect("a server");
        let client = way.client(&server, PASSWORD, as_it_is);
        assert_eq!(client.post(pieces(8)).await.0, 200, "{way:?}: {}", server.report());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_barred_where_content_is_covered() {
    for way in WAYS {
        // All are challenged before the first has logged in: later ones might void its nonce.
        let gate = Gate::closed();
        let builder = way.offer(Server::builder()).quirk_when(When::leg(1), Quirk::HeldBy(gate.clone()));
        let server = builder.start().await.expect("a server");
        let client = way.client(&server, "not-the-pw", declared);
        let mut tasks = JoinSet::new();
        for _ in 0..32 {
            let client = client.clone();
            tasks.spawn(async move { client.post(pieces(2)).await.0 });
        }
        without_hanging(gate.held(32)).await;
        gate.open();
        assert!(tasks.join_all().await.into_iter().all(|status| status == 401 || status == 407), "{way:?}");
        assert_eq!(server.report().attempts(), 1, "{way:?}: {}", server.report());
    }
}

#[tokio::test]
async fn a_request_given_up_while_its_content_is_read_holds_nobody_up() {
    let server = Way::Hyper.server().await;
    let client = Way::Hyper.client(&server, PASSWORD, declared);
    let Sends::Hyper(hyper, origin) = &client else { unreachable!("it is over hyper") };
    let polled = Arc::new(Notify::new());
    let body = Stalled(Arc::clone(&polled));
    let post = Request::post(format!("{origin}/")).body(body.boxed()).expect("a request");
    let sending = tokio::spawn(hyper.request(post));
    without_hanging(polled.notified()).await;
    sending.abort();
    assert!(sending.await.expect_err("it is given up").is_cancelled());
    assert_eq!(client.post(pieces(2)).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_was_read_ahead_in_vain_goes_whole_where_nobody_asks_for_a_login() {
    for way in [Way::Hyper, Way::Reqwest, Way::Legacy] {
        for of_known_length in [true, false] {
            let server = way.server().await;
            let client = way.client(&server, PASSWORD, declared);
            assert_eq!(client.post(whole(1)).await.0, 200);
            let before = server.report().body_octets();
            let content = if of_known_length { Upload::of(60, 1000).boxed() } else { pieces(60) };
            assert_eq!(client.post_to("/public", content).await.0, 200, "{way:?}");
            let report = server.report();
            assert_eq!(report.body_octets() - before, 60_000, "{way:?}: {report}");
            let mut octets: Vec<_> = report.legs().map(|leg| leg.body_octets).collect();
            octets.sort_unstable();
            assert_eq!(octets, [0, 0, 1, 60_000], "{way:?}: {report}");
        }
    }
}
