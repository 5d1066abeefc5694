//! How a user's name beyond ASCII is written, for servers that read UTF-8.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// How a name beyond ASCII is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `username*=UTF-8''…`, as RFC 7616, section 3.4 has it.
    #[default]
    Extended,
    /// `username="…"` with the octets of UTF-8. Some servers ask for UTF-8 and do not know `username*`: CherryPy
    /// misses the user's name and answers `400`.
    Raw,
}

/// What a server has shown of how it reads names, in one protection space.
#[derive(Debug, Default)]
pub(super) struct Spellings(Mutex<SpellingState>);

#[derive(Clone, Copy, Debug, Default)]
enum SpellingState {
    #[default]
    Unknown,
    /// The extended name got a `400`, which may be the application's. The raw one is tried.
    TriesRaw,
    /// A name in this spelling was read.
    Known(Spelling),
}

impl Spellings {
    /// The one for the next request.
    pub(super) fn next(&self) -> Spelling {
        match *self.state() {
            SpellingState::Unknown => Spelling::Extended,
            SpellingState::TriesRaw => Spelling::Raw,
            SpellingState::Known(spelling) => spelling,
        }
    }

    /// A name in this spelling was read. What was known before stays: the server may read both.
    pub(super) fn note_read(&self, spelling: Spelling) {
        let mut state = self.state();
        if !matches!(*state, SpellingState::Known(_)) {
            *state = SpellingState::Known(spelling);
        }
    }

    /// A request with a name in this spelling was answered by `400`. Gives another spelling, where that may
    /// be the reason.
    pub(super) fn after_bad_request(&self, spelling: Spelling) -> Option<Spelling> {
        let mut state = self.state();
        match (spelling, *state) {
            (Spelling::Extended, SpellingState::Known(Spelling::Extended)) => None,
            (Spelling::Extended, SpellingState::Known(Spelling::Raw)) => Some(Spelling::Raw),
            (Spelling::Extended, SpellingState::Unknown | SpellingState::TriesRaw) => {
                *state = SpellingState::TriesRaw;
                Some(Spelling::Raw)
            }
            // Both got one: it is about something else.
            (Spelling::Raw, SpellingState::TriesRaw) => {
                *state = SpellingState::Unknown;
                None
            }
            (Spelling::Raw, SpellingState::Unknown | SpellingState::Known(_)) => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, SpellingState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Spelling::{Extended, Raw};
    use super::*;

    #[test]
    fn the_raw_name_is_tried_once_and_kept_where_it_is_read() {
        let spellings = Spellings::default();
        assert_eq!(spellings.next(), Extended);
        assert_eq!(spellings.after_bad_request(Extended), Some(Raw));
        assert_eq!(spellings.next(), Raw);
        // It was about something else.
        assert_eq!(spellings.after_bad_request(Raw), None);
        assert_eq!(spellings.next(), Extended);
        assert_eq!(spellings.after_bad_request(Extended), Some(Raw));
        spellings.note_read(Raw);
        assert_eq!((spellings.next(), spellings.after_bad_request(Raw)), (Raw, None));
        // Sent before that was known.
        assert_eq!(spellings.after_bad_request(Extended), Some(Raw));
    }

    #[test]
    fn an_extended_name_that_was_read_is_no_reason_for_a_bad_request() {
        let spellings = Spellings::default();
        spellings.note_read(Extended);
        spellings.note_read(Raw);
        assert_eq!((spellings.next(), spellings.after_bad_request(Extended)), (Extended, None));
    }
}
