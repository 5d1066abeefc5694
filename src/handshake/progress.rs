//! What is known of the request under way, and what is told of it in the end.

use std::sync::Arc;
use std::time::Instant;

use crate::credentials::Credentials;
use crate::handshake::guard::OnTrial;
use crate::handshake::identity::Identity;
use crate::handshake::legs::Arrival;
use crate::handshake::outcome::{Login, Outcome, Refusal, Tried, Why};
use crate::handshake::select::Candidate;
use crate::protection_space::{Challenger, Origin};
use crate::scheme::{Proof, Scheme, SchemeError};

/// What is known of the request under way. It stays with an idle connection: what is rarely there is boxed.
pub(super) struct RequestProgress {
    pub(super) identity: Identity,
    pub(super) legs: u32,
    /// A response is in hand, which can be delivered if nothing else helps.
    pub(super) responded: bool,
    /// The response in hand is the connection's last.
    pub(super) closing: bool,
    /// What is left to try, the strongest last.
    pub(super) candidates: Vec<Candidate>,
    pub(super) tried: Vec<Tried>,
    /// What cannot be read of the last challenges that have something of the kind.
    unreadable: Vec<Tried>,
    /// What cannot start, whatever the server says.
    given_up: Vec<Tried>,
    pub(super) refused: Option<Credentials>,
    /// Those that wear out and were refused: the provider has been asked for others.
    pub(super) worn_out: Option<Credentials>,
    /// The server's challenge could not be answered.
    pub(super) failure: Option<Box<SchemeError>>,
    /// A remembered scheme was not taken on a fresh connection: yet another one would not help.
    pub(super) fresh_start_failed: bool,
    /// Since when it waits for others that try its credentials.
    pub(super) waits_since: Option<Instant>,
    /// The right to try the credentials, while the request waits for others' legs or asks for another challenge.
    pub(super) trial: Option<Box<OnTrial>>,
    /// It is to answer the latest challenge, and no other.
    pub(super) wants_latest: bool,
    /// When the last challenge came.
    pub(super) arrival: Option<Arrival>,
    /// The server has proven who it is, in answer to this request.
    pub(super) is_proven: bool,
    /// More than `legs` is to be reset for the next request.
    pub(super) is_spent: bool,
}

impl RequestProgress {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity,
            legs: 0,
            responded: false,
            closing: false,
            candidates: Vec::new(),
            tried: Vec::new(),
            unreadable: Vec::new(),
            given_up: Vec::new(),
            refused: None,
            worn_out: None,
            failure: None,
            fresh_start_failed: false,
            waits_since: None,
            trial: None,
            wants_latest: false,
            arrival: None,
            is_proven: false,
            is_spent: true,
        }
    }

    /// A challenge came, and the connection ends behind it or stays.
    pub(super) fn challenged(&mut self, closing: bool) {
        self.is_spent = true;
        self.responded = true;
        self.closing = closing;
    }

    /// Notes what cannot be read of a response's challenges.
    pub(super) fn cannot_read(&mut self, unreadable: Vec<Tried>) {
        if !unreadable.is_empty() {
            self.unreadable = unreadable;
        }
    }

    /// What the server offers, and what of it is none of ours.
    pub(super) fn offer(&mut self, candidates: Vec<Candidate>, dismissed: Vec<Tried>) {
        self.candidates = candidates;
        self.candidates
            .retain(|candidate| self.given_up.iter().all(|tried| tried.scheme != candidate.scheme.name()));
        self.tried.clone_from(&self.given_up);
        self.tried.extend(dismissed);
    }

    /// Whether something that is left to try takes these credentials.
    pub(super) fn has_candidate_for(&self, credentials: &Credentials) -> bool {
        self.candidates.iter().any(|candidate| candidate.scheme.takes(credentials))
    }

    /// Notes that a scheme cannot serve this request, whatever the server says.
    pub(super) fn give_up(&mut self, scheme: &dyn Scheme, why: Why) {
        self.dismiss(scheme, why.clone());
        self.given_up.push(Tried::new(scheme.name(), why));
    }

    /// Notes what became of a scheme.
    pub(super) fn dismiss(&mut self, scheme: &dyn Scheme, why: Why) {
        self.note(Tried::new(scheme.name(), why));
    }

    /// Notes it once.
    pub(super) fn note(&mut self, tried: Tried) {
        if !self.tried.contains(&tried) {
            self.tried.push(tried);
        }
    }

    /// Tries nothing that is left to try, for this reason.
    pub(super) fn dismiss_all(&mut self, reason: &str) {
        for candidate in std::mem::take(&mut self.candidates).into_iter().rev() {
            self.dismiss(&*candidate.scheme, Why::CannotStart(reason.to_owned()));
        }
    }

    /// Whether something is noted of a scheme.
    pub(super) fn has_tried(&self, scheme: &dyn Scheme) -> bool {
        self.tried.iter().any(|tried| tried.scheme == scheme.name())
    }

    /// The challenge stands: what was tried, which is told once.
    pub(super) fn take_refusal(&mut self, challenger: Challenger, origin: &Origin) -> Box<Outcome> {
        let (mut tried, origin) = (std::mem::take(&mut self.tried), origin.clone());
        tried.append(&mut self.unreadable);
        let refusal = Refusal { challenger, origin, mutual: self.is_proven, tried, legs: self.legs };
        Box::new(Outcome::Refused(refusal))
    }

    /// The challenger accepted the login.
    pub(super) fn login(
        &self,
        challenger: Challenger,
        scheme: &'static str,
        proof: &Proof,
        passed_over: Option<&Arc<str>>,
    ) -> Box<Outcome> {
        Box::new(Outcome::LoggedIn(Login {
            challenger,
            scheme,
            mechanism: proof.mechanism,
            principal: proof.principal.clone(),
            mutual: proof.mutual,
            legs: self.legs,
            passed_over: passed_over.cloned(),
        }))
    }
}
