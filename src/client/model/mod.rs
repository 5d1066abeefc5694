//! Every order of events, to a bound, of three requests of two users with two connections: the pool, the handshake and the
//! verdicts as they are, over connections that the model answers.
//!
//! An order is a list of events. Between two of them all requests run as far as they can, so that every await point is one
//! where an event may come. There is nothing finer: the pool and the guard do all their work under one lock each, and a request
//! leaves neither behind. Each order is run from its beginning, since requests under way cannot be copied. States that look the
//! same to servers, callers and the pool's counts are gone on from once.

mod wire;

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use tokio::task::unconstrained;

use crate::client::builder::ClientBuilder;
use crate::client::dispatch::Dispatcher;
use crate::client::model::wire::{ClientEnd, Connector, SharedWire, Stage, Wire};
use crate::client::planted::Fault;
use crate::credentials::Credentials;
use crate::handshake::{Authenticator, Outcome};
use crate::mechanism::{
    Binding, Established, Expects, Initiate, Mechanism, MechanismError, Moment, Proves, SecurityContext, Step,
};
use crate::scheme::NtlmScheme;

/// Whose request each is.
const USERS: [char; 3] = ['a', 'a', 'b'];
const PLACES: usize = 2;
const SITE: &str = "http://site.example/";

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The connection of this number is there.
    Connects(usize),
    /// It cannot be made.
    Fails(usize),
    /// The server answers the leg on this connection as it should.
    Answers(usize),
    /// It challenges anew, whatever it has been shown.
    Challenges(usize),
    /// It closes this connection.
    Closes(usize),
    /// The content of the answer on this connection ends.
    Ends(usize),
    /// The caller of this request gives up.
    GivesUp(usize),
    /// The time passes after which those that wait look for places that others leave idle.
    Passes,
}

impl Event {
    /// Whether it is none of those that go right. Of these there is a bound.
    fn is_trouble(self) -> bool {
        matches!(self, Self::Fails(_) | Self::Challenges(_) | Self::Closes(_) | Self::GivesUp(_))
    }
}

/// How much is looked at.
#[derive(Clone, Copy)]
struct Bounds {
    troubles: usize,
    passes: usize,
}

/// A two-step mechanism whose tokens say what they are.
#[derive(Debug)]
struct Plain;

struct Greeting;

impl Mechanism for Plain {
    fn name(&self) -> &'static str {
        "NTLM"
    }

    fn oid(&self) -> &'static [u8] {
        crate::mechanism::oid::NTLM
    }

    fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> {
        Box::new(Greeting)
    }
}

impl SecurityContext for Greeting {
    fn step(self: Box<Self>, challenge: Option<&[u8]>) -> Result<Step, MechanismError> {
        let Some(challenge) = challenge else {
            let (token, expects, proves) = (b"hello".to_vec(), Expects::Challenge, Proves::Nothing);
            return Ok(Step::Continue { token, context: self, expects, proves });
        };
        let token = [b"proof ", challenge].concat();
        let established = Established::new("NTLM", None, Binding::Connection);
        Ok(Step::Complete { token: Some(token), established })
    }
}

/// What has become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum End {
    Served,
    /// The challenge stands.
    Refused,
    Failed,
    GivenUp,
}

type Running = Pin<Box<dyn Future<Output = Result<End, String>>>>;

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

struct Task {
    future: Option<Running>,
    woken: Arc<Woken>,
    end: Option<End>,
    /// In which order it began to wait for a connection.
    waits: Option<usize>,
}

/// Requests under way, and all that they have to do with.
struct World {
    wire: SharedWire,
    dispatcher: Arc<Dispatcher<Connector, ClientEnd>>,
    tasks: Vec<Task>,
    waited: usize,
    troubles: usize,
    passes: usize,
    violation: Option<String>,
}

impl World {
    fn new() -> Self {
        let wire = SharedWire::default();
        let authenticator = Authenticator::builder().schemes(NtlmScheme::new(Plain)).build();
        let builder = ClientBuilder::new(authenticator).max_per_origin(PLACES).max_total(PLACES);
        let dispatcher = Arc::new(builder.dispatcher(Connector(wire.clone())));
        let (troubles, passes) = (0, 0);
        Self { wire, dispatcher, tasks: Vec::new(), waited: 0, troubles, passes, violation: None }
    }

    fn begin(&mut self, user: char) {
        let number = self.tasks.len();
        let request = Request::get(SITE)
            .header("x-user", user.to_string())
            .header("x-task", number)
            .extension(Credentials::password(user.to_string(), "right"))
            .body(Empty::<Bytes>::new())
            .expect("a request");
        let sent = Arc::clone(&self.dispatcher).send(request, ());
        let future: Running = Box::pin(unconstrained(async move {
            let Ok(response) = sent.await else { return Ok(End::Failed) };
            let answered =
                response.headers()["x-task"].to_str().ok().and_then(|task| task.parse::<usize>().ok());
            if answered != Some(number) {
                return Err(format!("request {number} has the answer to {answered:?}"));
            }
            let end = match response.extensions().get() {
                Some(Outcome::Refused(_)) => End::Refused,
                _ => End::Served,
            };
            Ok(if response.into_body().collect().await.is_ok() { end } else { End::Failed })
        }));
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        self.tasks.push(Task { future: Some(future), woken, end: None, waits: None });
        self.settle();
    }

    /// Runs all requests as far as they can.
    fn settle(&mut self) {
        while let Some(number) =
            self.tasks.iter().position(|task| task.future.is_some() && task.woken.0.load(Relaxed))
        {
            let task = &mut self.tasks[number];
            task.woken.0.store(false, Relaxed);
            let waker = Waker::from(Arc::clone(&task.woken));
            let future = task.future.as_mut().expect("it was looked for");
            if let Poll::Ready(end) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                task.future = None;
                match end {
                    Ok(end) => task.end = Some(end),
                    Err(violation) => self.violation = Some(violation),
                }
            }
        }
        let wire = self.wire.lock();
        for (number, task) in self.tasks.iter_mut().enumerate() {
            let is_on_a_connection = wire.connections.iter().any(|connection| {
                connection.leg.is_some_and(|leg| leg.task == number) || connection.content_of == Some(number)
            });
            match (task.future.is_some() && !is_on_a_connection, task.waits) {
                (true, None) => (task.waits, self.waited) = (Some(self.waited), self.waited + 1),
                (false, _) => task.waits = None,
                _ => {}
            }
        }
        if self.violation.is_none() {
            self.violation = wire.violations.first().cloned().or_else(|| self.seen_wrong(&wire));
        }
    }

    /// What must hold at any time.
    fn seen_wrong(&self, wire: &Wire) -> Option<String> {
        let held = wire.connections.iter().filter(|connection| connection.is_held()).count();
        let (open, idle) = self.dispatcher.pool.counts();
        // A place that nobody makes a connection of is lost, or its owner was not woken.
        if held != open || open > PLACES {
            return Some(format!("{open} places are taken by {held} connections"));
        }
        if idle > open {
            return Some(format!("{idle} connections are idle, of {open}"));
        }
        let refused = |user: &char| wire.refused.get(user).copied().unwrap_or_default();
        let tried = USERS.iter().find(|user| !wire.accepted.contains(user) && refused(user) > 1)?;
        Some(format!("the password of {tried} was refused {} times", refused(tried)))
    }

    fn is_over(&self) -> bool {
        self.tasks.iter().all(|task| task.future.is_none())
    }

    fn events(&self, bounds: Bounds) -> Vec<Event> {
        let wire = self.wire.lock();
        let mut events = Vec::new();
        for (number, connection) in wire.connections.iter().enumerate() {
            match connection.stage {
                Stage::Connecting => events.extend([Event::Connects(number), Event::Fails(number)]),
                Stage::Closed => {}
                Stage::Open if connection.content_of.is_some() => {
                    events.extend([Event::Ends(number), Event::Closes(number)]);
                }
                Stage::Open if connection.leg.is_some() => {
                    events.extend([Event::Answers(number), Event::Challenges(number), Event::Closes(number)]);
                }
                Stage::Open => events.push(Event::Closes(number)),
            }
        }
        let waits = self.tasks.iter().any(|task| task.waits.is_some());
        if waits && self.passes < bounds.passes {
            events.push(Event::Passes);
        }
        let running = self.tasks.iter().enumerate().filter(|(_, task)| task.future.is_some());
        events.extend(running.map(|(number, _)| Event::GivesUp(number)));
        if self.troubles == bounds.troubles {
            events.retain(|event| !event.is_trouble());
        }
        events
    }

    async fn happen(&mut self, event: Event) {
        self.troubles += usize::from(event.is_trouble());
        match event {
            Event::Connects(number) => self.wire.lock().connect(number, true),
            Event::Fails(number) => self.wire.lock().connect(number, false),
            Event::Answers(number) => self.wire.lock().answer(number),
            Event::Challenges(number) => self.wire.lock().challenge(number),
            Event::Closes(number) => self.wire.lock().close(number),
            Event::Ends(number) => self.wire.lock().end_content(number),
            Event::GivesUp(number) => {
                self.tasks[number].future = None;
                self.tasks[number].end = Some(End::GivenUp);
            }
            Event::Passes => {
                self.passes += 1;
                self.pass(Duration::from_millis(100)).await;
            }
        }
        self.settle();
    }

    /// Lets time pass, in steps: a timer that ends may set the next.
    async fn pass(&mut self, time: Duration) {
        for _ in 0..8 {
            tokio::time::advance(time / 8).await;
            self.settle();
        }
    }

    /// All that is asked for is answered, with no more trouble. Nobody waits for ever, and each place can be had again.
    async fn finish(&mut self) {
        self.run_on(&[]).await;
        if self.violation.is_some() {
            return;
        }
        // Both users, as soon as the passwords are tried again.
        self.dispatcher.settings.authenticator.forget_refusals();
        let begun = self.tasks.len();
        for user in ['a', 'b', 'a', 'b'] {
            self.begin(user);
        }
        self.run_on(&[Duration::from_secs(3600)]).await;
        let ends = Vec::from_iter(self.tasks[begun..].iter().map(|task| task.end));
        if self.violation.is_none() && ends != [Some(End::Served); 4] {
            self.violation = Some(format!("requests that nothing hinders end as {ends:?}"));
        }
        let (open, idle) = self.dispatcher.pool.counts();
        if self.violation.is_none() && open != idle {
            self.violation =
                Some(format!("nobody uses a connection, and {} of {open} places are taken", open - idle));
        }
    }

    async fn run_on(&mut self, further: &[Duration]) {
        // Those that wait for a place that is idle, for a connection of another, for the answer to a password that another
        // one has tried; and a pause.
        let times = [100, 1_000, 31_000, 125_000, 600_000, 3_600_000].map(Duration::from_millis);
        let mut times = times.iter().chain(further);
        while self.violation.is_none() && !self.is_over() {
            let right = Bounds { troubles: self.troubles, passes: 0 };
            match self.events(right).first() {
                Some(event) => self.happen(*event).await,
                None => match times.next() {
                    Some(time) => self.pass(*time).await,
                    None => {
                        let ends = Vec::from_iter(self.tasks.iter().map(|task| task.end));
                        self.violation = Some(format!("somebody waits for ever: {ends:?}"));
                    }
                },
            }
        }
    }

    /// What servers, callers and the pool's counts show of the state.
    fn look(&self) -> u64 {
        let mut look = DefaultHasher::new();
        let wire = self.wire.lock();
        for connection in &wire.connections {
            let of_login = std::mem::discriminant(&connection.login);
            (connection.stage, of_login, connection.leg, connection.content_of).hash(&mut look);
            (connection.is_left, connection.has_answer(), connection.is_held()).hash(&mut look);
        }
        for task in &self.tasks {
            (task.end, task.waits.is_some()).hash(&mut look);
        }
        let mut waiting =
            Vec::from_iter(self.tasks.iter().enumerate().filter(|(_, task)| task.waits.is_some()));
        waiting.sort_by_key(|(_, task)| task.waits);
        waiting.iter().for_each(|(number, _)| number.hash(&mut look));
        for user in ['a', 'b'] {
            (wire.accepted.contains(&user), wire.refused.get(&user)).hash(&mut look);
        }
        (self.dispatcher.pool.counts(), self.troubles, self.passes).hash(&mut look);
        look.finish()
    }
}

/// What does not hold, and the order of events that led to it.
struct Found {
    what: String,
    events: Vec<Event>,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        self.events.iter().try_for_each(|event| writeln!(f, "  {event:?}"))
    }
}

#[derive(Debug, Default)]
struct Explored {
    orders: usize,
    states: usize,
    /// The longest order.
    depth: usize,
}

/// Runs all orders of events within the bounds, until something does not hold.
fn explore(bounds: Bounds) -> Result<Explored, Found> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let mut explored = Explored::default();
    let mut seen = HashSet::new();
    // Orders whose last event is still to happen.
    let mut open: Vec<Vec<Event>> = vec![Vec::new()];
    while let Some(order) = open.pop() {
        explored.orders += 1;
        let found = runtime.block_on(unconstrained(async {
            let mut world = World::new();
            USERS.into_iter().for_each(|user| world.begin(user));
            for event in &order {
                world.happen(*event).await;
            }
            let next = world.events(bounds);
            if world.violation.is_none() && seen.insert(world.look()) {
                explored.states += 1;
                explored.depth = explored.depth.max(order.len());
                open.extend(next.into_iter().map(|event| [order.as_slice(), &[event]].concat()));
                world.finish().await;
            }
            world.violation
        }));
        if let Some(what) = found {
            return Err(Found { what, events: order });
        }
    }
    Ok(explored)
}

/// One trouble, whatever it is and whenever it comes: some 3,000 states. `LEGWORK_MODEL_TROUBLES=2` has a second one come: some
/// 25,000 states, and a minute.
fn bounds() -> Bounds {
    let troubles = std::env::var("LEGWORK_MODEL_TROUBLES").ok().and_then(|troubles| troubles.parse().ok());
    Bounds { troubles: troubles.unwrap_or(1), passes: 1 }
}

#[test]
fn no_order_of_events_breaks_a_promise() {
    let explored = explore(bounds()).unwrap_or_else(|found| panic!("{found:?}"));
    println!("{explored:?}");
    assert!(explored.states > 1_000, "{explored:?}");
}

#[test]
fn the_model_finds_what_is_planted() {
    for (fault, found_as) in [
        (Fault::NoIdentityInKey, "with another's login"),
        (Fault::PutBackUnfinished, "after a request that was given up"),
        (Fault::WaiterNotWoken, "places are taken by"),
    ] {
        Fault::plant(Some(fault));
        let found = explore(Bounds { troubles: 1, passes: 1 });
        Fault::plant(None);
        let Err(found) = found else { panic!("{fault:?} is not found: {found:?}") };
        assert!(found.what.contains(found_as), "{fault:?}: {found:?}");
        println!("{fault:?}: {found:?}");
    }
}
