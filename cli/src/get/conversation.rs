//! The conversation, for those who want to see it.

use std::cell::Cell;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use legwork::handshake::{Login, Outcome};
use legwork::service::{Environment, Recorder};

use crate::advice::{Advice, plain};
use crate::exit::Exit;
use crate::output::complain;

/// How a conversation is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    Text,
    Mermaid,
    Html,
}

/// What is recorded, if anybody wants to see it.
pub(super) struct Conversation {
    recorder: Recorder,
    /// Whether it is still to be shown.
    to_show: Cell<bool>,
    trace: Option<(Format, PathBuf)>,
}

impl Conversation {
    pub(super) fn new(verbose: bool, trace: Option<(Format, PathBuf)>) -> Self {
        Self { recorder: Recorder::new(), to_show: Cell::new(verbose), trace }
    }

    /// The environment of a client that is recorded, if need be.
    pub(super) fn environment(&self) -> Environment {
        match self.to_show.get() || self.trace.is_some() {
            true => Environment::tokio().observer(self.recorder.clone()),
            false => Environment::tokio(),
        }
    }

    /// Shows what has been said, once.
    pub(super) fn show(&self, outcome: Option<&Outcome>) {
        if !self.to_show.replace(false) {
            return;
        }
        // The recording makes what servers have written harmless itself. Nobody may want to read it.
        let _ = write!(io::stderr(), "{}", self.recorder.recording());
        if let Some(Outcome::LoggedIn(login)) = outcome {
            complain(sentence(login));
        }
    }

    /// Writes it to the file that is to have it.
    ///
    /// # Errors
    ///
    /// If that cannot be written.
    pub(super) fn write(&self) -> Result<(), Advice> {
        let Some((format, file)) = &self.trace else { return Ok(()) };
        let recording = self.recorder.recording();
        let text = match format {
            Format::Text => recording.to_string(),
            Format::Mermaid => recording.mermaid().to_string(),
            Format::Html => recording.page().to_string(),
        };
        let written = match file == Path::new("-") {
            true => io::stderr().write_all(text.as_bytes()),
            false => fs::write(file, text),
        };
        written
            .map_err(|error| Advice::new(Exit::File, format!("cannot write {}: {error}", file.display()), ""))
    }
}

fn sentence(login: &Login) -> String {
    let principal = login.principal.as_deref().unwrap_or("somebody");
    let by = match login.scheme == login.mechanism {
        true => login.scheme.to_owned(),
        false => format!("{} ({})", login.scheme, login.mechanism),
    };
    match &login.passed_over {
        Some(passed_over) => {
            format!("Logged in as {principal} by {by}, and not by {}.", plain(passed_over.to_string()))
        }
        None => format!("Logged in as {principal} by {by}."),
    }
}
