//! What was said, and by what.

use std::any::type_name;
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::panic;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tracing::Level;
use tracing_subscriber::fmt::format::FmtSpan;

/// Texts, and the types that have said them.
pub(super) struct Said {
    /// Where its traces begin.
    since: usize,
    texts: Vec<(String, String)>,
    types: BTreeSet<&'static str>,
}

impl Said {
    pub(super) fn new() -> Self {
        listen();
        Self { since: traced().len(), texts: Vec::new(), types: BTreeSet::new() }
    }

    /// Spans, events and panics since it was made; those of other tests are among them.
    pub(super) fn traced(&self) -> String {
        String::from_utf8_lossy(&traced()[self.since..]).into_owned()
    }

    pub(super) fn text(&mut self, what: &str, text: String) {
        self.texts.push((what.to_owned(), text));
    }

    pub(super) fn debug<T: fmt::Debug>(&mut self, what: &str, value: &T) {
        let name = type_name::<T>();
        let name = name.split('<').next().unwrap_or(name);
        self.types.insert(name.rsplit("::").next().unwrap_or(name).trim_start_matches('&'));
        self.text(what, format!("{value:?}"));
        self.text(what, format!("{value:#?}"));
    }

    pub(super) fn shown<T: fmt::Debug + fmt::Display>(&mut self, what: &str, value: &T) {
        self.debug(what, value);
        self.text(what, value.to_string());
        self.text(what, format!("{value:#}"));
    }

    /// An error and what lies behind it.
    pub(super) fn error<T: Error>(&mut self, what: &str, error: &T) {
        self.shown(what, error);
        let mut source = error.source();
        while let Some(error) = source {
            self.text(what, format!("{error} {error:?} {error:#?}"));
            source = error.source();
        }
    }

    pub(super) fn forget(&mut self, what: &str) {
        self.texts.retain(|(said, _)| said != what);
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &(String, String)> {
        self.texts.iter()
    }

    pub(super) fn types(&self) -> &BTreeSet<&'static str> {
        &self.types
    }
}

/// Of the whole program: its tests run at the same time, and each looks for secrets of its own.
static TRACED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Traced;

impl Write for Traced {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        traced().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps all spans and events, and the messages of panics.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(|| Traced)
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("nobody else has set one");
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            writeln!(Traced, "{panic} {panic:?}").expect("it takes everything");
            usual(panic);
        }));
    });
}

fn traced() -> MutexGuard<'static, Vec<u8>> {
    TRACED.lock().unwrap_or_else(PoisonError::into_inner)
}
