//! A connection of the tests' own under the layer, which notes what was sent over it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use legwork::service::{Authenticate, Error, LegBody};
use legwork::testing::Server;
use tokio::net::TcpStream;
use tower::{Service, ServiceExt};

type LeafBody = LegBody<Full<Bytes>>;

/// One hyper connection as a service.
pub(crate) struct Leaf {
    sender: SendRequest<LeafBody>,
    sent: Sent,
}

/// The tokens that a leaf sent to the origin, decoded, one for each leg.
#[derive(Clone, Default)]
pub(crate) struct Sent(Arc<Mutex<Vec<Option<Vec<u8>>>>>);

impl Sent {
    /// The last leg's.
    pub(crate) fn last(&self) -> Option<Vec<u8>> {
        self.0.lock().expect("no panic").last().cloned().flatten()
    }
}

impl Leaf {
    pub(crate) async fn connect(server: &Server) -> Self {
        Self::to(server.address()).await
    }

    pub(crate) async fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
        tokio::spawn(connection);
        Self { sender, sent: Sent::default() }
    }

    pub(crate) fn sent(&self) -> Sent {
        self.sent.clone()
    }
}

impl Service<Request<LeafBody>> for Leaf {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, request: Request<LeafBody>) -> Self::Future {
        let value = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| BASE64_STANDARD.decode(value.split_once(' ')?.1).ok());
        self.sent.0.lock().expect("no panic").push(token);
        Box::pin(self.sender.send_request(request))
    }
}

/// A request in origin form.
pub(crate) fn origin_form(method: &str, path: &str, body: &'static str) -> Request<Full<Bytes>> {
    let uri: Uri = path.parse().expect("a path");
    Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "lab")
        .body(Full::from(body))
        .expect("a request")
}

/// Sends a request once the connection is ready for it.
pub(crate) async fn send(
    service: &mut Authenticate<Leaf>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Error> {
    ServiceExt::<Request<Full<Bytes>>>::ready(service).await?.call(request).await
}

/// Reads a response to its end.
pub(crate) async fn page(response: Response<Incoming>) -> String {
    let octets = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(octets.to_vec()).expect("UTF-8")
}
