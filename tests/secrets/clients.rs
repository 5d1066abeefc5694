//! The clients under one name.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use legwork::service::{Authenticate, AuthenticateLayer, ConnectionInfo, Environment, Error, LegBody};
use legwork::{Authenticator, Client as LegworkClient, Origin};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower::{Layer, Service, ServiceExt};

/// What a client is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Hyper,
    Legacy,
    Reqwest,
    Layer,
}

impl Client {
    pub(crate) const ALL: [Self; 4] = [Self::Hyper, Self::Legacy, Self::Reqwest, Self::Layer];

    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }
}

/// A client to one origin, whatever it is made of.
#[derive(Debug)]
pub(crate) struct AnyClient {
    origin: Origin,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Plain(LegworkClient<Full<Bytes>>),
    Reqwest(legwork::client::reqwest::Client),
    Layer { layer: AuthenticateLayer, service: Option<Box<Authenticate<Leaf>>> },
}

impl AnyClient {
    pub(crate) fn new(
        client: Client,
        origin: Origin,
        authenticator: Authenticator,
        environment: Environment,
    ) -> Self {
        let builder = LegworkClient::builder(authenticator.clone()).environment(environment.clone());
        let kind = match client {
            Client::Hyper => Kind::Plain(builder.build_http()),
            Client::Legacy => {
                let settings = legacy::Client::builder(TokioExecutor::new());
                Kind::Plain(builder.build_legacy(settings, HttpConnector::new()))
            }
            Client::Reqwest => {
                Kind::Reqwest(builder.build_reqwest(reqwest_settings).expect("settings that fit"))
            }
            Client::Layer => {
                let info = ConnectionInfo::new(origin.clone());
                let layer = AuthenticateLayer::new(authenticator, info).environment(environment);
                Kind::Layer { layer, service: None }
            }
        };
        Self { origin, kind }
    }

    /// Sends a request and reads the response to its end.
    pub(crate) async fn send(&mut self) -> Result<Response<()>, Error> {
        let request = |uri: String| {
            Request::post(uri).header("host", "lab").body(Full::from("a body")).expect("a request")
        };
        let uri = format!("{}/page", self.origin);
        match &mut self.kind {
            Kind::Plain(client) => Ok(read(client.request(request(uri)).await?).await),
            Kind::Reqwest(client) => {
                Ok(read(Response::from(client.post(uri).body("a body").send().await?)).await)
            }
            Kind::Layer { layer, service } => {
                if service.is_none() {
                    *service = Some(Box::new(layer.layer(Leaf::connect(&self.origin).await)));
                }
                let service = service.as_mut().expect("it is there");
                let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut **service).await?;
                Ok(read(ready.call(request("/page".to_owned())).await?).await)
            }
        }
    }

    /// Has the next request log in anew.
    pub(crate) fn close_idle(&mut self) {
        match &mut self.kind {
            Kind::Plain(client) => client.close_idle(),
            Kind::Reqwest(client) => client.close_idle(),
            Kind::Layer { service, .. } => *service = None,
        }
    }
}

async fn read<B: http_body::Body>(response: Response<B>) -> Response<()>
where
    B::Error: fmt::Debug,
{
    let (head, body) = response.into_parts();
    body.collect().await.expect("a body");
    Response::from_parts(head, ())
}

/// TLS is not used.
fn reqwest_settings() -> reqwest::ClientBuilder {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls)
}

/// A connection of hyper's beneath the layer.
#[derive(Debug)]
pub(crate) struct Leaf(SendRequest<LegBody<Full<Bytes>>>);

impl Leaf {
    async fn connect(origin: &Origin) -> Self {
        let address = origin.to_string();
        let address = address.strip_prefix("http://").expect("http");
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
        tokio::spawn(connection);
        Self(sender)
    }
}

impl Service<Request<LegBody<Full<Bytes>>>> for Leaf {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<LegBody<Full<Bytes>>>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
