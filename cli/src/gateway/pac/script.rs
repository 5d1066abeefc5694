//! A script, and the threads that it is run on. What is asked of it waits for an answer, and not for ever.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::engine::{Engine, ScriptError, THREAD_STACK, TIME};
use super::names::Names;

/// How many calls run at a time, each on a thread with an engine of its own: one that waits for a name delays no other.
const THREADS: usize = 4;
/// What a call may take beyond its time: the engine looks at the clock between two steps of the script.
const GRACE: Duration = Duration::from_millis(500);

/// A script that can be asked.
pub(super) struct Script {
    text: Arc<str>,
    names: Arc<Names>,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<mpsc::Sender<Call>>>,
}

/// What a script answers, and what it says beside.
pub(super) struct Answer {
    pub(super) found: Result<String, ScriptError>,
    pub(super) alerts: Vec<String>,
}

struct Call {
    url: String,
    host: String,
    /// It is given back when the call has ended, though nobody may wait for it any more.
    place: OwnedSemaphorePermit,
    answer: oneshot::Sender<(Answer, OwnedSemaphorePermit)>,
}

impl Script {
    /// Reads a script, so far as to know that it can be asked.
    pub(super) async fn new(text: String, names: Arc<Names>) -> Result<Self, ScriptError> {
        let script = Self {
            text: text.into(),
            names,
            places: Arc::new(Semaphore::new(THREADS)),
            idle: Mutex::default(),
        };
        let (started, ready) = oneshot::channel();
        let worker = script.start(started)?;
        // As with a call: there is no stopping of what the engine does in one step.
        match tokio::time::timeout(TIME + GRACE, ready).await {
            Ok(Ok(read)) => read?,
            Ok(Err(_)) => return Err(ScriptError::Engine("its thread has ended".to_owned())),
            Err(_) => return Err(ScriptError::Time),
        }
        script.leave(worker);
        Ok(script)
    }

    /// Asks for the proxies of a URL. A call that fails costs its engine, and the next one has a new one.
    pub(super) async fn find(&self, url: &str, host: &str) -> Answer {
        let failed = |error| Answer { found: Err(error), alerts: Vec::new() };
        let place = tokio::time::timeout(TIME, Arc::clone(&self.places).acquire_owned());
        // All are taken by calls that do not end.
        let Ok(Ok(place)) = place.await else { return failed(ScriptError::Time) };
        let worker = match self.worker() {
            Ok(worker) => worker,
            Err(error) => return failed(error),
        };
        let (answer, answered) = oneshot::channel();
        let call = Call { url: url.to_owned(), host: host.to_owned(), place, answer };
        let gone = || failed(ScriptError::Engine("its thread has ended".to_owned()));
        if worker.send(call).is_err() {
            return gone();
        }
        // Reading it again is within the time as well.
        match tokio::time::timeout(2 * TIME + GRACE, answered).await {
            Ok(Ok((answer, _place))) => {
                if answer.found.is_ok() {
                    self.leave(worker);
                }
                answer
            }
            Ok(Err(_)) => gone(),
            Err(_) => failed(ScriptError::Time),
        }
    }

    fn worker(&self) -> Result<mpsc::Sender<Call>, ScriptError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(worker) => Ok(worker),
            None => self.start(oneshot::channel().0),
        }
    }

    fn leave(&self, worker: mpsc::Sender<Call>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }

    fn start(
        &self,
        started: oneshot::Sender<Result<(), ScriptError>>,
    ) -> Result<mpsc::Sender<Call>, ScriptError> {
        let (sender, calls) = mpsc::channel();
        let (text, names) = (Arc::clone(&self.text), Arc::clone(&self.names));
        thread::Builder::new()
            .name("pac".to_owned())
            .stack_size(THREAD_STACK)
            .spawn(move || work(&text, &names, started, &calls))
            .map_err(|error| ScriptError::Engine(error.to_string()))?;
        Ok(sender)
    }
}

/// A thread's work, until nobody can ask it any more.
fn work(
    text: &str,
    names: &Arc<Names>,
    started: oneshot::Sender<Result<(), ScriptError>>,
    calls: &mpsc::Receiver<Call>,
) {
    let engine = Engine::new(text, names, TIME);
    // Nobody may wait for either, here and below.
    let _ = started.send(engine.as_ref().map(drop).map_err(ScriptError::clone));
    while let Ok(Call { url, host, place, answer }) = calls.recv() {
        let said = match &engine {
            Ok(engine) => Answer { found: engine.find(&url, &host), alerts: engine.alerts() },
            Err(error) => Answer { found: Err(error.clone()), alerts: Vec::new() },
        };
        let _ = answer.send((said, place));
    }
}
