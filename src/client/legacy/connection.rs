//! One connection of hyper-util's legacy client: a client of its own, over that connection.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Extensions, Request, Response, StatusCode, Uri};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::Connection;

use crate::client::connect::connector::{Connect, extra};
use crate::client::connection::interim;
use crate::client::dispatch::{MakeConnection, Settings};
use crate::client::legacy::connector::{Cut, End, OneConnection};
use crate::client::one_connection::{Gone, absolute};
use crate::client::pool::{Host, Poolable};
use crate::service::{BoxError, ConnectionInfo, ErrorKind, Expectation, LegBody, LegError, LegService};

/// Makes connections.
pub(super) struct MakeLegacyConnection<C> {
    pub(super) connector: C,
    pub(super) builder: legacy::Builder,
}

impl<C, B> MakeConnection<Box<LegacyConnection<C::Io, B>>> for MakeLegacyConnection<C>
where
    C: Connect,
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    async fn make_connection(
        &self,
        _: &Settings,
        host: &Host,
    ) -> Result<(Box<LegacyConnection<C::Io, B>>, ConnectionInfo), ErrorKind> {
        let connected = self.connector.clone().connect(host.target.clone()).await;
        let transport = connected.map_err(ErrorKind::Connect)?;
        if transport.connected().is_negotiated_h2() {
            return Err(ErrorKind::Connect(NegotiatedH2.into()));
        }
        let mut info = ConnectionInfo::new(host.origin.clone());
        info.channel_bindings = extra(&transport);
        let (connector, cut, end) = OneConnection::new(transport);
        // The connection's life is the leases' business, as is sending a request again. Challenges may
        // be folded.
        let client = self
            .builder
            .clone()
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(None)
            .retry_canceled_requests(false)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .build(connector);
        let target = host.target.clone();
        Ok((Box::new(LegacyConnection { client, target, cut, is_under_way: false, end }), info))
    }
}

/// One connection. It is large, and moves into each request and back: so it is leased in a box.
pub(super) struct LegacyConnection<T, B> {
    client: legacy::Client<OneConnection<T>, LegBody<B>>,
    /// The root of its origin.
    target: Uri,
    cut: Cut,
    /// A request on it has not come to its end.
    is_under_way: bool,
    end: End,
}

impl<T, B> Drop for LegacyConnection<T, B> {
    fn drop(&mut self) {
        if self.is_under_way {
            self.cut.now();
        }
    }
}

impl<T, B> Poolable for Box<LegacyConnection<T, B>> {
    type Extra = ();

    fn is_ready(&self) -> bool {
        !self.end.has_come()
    }

    fn is_closed(&self) -> bool {
        self.end.has_come()
    }

    fn rest(&mut self) {
        self.is_under_way = false;
    }

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(if self.end.has_come() { Err(Gone.into()) } else { Ok(()) })
    }
}

impl<T, B> LegService<B> for Box<LegacyConnection<T, B>>
where
    T: hyper::rt::Read + hyper::rt::Write + Connection + Unpin + Send + 'static,
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Leg = legacy::ResponseFuture;
    type Received = Incoming;
    type Error = BoxError;

    /// A dead connection shows with the leg, which is then unsent.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, mut request: Request<LegBody<B>>) -> legacy::ResponseFuture {
        *request.uri_mut() = absolute(&self.target, request.uri());
        self.is_under_way = true;
        self.client.request(request)
    }

    fn poll_response(
        &mut self,
        leg: Pin<&mut legacy::ResponseFuture>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Incoming>, BoxError>> {
        let poll = leg.poll(cx);
        if let Poll::Ready(Ok(response)) = &poll {
            // What changes its protocol goes on without HTTP.
            self.is_under_way &= response.status() != StatusCode::SWITCHING_PROTOCOLS;
        }
        poll.map_err(|error| match Gone::is_behind(&error) {
            true => LegError::Unsent(error.into()).into(),
            false => error.into(),
        })
    }

    fn tells_of_continue(&self) -> bool {
        true
    }

    fn fulfil_by_continue(&self, extensions: &mut Extensions, expectation: Expectation) -> bool {
        interim::fulfil_by_continue(extensions, expectation)
    }
}

/// The caller's connector speaks of HTTP/2 to servers.
#[derive(Debug)]
struct NegotiatedH2;

impl fmt::Display for NegotiatedH2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connector has settled on HTTP/2: leave h2 out of its ALPN protocols")
    }
}

impl std::error::Error for NegotiatedH2 {}
