//! What gives a lease its own connections in a client that was built elsewhere: a name.
//!
//! Such a client puts a leg on any idle connection to the same scheme and authority. Userinfo is part of
//! the authority, and takes no part in where a connection leads. So legs with a userinfo that nobody else
//! has go over connections that carry nothing else: nobody's challenge is pending there, and nobody else
//! comes to use the login. Which of them a leg has taken is seen with its response: another one than the
//! last was opened because that was closed, or was not back in the pool yet. A login may begin there, and
//! cannot go on there.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, header};
use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::Url;
use tokio::time::{Sleep, sleep};

use crate::challenge::{Challenge, Challenges};
use crate::protection_space::Challenger;
use crate::service::Astray;

/// How long an answer to a challenge waits for the connection to be back in the client's pool, of which
/// nobody tells. Another task puts it there, a moment after the end of the challenge; without it the leg
/// would open another connection.
const RETURN: Duration = Duration::from_millis(2);

/// The name in the URLs of one lease, and the connection that its legs have to be on.
pub(super) struct Named {
    name: String,
    is_secure: bool,
    /// Legs go under the name from here on.
    is_in_use: bool,
    /// No further leg is to go this way.
    is_spent: bool,
    /// A login of the whole connection has begun.
    is_bound: bool,
    /// The connection, by its address on this side, once a leg has gone under the name.
    connection: Option<Option<SocketAddr>>,
    /// Where the leg that is out went, without the name.
    target: Option<Url>,
    /// What the leg that is out, or was the last, is to the login.
    role: Role,
    /// The last leg was challenged.
    is_challenged: bool,
    /// The connection comes back to the client's pool.
    returning: Option<Pin<Box<Sleep>>>,
}

/// What a leg is to a login of the whole connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It carries no part of one, and is served by virtue of one, if there was any.
    Bare,
    /// It begins one, wherever it is.
    Begins,
    /// It goes on with the one that was challenged.
    GoesOn,
}

impl Named {
    /// With TLS, legs go under the name from the first one on where logins are tied to connections: the
    /// bindings that its response tells have to be those of the connection that the login is on. Where logins
    /// are not tied to connections no leg does: over HTTP/2 the server would be told the name. Without TLS a proxy
    /// of the client's sees the name, so there it is used only where it has to be.
    pub(super) fn new(is_secure: bool, ties_connections: bool) -> Result<Self, getrandom::Error> {
        let name = format!("lane-{:016x}", getrandom::u64()?);
        Ok(Self {
            name,
            is_secure,
            is_in_use: is_secure && ties_connections,
            is_spent: false,
            is_bound: false,
            connection: None,
            target: None,
            role: Role::Bare,
            is_challenged: false,
            returning: None,
        })
    }

    /// Whether no further leg is to go this way: the next one begins on another.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// Whether the connection may not be back in the client's pool.
    pub(super) fn has_to_wait(&self) -> bool {
        self.is_in_use && self.is_challenged
    }

    /// Ready when the next leg may go.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_to_wait() {
            return Poll::Ready(());
        }
        let returning = self.returning.get_or_insert_with(|| Box::pin(sleep(RETURN)));
        ready!(returning.as_mut().poll(cx));
        self.returning = None;
        Poll::Ready(())
    }

    /// Gives a leg its place.
    pub(super) fn send(&mut self, url: &mut Url, fields: &HeaderMap) {
        self.role = match fields.get(header::AUTHORIZATION).is_some_and(is_bound) {
            true if self.role != Role::Bare && self.is_challenged => Role::GoesOn,
            true => Role::Begins,
            false => Role::Bare,
        };
        self.is_bound |= self.role != Role::Bare;
        self.is_in_use |= self.is_bound;
        if self.is_in_use {
            self.target = Some(url.clone());
            // Each `http` and `https` URL has a host, and can have a user.
            let _ = url.set_username(&self.name);
        }
    }

    /// Whether a leg was where it had to be. `url` says where the response is from, without the name.
    ///
    /// # Errors
    ///
    /// [`Astray`] if it was not, or nobody knows.
    pub(super) fn answered<B>(&mut self, response: &Response<B>, url: &Url) -> Result<(), Astray> {
        let is_challenge =
            [Challenger::Origin, Challenger::Proxy].map(Challenger::status).contains(&response.status());
        self.is_challenged = is_challenge;
        if !self.is_in_use {
            self.is_spent = self.is_secure && is_challenge && offers_bound(response.headers());
            return Ok(());
        }
        let now = response.extensions().get().map(HttpInfo::local_addr);
        let has_stayed = self.connection.is_none_or(|before| now.is_some() && now == before);
        self.connection = Some(now);
        let has_been_led_away = self
            .target
            .as_ref()
            .is_some_and(|target| target.origin() != url.origin() || !has_stayed && !is_same(target, url));
        // The bindings that are known are then those of another connection.
        self.is_spent = self.is_secure && !has_stayed;
        let may_move = self.role == Role::Begins && !self.is_secure;
        match self.is_bound && (has_been_led_away || !has_stayed && !may_move) {
            true => Err(Astray { was_served: !is_challenge, is_redirected: has_been_led_away }),
            false => Ok(()),
        }
    }
}

/// Whether two URLs differ by no more than the fragment, of which a response does not tell.
fn is_same(a: &Url, b: &Url) -> bool {
    a.origin() == b.origin() && a.path() == b.path() && a.query() == b.query()
}

/// The schemes that log a whole connection in.
const BOUND: [&str; 2] = ["NTLM", "Negotiate"];

/// Whether a challenge may be answered by a login of the whole connection.
fn offers_bound(headers: &HeaderMap) -> bool {
    [Challenger::Origin, Challenger::Proxy].iter().any(|challenger| {
        let challenges = Challenges::parse(headers, challenger.challenge_field());
        let is_bound = |challenge: &Challenge| BOUND.iter().any(|scheme| challenge.is(scheme));
        challenges.iter().chain(challenges.malformed()).any(is_bound)
    })
}

/// Whether a field's value is part of a login of the whole connection.
fn is_bound(value: &HeaderValue) -> bool {
    let scheme = value.as_bytes().split(|octet| *octet == b' ').next().unwrap_or_default();
    BOUND.iter().any(|bound| bound.as_bytes().eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(mut named: Named, authorization: Option<&'static str>) -> bool {
        let mut url = Url::parse("https://wiki.example/a").expect("a URL");
        let fields = authorization.map(|value| (header::AUTHORIZATION, HeaderValue::from_static(value)));
        named.send(&mut url, &fields.into_iter().collect());
        url.username().starts_with("lane-")
    }

    #[test]
    fn legs_go_under_the_name_where_logins_are_tied_to_connections() {
        let named = |is_secure, ties_connections| Named::new(is_secure, ties_connections).expect("entropy");
        for (is_secure, ties_connections, authorization, expected) in [
            (true, true, None, true),
            // Over HTTP/2 the server would be told.
            (true, false, None, false),
            (true, false, Some("Basic YTpi"), false),
            (false, true, None, false),
            (false, false, Some("NTLM TlRMTVNTUAAB"), true),
        ] {
            assert_eq!(
                sent(named(is_secure, ties_connections), authorization),
                expected,
                "{authorization:?}"
            );
        }
    }

    #[test]
    fn a_lane_that_has_not_been_under_its_name_is_spent_where_a_login_is_to_be_tied_to_it() {
        let url = Url::parse("https://wiki.example/a").expect("a URL");
        for (challenge, expected) in
            [("Basic realm=a", false), ("Basic realm=a, NTLM", true), ("Negotiate", true)]
        {
            let mut named = Named::new(true, false).expect("entropy");
            let response = Response::builder().status(401).header(header::WWW_AUTHENTICATE, challenge);
            let response = response.body(()).expect("a response");
            assert!(named.answered(&response, &url).is_ok());
            assert_eq!(named.is_spent(), expected, "{challenge}");
        }
    }
}
