use std::borrow::Cow;
use std::fmt;
use std::slice;

use base64::Engine;

use super::error::ChallengeError;
#[cfg(doc)]
use super::error::ChallengeErrorKind;
use super::limits;
use super::params::{self, Params};
use crate::token68::BASE64;

/// The challenges of one response, in the order received, and what was malformed among them.
#[derive(Clone, Debug, Default)]
pub struct Challenges {
    pub(super) challenges: Vec<Challenge>,
    pub(super) malformed: Vec<Challenge>,
    pub(super) errors: Vec<ChallengeError>,
}

impl Challenges {
    /// How many challenges are read from one response, malformed ones included.
    pub const MAX_CHALLENGES: usize = limits::MAX_CHALLENGES;

    /// How many parameters a challenge may have.
    pub const MAX_PARAMS: usize = limits::MAX_PARAMS;

    /// How many octets are read from one response: a Kerberos token of Windows' largest size
    /// (48,000 octets, `MaxTokenSize`) makes 64,000 of base64, and this is twice that.
    pub const MAX_OCTETS: usize = limits::MAX_OCTETS;

    /// Returns the well-formed challenges, in the order received.
    pub fn iter(&self) -> slice::Iter<'_, Challenge> {
        self.challenges.iter()
    }

    /// Returns whether there is no well-formed challenge; there may still be errors.
    pub fn is_empty(&self) -> bool {
        self.challenges.is_empty()
    }

    /// Returns the malformed challenges whose scheme is legible, in the order received, with the
    /// [parameters that can be read](crate::challenge#what-can-be-read-of-a-malformed-challenge): for schemes
    /// that need none.
    pub fn malformed(&self) -> &[Challenge] {
        &self.malformed
    }

    /// Returns what was malformed, in the order received: one error for each challenge that is not
    /// well-formed, and one last if a limit ended the reading.
    pub fn errors(&self) -> &[ChallengeError] {
        &self.errors
    }

    /// Says which of their server's challenges they are.
    pub(crate) fn number(&mut self, order: u64) {
        self.challenges.iter_mut().chain(&mut self.malformed).for_each(|challenge| challenge.order = order);
    }
}

impl<'a> IntoIterator for &'a Challenges {
    type Item = &'a Challenge;
    type IntoIter = slice::Iter<'a, Challenge>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One challenge: a scheme with a token68, with parameters, or with nothing
/// (RFC 9110, section 11.3).
///
/// `Debug` shows the scheme and sizes: a token can hold what a password is cracked from.
#[derive(Clone)]
pub struct Challenge {
    pub(super) scheme: String,
    pub(super) line: usize,
    pub(super) body: Body,
    pub(super) order: u64,
}

/// What follows the scheme. A scheme by itself has no parameters.
#[derive(Clone)]
pub(super) enum Body {
    Token68 { text: String, offset: usize },
    Params(Params),
}

impl Challenge {
    /// Returns the scheme's name as received.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Returns whether this is `scheme`, in any case (RFC 9110, section 11.1).
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// Returns the token68 as received, if the challenge has one.
    pub fn token68(&self) -> Option<&str> {
        match &self.body {
            Body::Token68 { text, .. } => Some(text),
            Body::Params(_) => None,
        }
    }

    /// Returns the token68's octets, decoded from base64 with or without padding; `None` if the challenge
    /// has no token68.
    ///
    /// # Errors
    ///
    /// [`ChallengeError`] if the token68 is not base64 of the standard alphabet.
    pub fn token(&self) -> Result<Option<Vec<u8>>, ChallengeError> {
        match &self.body {
            Body::Token68 { text, offset } => BASE64
                .decode(text)
                .map(Some)
                .map_err(|error| ChallengeError::invalid_token(&self.scheme, self.line, *offset, &error)),
            Body::Params(_) => Ok(None),
        }
    }

    /// Returns a parameter's value after unquoting; its name is matched in any case.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        match &self.body {
            Body::Token68 { .. } => None,
            Body::Params(params) => params.find(name),
        }
    }

    /// Returns a parameter's value as text: UTF-8 if it is valid UTF-8, otherwise ISO-8859-1.
    pub fn param_str(&self, name: &str) -> Option<Cow<'_, str>> {
        self.param(name).map(params::text)
    }

    /// Returns the realm as text, `None` if there is none (RFC 9110, section 11.5).
    pub fn realm(&self) -> Option<Cow<'_, str>> {
        self.param_str("realm")
    }

    /// Returns which of its server's challenges it is: later ones have higher numbers. 0 where nobody counts them.
    pub fn order(&self) -> u64 {
        self.order
    }

    /// About how much memory it takes, in octets.
    pub(crate) fn octets(&self) -> usize {
        let params = self.params().map(|(name, value)| name.len() + value.len());
        self.scheme.len() + self.token68().map_or(0, str::len) + params.sum::<usize>()
    }

    /// Names as received and values after unquoting, in the order received.
    pub fn params(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let params = match &self.body {
            Body::Token68 { .. } => None,
            Body::Params(params) => Some(params),
        };
        params.into_iter().flat_map(Params::iter)
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Challenge");
        debug.field("scheme", &self.scheme);
        match &self.body {
            Body::Token68 { text, .. } => debug.field("token68", &format_args!("{} octets", text.len())),
            Body::Params(params) => debug.field("params", params),
        };
        debug.finish()
    }
}
