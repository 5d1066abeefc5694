//! What is wrong, and the next thing to try.

use serde::Serialize;

/// One thing that was noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Its name, which is kept.
    pub(crate) code: &'static str,
    /// Whether it makes a login fail.
    pub(crate) fails: bool,
    pub(crate) certainty: Certainty,
    /// Where: a proxy, the origin, a KDC or this machine.
    pub(crate) place: String,
    /// A sentence.
    pub(crate) says: String,
    /// What to try.
    pub(crate) next: Option<String>,
}

/// How sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Certainty {
    Certain,
    Likely,
    Possible,
}

/// With a capital letter, unless it begins with a command.
pub(crate) fn capital(text: &str) -> String {
    let mut rest = text.chars();
    match rest.next() {
        Some(first) => first.to_uppercase().chain(rest).collect(),
        None => String::new(),
    }
}

impl Finding {
    /// Something that makes a login fail.
    pub(crate) fn failure(code: &'static str, place: impl Into<String>, says: impl Into<String>) -> Self {
        let (place, says) = (place.into(), says.into());
        Self { code, fails: true, certainty: Certainty::Certain, place, says, next: None }
    }

    /// Something that is worth knowing.
    pub(crate) fn note(code: &'static str, place: impl Into<String>, says: impl Into<String>) -> Self {
        Self { fails: false, ..Self::failure(code, place, says) }
    }

    /// What to try; a sentence, whose first letter becomes a capital one.
    pub(crate) fn next(self, next: impl AsRef<str>) -> Self {
        Self { next: Some(capital(next.as_ref())), ..self }
    }

    pub(crate) fn certainty(self, certainty: Certainty) -> Self {
        Self { certainty, ..self }
    }
}
