//! One scheme's exchange under way, with the credentials that are on trial in it.

use std::sync::Arc;

use crate::challenge::Challenges;
use crate::credentials::Credentials;
use crate::handshake::guard::{Guard, Trial};
use crate::handshake::outcome::Why;
use crate::handshake::select;
use crate::mechanism::{Binding, Expects};
use crate::protection_space::{ProtectionSpace, Realm};
use crate::scheme::{Begin, Exchange, Reply, RequestContext, Scheme, SchemeError};

/// One scheme's exchange under way.
pub(super) struct Run {
    pub(super) scheme: Arc<dyn Scheme>,
    pub(super) exchange: Box<dyn Exchange>,
    credentials: Credentials,
    pub(super) space: ProtectionSpace,
    /// Others wait for the verdict, unless the credentials are proven already.
    trial: Option<Trial>,
    pub(super) expects: Expects,
    /// A leg of it has been sent.
    pub(super) sent: bool,
    /// A token derived from the secret has been sent.
    pub(super) started: bool,
    /// There was no challenge yet when it began.
    pub(super) spoke_first: bool,
    /// The connection had not seen a handshake before.
    pub(super) on_fresh_connection: bool,
    pub(super) concluding: bool,
    /// Its success was reported before; a standing authorization repeats it.
    pub(super) reported: bool,
}

impl Run {
    /// A run in answer to a challenge, on a fresh connection.
    pub(super) fn begin(
        scheme: Arc<dyn Scheme>,
        arguments: Begin,
        space: ProtectionSpace,
        trial: Option<Trial>,
    ) -> Box<Self> {
        let credentials = arguments.credentials.clone();
        Box::new(Self {
            exchange: scheme.begin(arguments),
            scheme,
            credentials,
            space,
            trial,
            expects: Expects::Challenge,
            sent: false,
            started: false,
            spoke_first: false,
            on_fresh_connection: true,
            concluding: false,
            reported: false,
        })
    }

    /// The next request of a standing authorization.
    pub(super) fn repeat(&mut self, request: RequestContext<'_>) -> Result<Reply, SchemeError> {
        self.spoke_first = true;
        self.sent = false;
        self.started = false;
        self.concluding = false;
        self.exchange.respond(None, request)
    }

    /// The server accepted; its final token, if there is one, is among the challenges.
    pub(super) fn conclude(&mut self, challenges: &Challenges) -> Result<Reply, SchemeError> {
        self.concluding = true;
        let name = self.scheme.name();
        let illegible = challenges
            .errors()
            .iter()
            .find(|error| error.scheme().is_some_and(|scheme| scheme.eq_ignore_ascii_case(name)));
        match (select::answer(challenges, name), illegible) {
            (None, Some(error)) => Err(SchemeError::challenge(name, error.clone())),
            (challenge, _) => self.exchange.conclude(challenge),
        }
    }

    /// The credentials are good.
    pub(super) fn prove(&mut self) {
        if let Some(trial) = self.trial.take() {
            trial.proven();
        }
    }

    /// The challenge stands although the secret was used. Proven before, it has no access; without
    /// a guard nobody knows.
    pub(super) fn refuse(&mut self, guard: Option<&Guard>, detail: Option<String>) -> Why {
        match self.trial.take() {
            Some(trial) => {
                trial.refused();
                Why::Refused(detail)
            }
            None if guard.is_none() => Why::Refused(detail),
            None => Why::Denied,
        }
    }

    /// The leg that is out gets no verdict: the server hung up, or speaks of another realm. Tells
    /// whether it held what was derived from a secret that nobody has proven yet.
    pub(super) fn leave_undecided(&mut self) -> bool {
        match self.trial.take() {
            Some(trial) if self.started => {
                trial.undecided();
                true
            }
            _ => false,
        }
    }

    /// Whether it spoke first for a realm that is none of those that now challenge: there, the
    /// credentials were not refused.
    pub(super) fn is_for_another_realm(&self, challenges: &Challenges) -> bool {
        self.space.realm.is_some() && self.misses_realms(challenges)
    }

    /// Where it spoke first without a realm, it is refused in those that challenge, too.
    pub(super) fn refuse_in_realms(&self, guard: &Guard, challenges: &Challenges) {
        if self.trial.is_none() || self.space.realm.is_some() || !self.misses_realms(challenges) {
            return;
        }
        for realm in self.realms(challenges) {
            guard.refuse(&ProtectionSpace { realm, ..self.space.clone() }, &self.credentials);
        }
    }

    /// Whether it is bound to the connection.
    pub(super) fn is_bound(&self) -> bool {
        self.scheme.binding() == Binding::Connection
    }

    fn misses_realms(&self, challenges: &Challenges) -> bool {
        self.spoke_first && self.realms(challenges).all(|realm| realm != self.space.realm)
    }

    /// The realms of this scheme's challenges.
    fn realms<'a>(&self, challenges: &'a Challenges) -> impl Iterator<Item = Option<Realm>> + use<'a> {
        let name = self.scheme.name();
        challenges.iter().filter(move |challenge| challenge.is(name)).map(select::realm)
    }
}
