//! The parameters of a challenge (RFC 9110, section 11.2).

use std::borrow::Cow;
use std::fmt;
use std::str;

use super::error::ChallengeErrorKind;
use super::limits::MAX_PARAMS;

/// Parameters in the order received, their names unique in any case.
#[derive(Clone, Default)]
pub(super) struct Params(Vec<Param>);

/// One parameter: its name as received, its value after unquoting.
#[derive(Clone)]
pub(super) struct Param {
    pub(super) name: String,
    pub(super) value: Vec<u8>,
}

impl Params {
    pub(super) fn push(&mut self, param: Param) -> Result<(), ChallengeErrorKind> {
        if self.find(&param.name).is_some() {
            return Err(ChallengeErrorKind::DuplicateParam);
        }
        if self.0.len() == MAX_PARAMS {
            return Err(ChallengeErrorKind::TooManyParams);
        }
        self.0.push(param);
        Ok(())
    }

    pub(super) fn find(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|param| (param.name.as_str(), param.value.as_slice()))
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets: usize = self.iter().map(|(_, value)| value.len()).sum();
        write!(f, "{} of {octets} octets", self.0.len())
    }
}

/// UTF-8, which newer schemes send, or else ISO-8859-1, which older servers do.
pub(super) fn text(value: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        // ISO-8859-1 is Unicode's first 256 code points.
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}
