//! Any octets as a redirect's `Location`: where `legwork::client::redirect` follows it to is where a
//! plain second reading of RFC 3986 leads.

mod reference;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{HeaderValue, LOCATION};
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use legwork::Origin;
use legwork::client::redirect::{FollowRedirectsLayer, Redirected, Redirects, Stopped};
use tower_layer::Layer;
use tower_service::Service;

/// Panics if anything is wrong. The input is the URI of the request, a line feed, and the field's
/// value. Says whether the redirect leads anywhere, if they are a URI with an origin and a value.
pub fn check(input: &[u8]) -> Option<bool> {
    let at = input.iter().position(|octet| *octet == b'\n')?;
    let (base, location) = (Uri::try_from(&input[..at]).ok()?, &input[at + 1..]);
    let origin = Origin::from_uri(&base).ok()?;
    let value = HeaderValue::from_bytes(location).ok()?;

    let expected = reference::resolve(&base.to_string(), location)
        .and_then(|target| target.parse::<Uri>().ok())
        .filter(|target| Origin::from_uri(target).is_ok());
    let anywhere = Redirects::default().dangerous_to_plain_http(true);
    let followed = follow(&base, &value, anywhere);
    let Some(target) = expected else {
        assert_eq!(followed.stopped, Some(Stopped::Location), "{base} {value:?} leads to {}", followed.uri);
        assert_eq!((followed.hops, &followed.uri), (0, &without_userinfo(&base)?), "{base} {value:?}");
        return Some(false);
    };
    assert_eq!((followed.hops, followed.stopped), (1, None), "{base} {value:?} leads to {target}");
    assert_eq!(followed.uri.to_string(), target.to_string(), "{base} {value:?}");

    let other = Origin::from_uri(&target).expect("it was just made of it");
    let may_leave = follow(&base, &value, anywhere.to_other_origins(false));
    let expected = (other != origin).then_some(Stopped::OtherOrigin);
    assert_eq!(may_leave.stopped, expected, "{base} {value:?}");
    let may_be_read = follow(&base, &value, Redirects::default());
    let expected = (origin.is_secure() && !other.is_secure()).then_some(Stopped::PlainHttp);
    assert_eq!(may_be_read.stopped, expected, "{base} {value:?}");
    Some(true)
}

/// The URI without its userinfo, which is taken for credentials. `None` if that may be one that cannot be read.
fn without_userinfo(uri: &Uri) -> Option<Uri> {
    let text = uri.to_string();
    let (scheme, rest) = text.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let Some((userinfo, host)) = authority.rsplit_once('@') else { return Some(uri.clone()) };
    let without = format!("{scheme}://{host}{path}").parse();
    // Of what is no URI without it, it is a part.
    (!userinfo.contains('%')).then(|| without.unwrap_or_else(|_| uri.clone()))
}

/// Where a request for `base` ends that is redirected once.
fn follow(base: &Uri, location: &HeaderValue, redirects: Redirects) -> Redirected {
    let service = RedirectsOnce(Some(location.clone()));
    let mut client = FollowRedirectsLayer::new(redirects).layer(service);
    let mut request = Request::new(Content::Nothing);
    *request.uri_mut() = base.clone();
    let Poll::Ready(Ok(response)) = pin!(client.call(request)).poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("the service beneath is ready at once")
    };
    response.extensions().get::<Redirected>().expect("each response says where it comes from").clone()
}

/// Answers the first request by a redirect and the next by nothing.
#[derive(Clone)]
struct RedirectsOnce(Option<HeaderValue>);

impl Service<Request<Content>> for RedirectsOnce {
    type Response = Response<Content>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Content>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Content>) -> Self::Future {
        let mut response = Response::new(Content::Nothing);
        if let Some(location) = self.0.take() {
            response = Response::new(Content::TooMuchToRead);
            *response.status_mut() = http::StatusCode::FOUND;
            response.headers_mut().insert(LOCATION, location);
        }
        ready(Ok(response))
    }
}

#[derive(Default)]
enum Content {
    #[default]
    Nothing,
    /// A redirect's content is read within a time, and so by a runtime, unless it is large.
    TooMuchToRead,
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Nothing => 0,
            Self::TooMuchToRead => u64::MAX,
        })
    }
}
