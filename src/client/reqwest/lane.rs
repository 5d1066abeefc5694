//! One connection by reqwest: a client of its own, which can have no other.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use http_body::Body as _;
use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::{Body, ResponseBuilderExt, Url};
use tower_service::Service;

use crate::client::dispatch::{Reach, Settings};
use crate::client::lane::Gone;
use crate::client::pool::{Host, Leaf};
use crate::client::reqwest::gate::Gate;
use crate::service::{BoxError, ConnectionInfo, ErrorKind, LegBody, Line, NotConnected, Unsent};

/// Makes lanes.
pub(super) enum Lanes {
    /// Each with a client of its own.
    Apart(Box<dyn Fn() -> reqwest::ClientBuilder + Send + Sync>),
    /// All over one client that was built elsewhere.
    Shared(reqwest::Client),
}

impl Reach<Lane> for Lanes {
    /// The lane connects with its first leg.
    async fn reach(&self, settings: &Settings, host: &Host) -> Result<(Lane, ConnectionInfo), ErrorKind> {
        let (client, way) = match self {
            Self::Apart(make) => {
                let client = one_connection(make()).build();
                (client.map_err(|error| ErrorKind::Request(error.into()))?, Way::Apart)
            }
            Self::Shared(_) if host.key.identity != settings.authenticator.identity() => {
                return Err(ErrorKind::Request(OneUserAlone.into()));
            }
            Self::Shared(client) => (client.clone(), Way::Shared { by: None, carries: false }),
        };
        let mut info = ConnectionInfo::new(host.origin.clone());
        if host.origin.is_secure() {
            info = info.channel_bindings_follow();
        }
        Ok((Lane { client, way, is_gone: false, has_told: false }, info))
    }
}

/// Whatever else the caller has set: one connection, HTTP/1.1, challenges that may be folded, and
/// nothing that would send a leg again or elsewhere.
fn one_connection(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let builder = builder.tls_info(true);
    builder
        .connector_layer(Gate)
        .http1_only()
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(None)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
}

/// In a request's extensions: what reqwest has that HTTP's own request has not, and the URL, which
/// is not to be parsed for each leg.
#[derive(Clone)]
pub(super) struct Original {
    pub(super) url: Url,
    pub(super) timeout: Option<Duration>,
}

impl Original {
    /// reqwest would make Basic of a user in the URL.
    pub(super) fn new(mut url: Url, timeout: Option<Duration>) -> Self {
        strip_userinfo(&mut url);
        Self { url, timeout }
    }
}

/// Where it cannot be taken out, there is none.
pub(super) fn strip_userinfo(url: &mut Url) {
    if url.username().is_empty() && url.password().is_none() {
        return;
    }
    let _ = url.set_username("").and_then(|()| url.set_password(None));
}

/// One connection.
pub(super) struct Lane {
    client: reqwest::Client,
    way: Way,
    is_gone: bool,
    /// The bindings of the connection are known above.
    has_told: bool,
}

/// How legs come to be on one connection.
enum Way {
    /// The client has no other.
    Apart,
    /// They are seen to be: by its address on this side.
    Shared {
        by: Option<SocketAddr>,
        /// The leg that is out is part of a login of the whole connection.
        carries: bool,
    },
}

impl Leaf for Lane {
    const SEES_ITS_END: bool = false;

    fn is_ready(&self) -> bool {
        !self.is_gone
    }

    fn is_closed(&self) -> bool {
        self.is_gone
    }

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(if self.is_gone { Err(Gone.into()) } else { Ok(()) })
    }
}

/// A leg that is out.
type Leg = <reqwest::Client as Service<reqwest::Request>>::Future;

impl Line<Body> for Lane {
    type Leg = Leg;
    type Received = Body;
    type Error = BoxError;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Leaf::poll_ready(self, cx)
    }

    fn send(&mut self, request: Request<LegBody<Body>>) -> Leg {
        let (mut parts, body) = request.into_parts();
        let Original { url, timeout } = parts.extensions.remove().expect("what the request was made of");
        if let Way::Shared { carries, .. } = &mut self.way {
            *carries = parts.headers.get(header::AUTHORIZATION).is_some_and(is_bound);
        }
        let mut leg = reqwest::Request::new(parts.method, url);
        *leg.timeout_mut() = timeout;
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
                Err(Unsent::new(error).into())
            }
            Err(error) if error.is_connect() => Err(NotConnected::new(error).into()),
            Err(error) => Err(error.into()),
        })
    }
}

impl Lane {
    fn answered(&mut self, response: reqwest::Response) -> Result<Response<Body>, BoxError> {
        let told = Response::builder().url(response.url().clone()).body(());
        let mut response = Response::from(response);
        // reqwest makes its own response of this one again, and looks for the URL there.
        if let Ok(told) = told {
            response.extensions_mut().extend(told.into_parts().0.extensions);
        }
        if !self.has_told {
            self.has_told = true;
            tell_bindings(&mut response);
        }
        if let Way::Shared { by, carries } = &mut self.way {
            let now = response.extensions().get().map(HttpInfo::local_addr);
            if *carries && by.is_some() && now != *by {
                self.is_gone = true;
                return Err(Astray.into());
            }
            *by = now;
        }
        Ok(response)
    }
}

/// Whether a field's value is part of a login of the whole connection.
fn is_bound(value: &HeaderValue) -> bool {
    let scheme = value.as_bytes().split(|octet| *octet == b' ').next().unwrap_or_default();
    [&b"NTLM"[..], b"Negotiate"].iter().any(|bound| bound.eq_ignore_ascii_case(scheme))
}

/// A client that was built elsewhere may have put a leg on another connection.
#[derive(Debug)]
struct Astray;

impl fmt::Display for Astray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client beneath sent a leg of the handshake over another connection")
    }
}

impl std::error::Error for Astray {}

/// Users cannot be kept apart on a client that was built elsewhere.
#[derive(Debug)]
struct OneUserAlone;

impl fmt::Display for OneUserAlone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("over a client that was built elsewhere, all requests are the authenticator's own user's")
    }
}

impl std::error::Error for OneUserAlone {}

/// The channel bindings of the connection by which a response came, where it had TLS.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
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

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
fn tell_bindings(_: &mut Response<Body>) {}
