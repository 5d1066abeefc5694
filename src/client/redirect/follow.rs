use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::client::redirect::head::{RedirectedContent, follow as onwards, redirect};
use crate::client::redirect::policy::{Redirected, Redirects, Stopped};
use crate::client::runtime::in_runtime;
use crate::client::userinfo;
use crate::handshake::Outcome;
use crate::service::{BoxFuture, Error, Limits};

/// Follows redirects over a service that sends requests to the origins of their URIs, such as
/// [`Client`](crate::Client). `B` is the body of its requests.
///
/// The [module](crate::client::redirect) has the rules. Each response has [`Redirected`] in its
/// extensions, and the outcome of the last login at its own origin.
pub struct FollowRedirects<S, B> {
    inner: S,
    layer: FollowRedirectsLayer<B>,
}

/// Makes [`FollowRedirects`].
pub struct FollowRedirectsLayer<B> {
    redirects: Redirects,
    again: fn(&B) -> Option<B>,
}

impl<B> FollowRedirectsLayer<B> {
    /// Follows redirects by this policy. Content is sent once.
    pub fn new(redirects: Redirects) -> Self {
        Self { redirects, again: |_| None }
    }

    /// Sets how to get content again, before it is sent, in case a redirect wants it (`307`,
    /// `308`): a clone, for a body that is cheap to clone. `None` if that cannot be.
    #[must_use]
    pub fn repeating(mut self, again: fn(&B) -> Option<B>) -> Self {
        self.again = again;
        self
    }
}

impl<S, B> FollowRedirects<S, B> {
    /// Follows redirects by the [default](Redirects) policy. Content is sent once.
    pub fn new(inner: S) -> Self {
        FollowRedirectsLayer::new(Redirects::default()).layer(inner)
    }

    /// Sets how to get content again, as [`FollowRedirectsLayer::repeating`] does.
    #[must_use]
    pub fn repeating(mut self, again: fn(&B) -> Option<B>) -> Self {
        self.layer = self.layer.repeating(again);
        self
    }

    /// Returns the service that sends the requests.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Sends a request, and those that redirects make of it.
    ///
    /// # Errors
    ///
    /// As the service beneath. A redirect that is not followed is a response.
    pub fn request<R>(&self, request: Request<B>) -> BoxFuture<Result<Response<R>, S::Error>>
    where
        S: Service<Request<B>, Response = Response<R>, Future: Send, Error: Send> + Clone + Send + 'static,
        B: Body + Default + Send + 'static,
        R: Body<Data: Send, Error: Send> + Send + 'static,
    {
        let (redirects, again) = (self.layer.redirects, self.layer.again);
        Box::pin(follow(self.inner.clone(), request, redirects, move |body| again(body)))
    }
}

impl<S, B> Layer<S> for FollowRedirectsLayer<B> {
    type Service = FollowRedirects<S, B>;

    fn layer(&self, inner: S) -> FollowRedirects<S, B> {
        FollowRedirects { inner, layer: self.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for FollowRedirects<S, B>
where
    S: Service<Request<B>, Response = Response<R>, Future: Send, Error: Send> + Clone + Send + 'static,
    B: Body + Default + Send + 'static,
    R: Body<Data: Send, Error: Send> + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // What has said that it is ready sends the request, rather than its clone.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let (redirects, again) = (self.layer.redirects, self.layer.again);
        Box::pin(follow(inner, request, redirects, move |body| again(body)))
    }
}

impl<S: Clone, B> Clone for FollowRedirects<S, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, B> fmt::Debug for FollowRedirects<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowRedirects")
            .field("inner", &self.inner)
            .field("redirects", &self.layer.redirects)
            .finish()
    }
}

impl<B> Clone for FollowRedirectsLayer<B> {
    fn clone(&self) -> Self {
        Self { redirects: self.redirects, again: self.again }
    }
}

impl<B> fmt::Debug for FollowRedirectsLayer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowRedirectsLayer").field("redirects", &self.redirects).finish_non_exhaustive()
    }
}

/// Sends a request, and those that redirects make of it. `again` gives a body again before it
/// is sent.
pub(in crate::client) async fn follow<S, B, R>(
    mut service: S,
    mut request: Request<B>,
    redirects: Redirects,
    mut again: impl FnMut(&mut B) -> Option<B>,
) -> Result<Response<R>, S::Error>
where
    S: Service<Request<B>, Response = Response<R>> + 'static,
    B: Body + Default + 'static,
    R: Body,
{
    // It goes along within the origin. What cannot be read, the service beneath refuses.
    let _ = userinfo::take(&mut request);
    let (mut head, mut body) = request.into_parts();
    let is_safe = head.method.is_safe();
    let (mut hops, mut outcome) = (0, None);
    loop {
        let spare = if body.is_end_stream() { Some(B::default()) } else { again(&mut body) };
        let failed = |error| acted_on(error, hops > 0 && !is_safe);
        poll_fn(|cx| service.poll_ready(cx)).await.map_err(failed)?;
        let response = service.call(Request::from_parts(head.clone(), body)).await;
        let mut response = response.map_err(failed)?;
        outcome = response.extensions_mut().remove::<Outcome>().or(outcome);
        let next = redirect(&head, response.status(), response.headers(), &redirects).map(|redirect| {
            let redirect = redirect?;
            if hops == redirects.limit {
                return Err(Stopped::Limit);
            }
            let body = match redirect.content {
                RedirectedContent::Dropped => Some(B::default()),
                RedirectedContent::Repeated => spare,
            };
            Ok((redirect, body.ok_or(Stopped::Content)?))
        });
        match next {
            Some(Ok((redirect, next_body))) => {
                drain(response.into_body()).await;
                hops += 1;
                if !redirect.within_origin {
                    outcome = None;
                }
                onwards(&mut head, redirect);
                body = next_body;
            }
            last => {
                let stopped = last.and_then(Result::err);
                let extensions = response.extensions_mut();
                extensions.insert(Redirected { uri: head.uri, hops, stopped });
                if let Some(outcome) = outcome {
                    extensions.insert::<Outcome>(outcome);
                }
                return Ok(response);
            }
        }
    }
}

/// The same error; where it is ours, it tells that the request has led on from a server.
fn acted_on<E: 'static>(mut error: E, acted_on: bool) -> E {
    if let Some(error) = (&mut error as &mut dyn Any).downcast_mut::<Error>() {
        error.note_acted_on(acted_on);
    }
    error
}

/// Reads a redirect's content to its end, so that the connection can go on. One that is long or
/// late costs its connection, as does any where there are no timers to tell that it is late.
async fn drain<R: Body>(body: R) {
    let limits = Limits::default();
    if body.size_hint().lower() > limits.drain || in_runtime().is_err() {
        return;
    }
    let mut body = pin!(body);
    let reading = async {
        let mut octets = 0;
        while let Some(Ok(frame)) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            octets += frame.data_ref().map_or(0, |data| data.remaining() as u64);
            if octets > limits.drain {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(limits.drain_timeout, reading).await;
}
