//! What a login asks for, and what it is told.

use std::time::Instant;

use http::Method;

use crate::credentials::Credentials;
use crate::handshake::verdicts::pause::Pause;
use crate::handshake::verdicts::record::{KnownWhenSent, PlaceNumber};
use crate::handshake::verdicts::targets::Target;
use crate::protection_space::ProtectionSpace;

/// A request that would log in.
#[derive(Clone, Copy, Debug)]
pub(in crate::handshake) struct Asking<'a> {
    pub(in crate::handshake) credentials: &'a Credentials,
    pub(in crate::handshake) space: &'a ProtectionSpace,
    pub(in crate::handshake) method: &'a Method,
    pub(in crate::handshake) path: &'a str,
    /// No challenge to this request came before.
    pub(in crate::handshake) speaks_first: bool,
    /// A challenge to it may make void what another login has sent: it does not go without one.
    pub(in crate::handshake) disturbs_others: bool,
    /// It could ask a KDC about the password, and nobody else.
    pub(in crate::handshake) may_ask_kdc: bool,
    /// Since when it waits for others.
    pub(in crate::handshake) waits_since: Option<Instant>,
}

/// What a request may do.
#[derive(Debug)]
pub(in crate::handshake) enum Permission {
    Go(Trial),
    /// Somebody is trying them: ask again when that has changed, or at this moment.
    Wait(Option<Instant>),
    /// It does not speak first: they were refused here, and no challenged login has succeeded since.
    Listen,
    /// They were refused, and are not tried again.
    Refused,
    Paused(Pause),
}

/// A login that may go. It is to be [ended](super::Verdicts::end), once.
#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(in crate::handshake) struct Trial {
    pub(super) target: Target,
    /// Its places, where logins go one at a time.
    pub(super) in_space: Option<PlaceNumber>,
    pub(super) in_all: Option<PlaceNumber>,
    /// It counts among those of credentials that were never accepted.
    pub(super) is_unproven: bool,
    /// It goes in a pause, since they were accepted for this.
    pub(super) in_pause: bool,
    /// Only a KDC may be asked.
    pub(in crate::handshake) only_kdc: bool,
    /// The credentials were accepted in this space before.
    pub(in crate::handshake) accepted_before: bool,
    /// What was known when it was sent.
    pub(super) sent: Option<(KnownWhenSent, KnownWhenSent)>,
}

impl Trial {
    /// Whether something derived from the secret has been sent.
    pub(in crate::handshake) fn is_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// Whether others have to wait for its verdict.
    pub(in crate::handshake) fn goes_alone(&self) -> bool {
        self.in_space.is_some() || self.in_all.is_some()
    }

    /// What was to be sent was not.
    pub(in crate::handshake) fn take_back(&mut self) {
        self.sent = None;
    }
}

/// What a refusal was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::handshake) enum RefusalVerdict {
    /// The credentials are wrong, or have become wrong.
    Refused,
    /// They were accepted elsewhere: it may be about the resource.
    Denied,
}
