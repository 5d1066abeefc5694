//! The whole client in virtual time: a world of servers, proxies and programs, all of it drawn from octets or a seed.
//!
//! ```text
//! script    choices: a fuzzer's octets, or a generator's
//! setting   which client, which servers, whose passwords
//! asks      the client, and the requests of its tasks
//! pipe      connections in memory
//! peer      honest servers and proxies, for whom things go wrong
//! stage     the clock, and what has been seen
//! ```
//!
//! One thread, and tokio's clock that stands still until everybody waits for it: a world has one course. The client over
//! reqwest is not in it. reqwest makes its connections itself, by sockets, and while octets are in there the clock would
//! jump on: for it there are `tests/it/every_poll.rs` and `tests/it/many.rs`.

mod asks;
mod ends;
mod peer;
mod pipe;
mod script;
mod setting;
mod stage;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use self::asks::{Ask, Asks, Content, Told};
use self::ends::End;
use self::peer::Peers;
use self::pipe::Connector;
use self::script::Script;
use self::setting::Setting;
use self::stage::Stage;

/// How long a request may take that nobody gives up. [`ends`] says what it is made of.
const LONGEST: Duration = ends::LONGEST;

/// The content of answers that nobody has asked for.
const UNASKED: &[u8] = b"n=none;";

/// What came of a world.
#[derive(Debug, Default)]
pub struct Course {
    /// How many requests ended so: by client, and by what they came to.
    pub ends: BTreeMap<(String, End), usize>,
    /// How often each scheme was accepted, by an origin or a proxy.
    pub accepted: usize,
    /// A digest of all that happened, and when.
    pub digest: u64,
    /// What was wrong.
    pub violations: Vec<String>,
    /// What happened, if that was asked for.
    pub notes: Vec<String>,
}

/// Panics if anything is wrong.
pub fn check(octets: &[u8]) {
    let course = run(&Script::of_octets(octets), false);
    if !course.violations.is_empty() {
        let told = run(&Script::of_octets(octets), true);
        panic!("{}\n{}", told.notes.join("\n"), told.violations.join("\n"));
    }
}

/// The course of the world of a seed.
pub fn of_seed(seed: u64, is_told: bool) -> Course {
    run(&Script::of_seed(seed), is_told)
}

fn run(script: &Script, is_told: bool) -> Course {
    watch_panics();
    PANICS.with(|panics| panics.set(0));
    let caught = catch_unwind(AssertUnwindSafe(|| play(script, is_told)));
    let mut course = caught.unwrap_or_default();
    let panics = PANICS.with(Cell::get);
    if panics > 0 {
        course.violations.push(format!("{panics} panics"));
    }
    course
}

thread_local! {
    /// Those of tasks, too, which nobody waits for.
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.with(|panics| panics.set(panics.get() + 1));
            before(info);
        }));
    });
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

fn play(script: &Script, is_told: bool) -> Course {
    let runtime = runtime();
    let mut course = Course::default();
    let stage = runtime.block_on(async {
        let setting = Setting::draw(script);
        let stage = Stage::new(script.clone(), setting, is_told);
        stage.note(|| format!("{:#?}", stage.setting()));
        let world = World {
            asks: Arc::new(Asks::new(Connector { peers: Peers::new(&stage), stage: stage.clone() })),
            stage,
        };
        world.play(&mut course).await
    });
    let left = runtime.metrics().num_alive_tasks();
    if left > 0 {
        stage.wrong(format!("{left} tasks are left"));
    }
    course.accepted = stage.state().records.values().map(|record| record.accepted as usize).sum();
    course.digest = stage.course();
    course.violations = std::mem::take(&mut stage.state().violations);
    course.notes = stage.notes();
    course
}

struct World {
    asks: Arc<Asks>,
    stage: Stage,
}

impl World {
    async fn play(self, course: &mut Course) -> Stage {
        let setting = self.stage.setting().clone();
        let mut tasks = Vec::new();
        let mut number = 0;
        for _ in 0..setting.tasks {
            let asks: Vec<_> = (0..setting.requests)
                .map(|_| {
                    number += 1;
                    self.draw(number)
                })
                .collect();
            tasks.push(tokio::spawn(task(Arc::clone(&self.asks), self.stage.clone(), asks)));
        }
        for task in tasks {
            let ended = task.await.unwrap_or_default();
            for end in ended {
                *course.ends.entry((format!("{:?}", setting.kind), end)).or_default() += 1;
            }
        }
        self.check_legs();
        self.check_attempts();
        self.recover(number).await;
        self.leave().await
    }

    fn draw(&self, number: u32) -> Draw {
        let (script, setting) = (self.stage.script(), self.stage.setting());
        let method = script.choose(&["GET", "POST", "GET", "HEAD", "PUT"]);
        let content = match method {
            "POST" | "PUT" if setting.is_narrow() => {
                script.choose(&[Content::Whole(12), Content::None, Content::Whole(400)])
            }
            "POST" | "PUT" => script.choose(&[
                Content::Whole(12),
                Content::None,
                Content::Whole(40_000),
                Content::Pieces(3, Duration::ZERO),
                Content::Pieces(90, Duration::from_millis(5)),
            ]),
            _ => Content::None,
        };
        let user = match setting.holder {
            setting::Holder::Requests => script.below(setting::USERS),
            _ => 0,
        };
        let ask = Ask {
            number,
            site: script.below(setting.origins.len()),
            user,
            method,
            path: script.choose(&["/a", "/b", "/a", "/missing", "/open"]),
            content,
        };
        let pause = if script.yes() { 0 } else { script.choose(&[1, 11, 31, 400, 2_000]) };
        let patience = (setting.gives_up && script.yes()).then(|| script.choose(&[0, 1, 200, 6_000]));
        let reads = !(setting.gives_up && script.happens(32));
        Draw { ask, pause: Duration::from_secs(pause), patience: patience.map(Duration::from_millis), reads }
    }

    /// Each request costs no more than it may.
    fn check_legs(&self) {
        let setting = self.stage.setting();
        let state = self.stage.state();
        let hops = if setting.follows { ends::HOPS } else { 1 };
        let mut wrong = Vec::new();
        let mut legs = 0;
        for (number, seen) in &state.legs {
            for (connection, count) in &seen.on {
                legs += u64::from(*count);
                if *count > ends::LEGS * hops {
                    wrong.push(format!("{count} legs of {number} on connection {connection}"));
                }
            }
            if seen.on.len() > ends::CONNECTIONS * hops as usize {
                wrong.push(format!("{} connections of {number}", seen.on.len()));
            }
        }
        let connections = state.connections;
        drop(state);
        for what in wrong {
            self.stage.wrong(what);
        }
        let octets = self.stage.state().octets;
        let bound = (legs + u64::from(connections)) * ends::OCTETS;
        if octets > bound {
            self.stage.wrong(format!("{octets} octets are sent with {legs} legs, more than {bound}"));
        }
    }

    /// No password is shown more often than it may be.
    fn check_attempts(&self) {
        let setting = self.stage.setting();
        let mut wrong = Vec::new();
        {
            let state = self.stage.state();
            for ((site, user), record) in &state.records {
                let site_of = setting.sites().nth(*site).expect("a site");
                let described = &site_of.users[*user];
                if described.is_right || described.changes_at.is_some() || record.was_let_in {
                    continue;
                }
                let doubts = state.doubts.get(site).copied().unwrap_or_default();
                let bound =
                    ends::attempts(&record.wrong, site_of.offers.contains(&setting::Scheme::Digest)) + doubts;
                if record.wrong.len() > bound {
                    wrong.push(format!(
                        "{} wrong attempts of {}, more than {bound}: {:?}",
                        record.wrong.len(),
                        described.name,
                        record.wrong
                    ));
                }
            }
        }
        for what in wrong {
            self.stage.wrong(what);
        }
    }

    /// Once all goes well, a right password is served: no place is lost, and nothing learnt is in its way.
    async fn recover(&self, mut number: u32) {
        let setting = self.stage.setting().clone();
        self.stage.state().is_over = true;
        sleep(Duration::from_secs(3_600)).await;
        self.asks.authenticator.forget_refusals();
        let users = if setting.holder == setting::Holder::Requests { setting::USERS } else { 1 };
        let users = (0..setting.origins.len()).flat_map(|site| (0..users).map(move |user| (site, user)));
        for (site, user) in users {
            number += 1;
            let ask = Ask { number, site, user, method: "GET", path: "/a", content: Content::None };
            let end = ask_once(&self.asks, &self.stage, &ask, true).await;
            if self.stage.is_let_in(&ask) && end != End::Served {
                self.stage.wrong(format!("{ask:?} is not served in the end: {end:?}"));
            }
        }
    }

    /// All connections and tasks end with the client.
    async fn leave(self) -> Stage {
        (self.asks.close_idle)().await;
        let (open, idle) = (self.asks.connections)();
        if (open, idle) != (0, 0) {
            self.stage.wrong(format!("{open} connections are left, {idle} of them idle"));
        }
        drop(self.asks);
        // What servers still write.
        for _ in 0..3 {
            sleep(ends::ANSWER).await;
            yield_now().await;
        }
        let ends = self.stage.state().ends;
        if ends > 0 {
            self.stage.wrong(format!("{ends} connections are not closed"));
        }
        self.stage
    }
}

/// A request, and what its caller does.
struct Draw {
    ask: Ask,
    pause: Duration,
    patience: Option<Duration>,
    reads: bool,
}

async fn task(asks: Arc<Asks>, stage: Stage, draws: Vec<Draw>) -> Vec<End> {
    let mut ended = Vec::new();
    for Draw { ask, pause, patience, reads } in draws {
        sleep(pause).await;
        stage.note(|| format!("{ask:?}, given up after {patience:?}"));
        let asking = ask_once(&asks, &stage, &ask, reads);
        let end = match patience {
            None => asking.await,
            Some(patience) => timeout(patience, asking).await.unwrap_or(End::GivenUp),
        };
        stage.note(|| format!("{} is {end:?}", ask.number));
        // What is not kept cannot be sent again, and over HTTP/2 waits for no word.
        let is_kept = !matches!(ask.content, Content::Pieces(90, _));
        if stage.setting().is_calm() && is_kept && stage.is_let_in(&ask) && end != End::Served {
            stage.wrong(format!("{ask:?} is not served, although nothing goes wrong: {end:?}"));
        }
        ended.push(end);
    }
    ended
}

async fn ask_once(asks: &Asks, stage: &Stage, ask: &Ask, reads: bool) -> End {
    let begun = stage.now();
    let asking = async {
        match (asks.send)(ask.clone()).await {
            Ok(told) if reads => read(stage, ask, told).await,
            Ok(_) => End::Unread,
            Err(error) => {
                stage.note(|| format!("{} fails: {}", ask.number, causes(&error)));
                stage.look_for_secrets_in(&format!("{error:?} {}", causes(&error)));
                End::failed(&error)
            }
        }
    };
    let end = timeout(LONGEST, asking).await.unwrap_or_else(|_| {
        stage.wrong(format!("{ask:?} has no end after {LONGEST:?}"));
        End::GivenUp
    });
    let took = stage.now() - begun;
    stage.note(|| format!("{} took {took:?}", ask.number));
    if stage.setting().is_calm() && took > ends::CALM {
        stage.wrong(format!("{ask:?} took {took:?}, although nothing goes wrong"));
    }
    end
}

/// Whether the answer is this request's.
async fn read(stage: &Stage, ask: &Ask, told: Told) -> End {
    stage.look_for_secrets_in(&format!("{:?} {:?}", told.headers, told.outcome));
    stage.note(|| format!("{} is told {} and {:?}", ask.number, told.status, told.outcome));
    let collected = told.body.collect().await;
    let end = End::of(told.status.as_u16(), ask.path);
    let Ok(collected) = collected else { return End::Broken };
    let octets = collected.to_bytes();
    let state = stage.state();
    // A server may answer the next request before it has come: that, too, is its own answer. A `HEAD` has no more of it than
    // the head.
    let unasked = if ask.method == "HEAD" { &b""[..] } else { UNASKED };
    let own = state.answers.get(&ask.number).is_some_and(|answers| answers.iter().any(|own| *own == octets))
        || octets == unasked;
    drop(state);
    if !own {
        stage.wrong(format!("{ask:?} is answered {}: {}", told.status, octets.escape_ascii()));
    }
    end
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
