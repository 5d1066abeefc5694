//! What logins get from their surroundings: timers, threads for blocking work, randomness, bounds.

use std::fmt;
use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use crate::mechanism::ErrorKind::Unavailable;
use crate::mechanism::{Inquiry, KdcInquiry, MechanismError, Moment, Moments, StepJob, Stepped};
use crate::service::audience::Audience;
use crate::service::observe::Observer;

/// A future on the heap, for what happens once per connection rather than per request.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// After this a login looks again for what it waits for: the other one may be kept by a program that does not go on with it.
const FOR_ANOTHER: Duration = Duration::from_secs(30);

/// The timers of a runtime. Without one there are no timeouts, and no body waits for the server's word.
pub trait Timer: Send + Sync {
    /// Resolves after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;

    /// The present by the clock that [`sleep`](Self::sleep) goes by. Default: the system's
    /// monotonic clock; a runtime whose clock a test can stop gives its own.
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// Runs mechanism steps that may block. Without one they run where they are.
pub trait Blocking: Send + Sync {
    /// Runs the step off the executor.
    fn run(&self, job: StepJob, moment: Moment) -> BoxFuture<Stepped>;
}

/// Carries messages to KDCs (RFC 4120, section 7.2), for mechanisms that speak Kerberos themselves. Without one, none is
/// reached.
pub trait KdcTransport: Send + Sync {
    /// The answer of one of the realm's KDCs, without the length in front of it that TCP has. It ends in bounded time,
    /// and dropping it gives the exchange up.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], where no KDC has answered.
    fn exchange(&self, inquiry: KdcInquiry) -> BoxFuture<Result<Vec<u8>, MechanismError>>;
}

/// Bounds on one request's handshake.
///
/// ```
/// use std::time::Duration;
///
/// use legwork::service::Limits;
///
/// let limits = Limits::default().leg_timeout(Duration::from_secs(10)).replay(1024 * 1024);
/// # assert_eq!((limits.leg_timeout, limits.replay), (Duration::from_secs(10), 1024 * 1024));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How many octets of a body that comes in pieces are kept for sending it again. What comes in one
    /// piece, such as `Full`, `String` or reqwest's JSON, is in memory anyway: it is kept at any size.
    /// A body that is not kept [waits](crate::client::Client#large-uploads) for the server's word
    /// where it may be challenged. Default: 64 KiB.
    pub replay: u64,
    /// How many octets of a challenge's body are read to keep the connection. Default: 64 KiB.
    pub drain: u64,
    /// How long that may take. Default: 5 s.
    pub drain_timeout: Duration,
    /// How long one leg of a handshake may take that is answered by another challenge. The last one
    /// is the request itself, whose application may take its time. Default: 30 s.
    pub leg_timeout: Duration,
    /// How long a handshake may take up to its last leg, without the time in which it waits for
    /// another request that tries the same credentials. Default: 120 s.
    pub handshake_timeout: Duration,
    /// How often a client's request, or a tunnel, may begin its handshake again on another connection. A
    /// [layer](crate::service::AuthenticateLayer) has no other. Default: 3.
    pub restarts: u32,
}

impl Limits {
    /// Sets how many octets of a body are kept for sending it again.
    #[must_use]
    pub fn replay(mut self, octets: u64) -> Self {
        self.replay = octets;
        self
    }

    /// Sets how many octets of a challenge's body are read to keep the connection.
    #[must_use]
    pub fn drain(mut self, octets: u64) -> Self {
        self.drain = octets;
        self
    }

    /// Sets how long reading a challenge's body may take.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Sets how long one leg of a handshake may take.
    #[must_use]
    pub fn leg_timeout(mut self, timeout: Duration) -> Self {
        self.leg_timeout = timeout;
        self
    }

    /// Sets how long a handshake may take up to its last leg.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Sets how often a handshake may begin again on another connection.
    #[must_use]
    pub fn restarts(mut self, restarts: u32) -> Self {
        self.restarts = restarts;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            replay: 64 * 1024,
            drain: 64 * 1024,
            drain_timeout: Duration::from_secs(5),
            leg_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(120),
            restarts: 3,
        }
    }
}

/// What logins get from their surroundings: timers, threads for steps that may block, an observer, and
/// bounds.
///
/// Clients and tunnels start from `Environment::tokio` (with the feature `client`), a layer from nothing. One environment can be given to
/// several of them; its observer then knows all of their connections by different numbers.
///
/// ```
/// use std::time::Duration;
///
/// use legwork::service::{Environment, Limits};
///
/// let limits = Limits::default().leg_timeout(Duration::from_secs(10));
/// let environment = Environment::new().limits(limits);
/// # let _ = environment;
/// ```
#[derive(Clone, Default)]
pub struct Environment {
    connections: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
    pub(super) timer: Option<Arc<dyn Timer>>,
    pub(super) blocking: Option<Arc<dyn Blocking>>,
    kdc_transport: Option<Arc<dyn KdcTransport>>,
    pub(super) audience: Audience,
    pub(crate) limits: Limits,
}

impl Environment {
    /// Creates an environment without a timer: nothing times out, and a login whose server says nothing holds up others with
    /// the same credentials until it is given up. No threads: steps that may block run where they are. No way to a KDC. No
    /// observer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the timers, and the clock that credentials rest by.
    #[must_use]
    pub fn timer(mut self, timer: impl Timer + 'static) -> Self {
        self.timer = Some(Arc::new(timer));
        self
    }

    /// Sets where mechanism steps run that may block, such as those that wait for a KDC.
    #[must_use]
    pub fn blocking(mut self, blocking: impl Blocking + 'static) -> Self {
        self.blocking = Some(Arc::new(blocking));
        self
    }

    /// Sets how messages get to KDCs.
    #[must_use]
    pub fn kdc_transport(mut self, transport: impl KdcTransport + 'static) -> Self {
        self.kdc_transport = Some(Arc::new(transport));
        self
    }

    /// Sets who is told of requests, their legs, and connections.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.audience.observer = Some(Arc::new(observer));
        self
    }

    /// Leaves the names of users out of all that an [observer](Self::observer) is told, and out of the spans and events
    /// of the feature `tracing`. With them go the words of mechanisms and servers, which may name the user; what lies behind an
    /// error; and who is logged in. Paths stay.
    #[must_use]
    pub fn without_user_names(mut self) -> Self {
        self.audience.leaves_names_out = true;
        self
    }

    /// Sets the bounds on each handshake.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether somebody looks on, or may at any time.
    #[cfg(feature = "client")]
    pub(crate) fn may_be_watched(&self) -> bool {
        cfg!(feature = "tracing") || self.audience.observer.is_some()
    }

    /// The number of a new connection, from 1.
    pub(super) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The number of a new request, from 1.
    pub(super) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Asks who the inquiry is for.
    pub(super) fn consult(&self, inquiry: Inquiry) -> BoxFuture<Result<Vec<u8>, MechanismError>> {
        match (inquiry, &self.kdc_transport) {
            (Inquiry::Another(mut awaited), _) => {
                let mut patience = self.sleep(FOR_ANOTHER);
                Box::pin(poll_fn(move |cx| {
                    if let Poll::Ready(outcome) = Pin::new(&mut awaited).poll(cx) {
                        return Poll::Ready(outcome.map(|()| Vec::new()));
                    }
                    let Some(patience) = &mut patience else { return Poll::Pending };
                    patience.as_mut().poll(cx).map(|()| Ok(Vec::new()))
                }))
            }
            (Inquiry::Kdc(inquiry), Some(transport)) => transport.exchange(inquiry),
            (Inquiry::Kdc(_), None) => Box::pin(ready(Err(MechanismError::new(
                Unavailable,
                "there is nothing that carries messages to a KDC (Environment::kdc_transport)",
            )))),
        }
    }

    pub(super) fn sleep(&self, duration: Duration) -> Option<BoxFuture<()>> {
        self.timer.as_ref().map(|timer| timer.sleep(duration))
    }
}

impl Moments for Environment {
    fn instant(&self) -> Instant {
        self.timer.as_ref().map_or_else(Instant::now, |timer| timer.now())
    }

    fn moment(&self) -> Result<Moment, MechanismError> {
        SystemMoments.moment()
    }

    fn has_timer(&self) -> bool {
        self.timer.is_some()
    }
}

/// The system's clocks, and its randomness.
///
/// A driver of [`Handshake`](crate::handshake::Handshake) gives it to each request.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs)]
pub struct SystemMoments;

impl Moments for SystemMoments {
    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn moment(&self) -> Result<Moment, MechanismError> {
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy)
            .map_err(|error| MechanismError::new(Unavailable, format!("no randomness: {error}")))?;
        Ok(Moment::new(SystemTime::now(), entropy))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::task::{Context, Waker};

    use super::*;
    use crate::mechanism::Awaited;

    /// Whose time is up at once.
    struct Elapsed;

    impl Timer for Elapsed {
        fn sleep(&self, _: Duration) -> BoxFuture<()> {
            Box::pin(ready(()))
        }
    }

    #[test]
    fn nobody_waits_for_ever_for_another_login() {
        let never = || Inquiry::Another(Awaited::new(pending()));
        let poll = |environment: Environment| {
            environment.consult(never()).as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        assert_eq!(poll(Environment::new()), Poll::Pending);
        assert_eq!(poll(Environment::new().timer(Elapsed)), Poll::Ready(Ok(Vec::new())));
    }

    #[test]
    fn an_environment_says_whether_it_has_a_timer() {
        assert!(!Environment::new().has_timer());
        assert!(Environment::new().timer(Elapsed).has_timer());
    }

    #[test]
    fn each_limit_is_set_by_itself() {
        let second = Duration::from_secs(1);
        let limits = Limits::default().replay(1).drain(2).drain_timeout(second).leg_timeout(2 * second);
        assert_eq!((limits.replay, limits.drain), (1, 2));
        assert_eq!((limits.drain_timeout, limits.leg_timeout), (second, 2 * second));
        let again = Limits::default().drain(2);
        assert_eq!((again.replay, again.restarts), (Limits::default().replay, Limits::default().restarts));
    }
}
