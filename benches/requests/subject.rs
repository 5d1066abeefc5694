//! What is compared, each as a tower service that is driven in the same way.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_auth::{PasswordClient, PasswordParams};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use legwork::client::KdcSockets;
use legwork::handshake::Authenticator;
use legwork::mechanism::kerberos::Kerberos;
use legwork::scheme::Negotiate;
use legwork::service::{AuthenticateLayer, ConnectionInfo, Environment, LegBody};
use legwork::{Client, Credentials, Origin};
use tokio::task::JoinSet;
use tower::util::MapRequest;
use tower::{Layer, Service, ServiceBuilder};

use crate::connection::{BareLogin, BareTicket, InTurn, LayerLogin, connect};
use crate::messages::Messages;
use crate::server::{DIGEST, KDCS, Manner, PASSWORD, REALM, SERVICE, Server, USER};
use crate::settings::{connector, reqwest_settings};
use crate::template::Template;

/// One row of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A connection of hyper's, and nothing else.
    Bare,
    /// Two of them in turn: tasks of tokio's, each of which is woken twice for a request.
    BareInTurn,
    /// The layer around it, logged in.
    Layer,
    /// Our client, logged in.
    Client,
    /// Our client where nobody asks for a login.
    ClientOpen,
    /// Our client at two origins in turn.
    TwoOrigins,
    /// Our client by Digest.
    Digest,
    /// A connection of hyper's by Digest, as one writes it by hand with the crate http-auth.
    HandDigest,
    /// hyper-util's legacy client.
    HyperLegacy,
    /// Our client over it, logged in.
    Legacy,
    PlainReqwest,
    /// Our client over it, logged in.
    Reqwest,
    /// A new connection of hyper's for each request, and two legs whose messages are canned.
    BareLogin,
    /// The same with the layer, by NTLM.
    LayerLogin,
    /// Our client, whose connections end with each answer, by NTLM.
    NtlmLogin,
    /// NTLM by Negotiate.
    NegotiateLogin,
    DigestLogin,
    /// A new connection of hyper's for each request, and one leg whose messages are canned: as long as Kerberos'.
    BareTicket,
    /// By the layer with a ticket that is held, aes256-cts-hmac-sha1-96.
    TicketSha1,
    /// The same by aes256-cts-hmac-sha384-192.
    TicketSha384,
    /// The first message of NTLM, without a connection.
    TypeOne,
    /// The first and the last.
    TypeThree,
}

impl Subject {
    pub(crate) const ALL: [Self; 22] = [
        Self::Bare,
        Self::BareInTurn,
        Self::Layer,
        Self::Client,
        Self::ClientOpen,
        Self::TwoOrigins,
        Self::Digest,
        Self::HandDigest,
        Self::HyperLegacy,
        Self::Legacy,
        Self::PlainReqwest,
        Self::Reqwest,
        Self::BareLogin,
        Self::LayerLogin,
        Self::NtlmLogin,
        Self::NegotiateLogin,
        Self::DigestLogin,
        Self::BareTicket,
        Self::TicketSha1,
        Self::TicketSha384,
        Self::TypeOne,
        Self::TypeThree,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::BareInTurn => "bare-in-turn",
            Self::Layer => "layer",
            Self::Client => "client",
            Self::ClientOpen => "client-open",
            Self::TwoOrigins => "two-origins",
            Self::Digest => "digest",
            Self::HandDigest => "hand-digest",
            Self::HyperLegacy => "hyper-legacy",
            Self::Legacy => "legacy",
            Self::PlainReqwest => "plain-reqwest",
            Self::Reqwest => "reqwest",
            Self::BareLogin => "bare-login",
            Self::LayerLogin => "layer-login",
            Self::NtlmLogin => "ntlm-login",
            Self::NegotiateLogin => "negotiate-login",
            Self::DigestLogin => "digest-login",
            Self::BareTicket => "bare-ticket",
            Self::TicketSha1 => "ticket-sha1",
            Self::TicketSha384 => "ticket-sha384",
            Self::TypeOne => "type-1",
            Self::TypeThree => "type-3",
        }
    }

    /// What does the same without us.
    pub(crate) fn reference(self) -> Self {
        match self {
            Self::Bare | Self::Layer | Self::Client | Self::ClientOpen | Self::Digest => Self::Bare,
            Self::HandDigest => Self::Bare,
            Self::BareInTurn | Self::TwoOrigins => Self::BareInTurn,
            Self::HyperLegacy | Self::Legacy => Self::HyperLegacy,
            Self::PlainReqwest | Self::Reqwest => Self::PlainReqwest,
            Self::BareLogin | Self::LayerLogin | Self::NtlmLogin => Self::BareLogin,
            Self::NegotiateLogin | Self::DigestLogin => Self::BareLogin,
            Self::BareTicket | Self::TicketSha1 | Self::TicketSha384 => Self::BareTicket,
            Self::TypeOne | Self::TypeThree => Self::TypeOne,
        }
    }

    fn manner(self) -> Manner {
        match self {
            Self::Bare | Self::BareInTurn | Self::ClientOpen => Manner::Open,
            Self::HyperLegacy | Self::PlainReqwest => Manner::Open,
            Self::TypeOne | Self::TypeThree => Manner::Open,
            Self::Layer | Self::Client | Self::TwoOrigins | Self::Legacy | Self::Reqwest => Manner::Ntlm,
            Self::Digest | Self::HandDigest => Manner::Digest,
            Self::BareLogin => Manner::CannedOnce,
            Self::LayerLogin | Self::NtlmLogin => Manner::NtlmOnce,
            Self::NegotiateLogin => Manner::NegotiateOnce,
            Self::DigestLogin => Manner::DigestOnce,
            Self::BareTicket => Manner::CannedTicketOnce,
            Self::TicketSha1 => Manner::KerberosSha1Once,
            Self::TicketSha384 => Manner::KerberosSha384Once,
        }
    }

    /// Connects for so many tasks and logs in.
    pub(crate) async fn connect(self, server: &Server, method: &Method, tasks: usize) -> Box<dyn Drive> {
        let address = server.address(self.manner());
        let origin = origin(address);
        let authenticator = authenticator([address]);
        match self {
            Self::Bare => {
                let mut connections = Vec::new();
                for _ in 0..tasks {
                    connections.push(connect::<Full<Bytes>>(address).await);
                }
                prepared(connections, Template::of_a_connection(address, method)).await
            }
            Self::BareInTurn => {
                let mut connections = Vec::new();
                for _ in 0..tasks {
                    let two = [connect::<Full<Bytes>>(address).await, connect::<Full<Bytes>>(address).await];
                    connections.push(InTurn::new(two));
                }
                prepared(connections, Template::of_a_connection(address, method)).await
            }
            Self::Layer => {
                let layer = AuthenticateLayer::new(authenticator, ConnectionInfo::new(origin));
                let mut connections = Vec::new();
                for _ in 0..tasks {
                    connections.push(layer.layer(connect::<LegBody<Full<Bytes>>>(address).await));
                }
                prepared(connections, Template::of_a_connection(address, method)).await
            }
            Self::BareLogin => {
                let logins = (0..tasks).map(|_| BareLogin(address)).collect();
                prepared(logins, Template::of_a_connection(address, method)).await
            }
            Self::LayerLogin => {
                let layer = AuthenticateLayer::new(authenticator, ConnectionInfo::new(origin));
                let logins = (0..tasks).map(|_| LayerLogin { address, layer: layer.clone() }).collect();
                prepared(logins, Template::of_a_connection(address, method)).await
            }
            Self::BareTicket => {
                let logins = (0..tasks).map(|_| BareTicket(address)).collect();
                prepared(logins, Template::of_a_connection(address, method)).await
            }
            Self::TicketSha1 | Self::TicketSha384 => {
                let [sha1, sha384] = KDCS;
                let etype = if self == Self::TicketSha1 { sha1 } else { sha384 };
                let info = ConnectionInfo::new(origin.clone());
                let environment = Environment::new().kdc_transport(KdcSockets::new());
                let layer = AuthenticateLayer::new(by_kerberos(origin, server.kdc(etype)), info);
                let layer = layer.environment(environment);
                let logins = (0..tasks).map(|_| LayerLogin { address, layer: layer.clone() }).collect();
                prepared(logins, Template::of_a_connection(address, method)).await
            }
            Self::HandDigest => {
                let mut connections = Vec::new();
                for _ in 0..tasks {
                    let connection = connect::<Full<Bytes>>(address).await;
                    connections.push(MapRequest::new(connection, hand_digest()));
                }
                prepared(connections, Template::of_a_connection(address, method)).await
            }
            Self::TwoOrigins => {
                let addresses = [address, server.address(Manner::NtlmToo)];
                let client = Client::builder(self::authenticator(addresses)).build_http::<Full<Bytes>>();
                prepared(vec![client; tasks], Template::of_a_client(&addresses, method)).await
            }
            Self::Client
            | Self::ClientOpen
            | Self::Digest
            | Self::NtlmLogin
            | Self::NegotiateLogin
            | Self::DigestLogin => {
                let client = Client::builder(authenticator).build_http::<Full<Bytes>>();
                prepared(vec![client; tasks], Template::of_a_client(&[address], method)).await
            }
            Self::HyperLegacy => {
                let client =
                    legacy::Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector());
                prepared(vec![client; tasks], Template::of_a_client(&[address], method)).await
            }
            Self::Legacy => {
                let settings = legacy::Client::builder(TokioExecutor::new());
                let client =
                    Client::builder(authenticator).build_legacy::<_, Full<Bytes>>(settings, connector());
                prepared(vec![client; tasks], Template::of_a_client(&[address], method)).await
            }
            Self::PlainReqwest => {
                let client = reqwest_settings().build().expect("settings that fit");
                prepared(vec![of_reqwest(client); tasks], Template::of_a_client(&[address], method)).await
            }
            Self::Reqwest => {
                let client = Client::builder(authenticator)
                    .build_reqwest(reqwest_settings)
                    .expect("settings that fit");
                prepared(vec![of_reqwest(client); tasks], Template::of_a_client(&[address], method)).await
            }
            Self::TypeOne => Box::new(Messages::new(false)),
            Self::TypeThree => Box::new(Messages::new(true)),
        }
    }
}

fn origin(address: SocketAddr) -> Origin {
    format!("http://{address}").parse().expect("an origin")
}

fn authenticator(addresses: impl IntoIterator<Item = SocketAddr>) -> Authenticator {
    let builder = addresses.into_iter().fold(Authenticator::builder(), |builder, address| {
        builder.credentials(origin(address), Credentials::password(USER, PASSWORD))
    });
    builder.build()
}

fn by_kerberos(origin: Origin, kdc: SocketAddr) -> Authenticator {
    let kerberos = Kerberos::new().kdc(REALM, [kdc.to_string()]);
    Authenticator::builder()
        .schemes(Negotiate::kerberos(kerberos))
        .target_name(origin.clone(), SERVICE)
        .credentials(origin, Credentials::password(format!("carol@{REALM}"), PASSWORD))
        .build()
}

/// Answers the server's challenge in each request.
fn hand_digest() -> impl FnMut(Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let mut digest = PasswordClient::try_from(DIGEST).expect("a challenge");
    move |mut request| {
        let target = request.uri().path_and_query().expect("a target").as_str();
        let answer = digest.respond(&PasswordParams {
            username: USER,
            password: PASSWORD,
            uri: target,
            method: request.method().as_str(),
            body: None,
        });
        let answer = HeaderValue::try_from(answer.expect("an answer")).expect("a field value");
        request.headers_mut().insert(header::AUTHORIZATION, answer);
        request
    }
}

/// A client of reqwest's requests and responses as one of those that all others take.
fn of_reqwest<S>(
    client: S,
) -> impl Service<Request<reqwest::Body>, Response = Response<reqwest::Body>, Error = S::Error, Future: Send>
+ Clone
+ Send
+ 'static
where
    S: Service<reqwest::Request, Response = reqwest::Response, Future: Send> + Clone + Send + 'static,
{
    ServiceBuilder::new()
        .map_request(|request| reqwest::Request::try_from(request).expect("a URL"))
        .map_response(Response::from)
        .service(client)
}

/// A subject with its connections, logged in.
pub(crate) trait Drive {
    /// Sends so many requests, shared out among the tasks, and reads the answers.
    fn drive(&mut self, requests: u64) -> Pin<Box<dyn Future<Output = ()> + '_>>;
}

/// `T` is the body of its requests.
struct Driven<S, T> {
    /// One for each task.
    services: Vec<S>,
    template: Template<T>,
}

impl<S, T, R> Drive for Driven<S, T>
where
    S: Service<Request<T>, Response = Response<R>, Error: fmt::Debug, Future: Send>,
    S: Send + 'static,
    T: From<Bytes> + 'static,
    R: Body<Error: fmt::Debug> + Unpin + Send,
{
    fn drive(&mut self, requests: u64) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            if let [service] = &mut self.services[..] {
                return exchange(service, &self.template, requests).await;
            }
            let each = requests / self.services.len() as u64;
            let mut tasks = JoinSet::new();
            for mut service in self.services.drain(..) {
                let template = self.template.clone();
                tasks.spawn(async move {
                    exchange(&mut service, &template, each).await;
                    service
                });
            }
            while let Some(service) = tasks.join_next().await {
                self.services.push(service.expect("no panic"));
            }
        })
    }
}

async fn prepared<S, T>(services: Vec<S>, template: Template<T>) -> Box<dyn Drive>
where
    Driven<S, T>: Drive + 'static,
{
    let requests = 64 * services.len() as u64;
    let mut driven = Driven { services, template };
    driven.drive(requests).await;
    Box::new(driven)
}

async fn exchange<S, T, R>(service: &mut S, template: &Template<T>, requests: u64)
where
    S: Service<Request<T>, Response = Response<R>, Error: fmt::Debug>,
    T: From<Bytes>,
    R: Body<Error: fmt::Debug> + Unpin,
{
    for turn in 0..requests {
        std::future::poll_fn(|cx| service.poll_ready(cx)).await.expect("a connection");
        let mut response = service.call(template.request(turn)).await.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        while let Some(frame) = response.body_mut().frame().await {
            frame.expect("a body");
        }
    }
}
