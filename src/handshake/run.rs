//! One scheme's exchange under way, with the credentials that are on trial in it.

use std::cmp::Reverse;
use std::sync::Arc;

use http::HeaderMap;

use crate::challenge::{Challenge, Challenges};
use crate::credentials::{Ambient, Credentials};
use crate::handshake::guard::{Guard, Trial};
use crate::handshake::memory::Wants;
use crate::handshake::outcome::Why;
use crate::handshake::select;
use crate::mechanism::{Binding, Expects, Initiate};
use crate::protection_space::ProtectionSpace;
use crate::scheme::{Acceptance, Exchange, Knowledge, Reply, RequestContext, Scheme, SchemeError};

/// One scheme's exchange under way.
pub(super) struct Run {
    pub(super) scheme: Arc<dyn Scheme>,
    pub(super) exchange: Box<dyn Exchange>,
    credentials: Credentials,
    pub(super) space: ProtectionSpace,
    trust: Trust,
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
    /// The server said that the login holds for the connection.
    pub(super) persists: bool,
    /// Its success was reported before; a standing authorization repeats it.
    pub(super) reported: bool,
}

/// What is known of the credentials.
pub(super) enum Trust {
    /// Others wait for the verdict.
    OnTrial(Trial),
    Proven,
    /// There is no guard, or nothing to be guarded: the system's own credentials lock nobody out.
    Unguarded,
}

impl Run {
    /// A run in answer to a challenge, on a fresh connection.
    pub(super) fn begin(
        scheme: Arc<dyn Scheme>,
        arguments: Initiate,
        space: ProtectionSpace,
        trust: Trust,
        knowledge: &Knowledge,
    ) -> Box<Self> {
        let credentials = arguments.credentials.clone();
        Box::new(Self {
            exchange: scheme.begin(arguments, knowledge),
            scheme,
            credentials,
            space,
            trust,
            expects: Expects::Challenge,
            sent: false,
            started: false,
            spoke_first: false,
            on_fresh_connection: true,
            concluding: false,
            persists: false,
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

    /// What it wants once the steps that cannot block have been run.
    pub(super) fn settled(
        &mut self,
        mut reply: Result<Reply, SchemeError>,
        request: RequestContext<'_>,
    ) -> Result<Reply, SchemeError> {
        loop {
            match reply {
                Ok(Reply::Step(job)) if !job.may_block() => {
                    let moment = request.moments.moment();
                    let moment = moment.map_err(|error| SchemeError::mechanism(self.scheme.name(), error))?;
                    reply = self.exchange.resume(job.run(moment));
                }
                other => return other,
            }
        }
    }

    /// The challenge that goes on with it, if the server sent one: the strongest of several, whatever
    /// the server's order.
    pub(super) fn continuation<'a>(&self, challenges: &'a Challenges) -> Option<&'a Challenge> {
        let is_proven = matches!(self.trust, Trust::Proven);
        challenges
            .iter()
            .filter(|challenge| challenge.is(self.scheme.name()))
            .filter(|challenge| self.exchange.is_continued_by(challenge, is_proven))
            .min_by_key(|challenge| Reverse(self.scheme.strength(challenge)))
    }

    /// The server accepted; its final token, if there is one, is among the challenges, or the fields
    /// have it.
    pub(super) fn conclude(
        &mut self,
        challenges: &Challenges,
        fields: &HeaderMap,
    ) -> Result<Reply, SchemeError> {
        self.concluding = true;
        let name = self.scheme.name();
        let illegible = challenges
            .errors()
            .iter()
            .find(|error| error.scheme().is_some_and(|scheme| scheme.eq_ignore_ascii_case(name)));
        match (select::answer(challenges, name), illegible) {
            (None, Some(error)) => Err(SchemeError::challenge(name, error.clone())),
            (challenge, _) => {
                self.exchange.conclude(Acceptance::new(self.space.challenger, challenge, fields))
            }
        }
    }

    /// The credentials are good.
    pub(super) fn prove(&mut self) {
        match std::mem::replace(&mut self.trust, Trust::Proven) {
            Trust::OnTrial(trial) => trial.proven(),
            other => self.trust = other,
        }
    }

    /// The challenge stands although the secret was used. Proven before, it has no access; without
    /// a guard nobody knows.
    pub(super) fn refuse(self, detail: Option<String>) -> Why {
        match self.trust {
            Trust::OnTrial(trial) => {
                trial.refused();
                Why::Refused(detail)
            }
            Trust::Unguarded => Why::Refused(detail),
            Trust::Proven => Why::Denied,
        }
    }

    /// Who keeps the accounts says that the password is wrong, whether or not it was good before. A
    /// challenge that stands does not say that much.
    pub(super) fn refuse_password(self, guard: Option<&Guard>, detail: String) -> Why {
        if let (Trust::Proven, Some(guard)) = (&self.trust, guard) {
            guard.revoke(&self.space, &self.credentials);
            return Why::Refused(Some(detail));
        }
        self.refuse(Some(detail))
    }

    /// What follows says nothing about the credentials: they may be tried again.
    pub(super) fn spare(&mut self) {
        self.trust = Trust::Unguarded;
    }

    /// The leg that is out gets no verdict: the server hung up, or speaks of another realm. Tells
    /// whether it held what was derived from a secret that nobody has proven yet.
    pub(super) fn leave_undecided(&mut self) -> bool {
        match std::mem::replace(&mut self.trust, Trust::Unguarded) {
            Trust::OnTrial(trial) if self.started => {
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

    /// Whether it spoke first, and the server takes other schemes only.
    pub(super) fn is_out_of_use(&self, challenges: &Challenges) -> bool {
        self.spoke_first
            && !challenges.is_empty()
            && !challenges.iter().any(|challenge| challenge.is(self.scheme.name()))
    }

    /// Where it spoke first without a realm, it is refused in those that challenge, too.
    pub(super) fn refuse_in_realms(&self, guard: &Guard, challenges: &Challenges) {
        if !matches!(self.trust, Trust::OnTrial(_))
            || self.space.realm.is_some()
            || !self.misses_realms(challenges)
        {
            return;
        }
        for realm in challenges.iter().map(select::realm) {
            guard.refuse(&ProtectionSpace { realm, ..self.space.clone() }, &self.credentials);
        }
    }

    /// Whether it is what a request wants.
    pub(super) fn is_wanted(&self, wants: &Wants) -> bool {
        wants.is(self.scheme.name(), self.space.realm.as_ref())
    }

    /// Who logs in.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Whether the next login would be the same user's. The system may know somebody else by then.
    pub(super) fn is_stable(&self) -> bool {
        self.credentials.as_ambient().is_none_or(Ambient::is_stable)
    }

    /// Whether it is bound to the connection.
    pub(super) fn is_bound(&self) -> bool {
        self.scheme.binding() == Binding::Connection
    }

    /// A realm is one protection space, whichever schemes challenge for it (RFC 9110, 11.5): there,
    /// what is on trial was refused. What is not may go on by another scheme.
    fn misses_realms(&self, challenges: &Challenges) -> bool {
        let on_trial = matches!(self.trust, Trust::OnTrial(_));
        self.spoke_first
            && challenges
                .iter()
                .filter(|challenge| on_trial || challenge.is(self.scheme.name()))
                .map(select::realm)
                .all(|realm| realm != self.space.realm)
    }
}
