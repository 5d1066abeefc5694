//! Mechanism steps that may block, on threads of their own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::client::runtime::in_runtime;
use crate::mechanism::{ErrorKind, MechanismError, Moment, SharedWork, StepJob, Stepped};
use crate::service::{Blocking, BoxFuture};

/// Runs steps that may block on threads of their own: a few at once, each for a bounded time, and for
/// one ticket one after the other. They are no threads of tokio's, which would keep a program from
/// ending while one of them waits.
///
/// A thread cannot be called back from a KDC that does not answer. Therefore a step that takes too
/// long fails for its request, while its thread waits on; requests that want the same ticket
/// meanwhile join it instead of sending another thread after it, and fail together with it. So a
/// KDC that is down costs one thread for each user and target, and other users' requests nothing:
/// one user's requests to other targets wait in so far as the library holds that user's credential
/// while it asks.
///
/// Clones share the threads.
///
/// A step fails outside of a tokio runtime, and panics in one whose timers are not enabled
/// (`Builder::enable_time`).
///
/// ```
/// use std::time::Duration;
///
/// use legwork::client::BlockingSteps;
/// use legwork::service::Environment;
///
/// let environment = Environment::tokio().blocking(BlockingSteps::new(32, Duration::from_secs(5)));
/// # let _ = environment;
/// ```
#[derive(Clone)]
pub struct BlockingSteps {
    shared: Arc<BlockingThreads>,
}

/// A year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

struct BlockingThreads {
    at_once: usize,
    timeout: Duration,
    threads: Arc<Semaphore>,
    flights: Mutex<HashMap<SharedWork, Flight>>,
}

/// Work under way that others can wait for.
#[derive(Clone)]
struct Flight {
    deadline: Instant,
    landed: watch::Receiver<Option<Landed>>,
}

/// How a flight ended: those that waited for it either run their own step, which finds the ticket
/// there, or fail as it did.
type Landed = Result<(), MechanismError>;

impl BlockingSteps {
    /// Runs at most `at_once` threads, and allows this long for a step, its wait for a thread included.
    pub fn new(at_once: usize, timeout: Duration) -> Self {
        let at_once = at_once.clamp(1, Semaphore::MAX_PERMITS);
        // So that a deadline can be told.
        let timeout = timeout.min(LONGEST);
        let threads = Arc::new(Semaphore::new(at_once));
        Self { shared: Arc::new(BlockingThreads { at_once, timeout, threads, flights: Mutex::default() }) }
    }
}

impl Default for BlockingSteps {
    /// 16 threads, 15 s.
    fn default() -> Self {
        Self::new(16, Duration::from_secs(15))
    }
}

impl fmt::Debug for BlockingSteps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingSteps")
            .field("at_once", &self.shared.at_once)
            .field("timeout", &self.shared.timeout)
            .finish_non_exhaustive()
    }
}

impl Blocking for BlockingSteps {
    fn run(&self, job: StepJob, moment: Moment) -> BoxFuture<Stepped> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            if in_runtime().is_err() {
                let message = "there is no tokio runtime to wait for the step in";
                return Stepped::failed(MechanismError::new(ErrorKind::Unavailable, message));
            }
            match job.shared_work() {
                Some(work) => shared.fly(work, job, moment).await,
                None => shared.run_alone(job, moment).await,
            }
        })
    }
}

impl BlockingThreads {
    /// Leads the flight for this work, or waits for the one that is under way.
    async fn fly(self: Arc<Self>, work: SharedWork, job: StepJob, moment: Moment) -> Stepped {
        let (flight, leader) = self.board(work);
        if let Some(leader) = leader {
            return self.lead(leader, flight.deadline, job, moment).await;
        }
        match flight.land().await {
            Some(Ok(())) => self.run_alone(job, moment).await,
            Some(Err(error)) => Stepped::failed(error),
            None => self.too_long(),
        }
    }

    fn board(self: &Arc<Self>, work: SharedWork) -> (Flight, Option<Leader>) {
        match self.flights().entry(work) {
            Entry::Occupied(under_way) => (under_way.get().clone(), None),
            Entry::Vacant(vacant) => {
                let (lands, landed) = watch::channel(None);
                let leader = Leader { shared: Arc::clone(self), work: vacant.key().clone(), lands };
                let flight = Flight { deadline: Instant::now() + self.timeout, landed };
                (vacant.insert(flight).clone(), Some(leader))
            }
        }
    }

    /// The flight goes on without the request that began it: others wait for it as well.
    async fn lead(&self, leader: Leader, deadline: Instant, job: StepJob, moment: Moment) -> Stepped {
        let (tell, told) = oneshot::channel();
        let threads = Arc::clone(&self.threads);
        tokio::spawn(async move {
            let Some(stepped) = on_a_thread(threads, job, moment).await else { return };
            leader.land(stepped.failure().map_or(Ok(()), |error| Err(error.clone())));
            // Whoever asked may have gone.
            let _ = tell.send(stepped);
        });
        match timeout_at(deadline, told).await {
            Ok(Ok(stepped)) => stepped,
            Ok(Err(_)) => panicked(),
            Err(_) => self.too_long(),
        }
    }

    async fn run_alone(&self, job: StepJob, moment: Moment) -> Stepped {
        let computes = job.computes();
        let running = on_a_thread(Arc::clone(&self.threads), job, moment);
        match tokio::time::timeout(self.timeout, running).await {
            Ok(stepped) => stepped.unwrap_or_else(panicked),
            Err(_) if computes && self.threads.available_permits() > 0 => {
                let message = format!(
                    "the key of the password was not made within {:?}: the processor is busy, or is asked for very many \
                     iterations",
                    self.timeout
                );
                Stepped::failed(MechanismError::new(ErrorKind::Timeout, message))
            }
            Err(_) => self.too_long(),
        }
    }

    fn too_long(&self) -> Stepped {
        let message = match self.threads.available_permits() {
            0 => format!(
                "no thread was free within {:?}: all {} wait for servers that do not answer, such as a KDC",
                self.timeout, self.at_once
            ),
            _ => format!("no answer within {:?}: is the KDC reachable?", self.timeout),
        };
        Stepped::failed(MechanismError::new(ErrorKind::Timeout, message))
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<SharedWork, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// How it ended; `None` where it takes too long.
    async fn land(mut self) -> Option<Landed> {
        match timeout_at(self.deadline, self.landed.wait_for(Option::is_some)).await {
            Ok(Ok(landed)) => landed.clone(),
            // Its step panicked, which says nothing about the next one.
            Ok(Err(_)) => Some(Ok(())),
            Err(_) => None,
        }
    }
}

/// The right to end a flight. Dropped before (its step panicked), it ends it without a result.
struct Leader {
    shared: Arc<BlockingThreads>,
    work: SharedWork,
    lands: watch::Sender<Option<Landed>>,
}

impl Leader {
    fn land(self, landed: Landed) {
        self.lands.send_replace(Some(landed));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.shared.flights().remove(&self.work);
    }
}

fn panicked() -> Stepped {
    Stepped::failed(MechanismError::new(ErrorKind::Unavailable, "the step panicked"))
}

/// Runs a step on a thread, when one is free; `None` if it panicked.
async fn on_a_thread(threads: Arc<Semaphore>, job: StepJob, moment: Moment) -> Option<Stepped> {
    let thread = threads.acquire_owned().await.expect("the semaphore is never closed");
    let (tell, told) = oneshot::channel();
    let spawned = std::thread::Builder::new().name("legwork step".to_owned()).spawn(move || {
        let stepped = job.run(moment);
        // Held by the thread, however long it takes, and not by who waits for it.
        drop(thread);
        // Whoever asked may have gone.
        let _ = tell.send(stepped);
    });
    match spawned {
        Ok(_) => told.await.ok(),
        Err(error) => Some(Stepped::failed(MechanismError::new(
            ErrorKind::Unavailable,
            format!("no thread could be started for the step: {error}"),
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::task::{Context, Poll, Waker};
    use std::time::SystemTime;

    use tokio::task::{JoinHandle, JoinSet};

    use super::*;
    use crate::credentials::Credentials;
    use crate::mechanism::{Binding, Established, Initiate, Mechanism, SecurityContext, Step};

    /// What a KDC says.
    type Answer = Result<(), ErrorKind>;

    /// A mechanism that asks a KDC in its first step. The first questions are answered when the test
    /// says so, later ones at once.
    #[derive(Clone, Debug, Default)]
    struct Asking(Arc<Kdc>);

    #[derive(Debug, Default)]
    struct Kdc {
        asked: AtomicUsize,
        at_once: AtomicUsize,
        most_at_once: AtomicUsize,
        waiting: Mutex<Vec<mpsc::Receiver<Answer>>>,
    }

    impl Mechanism for Asking {
        fn name(&self) -> &'static str {
            "Asking"
        }

        fn oid(&self) -> &'static [u8] {
            &[1]
        }

        fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> {
            Box::new(self.clone())
        }

        fn may_block(&self) -> bool {
            true
        }
    }

    impl SecurityContext for Asking {
        fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
            let kdc = &self.0;
            kdc.asked.fetch_add(1, Ordering::SeqCst);
            kdc.most_at_once.fetch_max(kdc.at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let waiting = kdc.waiting.lock().expect("not poisoned").pop();
            let answer = waiting.map_or(Ok(()), |answer| answer.recv().expect("the KDC panics"));
            kdc.at_once.fetch_sub(1, Ordering::SeqCst);
            answer.map_err(|kind| MechanismError::new(kind, "the KDC says no"))?;
            Ok(Step::Complete {
                token: None,
                established: Established::new("Asking", None, Binding::Request),
            })
        }
    }

    struct Lab {
        steps: BlockingSteps,
        kdc: Arc<Kdc>,
        mechanism: Arc<dyn Mechanism>,
    }

    impl Lab {
        fn new(steps: BlockingSteps) -> Self {
            let mechanism = Asking::default();
            Self { steps, kdc: Arc::clone(&mechanism.0), mechanism: Arc::new(mechanism) }
        }

        /// The next question waits until it is answered by this.
        fn hold(&self) -> mpsc::Sender<Answer> {
            let (answer, waiting) = mpsc::channel();
            self.kdc.waiting.lock().expect("not poisoned").push(waiting);
            answer
        }

        fn run(&self, target: &str) -> BoxFuture<Stepped> {
            let arguments = Initiate::new(target, Credentials::password("alice", "alice-pw"));
            let job = StepJob::initiate(Arc::clone(&self.mechanism), arguments);
            self.steps.run(job, Moment::new(SystemTime::UNIX_EPOCH, [7; 32]))
        }

        fn step(&self, target: &str) -> JoinHandle<Result<(), ErrorKind>> {
            let mut stepping = self.run(target);
            // Polled here once, so that it is under way when this returns.
            let polled = stepping.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            tokio::spawn(async {
                let stepped = match polled {
                    Poll::Ready(stepped) => stepped,
                    Poll::Pending => stepping.await,
                };
                stepped.into_result().map(drop).map_err(|error| error.kind())
            })
        }

        async fn steps(&self, number: usize, target: &str) -> Vec<Result<(), ErrorKind>> {
            let mut steps = JoinSet::new();
            for step in (0..number).map(|_| self.step(target)).collect::<Vec<_>>() {
                steps.spawn(async { step.await.expect("no panic") });
            }
            steps.join_all().await
        }

        /// A leader that waits for its answer.
        async fn leader(&self, target: &str) -> JoinHandle<Result<(), ErrorKind>> {
            let before = self.asked();
            let leader = self.step(target);
            while self.asked() == before {
                tokio::task::yield_now().await;
            }
            leader
        }

        fn asked(&self) -> usize {
            self.kdc.asked.load(Ordering::SeqCst)
        }

        async fn all_landed(&self) {
            while !self.steps.shared.flights().is_empty() {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn who_wants_the_same_ticket_waits_for_it_and_then_takes_it() {
        let lab = Lab::new(BlockingSteps::new(4, Duration::from_secs(60)));
        let answer = lab.hold();
        let leader = lab.leader("HTTP/host").await;
        let (others, ()) = tokio::join!(lab.steps(64, "HTTP/host"), async {
            assert_eq!(lab.asked(), 1, "the others wait");
            answer.send(Ok(())).expect("it waits");
        });
        assert_eq!(leader.await.expect("no panic"), Ok(()));
        assert_eq!(others, [Ok(()); 64]);
        assert_eq!(lab.asked(), 65);
        assert!(lab.kdc.most_at_once.load(Ordering::SeqCst) <= 4);
    }

    #[tokio::test]
    async fn who_wants_the_same_ticket_fails_with_who_asked_for_it() {
        let lab = Lab::new(BlockingSteps::new(4, Duration::from_secs(60)));
        let answer = lab.hold();
        let leader = lab.leader("HTTP/host").await;
        let (others, ()) = tokio::join!(lab.steps(64, "HTTP/host"), async {
            answer.send(Err(ErrorKind::Unavailable)).expect("it waits");
        });
        assert_eq!(leader.await.expect("no panic"), Err(ErrorKind::Unavailable));
        assert_eq!(others, [Err(ErrorKind::Unavailable); 64]);
        assert_eq!(lab.asked(), 1, "one asked for all");
        assert_eq!(lab.steps(1, "HTTP/host").await, [Ok(())], "a later one asks anew");
    }

    #[tokio::test]
    async fn a_kdc_that_never_answers_costs_one_thread_and_the_others_nothing() {
        let lab = Lab::new(BlockingSteps::new(2, Duration::from_secs(5)));
        let answer = lab.hold();
        let leader = lab.leader("HTTP/dead").await;
        let (dead, live) = tokio::join!(lab.steps(63, "HTTP/dead"), lab.steps(64, "HTTP/live"));
        assert_eq!(live, [Ok(()); 64]);
        assert_eq!(leader.await.expect("no panic"), Err(ErrorKind::Timeout));
        assert_eq!(dead, [Err(ErrorKind::Timeout); 63]);
        assert_eq!(lab.steps(8, "HTTP/dead").await, [Err(ErrorKind::Timeout); 8], "at once");
        assert_eq!(lab.asked(), 1 + 64);

        answer.send(Ok(())).expect("it still waits");
        lab.all_landed().await;
        assert_eq!(lab.steps(1, "HTTP/dead").await, [Ok(())]);
    }

    #[tokio::test]
    async fn without_a_free_thread_a_step_fails_in_time() {
        let lab = Lab::new(BlockingSteps::new(1, Duration::from_secs(1)));
        let answer = lab.hold();
        lab.leader("HTTP/dead").await;
        assert_eq!(lab.steps(1, "HTTP/live").await, [Err(ErrorKind::Timeout)]);
        assert_eq!(lab.asked(), 1);
        answer.send(Ok(())).expect("it still waits");
        lab.all_landed().await;
        assert_eq!(lab.steps(1, "HTTP/live").await, [Ok(())]);
    }

    #[tokio::test]
    async fn what_took_too_long_is_told_apart() {
        for (threads, says) in [
            (1, "no thread was free within 20ms: all 1 wait for servers that do not answer, such as a KDC"),
            (3, "no answer within 20ms: is the KDC reachable?"),
        ] {
            let lab = Lab::new(BlockingSteps::new(threads, Duration::from_millis(20)));
            let answer = lab.hold();
            let leader = lab.leader("HTTP/dead").await;
            assert_eq!(leader.await.expect("no panic"), Err(ErrorKind::Timeout));
            // The leader's thread is held until its KDC has answered.
            let held = lab.hold();
            let stepped = lab.run("HTTP/other").await;
            assert_eq!(stepped.failure().expect("nobody answers").to_string(), says);
            for waiting in [answer, held] {
                // With one thread, the second question was never asked.
                let _ = waiting.send(Ok(()));
            }
        }
    }

    #[tokio::test]
    async fn a_key_that_takes_too_long_is_no_kdc_that_is_out_of_reach() {
        let (done, waits) = std::sync::mpsc::channel::<()>();
        let job = StepJob::compute(move || waits.recv().is_ok(), true);
        let steps = BlockingSteps::new(2, Duration::from_millis(20));
        let stepped = steps.run(job, Moment::new(SystemTime::UNIX_EPOCH, [7; 32])).await;
        let error = stepped.failure().expect("it computes still");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().starts_with("the key of the password was not made within 20ms"), "{error}");
        drop(done);
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_leaves_its_ticket_to_the_others() {
        let lab = Lab::new(BlockingSteps::default());
        let answer = lab.hold();
        lab.leader("HTTP/host").await.abort();
        let (others, ()) = tokio::join!(lab.steps(8, "HTTP/host"), async {
            answer.send(Err(ErrorKind::Credentials)).expect("it waits");
        });
        assert_eq!(others, [Err(ErrorKind::Credentials); 8]);
        assert_eq!(lab.asked(), 1);
    }

    #[test]
    fn without_a_runtime_a_step_fails() {
        let lab = Lab::new(BlockingSteps::default());
        let mut stepping = lab.run("HTTP/host");
        let polled = stepping.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(stepped) = polled else { panic!("it waits") };
        assert_eq!(stepped.failure().map(MechanismError::kind), Some(ErrorKind::Unavailable));
        assert_eq!(lab.asked(), 0);
    }

    #[tokio::test]
    async fn a_step_may_be_given_all_the_time_there_is() {
        let lab = Lab::new(BlockingSteps::new(1, Duration::MAX));
        assert_eq!(lab.steps(2, "HTTP/host").await, [Ok(()); 2]);
    }

    #[tokio::test]
    async fn a_step_that_panics_takes_no_other_with_it() {
        let lab = Lab::new(BlockingSteps::default());
        let answer = lab.hold();
        let leader = lab.leader("HTTP/host").await;
        let (others, ()) = tokio::join!(lab.steps(8, "HTTP/host"), async { drop(answer) });
        assert_eq!(others, [Ok(()); 8]);
        assert_eq!(leader.await.expect("no panic here"), Err(ErrorKind::Unavailable));
    }
}
