//! A request that somebody looks on, from its beginning to its end; and a connection that is being made.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

#[cfg(feature = "client")]
use http::header::AUTHORIZATION;
use http::{Method, Request, Response, Uri};
use pin_project_lite::pin_project;

#[cfg(feature = "client")]
use crate::credentials::{Anonymous, Credentials};
#[cfg(feature = "client")]
use crate::handshake::Protocol;
use crate::handshake::{Actor, Answer};
use crate::mechanism::{Inquiry, Moments};
use crate::protection_space::{Challenger, Origin};
use crate::service::channel::ChannelState;
use crate::service::environment::Environment;
use crate::service::error::{Error, ErrorKind};
use crate::service::event::{Ending, Event, EventKind, Work, chain, in_words};
use crate::service::observe::{self, LegReport, TokenReport};
use crate::service::spans::RequestSpan;

/// Names a request that is looked on, to all that have to do with it. It is in the request's extensions.
#[derive(Clone)]
pub(crate) struct Watched(Arc<RequestUnderWatch>);

struct RequestUnderWatch {
    number: u64,
    environment: Arc<Environment>,
    origin: Option<Origin>,
    proxy: Option<Origin>,
    begun: Instant,
    span: RequestSpan,
}

/// A request whose end is to be told. Dropped before, it is given up.
pub(crate) struct Watch {
    request: Watched,
    is_over: bool,
}

/// The method and the target as they are told: without a query, without userinfo.
pub(super) fn request_line(method: &Method, uri: &Uri) -> String {
    format!("{method} {}", path_of(uri))
}

fn path_of(uri: &Uri) -> String {
    match (uri.path(), uri.host(), uri.port()) {
        ("", Some(host), Some(port)) => format!("{host}:{port}"),
        ("", Some(host), None) => host.to_owned(),
        (path, ..) => path.to_owned(),
    }
}

/// Who a request acts as, as far as it says so itself.
#[cfg(feature = "client")]
fn actor_of<B>(request: &Request<B>) -> Actor {
    let extensions = request.extensions();
    match extensions.get::<Credentials>() {
        _ if request.headers().contains_key(AUTHORIZATION) => Actor::CallersOwn,
        Some(credentials) => credentials.into(),
        None if extensions.get::<Anonymous>().is_some() => Actor::Nobody,
        None => Actor::NotAsked,
    }
}

impl Watch {
    /// A request is handed to a client. `None` where nobody looks on.
    #[cfg(feature = "client")]
    pub(crate) fn begin<B>(
        environment: &Arc<Environment>,
        request: &mut Request<B>,
        proxy: impl FnOnce(&Uri) -> Option<Origin>,
    ) -> Option<Self> {
        if environment.audience.is_empty() {
            return None;
        }
        let uri = request.uri();
        let (origin, proxy, actor) = (Origin::from_uri(uri).ok(), proxy(uri), actor_of(request));
        let watch = Self::of(environment, (origin, proxy), (request.method(), request.uri()), actor);
        request.extensions_mut().insert(watch.request.clone());
        Some(watch)
    }

    fn of(
        environment: &Arc<Environment>,
        (origin, proxy): (Option<Origin>, Option<Origin>),
        (method, uri): (&Method, &Uri),
        actor: Actor,
    ) -> Self {
        let (number, at) = (environment.next_request(), environment.instant());
        let kind = EventKind::RequestBegan { method: method.clone(), path: path_of(uri), actor };
        let (request_number, connection) = (Some(number), None);
        let (of_event, at_proxy) = (origin.clone(), proxy.clone());
        let event = Event { request_number, connection, origin: of_event, proxy: at_proxy, at, kind };
        let span = RequestSpan::begin(&environment.audience.event(event));
        let environment = Arc::clone(environment);
        let inner = RequestUnderWatch { number, environment, origin, proxy, begun: at, span };
        Self { request: Watched(Arc::new(inner)), is_over: false }
    }

    /// The future of the request, inside its span; with its end, the request's is told.
    #[cfg(feature = "client")]
    pub(crate) fn over<F>(self, inner: F) -> WatchedFuture<F> {
        WatchedFuture { inner, watch: self }
    }

    /// There is a response, or none.
    pub(super) fn ends<B>(&mut self, result: Result<&Response<B>, &Error>) {
        let with_names = !self.request.0.environment.audience.leaves_names_out;
        self.end(match result {
            Ok(response) => Ending::answered(response),
            Err(error) => Ending::Failed { error: in_words(error, with_names) },
        });
    }

    fn end(&mut self, ending: Ending) {
        self.is_over = true;
        let RequestUnderWatch { environment, begun, span, .. } = &*self.request.0;
        let elapsed = environment.instant().saturating_duration_since(*begun);
        let _entered = span.enter();
        span.end(&self.request.tell(None, EventKind::RequestEnded { ending, elapsed }));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(Ending::GivenUp);
        }
    }
}

impl Watched {
    fn tell(&self, connection: Option<u64>, kind: EventKind) -> Event {
        let RequestUnderWatch { number, environment, origin, proxy, .. } = &*self.0;
        let (origin, proxy, at) = (origin.clone(), proxy.clone(), environment.instant());
        environment.audience.event(Event {
            request_number: Some(*number),
            connection,
            origin,
            proxy,
            at,
            kind,
        })
    }

    /// The request begins again on another connection.
    #[cfg(feature = "client")]
    pub(crate) fn restarts(&self, error: String) {
        self.tell(None, EventKind::Restarted { error });
    }

    /// An error in words, as it may be told.
    #[cfg(feature = "client")]
    pub(crate) fn in_words(&self, error: &Error) -> String {
        in_words(error, !self.0.environment.audience.leaves_names_out)
    }
}

pin_project! {
    /// A client's request that is looked on.
    pub(crate) struct WatchedFuture<F> {
        #[pin]
        inner: F,
        watch: Watch,
    }
}

impl<F, B> Future for WatchedFuture<F>
where
    F: Future<Output = Result<Response<B>, Error>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let result = {
            let _entered = this.watch.request.0.span.enter();
            ready!(this.inner.poll(cx))
        };
        this.watch.ends(result.as_ref());
        Poll::Ready(result)
    }
}

/// What a conversation has to tell, where somebody looks on.
pub(super) struct Telling {
    request: Watched,
    /// The request is no client's: its end is told here.
    own: Option<Watch>,
    leg_begun: Instant,
    work: Option<(Work, Instant)>,
    pub(super) sent_tokens: Vec<TokenReport>,
}

impl Telling {
    /// Of a request on a connection, `None` where nobody looks on.
    pub(super) fn of<B>(
        state: &ChannelState,
        request: &Request<B>,
        actor: impl FnOnce() -> Actor,
    ) -> Option<Box<Self>> {
        if !state.is_watched() {
            return None;
        }
        let own = match request.extensions().get::<Watched>() {
            Some(_) => None,
            None => {
                let (origin, proxy) =
                    (state.logins.origin().at(), state.logins.proxy().map(|proxy| proxy.at()));
                let route = (Some(origin.clone()), proxy.cloned());
                Some(Watch::of(&state.environment, route, (request.method(), request.uri()), actor()))
            }
        };
        let named =
            own.as_ref().map(|own| own.request.clone()).or_else(|| request.extensions().get().cloned())?;
        let (leg_begun, work) = (named.0.begun, None);
        Some(Box::new(Self { request: named, own, leg_begun, work, sent_tokens: Vec::new() }))
    }

    /// The span of a request that is no client's, to be entered.
    pub(super) fn own_request(&self) -> Option<Watched> {
        self.own.as_ref().map(|own| own.request.clone())
    }

    /// A leg is being made, and carries nothing so far.
    pub(super) fn leg_begins(&mut self) {
        self.leg_begun = self.request.0.environment.instant();
        self.sent_tokens.clear();
    }

    /// A leg was answered. The rest of the report is `line`, `body_withheld`.
    pub(super) fn leg_ends<B>(
        &mut self,
        state: &ChannelState,
        response: &Response<B>,
        leg: u32,
        line: String,
        body_withheld: bool,
    ) {
        let RequestUnderWatch { number, environment, span, .. } = &*self.request.0;
        let (origin, proxy) = (state.logins.origin(), state.logins.proxy());
        let mut challenges = observe::challenges(Challenger::Origin, response.headers());
        if proxy.is_some() {
            challenges.extend(observe::challenges(Challenger::Proxy, response.headers()));
        }
        let actor = match environment.audience.leaves_names_out {
            true => origin.actor().without_name(),
            false => origin.actor(),
        };
        span.acts_as(&actor);
        environment.audience.leg(LegReport {
            request_number: *number,
            connection: state.id,
            leg,
            origin: origin.at().clone(),
            proxy: proxy.map(|proxy| proxy.at().clone()),
            actor,
            proxy_actor: proxy.map(|proxy| proxy.actor()),
            begun: self.leg_begun,
            elapsed: environment.instant().saturating_duration_since(self.leg_begun),
            request: line,
            authorization: std::mem::take(&mut self.sent_tokens),
            body_withheld,
            status: response.status(),
            challenges,
        });
    }

    /// The login waits for something other than the server.
    pub(super) fn work_begins(&mut self, state: &ChannelState, work: Work) {
        self.request.tell(Some(state.id), EventKind::WorkBegan { work: work.clone() });
        self.work = Some((work, self.request.0.environment.instant()));
    }

    /// It has come, as far as something was waited for.
    pub(super) fn work_ends(&mut self, state: &ChannelState, answer: &Answer) {
        let Some((work, begun)) = self.work.take() else { return };
        let environment = &self.request.0.environment;
        let error = match answer {
            Answer::Consulted(Err(error)) => Some(chain(error, !environment.audience.leaves_names_out)),
            _ => None,
        };
        let elapsed = environment.instant().saturating_duration_since(begun);
        self.request.tell(Some(state.id), EventKind::WorkEnded { work, elapsed, error });
    }

    /// There is a response, or none.
    pub(super) fn ends<B>(&mut self, state: Option<&ChannelState>, result: Result<&Response<B>, &Error>) {
        if let Err(ErrorKind::Connect(error)) = result.map_err(Error::kind) {
            let environment = &self.request.0.environment;
            let error = chain(&**error, !environment.audience.leaves_names_out);
            let elapsed = environment.instant().saturating_duration_since(self.leg_begun);
            self.request.tell(state.map(|state| state.id), EventKind::NotConnected { error, elapsed });
        }
        if let Some(own) = &mut self.own {
            own.ends(result);
        }
    }
}

impl Watched {
    /// In its span, until what this gives is dropped.
    pub(super) fn enter(&self) -> impl Sized + '_ {
        self.0.span.enter()
    }
}

/// What is waited for where somebody else is asked.
pub(super) fn work_of(inquiry: &Inquiry) -> Work {
    match inquiry {
        Inquiry::Kdc(inquiry) => Work::Kdc(inquiry.realm.to_string()),
        Inquiry::Another(_) => Work::OtherLogin,
    }
}

/// A client's connection that is being made, where somebody looks on.
#[cfg(feature = "client")]
pub(crate) struct Connecting {
    environment: Arc<Environment>,
    origin: Origin,
    proxy: Option<Origin>,
    begun: Instant,
}

#[cfg(feature = "client")]
impl Connecting {
    /// `None` where nobody looks on.
    pub(crate) fn begin(
        environment: &Arc<Environment>,
        origin: &Origin,
        proxy: Option<&Origin>,
    ) -> Option<Self> {
        if environment.audience.is_empty() {
            return None;
        }
        let (environment, begun) = (Arc::clone(environment), environment.instant());
        Some(Self { environment, origin: origin.clone(), proxy: proxy.cloned(), begun })
    }

    pub(crate) fn done(self, connection: u64, protocol: Protocol) {
        let elapsed = self.environment.instant().saturating_duration_since(self.begun);
        self.tell(Some(connection), EventKind::Connected { protocol, elapsed });
    }

    /// The connection could not be made.
    pub(crate) fn failed(self, error: &Error) {
        let error = in_words(error, !self.environment.audience.leaves_names_out);
        let elapsed = self.environment.instant().saturating_duration_since(self.begun);
        self.tell(None, EventKind::NotConnected { error, elapsed });
    }

    fn tell(self, connection: Option<u64>, kind: EventKind) {
        let Self { environment, origin, proxy, .. } = self;
        let (origin, at) = (Some(origin), environment.instant());
        environment.audience.event(Event { request_number: None, connection, origin, proxy, at, kind });
    }
}
