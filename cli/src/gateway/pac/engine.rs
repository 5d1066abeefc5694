//! A script in QuickJS, on the thread that made it. What one call may cost is bounded; what it has cost is given back with
//! the engine.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::function::{Func, Opt};
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Function, Runtime, Value};

use crate::output::visible;

use super::addresses;
use super::names::Names;

/// For one call, with the names that it looks up.
pub(super) const TIME: Duration = Duration::from_secs(1);
/// For everything that a script holds.
const MEMORY: usize = 16 * 1024 * 1024;
/// For functions that call each other.
const STACK: usize = 512 * 1024;
/// The stack of a thread that an engine is on.
pub(super) const THREAD_STACK: usize = 4 * STACK;
/// The longest answer, in octets.
const ANSWER: usize = 4096;
/// How much of what a script says of itself is shown, in characters.
const SAID: usize = 200;
/// How often `alert` is heard in a call.
const ALERTS: usize = 8;

const HELPERS: &str = include_str!("helpers.js");

/// What scripts have had a use for. Typed arrays, proxies, weak references and the rest stay out: each of them is more C for a
/// script to try itself on.
type Intrinsics = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::MapSet,
    // Without it, an async function is taken for a bug of the engine when that ends.
    intrinsic::Promise,
);

/// Why a script gives no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScriptError {
    /// It took longer than it may.
    Time,
    /// It wanted more memory than it may have.
    Memory,
    /// It threw this.
    Threw(String),
    /// It has no function to ask.
    NoFunction,
    /// What it returned is no text, but this.
    NoText(&'static str),
    /// The text is longer than any list of proxies.
    Long,
    /// The engine cannot be made.
    Engine(String),
}

/// A script that has been read.
pub(super) struct Engine {
    context: Context,
    /// For one call.
    time: Duration,
    until: Rc<Cell<Instant>>,
    alerts: Rc<RefCell<Vec<String>>>,
}

impl Engine {
    /// Reads a script, within the bounds of a call.
    pub(super) fn new(script: &str, names: &Arc<Names>, time: Duration) -> Result<Self, ScriptError> {
        let failed = |error: rquickjs::Error| ScriptError::Engine(error.to_string());
        let until = Rc::new(Cell::new(Instant::now() + time));
        let runtime = Runtime::new().map_err(failed)?;
        runtime.set_memory_limit(MEMORY);
        runtime.set_max_stack_size(STACK);
        let end = Rc::clone(&until);
        runtime.set_interrupt_handler(Some(Box::new(move || Instant::now() >= end.get())));
        let context = Context::custom::<Intrinsics>(&runtime).map_err(failed)?;
        let engine = Self { context, time, until, alerts: Rc::default() };
        engine.bounded(|ctx| {
            engine.add_helpers(ctx, names)?;
            let mut options = EvalOptions::default();
            // Old files assign to what they have not declared.
            options.strict = false;
            ctx.eval_with_options::<Value<'_>, _>(script, options).map(drop)?;
            Ok(function(ctx).map(drop))
        })?;
        Ok(engine)
    }

    /// Asks the script for the proxies of a URL.
    pub(super) fn find(&self, url: &str, host: &str) -> Result<String, ScriptError> {
        self.until.set(Instant::now() + self.time);
        self.bounded(|ctx| {
            let Ok(function) = function(ctx) else { return Ok(Err(ScriptError::NoFunction)) };
            let answer: Value<'_> = function.call((url, host))?;
            // Nothing of the script's is called for an object: it could do anything, and proxies are a text.
            let Some(text) = answer.as_string() else {
                return Ok(Err(ScriptError::NoText(answer.type_name())));
            };
            let text = text.to_string()?;
            Ok(if text.len() > ANSWER { Err(ScriptError::Long) } else { Ok(text) })
        })
    }

    /// What the script has said by `alert` since this was asked last.
    pub(super) fn alerts(&self) -> Vec<String> {
        std::mem::take(&mut self.alerts.borrow_mut())
    }

    fn bounded<T>(
        &self,
        work: impl FnOnce(&Ctx<'_>) -> rquickjs::Result<Result<T, ScriptError>>,
    ) -> Result<T, ScriptError> {
        let done = self.context.with(|ctx| match work(&ctx).catch(&ctx) {
            Ok(done) => done,
            Err(error) => Err(thrown(&error)),
        });
        // Whatever it has become of what was interrupted.
        if Instant::now() >= self.until.get() { Err(ScriptError::Time) } else { done }
    }

    fn add_helpers<'js>(&self, ctx: &Ctx<'js>, names: &Arc<Names>) -> rquickjs::Result<()> {
        let native = rquickjs::Object::new(ctx.clone())?;
        native.set("isAddress", Func::from(|text: String| addresses::is_address(&text)))?;
        native.set("isIn", Func::from(|text: String, network: String| addresses::is_in(&text, &network)))?;
        native.set(
            "sort",
            Func::from(|list: String| match addresses::sorted(&list) {
                Some(list) => Either::Text(list),
                None => Either::No,
            }),
        )?;
        let (known, until) = (Arc::clone(names), Rc::clone(&self.until));
        let resolve = move |name: String, all: bool| {
            let mut found = known.resolve(&name, until.get());
            found.retain(|address| all || address.is_ipv4());
            listed(&found, all)
        };
        native.set("resolve", Func::from(resolve))?;
        let known = Arc::clone(names);
        let own = move |all: bool| {
            let mut found = known.own();
            found.retain(|address| all || address.is_ipv4());
            listed(&found, all).unwrap_or_else(|| (if all { "" } else { "127.0.0.1" }).to_owned())
        };
        native.set("own", Func::from(own))?;
        let alerts = Rc::clone(&self.alerts);
        let alert = move |text: Opt<String>| {
            let mut alerts = alerts.borrow_mut();
            if alerts.len() < ALERTS {
                alerts.push(shown(&text.0.unwrap_or_default()));
            }
        };
        native.set("alert", Func::from(alert))?;
        ctx.eval::<Function<'js>, _>(HELPERS)?.call((native,))
    }
}

/// A text, or `false`.
enum Either {
    Text(String),
    No,
}

impl<'js> rquickjs::IntoJs<'js> for Either {
    fn into_js(self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        match self {
            Self::Text(text) => text.into_js(ctx),
            Self::No => false.into_js(ctx),
        }
    }
}

/// The function that a script is asked by. Microsoft's is that of a script which has no other.
fn function<'js>(ctx: &Ctx<'js>) -> Result<Function<'js>, ScriptError> {
    let globals = ctx.globals();
    let named = |name: &str| globals.get::<_, Function<'js>>(name).ok();
    named("FindProxyForURL").or_else(|| named("FindProxyForURLEx")).ok_or(ScriptError::NoFunction)
}

/// Addresses as the helper functions give them: all with `;` in between, or the first.
fn listed(addresses: &[std::net::IpAddr], all: bool) -> Option<String> {
    let count = if all { addresses.len() } else { 1 };
    let texts: Vec<String> = addresses.iter().take(count).map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(";"))
}

/// What a script threw. An error's message may be a function of the script's; that is within the bounds of the call, too.
fn thrown(error: &CaughtError<'_>) -> ScriptError {
    const FULL: &str = "out of memory";
    match error {
        CaughtError::Exception(exception) => match exception.message() {
            Some(message) if message == FULL => ScriptError::Memory,
            Some(message) => {
                let line = exception.as_object().get::<_, String>("stack").ok();
                let place = line.as_deref().and_then(place).map(|place| format!(" (line {place})"));
                ScriptError::Threw(shown(&message) + &place.unwrap_or_default())
            }
            None => ScriptError::Threw("an error without a message".to_owned()),
        },
        // So little is left that there is no error to be made of it.
        CaughtError::Value(value) if value.is_null() => ScriptError::Memory,
        CaughtError::Value(value) => match value.as_string().map(rquickjs::String::to_string) {
            Some(Ok(text)) => ScriptError::Threw(shown(&text)),
            _ => ScriptError::Threw(format!("a value of the type {}", value.type_name())),
        },
        CaughtError::Error(rquickjs::Error::Allocation) => ScriptError::Memory,
        CaughtError::Error(error) => ScriptError::Threw(shown(&error.to_string())),
    }
}

/// Line and column of the innermost place that is the script's: `at f (eval_script:12:5)`.
fn place(stack: &str) -> Option<&str> {
    let from = stack.split_once("eval_script:")?.1;
    let place = from.split(|c: char| !c.is_ascii_digit() && c != ':').next()?;
    (!place.is_empty()).then_some(place)
}

fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(SAID).collect();
    let more = if characters.next().is_some() { "…" } else { "" };
    visible(&start) + more
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time => write!(f, "the PAC file took more than {TIME:?}"),
            Self::Memory => write!(f, "the PAC file wanted more than {} MiB of memory", MEMORY >> 20),
            Self::Threw(what) => write!(f, "the PAC file threw: {what}"),
            Self::NoFunction => f.write_str("the PAC file has no function FindProxyForURL"),
            Self::NoText(kind) => write!(f, "the PAC file returned no text, but: {kind}"),
            Self::Long => write!(f, "the PAC file returned more than {ANSWER} octets"),
            Self::Engine(why) => write!(f, "the script's engine cannot be started: {why}"),
        }
    }
}

impl std::error::Error for ScriptError {}
