//! The clients of a world.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo};
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::redirect::FollowRedirects;
use legwork::client::tunnel::Tunnel;
use legwork::credentials::{CredentialsFuture, CredentialsProvider, CredentialsQuery, ProxyCredentials};
use legwork::handshake::{Authenticator, Outcome};
use legwork::protection_space::Challenger;
use legwork::scheme::{Basic, Bearer, Digest, Negotiate, NtlmScheme, Scheme, Scram};
use legwork::service::{
    Authenticate, AuthenticateLayer, BoxError, BoxFuture, ConnectionInfo, Environment, Error, ErrorKind,
    LegBody, Timer,
};
use legwork::{Client, Origin};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tower_layer::Layer;
use tower_service::Service;

use super::pipe::{Agreeing, Connector};
use super::setting::{Holder, Kind, Setting, Way};

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) number: u32,
    pub(super) site: usize,
    pub(super) user: usize,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    None,
    /// In one piece.
    Whole(usize),
    /// In pieces of a thousand octets, with a pause between them.
    Pieces(usize, Duration),
}

/// What came of it.
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) outcome: Option<Outcome>,
    pub(super) body: UnsyncBoxBody<Bytes, BoxError>,
}

pub(super) type Asking = BoxFuture<Result<Told, Error>>;

/// A client.
pub(super) struct Asks {
    pub(super) send: Box<dyn Fn(Ask) -> Asking + Send + Sync>,
    pub(super) connections: Box<dyn Fn() -> (usize, usize) + Send + Sync>,
    pub(super) close_idle: Box<dyn Fn() -> BoxFuture<()> + Send + Sync>,
    pub(super) authenticator: Authenticator,
}

type RequestBody = UnsyncBoxBody<Bytes, Infallible>;

/// tokio's clock, which stands still.
struct Paused;

impl Timer for Paused {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// The first user of each site.
struct FirstUsers(Setting);

impl CredentialsProvider for FirstUsers {
    fn credentials(&self, query: CredentialsQuery<'_>) -> CredentialsFuture {
        let found = self.0.sites().find(|site| {
            let is_proxy = site.host.starts_with("proxy");
            site.host == query.origin.host() && is_proxy == (query.challenger == Challenger::Proxy)
        });
        let found = found.map(|site| site.credentials(0)).filter(|found| query.refused != Some(found));
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(found)
        })
    }
}

fn origin(url: &str) -> Origin {
    url.parse().expect("an origin")
}

/// Those that are there without being asked for, with few iterations.
fn authenticator(setting: &Setting) -> Authenticator {
    let schemes: [Arc<dyn Scheme>; 6] = [
        Arc::new(Bearer::new()),
        Arc::new(Negotiate::default()),
        Arc::new(Scram::new().dangerous_min_iterations(1)),
        Arc::new(NtlmScheme::default()),
        Arc::new(Digest::default()),
        Arc::new(Basic::default()),
    ];
    let mut builder = Authenticator::builder()
        .schemes(schemes)
        .dangerous_secrets_over_plain_http(setting.is_daring)
        .dangerous_secrets_to_plain_http_proxies(setting.is_daring);
    match setting.holder {
        Holder::Provider => return builder.provider(FirstUsers(setting.clone())).build(),
        Holder::Authenticator => {
            for (site, described) in setting.origins.iter().enumerate() {
                builder = builder.credentials(origin(&setting.url(site, "")), described.credentials(0));
            }
        }
        Holder::Requests => {}
    }
    if let (Some(proxy), true) =
        (&setting.proxy, setting.holder == Holder::Authenticator || setting.way == Way::Tunnelled)
    {
        builder = builder.proxy_credentials(origin(&format!("http://{}", proxy.host)), proxy.credentials(0));
    }
    builder.build()
}

impl Ask {
    pub(super) fn request(&self, setting: &Setting) -> Request<RequestBody> {
        let uri = setting.url(self.site, self.path);
        let body = match self.content {
            Content::None => Full::default().boxed_unsync(),
            Content::Whole(octets) => Full::from(vec![b'b'; octets]).boxed_unsync(),
            Content::Pieces(pieces, pause) => Pieces { left: pieces, pause, sleep: None }.boxed_unsync(),
        };
        let request = Request::builder()
            .method(self.method)
            .uri(uri)
            .header("x-request", self.number)
            .header("x-as", format!("{}-{}", self.site, self.user));
        let mut request = request.body(body).expect("a request");
        if setting.holder == Holder::Requests {
            request.extensions_mut().insert(setting.origins[self.site].credentials(self.user));
            if let (Some(proxy), Way::Forwarded) = (&setting.proxy, setting.way) {
                request.extensions_mut().insert(ProxyCredentials(proxy.credentials(self.user)));
            }
        }
        request
    }
}

/// Content that comes in pieces.
struct Pieces {
    left: usize,
    pause: Duration,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let pause = self.pause;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        std::task::ready!(sleep.as_mut().poll(cx));
        self.sleep = None;
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'p'; 1_000])))))
    }
}

impl Asks {
    pub(super) fn new(connector: Connector) -> Self {
        let setting = connector.stage.setting().clone();
        let authenticator = authenticator(&setting);
        let environment = Environment::new().timer(Paused);
        let builder = Client::builder(authenticator.clone())
            .environment(environment.clone())
            .max_per_origin(setting.places);
        let proxy = setting.proxy.as_ref().map(|proxy| format!("http://{}", proxy.host));
        let tunnel = |connector| {
            let proxy = origin(proxy.as_deref().expect("a proxy"));
            let tunnel = Tunnel::builder(proxy, authenticator.clone()).environment(environment.clone());
            Agreeing { connector: tunnel.build(connector), speaks_http2: setting.http2 }
        };
        let builder = if setting.http2 { builder.http2() } else { builder };
        match (setting.kind, setting.way) {
            (Kind::Hyper, Way::Straight) => over(builder.build(connector), setting),
            (Kind::Hyper, Way::Forwarded) => {
                let proxy: Proxy = proxy.expect("a proxy").parse().expect("a proxy");
                over(builder.proxies(Proxies::all(proxy)).build(connector), setting)
            }
            (Kind::Hyper, Way::Tunnelled) => over(builder.build(tunnel(connector)), setting),
            (Kind::Legacy, Way::Straight) => {
                over(builder.build_legacy(legacy::Client::builder(TokioExecutor::new()), connector), setting)
            }
            (Kind::Legacy, _) => {
                let settings = legacy::Client::builder(TokioExecutor::new());
                over(builder.build_legacy(settings, tunnel(connector)), setting)
            }
            (Kind::Layer, _) => over_layer(connector, authenticator, environment),
        }
    }
}

fn over(client: Client<RequestBody>, setting: Setting) -> Asks {
    let (counted, closed) = (client.clone(), client.clone());
    let authenticator = client.authenticator().clone();
    Asks {
        send: Box::new(move |ask| {
            let request = ask.request(&setting);
            let sending = match setting.follows {
                true => FollowRedirects::new(client.clone()).request(request),
                false => client.request(request),
            };
            Box::pin(async move { sending.await.map(told) })
        }),
        connections: Box::new(move || counted.connections()),
        close_idle: Box::new(move || {
            closed.close_idle();
            Box::pin(std::future::ready(()))
        }),
        authenticator,
    }
}

fn told<B>(response: Response<B>) -> Told
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (head, body) = response.into_parts();
    let outcome = head.extensions.get().cloned();
    Told {
        outcome,
        status: head.status,
        headers: head.headers,
        body: body.map_err(Into::into).boxed_unsync(),
    }
}

/// One hyper connection as a service. It ends with it: where a response is dropped unread, hyper's own may stay.
struct Leaf {
    sender: http1::SendRequest<LegBody<RequestBody>>,
    task: JoinHandle<Result<(), hyper::Error>>,
}

impl Drop for Leaf {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Service<Request<LegBody<RequestBody>>> for Leaf {
    type Response = Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<Result<Self::Response, hyper::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, request: Request<LegBody<RequestBody>>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}

/// How long it waits for a connection that is there.
const READY: Duration = Duration::from_secs(10);

/// How often a program that has only the layer connects anew for a request.
const ANEW: usize = 4;

/// Each user has a connection to each site, which is replaced where it is gone.
fn over_layer(connector: Connector, authenticator: Authenticator, environment: Environment) -> Asks {
    type Slot = Arc<Mutex<Option<Authenticate<Leaf>>>>;
    let setting = connector.stage.setting().clone();
    let slots: Vec<Vec<Slot>> =
        setting.origins.iter().map(|site| site.users.iter().map(|_| Slot::default()).collect()).collect();
    let slots = Arc::new(slots);
    let closed = Arc::clone(&slots);
    let told_authenticator = authenticator.clone();
    Asks {
        send: Box::new(move |ask| {
            let (setting, connector) = (setting.clone(), connector.clone());
            let slot = Arc::clone(&slots[ask.site][ask.user]);
            let info = ConnectionInfo::new(origin(&setting.url(ask.site, "")));
            let layer = AuthenticateLayer::new(authenticator.clone(), info).environment(environment.clone());
            Box::pin(async move {
                let mut slot = slot.lock().await;
                for anew in 0.. {
                    if slot.is_none() {
                        let io = connector.connect(&setting.origins[ask.site].host).await;
                        let io = io.map_err(|error| Error::from(ErrorKind::Connect(error.into())))?;
                        let (sender, connection) = http1::handshake(TokioIo::new(io))
                            .await
                            .map_err(|error| Error::from(ErrorKind::Connect(error.into())))?;
                        let task = tokio::spawn(connection);
                        *slot = Some(layer.layer(Leaf { sender, task }));
                    }
                    let service = slot.as_mut().expect("it has been made");
                    let mut request = ask.request(&setting);
                    let host = request.uri().host().unwrap_or_default().parse().expect("a host");
                    request.headers_mut().insert("host", host);
                    *request.uri_mut() = ask.path.parse().expect("a path");
                    // One whose last response was not read may never be ready again. Nothing was sent.
                    let ready = poll_fn(|cx| Service::<Request<RequestBody>>::poll_ready(service, cx));
                    if !matches!(tokio::time::timeout(READY, ready).await, Ok(Ok(()))) {
                        *slot = None;
                        continue;
                    }
                    match service.call(request).await {
                        Ok(response) => return Ok(told(response)),
                        Err(error) => {
                            *slot = None;
                            let again = matches!(
                                error.kind(),
                                ErrorKind::ConnectionGone | ErrorKind::NewConnectionNeeded(_)
                            );
                            if !again || anew == ANEW {
                                return Err(error);
                            }
                        }
                    }
                }
                unreachable!("it ends")
            })
        }),
        connections: Box::new(|| (0, 0)),
        close_idle: Box::new(move || {
            let slots = Arc::clone(&closed);
            Box::pin(async move {
                for slot in slots.iter().flatten() {
                    *slot.lock().await = None;
                }
            })
        }),
        authenticator: told_authenticator,
    }
}
