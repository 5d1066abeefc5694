//! What is compared, each as a tower service that is driven in the same way.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use legwork::handshake::Authenticator;
use legwork::service::{AuthenticateLayer, ConnectionInfo};
use legwork::{Client, Credentials, Origin};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tower::{Layer, Service};

use crate::server::{PASSWORD, Server, USER};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Bare,
    Authenticate,
    Client,
    Legacy,
}

impl Subject {
    pub(crate) const ALL: [Self; 4] = [Self::Bare, Self::Authenticate, Self::Client, Self::Legacy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Authenticate => "authenticate",
            Self::Client => "client",
            Self::Legacy => "legacy",
        }
    }

    /// Connects for so many tasks and logs in.
    pub(crate) async fn connect(self, server: &Server, method: &Method, tasks: usize) -> Box<dyn Drive> {
        let authenticator = || {
            let origin = format!("http://{}", server.ntlm).parse().expect("an origin");
            Authenticator::builder().credentials(origin, Credentials::password(USER, PASSWORD)).build()
        };
        match self {
            Self::Bare => {
                let mut connections = Vec::new();
                for _ in 0..tasks {
                    connections.push(connect(server.open).await);
                }
                prepared(connections, Template::of_a_connection(server.open, method)).await
            }
            Self::Authenticate => {
                let origin: Origin = format!("http://{}", server.ntlm).parse().expect("an origin");
                let layer = AuthenticateLayer::new(authenticator(), ConnectionInfo::new(origin));
                let mut connections = Vec::new();
                for _ in 0..tasks {
                    connections.push(layer.layer(connect(server.ntlm).await));
                }
                prepared(connections, Template::of_a_connection(server.ntlm, method)).await
            }
            Self::Client => {
                let client = Client::builder(authenticator()).build_http::<Full<Bytes>>();
                prepared(vec![client; tasks], Template::of_a_client(server.ntlm, method)).await
            }
            Self::Legacy => {
                let mut connector = HttpConnector::new();
                connector.set_nodelay(true);
                let client = legacy::Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
                prepared(vec![client; tasks], Template::of_a_client(server.open, method)).await
            }
        }
    }
}

/// A subject with its connections, logged in.
pub(crate) trait Drive {
    /// Sends so many requests, shared out among the tasks, and reads the answers.
    fn drive(&mut self, requests: u64) -> Pin<Box<dyn Future<Output = ()> + '_>>;
}

struct Driven<S> {
    /// One for each task.
    services: Vec<S>,
    template: Template,
}

impl<S, R> Drive for Driven<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error: fmt::Debug, Future: Send>,
    S: Send + 'static,
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

async fn prepared<S>(services: Vec<S>, template: Template) -> Box<dyn Drive>
where
    Driven<S>: Drive + 'static,
{
    let requests = 64 * services.len() as u64;
    let mut driven = Driven { services, template };
    driven.drive(requests).await;
    Box::new(driven)
}

async fn exchange<S, R>(service: &mut S, template: &Template, requests: u64)
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error: fmt::Debug>,
    R: Body<Error: fmt::Debug> + Unpin,
{
    for _ in 0..requests {
        std::future::poll_fn(|cx| service.poll_ready(cx)).await.expect("a connection");
        let mut response = service.call(template.request()).await.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        while let Some(frame) = response.body_mut().frame().await {
            frame.expect("a body");
        }
    }
}

/// What the requests are made from.
#[derive(Clone)]
struct Template {
    method: Method,
    uri: Uri,
    host: Option<HeaderValue>,
}

impl Template {
    fn of_a_connection(address: SocketAddr, method: &Method) -> Self {
        let host = address.to_string().parse().expect("a field value");
        Self { method: method.clone(), uri: Uri::from_static("/a/path?query"), host: Some(host) }
    }

    fn of_a_client(address: SocketAddr, method: &Method) -> Self {
        let uri = format!("http://{address}/a/path?query").parse().expect("a URI");
        Self { method: method.clone(), uri, host: None }
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(match self.method {
            Method::POST => Full::from(Bytes::from_static(&[b'x'; 100])),
            _ => Full::default(),
        });
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, HeaderValue::from_static("bench/1.0"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(host) = &self.host {
            headers.insert(header::HOST, host.clone());
        }
        request
    }
}

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

async fn connect<B>(
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
