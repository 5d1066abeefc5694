//! hyper's connections, and logins that each make one.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use legwork::service::{AuthenticateLayer, LegBody};
use tokio::net::TcpStream;
use tower::{Layer, Service};

use crate::server::{CANNED, canned_ticket};

type Sending<E> = Pin<Box<dyn Future<Output = Result<Response<Incoming>, E>> + Send>>;

/// A hyper connection as a tower service.
struct Connection<B, M> {
    sender: SendRequest<B>,
    send: M,
}

impl<B, M, F> Service<Request<B>> for Connection<B, M>
where
    M: Fn(&mut SendRequest<B>, Request<B>) -> F,
    F: Future<Output = hyper::Result<Response<Incoming>>>,
{
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = F;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> F {
        (self.send)(&mut self.sender, request)
    }
}

pub(crate) async fn connect<B>(
    address: SocketAddr,
) -> impl Service<
    Request<B>,
    Response = Response<Incoming>,
    Error = hyper::Error,
    Future = impl Future<Output = hyper::Result<Response<Incoming>>> + Send + use<B>,
> + Send
+ use<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("an option");
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    Connection { sender, send: |sender: &mut SendRequest<B>, request| sender.send_request(request) }
}

/// Two connections, each in its turn.
pub(crate) struct InTurn<S> {
    connections: [S; 2],
    turn: usize,
}

impl<S> InTurn<S> {
    pub(crate) fn new(connections: [S; 2]) -> Self {
        Self { connections, turn: 0 }
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for InTurn<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.connections[self.turn].poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        let connection = &mut self.connections[self.turn];
        self.turn = 1 - self.turn;
        connection.call(request)
    }
}

/// Sends two legs with canned messages on a new connection, with hyper and nothing else.
pub(crate) struct BareLogin(pub(crate) SocketAddr);

impl Service<Request<Full<Bytes>>> for BareLogin {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Sending<hyper::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Full<Bytes>>) -> Self::Future {
        let address = self.0;
        Box::pin(async move {
            let mut connection = connect(address).await;
            let token = HeaderValue::from_static(CANNED);
            request.headers_mut().insert(header::AUTHORIZATION, token.clone());
            let mut first = Request::new(Full::default());
            (*first.method_mut(), *first.uri_mut()) = (request.method().clone(), request.uri().clone());
            *first.headers_mut() = request.headers().clone();
            let mut challenge = connection.call(first).await?;
            while let Some(frame) = challenge.body_mut().frame().await {
                frame?;
            }
            std::future::poll_fn(|cx| connection.poll_ready(cx)).await?;
            connection.call(request).await
        })
    }
}

/// Sends one leg with a canned token on a new connection, with hyper and nothing else.
pub(crate) struct BareTicket(pub(crate) SocketAddr);

impl Service<Request<Full<Bytes>>> for BareTicket {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Sending<hyper::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Full<Bytes>>) -> Self::Future {
        let address = self.0;
        Box::pin(async move {
            let mut connection = connect(address).await;
            request.headers_mut().insert(header::AUTHORIZATION, canned_ticket());
            connection.call(request).await
        })
    }
}

/// Logs in on a new connection by the layer.
pub(crate) struct LayerLogin {
    pub(crate) address: SocketAddr,
    pub(crate) layer: AuthenticateLayer,
}

impl Service<Request<Full<Bytes>>> for LayerLogin {
    type Response = Response<Incoming>;
    type Error = legwork::service::Error;
    type Future = Sending<legwork::service::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let (address, layer) = (self.address, self.layer.clone());
        Box::pin(async move {
            let mut connection = layer.layer(connect::<LegBody<Full<Bytes>>>(address).await);
            std::future::poll_fn(|cx| connection.poll_ready(cx)).await?;
            connection.call(request).await
        })
    }
}
