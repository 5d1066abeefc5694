//! One connection by reqwest: a client of its own, which can have no other.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use reqwest::Body;
use tower_service::Service;

use crate::client::dispatch::{Reach, Settings};
use crate::client::lane::{Gone, absolute};
use crate::client::pool::{Host, Leaf};
use crate::client::reqwest::gate::Gate;
use crate::service::{BoxError, ConnectionInfo, LegBody, Line, Unsent};

/// Makes lanes.
pub(super) struct Lanes {
    pub(super) make: Box<dyn Fn() -> reqwest::ClientBuilder + Send + Sync>,
}

impl Reach<Lane> for Lanes {
    /// The lane connects with its first leg.
    async fn reach(&self, _: &Settings, host: &Host) -> Result<(Lane, ConnectionInfo), BoxError> {
        let client = one_connection((self.make)()).build()?;
        let mut info = ConnectionInfo::new(host.origin.clone());
        if host.origin.is_secure() {
            info = info.channel_bindings_follow();
        }
        Ok((Lane { client, target: host.target.clone(), is_gone: false }, info))
    }
}

/// Whatever else the caller has set: one connection, HTTP/1.1, and nothing that would send a leg
/// again or elsewhere.
fn one_connection(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let builder = builder.tls_info(true);
    builder
        .connector_layer(Gate::default())
        .http1_only()
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(None)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
}

/// One connection.
pub(super) struct Lane {
    client: reqwest::Client,
    /// The root of its origin.
    target: Uri,
    is_gone: bool,
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

/// A leg that is out, or why it could not be sent.
pub(super) enum Leg {
    Out(<reqwest::Client as Service<reqwest::Request>>::Future),
    Unsent(Option<reqwest::Error>),
}

impl Line<Body> for Lane {
    type Leg = Leg;
    type Received = Body;
    type Error = BoxError;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Leaf::poll_ready(self, cx)
    }

    fn send(&mut self, request: Request<LegBody<Body>>) -> Leg {
        let (mut parts, body) = request.into_parts();
        parts.uri = absolute(&self.target, &parts.uri);
        match reqwest::Request::try_from(Request::from_parts(parts, Body::wrap(body))) {
            Ok(request) => Leg::Out(self.client.call(request)),
            Err(error) => Leg::Unsent(Some(error)),
        }
    }

    fn poll_response(
        &mut self,
        leg: Pin<&mut Leg>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Body>, BoxError>> {
        let polled = match leg.get_mut() {
            Leg::Out(pending) => Pin::new(pending).poll(cx),
            Leg::Unsent(error) => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            },
        };
        polled.map(|result| match result {
            Ok(response) => Ok(with_bindings(response.into())),
            Err(error) if Gone::is_behind(&error) => {
                self.is_gone = true;
                Err(Unsent::new(error).into())
            }
            Err(error) => Err(error.into()),
        })
    }
}

/// The channel bindings of the connection by which a response came, where it had TLS.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn with_bindings(mut response: Response<Body>) -> Response<Body> {
    use crate::channel_bindings::ChannelBindings;

    let tls = response.extensions().get::<reqwest::tls::TlsInfo>();
    let bindings = tls
        .and_then(reqwest::tls::TlsInfo::peer_certificate)
        .and_then(|certificate| ChannelBindings::from_certificate(certificate).ok());
    if let Some(bindings) = bindings {
        response.extensions_mut().insert(bindings);
    }
    response
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
fn with_bindings(response: Response<Body>) -> Response<Body> {
    response
}
