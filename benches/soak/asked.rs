//! One request, and whether what came of it is what the script did.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use legwork::Credentials;
use legwork::handshake::Outcome;
use legwork::service::{Error, ErrorKind};

use crate::clients::{Body, Clients, Via};
use crate::script::{Draw, Plan};
use crate::users::{Begun, Users};

const X_USER: HeaderName = HeaderName::from_static("x-user");
const X_BODY_OCTETS: HeaderName = HeaderName::from_static("x-body-octets");

/// Who waits for so long waits for ever.
const FOR_EVER: Duration = Duration::from_secs(100);

pub(crate) struct Asked {
    plan: Plan,
    via: Via,
    begun: Begun,
    path: String,
}

impl Asked {
    /// By anybody.
    pub(crate) fn new(plan: Plan, draw: &mut Draw, users: &Users) -> Self {
        Self::by(users.drawn(draw), plan, draw, users)
    }

    pub(crate) fn by(user: usize, plan: Plan, draw: &mut Draw, users: &Users) -> Self {
        let path = format!("{}/{:x}", plan.path(), draw.next());
        // What is lost may be sent once more.
        let logins = if plan.may_be_lost() { 2 } else { 1 };
        Self { plan, via: Via::drawn(draw), begun: users.begin(user, logins), path }
    }

    pub(crate) async fn send(self, clients: &Clients, users: &Users, tally: &Tally) -> Result<(), String> {
        if self.plan == Plan::ClosedUnannounced {
            tally.closes.fetch_add(1, Ordering::Relaxed);
        }
        let sent = clients.send(self.via, self.request());
        let sent = async { tokio::time::timeout(FOR_EVER, sent).await.map_err(|_| self.wrong("no end")) };
        let result = match self.plan {
            Plan::GivenUp(polls) => match within_polls(polls, sent).await {
                Some(result) => result?,
                None => {
                    self.begun.give_up();
                    tally.given_up.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
            },
            _ => sent.await?,
        };
        match result {
            Ok(response) if response.status() == StatusCode::UNAUTHORIZED => {
                tally.refused.fetch_add(1, Ordering::Relaxed);
                if users.is_outdated(&self.begun) {
                    return Ok(());
                }
                let outcome = response.extensions().get::<Outcome>();
                Err(self.wrong(&format!("refused: {outcome:?}")))
            }
            Ok(response) => self.served(response, users, tally).await,
            Err(error) => self.lost(&error, users, tally),
        }
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = self.begun.uri(&self.path);
        if let Plan::Post(octets) = self.plan {
            *request.method_mut() = Method::POST;
            *request.body_mut() = vec![b'x'; octets].into();
        }
        request.extensions_mut().insert::<Credentials>(self.begun.credentials.clone());
        request
    }

    /// As who asked, with what was sent, to its end.
    async fn served(&self, response: Response<Body>, users: &Users, tally: &Tally) -> Result<(), String> {
        let (head, body) = response.into_parts();
        let field = |name| head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let user = field(X_USER).unwrap_or_default().into_owned();
        let is_theirs = match self.plan {
            Plan::Public => user.is_empty(),
            _ => user.split('@').next() == Some(&self.begun.name),
        };
        let octets = match self.plan {
            Plan::Post(octets) => octets,
            _ => 0,
        };
        if head.status != StatusCode::OK
            || !is_theirs
            || field(X_BODY_OCTETS) != Some(octets.to_string().into())
        {
            return Err(self.wrong(&format!("another's answer: {head:?}")));
        }
        if self.plan == Plan::Unread {
            tally.unread.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        match tokio::time::timeout(FOR_EVER, body.collect()).await {
            Err(_) => Err(self.wrong("no end of the content")),
            Ok(Err(_)) if self.plan.may_be_lost() || users.is_disturbed(&self.begun) => {
                tally.lost.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Ok(Err(error)) => Err(self.wrong(&format!("content lost: {error}"))),
            Ok(Ok(content)) => {
                let text = content.to_bytes();
                let who = if user.is_empty() { "nobody" } else { &user };
                tally.served.fetch_add(1, Ordering::Relaxed);
                match text.starts_with(format!("{who} on connection ").as_bytes())
                    && text.ends_with(b"octets\n")
                {
                    true => Ok(()),
                    false => Err(self.wrong(&format!("another content: {text:?}"))),
                }
            }
        }
    }

    fn lost(&self, error: &Error, users: &Users, tally: &Tally) -> Result<(), String> {
        tally.lost.fetch_add(1, Ordering::Relaxed);
        let is_scripted = match error.kind() {
            ErrorKind::Connection(_) | ErrorKind::NewConnectionNeeded(_)
                if self.plan.may_be_lost() || users.is_disturbed(&self.begun) =>
            {
                true
            }
            // It was sent on a connection that the server was closing behind another's answer, and nobody but the caller
            // may send it again.
            ErrorKind::Connection(_) if matches!(self.plan, Plan::Post(_)) => tally.is_due_to_a_close(),
            _ => false,
        };
        if is_scripted {
            return Ok(());
        }
        Err(self.wrong(&format!("{error}: {error:?}")))
    }

    fn wrong(&self, what: &str) -> String {
        let Self { plan, via, begun, path } = self;
        format!("{plan:?} of {} at {}{path}, via {via:?}: {what}", begun.name, begun.authority)
    }
}

/// What the future comes to, if it does so when it has been polled that often; else it is dropped.
async fn within_polls<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            left -= 1;
            if left == 0 { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

/// What the requests came to.
#[derive(Default)]
pub(crate) struct Tally {
    served: AtomicUsize,
    refused: AtomicUsize,
    lost: AtomicUsize,
    given_up: AtomicUsize,
    unread: AtomicUsize,
    /// Requests behind whose answers the server closed unannounced, and those that this may have cost.
    closes: AtomicUsize,
    cost: AtomicUsize,
    changes: AtomicUsize,
    /// Logins that the server refused.
    attempts: AtomicUsize,
    most_attempts: AtomicUsize,
}

impl Tally {
    pub(crate) fn changed(&self, refused_before: usize) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.attempts.fetch_add(refused_before, Ordering::Relaxed);
        self.most_attempts.fetch_max(refused_before, Ordering::Relaxed);
    }

    pub(crate) fn requests(&self) -> usize {
        let all = [&self.served, &self.refused, &self.lost, &self.given_up, &self.unread];
        all.into_iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Each close costs one request at most.
    fn is_due_to_a_close(&self) -> bool {
        self.cost.fetch_add(1, Ordering::Relaxed) < self.closes.load(Ordering::Relaxed)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { served, refused, lost, given_up, unread, cost, changes, attempts, most_attempts, .. } =
            self;
        write!(
            f,
            "{served:?} served, {lost:?} lost with their connections ({cost:?} of them POSTs as it was closed unannounced), \
             {given_up:?} given up, {unread:?} not read to the end\n\
             {changes:?} passwords changed: {refused:?} requests refused before their caller had the new one; \
             {attempts:?} logins with the old ones reached the server, at most {most_attempts:?} after a change"
        )
    }
}
