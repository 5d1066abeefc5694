//! One connection of reqwest's: a client of its own, which can have no other.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Extensions, Request, Response};
use http_body::Body as _;
use reqwest::{Body, ResponseBuilderExt, Url};
use tokio::time::Instant;
use tower_service::Service;

use crate::client::dispatch::{MakeConnection, Settings};
use crate::client::one_connection::Gone;
use crate::client::pool::{Host, Poolable};
use crate::client::reqwest::build::build;
use crate::client::reqwest::gate::{OneConnectionGate, Rest};
use crate::client::reqwest::named::Named;
use crate::handshake::{HttpVersion, ResponseHead};
use crate::mechanism::Binding;
use crate::protection_space::Challenger;
use crate::service::{BoxError, ConnectionInfo, ErrorKind, LegBody, LegError, LegService};

/// Makes connections.
pub(super) enum MakeReqwestConnection {
    /// Each with a client of its own.
    Apart(Box<dyn Fn() -> reqwest::ClientBuilder + Send + Sync>),
    /// All over one client that was built elsewhere.
    Shared(reqwest::Client),
}

impl MakeConnection<Box<ReqwestConnection>> for MakeReqwestConnection {
    /// The client connects with its first leg.
    async fn make_connection(
        &self,
        settings: &Settings,
        host: &Host,
    ) -> Result<(Box<ReqwestConnection>, ConnectionInfo), ErrorKind> {
        let (client, way) = match self {
            Self::Apart(make) => {
                let gate = OneConnectionGate::default();
                let way = ConnectionAffinity::Apart(gate.rest());
                let client = build(|| one_connection(make(), gate));
                (client.map_err(|error| ErrorKind::Request(error.into()))?, way)
            }
            Self::Shared(client) => {
                let (authenticator, origin) = (&settings.authenticator, &host.origin);
                let ties_connections = authenticator.version(origin) == HttpVersion::Http1
                    || authenticator.memory(Challenger::Origin, origin).binding()
                        == Some(Binding::Connection);
                let named = Named::new(origin.is_secure(), ties_connections);
                let named = named.map_err(|error| ErrorKind::Entropy(error.into()))?;
                (client.clone(), ConnectionAffinity::Shared(named))
            }
        };
        let mut info = ConnectionInfo::new(host.origin.clone());
        if host.origin.is_secure() {
            info = info.channel_bindings_follow();
        }
        let connection = ReqwestConnection { client, way, original: None, is_gone: false, has_told: false };
        Ok((Box::new(connection), info))
    }
}

/// Whatever else the caller has set: one connection to the origin itself, HTTP/1.1, challenges that may be
/// folded, and nothing that would send a leg again or elsewhere.
fn one_connection(builder: reqwest::ClientBuilder, gate: OneConnectionGate) -> reqwest::ClientBuilder {
    #[cfg(any(feature = "reqwest-rustls", feature = "reqwest-native-tls"))]
    let builder = builder.tls_info(true);
    builder
        .connector_layer(gate)
        .no_proxy()
        .http1_only()
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(None)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
}

/// What reqwest has that HTTP's own request has not, and the URL, which is not to be parsed for each leg.
#[derive(Clone)]
pub(super) struct Original {
    pub(super) url: Url,
    /// When the whole exchange has to be over.
    pub(super) deadline: Option<Instant>,
}

impl Original {
    /// reqwest would make Basic of a user in the URL.
    pub(super) fn new(mut url: Url, deadline: Option<Instant>) -> Self {
        strip_userinfo(&mut url);
        Self { url, deadline }
    }
}

/// Where it cannot be taken out, there is none.
pub(super) fn strip_userinfo(url: &mut Url) {
    if url.username().is_empty() && url.password().is_none() {
        return;
    }
    let _ = url.set_username("").and_then(|()| url.set_password(None));
}

/// One connection. It is large, and moves into each request and back: so it is leased in a box.
pub(super) struct ReqwestConnection {
    client: reqwest::Client,
    way: ConnectionAffinity,
    /// Of the request that is under way.
    original: Option<Original>,
    is_gone: bool,
    /// The bindings of the connection are known above.
    has_told: bool,
}

/// How legs come to be on one connection.
enum ConnectionAffinity {
    /// The client has no other. It is told when that rests.
    Apart(Rest),
    /// The client has others, but none by this name.
    Shared(Named),
}

impl Poolable for Box<ReqwestConnection> {
    type Extra = Original;

    const SEES_ITS_END: bool = false;

    fn take_extra(&mut self, original: Original) {
        self.original = Some(original);
    }

    fn is_ready(&self) -> bool {
        !self.is_gone
    }

    fn is_closed(&self) -> bool {
        self.is_gone
    }

    fn rest(&mut self) {
        self.original = None;
        if let ConnectionAffinity::Apart(rest) = &self.way {
            rest.begin();
        }
    }

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(if self.is_gone { Err(Gone.into()) } else { Ok(()) })
    }
}

/// A leg that is out.
type Leg = <reqwest::Client as Service<reqwest::Request>>::Future;

impl LegService<Body> for Box<ReqwestConnection> {
    type Leg = Leg;
    type Received = Body;
    type Error = BoxError;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if let ConnectionAffinity::Shared(named) = &mut self.way {
            ready!(named.poll_ready(cx));
        }
        Poolable::poll_ready(self, cx)
    }

    fn has_to_wait(&self) -> bool {
        matches!(&self.way, ConnectionAffinity::Shared(named) if named.has_to_wait())
    }

    fn keep(&mut self, extensions: &mut Extensions) {
        // It is there if the request comes from another connection.
        self.original = extensions.remove().or(self.original.take());
    }

    fn give_back(&mut self, extensions: &mut Extensions) {
        if let Some(original) = self.original.take() {
            extensions.insert(original);
        }
    }

    fn send(&mut self, request: Request<LegBody<Body>>) -> Leg {
        let (parts, body) = request.into_parts();
        let Original { mut url, deadline } = self.original.clone().expect("what the request was made of");
        if let ConnectionAffinity::Shared(named) = &mut self.way {
            named.send(&mut url, &parts.headers);
        }
        let mut leg = reqwest::Request::new(parts.method, url);
        // What is left for the response's content, too.
        *leg.timeout_mut() = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        *leg.version_mut() = parts.version;
        *leg.headers_mut() = parts.headers;
        if !body.is_end_stream() {
            *leg.body_mut() = Some(Body::wrap(body));
        }
        self.client.call(leg)
    }

    fn poll_response(
        &mut self,
        leg: Pin<&mut Leg>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Body>, BoxError>> {
        leg.poll(cx).map(|result| match result {
            Ok(response) => self.answered(response),
            Err(error) if Gone::is_behind(&error) => {
                self.is_gone = true;
                Err(LegError::Unsent(error.into()).into())
            }
            Err(mut error) => {
                if let Some(url) = error.url_mut() {
                    strip_userinfo(url);
                }
                Err(if error.is_connect() {
                    LegError::NotConnected(error.into()).into()
                } else {
                    error.into()
                })
            }
        })
    }
}

impl ReqwestConnection {
    fn answered(&mut self, response: reqwest::Response) -> Result<Response<Body>, BoxError> {
        let mut url = response.url().clone();
        strip_userinfo(&mut url);
        let mut response = Response::from(response);
        if !self.has_told {
            self.has_told = true;
            tell_bindings(&mut response);
        }
        // Nobody tells when it is closed in fact.
        self.is_gone |= !ResponseHead::of(&response).is_persistent(Challenger::Origin);
        match &mut self.way {
            ConnectionAffinity::Apart(rest) => rest.end(),
            ConnectionAffinity::Shared(named) => {
                if let Err(astray) = named.answered(&response, &url) {
                    self.is_gone = true;
                    return Err(astray.into());
                }
                self.is_gone |= named.is_spent();
            }
        }
        tell_url(&mut response, url);
        Ok(response)
    }
}

/// reqwest makes its own response of this one again, and looks in its extensions for the URL. Only a builder can put it
/// there.
fn tell_url(response: &mut Response<Body>, url: Url) {
    let mut builder = Response::builder();
    if let Some(extensions) = builder.extensions_mut() {
        *extensions = std::mem::take(response.extensions_mut());
    }
    let told = builder.url(url).body(()).expect("nothing but extensions was set");
    *response.extensions_mut() = told.into_parts().0.extensions;
}

/// The channel bindings of the connection by which a response came, where it had TLS.
#[cfg(any(feature = "reqwest-rustls", feature = "reqwest-native-tls"))]
fn tell_bindings(response: &mut Response<Body>) {
    use crate::channel_bindings::ChannelBindings;

    let tls = response.extensions().get::<reqwest::tls::TlsInfo>();
    let bindings = tls
        .and_then(reqwest::tls::TlsInfo::peer_certificate)
        .and_then(|certificate| ChannelBindings::from_certificate(certificate).ok());
    if let Some(bindings) = bindings {
        response.extensions_mut().insert(bindings);
    }
}

#[cfg(not(any(feature = "reqwest-rustls", feature = "reqwest-native-tls")))]
fn tell_bindings(_: &mut Response<Body>) {}
