//! What happens to requests and connections beside their legs.

use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};

use crate::handshake::{Actor, Login, Outcome, Protocol, ProxyOutcome, Refusal, Tried, Why};
use crate::protection_space::Origin;
use crate::service::error::{Error, ErrorKind};

/// Something that happened to a request or a connection.
///
/// Errors are in words, each with what lies behind it. There are no secrets in them, nor in anything else here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// The number of the request, counted from 1 within one [`Environment`](crate::service::Environment). `None`
    /// of what happens to a connection.
    pub request_number: Option<u64>,
    /// The number of the connection, where there is one.
    pub connection: Option<u64>,
    /// The origin server. `None` if the request's URI names none.
    pub origin: Option<Origin>,
    /// The proxy in between.
    pub proxy: Option<Origin>,
    /// When it happened, by the [timer's](crate::service::Timer::now) clock.
    pub at: Instant,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A request has been handed to the client, or to the layer. `CONNECT` to a proxy is a request of its own.
    #[non_exhaustive]
    RequestBegan {
        /// Its method.
        method: Method,
        /// The path, without the query; of `CONNECT` host and port.
        path: String,
        /// Who it acts as at the origin.
        actor: Actor,
    },
    /// It is done with.
    #[non_exhaustive]
    RequestEnded {
        /// What came of it.
        ending: Ending,
        /// How long it took until the head of the last response was there.
        elapsed: Duration,
    },
    /// A client has opened a connection. Those of reqwest connect with their first leg.
    #[non_exhaustive]
    Connected {
        /// What is spoken on it.
        protocol: Protocol,
        /// How long that took, with TLS and the tunnel.
        elapsed: Duration,
    },
    /// A connection could not be opened.
    #[non_exhaustive]
    NotConnected {
        /// Why.
        error: String,
        /// How long that took.
        elapsed: Duration,
    },
    /// The request begins again on another connection.
    #[non_exhaustive]
    Restarted {
        /// Why this one did not serve it.
        error: String,
    },
    /// The request waits for something.
    #[non_exhaustive]
    WorkBegan {
        /// For what.
        work: Work,
    },
    /// It does not wait for it any longer.
    #[non_exhaustive]
    WorkEnded {
        /// For what it has waited.
        work: Work,
        /// How long.
        elapsed: Duration,
        /// Why it failed, if it did.
        error: Option<String>,
    },
}

/// What a login waits for, other than the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Work {
    /// Another request that tries the same credentials.
    Turn,
    /// Another login that gets what this one needs as well, such as a ticket.
    OtherLogin,
    /// The provider of credentials.
    Credentials,
    /// A step of the mechanism that may block.
    Step,
    /// A KDC of this realm.
    Kdc(String),
}

/// What came of a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Ending {
    /// A response is delivered.
    #[non_exhaustive]
    Answered {
        /// Its status.
        status: StatusCode,
        /// What came of the handshake, where there was one: as in the extensions of the response.
        outcome: Option<Outcome>,
        /// What came of the one with the proxy.
        proxy_outcome: Option<Outcome>,
    },
    /// There is no response.
    #[non_exhaustive]
    Failed {
        /// Why.
        error: String,
    },
    /// Nobody waits for the response any longer.
    GivenUp,
}

impl Ending {
    pub(super) fn answered<B>(response: &http::Response<B>) -> Self {
        let extensions = response.extensions();
        Self::Answered {
            status: response.status(),
            outcome: extensions.get().cloned(),
            proxy_outcome: extensions.get().map(|ProxyOutcome(outcome)| outcome.clone()),
        }
    }

    /// The login, if it was accepted with this request: the origin's, else the proxy's.
    pub fn login(&self) -> Option<&Login> {
        self.outcomes().find_map(|outcome| match outcome {
            Outcome::LoggedIn(login) => Some(login),
            Outcome::Refused(_) => None,
        })
    }

    /// Why a challenge stands, if one does: the origin's, else the proxy's.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.outcomes().find_map(|outcome| match outcome {
            Outcome::Refused(refusal) => Some(refusal),
            Outcome::LoggedIn(_) => None,
        })
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        let (outcome, proxy_outcome) = match self {
            Self::Answered { outcome, proxy_outcome, .. } => (outcome.as_ref(), proxy_outcome.as_ref()),
            Self::Failed { .. } | Self::GivenUp => (None, None),
        };
        outcome.into_iter().chain(proxy_outcome)
    }

    fn outcomes_mut(&mut self) -> impl Iterator<Item = &mut Outcome> {
        let (outcome, proxy_outcome) = match self {
            Self::Answered { outcome, proxy_outcome, .. } => (outcome.as_mut(), proxy_outcome.as_mut()),
            Self::Failed { .. } | Self::GivenUp => (None, None),
        };
        outcome.into_iter().chain(proxy_outcome)
    }
}

impl Event {
    /// The same without the names of users.
    pub(super) fn without_names(mut self) -> Self {
        match &mut self.kind {
            EventKind::RequestBegan { actor, .. } => {
                *actor = std::mem::replace(actor, Actor::Nobody).without_name();
            }
            EventKind::RequestEnded { ending, .. } => ending.outcomes_mut().for_each(leave_names_out),
            _ => {}
        }
        self
    }
}

/// A mechanism, or a server, may name the user in what it says.
fn leave_names_out(outcome: &mut Outcome) {
    match outcome {
        Outcome::LoggedIn(login) => (login.principal, login.passed_over) = (None, None),
        Outcome::Refused(refusal) => refusal.tried.iter_mut().for_each(leave_words_out),
    }
}

fn leave_words_out(tried: &mut Tried) {
    tried.passed_over = None;
    match &mut tried.why {
        Why::Refused(words) => *words = None,
        Why::Undecided(words) | Why::CannotStart(words) => "(left out)".clone_into(words),
        _ => {}
    }
}

/// An error in words, with what lies behind it unless that may name a user.
pub(super) fn in_words(error: &Error, with_names: bool) -> String {
    match error.kind() {
        ErrorKind::Refused(refusal) if !with_names => {
            let mut refusal = refusal.clone();
            refusal.tried.iter_mut().for_each(leave_words_out);
            refusal.to_string()
        }
        _ => chain(error, with_names),
    }
}

/// An error and, where they are wanted, its sources.
pub(super) fn chain(error: &(dyn StdError + 'static), with_sources: bool) -> String {
    let mut text = one(error);
    let mut source = error.source().filter(|_| with_sources);
    while let Some(error) = source {
        let next = one(error);
        // Some print their source themselves.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}

/// reqwest's errors show the URL with its query.
fn one(error: &(dyn StdError + 'static)) -> String {
    let text = error.to_string();
    #[cfg(feature = "reqwest")]
    if let Some(url) = error.downcast_ref::<reqwest::Error>().and_then(reqwest::Error::url) {
        let mut bare = url.clone();
        bare.set_query(None);
        bare.set_fragment(None);
        // A user and a password are taken out before reqwest is given the URL; that of a lane means nothing.
        let _ = bare.set_username("").and_then(|()| bare.set_password(None));
        return text.replace(url.as_str(), bare.as_str());
    }
    text
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Turn => f.write_str("another request with the same credentials"),
            Self::OtherLogin => f.write_str("another login with the same needs"),
            Self::Credentials => f.write_str("the provider of credentials"),
            Self::Step => f.write_str("a step of the mechanism"),
            Self::Kdc(realm) => write!(f, "a KDC of {realm}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::protection_space::Challenger;

    #[test]
    fn work_is_named_by_what_is_waited_for() {
        for (work, words) in [
            (Work::Turn, "another request with the same credentials"),
            (Work::OtherLogin, "another login with the same needs"),
            (Work::Credentials, "the provider of credentials"),
            (Work::Step, "a step of the mechanism"),
            (Work::Kdc("LAB.TEST".to_owned()), "a KDC of LAB.TEST"),
        ] {
            assert_eq!(work.to_string(), words);
        }
    }

    #[test]
    fn an_error_is_told_with_its_sources_where_names_may_be_told() {
        let cause = io::Error::other("alice is locked out");
        let error = Error::from(ErrorKind::Credentials(cause.into()));
        let own = error.to_string();
        assert_eq!(in_words(&error, false), own);
        assert_eq!(in_words(&error, true), format!("{own}: alice is locked out"));
    }

    #[test]
    fn words_that_may_name_a_user_are_left_out_of_a_refusal() {
        let words = || "alice is locked out".to_owned();
        let tried = [Why::Refused(Some(words())), Why::Undecided(words()), Why::CannotStart(words())];
        let refusal = Refusal {
            challenger: Challenger::Origin,
            origin: "https://site.example".parse().expect("an origin"),
            mutual: false,
            tried: tried.into_iter().map(|why| Tried::new("NTLM", why)).collect(),
            legs: 3,
        };
        let error = Error::from(ErrorKind::Refused(refusal.clone()));
        assert_eq!(
            [true, false].map(|with_names| in_words(&error, with_names).contains("alice")),
            [true, false]
        );
        let outcome = Some(Outcome::Refused(refusal));
        let status = StatusCode::UNAUTHORIZED;
        let ending = Ending::Answered { status, outcome, proxy_outcome: None };
        assert!(format!("{ending:?}").contains("alice"));
        let kind = EventKind::RequestEnded { ending, elapsed: Duration::ZERO };
        let event = Event {
            request_number: Some(1),
            connection: None,
            origin: None,
            proxy: None,
            at: Instant::now(),
            kind,
        };
        let event = event.without_names();
        assert!(!format!("{event:?}").contains("alice"), "{event:?}");
        let EventKind::RequestEnded { ending, .. } = event.kind else { panic!("it is the same event") };
        assert_eq!(ending.refusal().map(|refusal| refusal.tried.len()), Some(3));
        assert!(ending.login().is_none());
    }
}
