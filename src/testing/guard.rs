//! The authentication state that one challenger keeps for one connection. No IO happens here.

use http::{HeaderValue, Uri, request};

use super::acceptor::{Accept, Acceptor};
use super::fault::Fault;
use super::judge::{Judgement, Presentation};
use super::offer::Offer;
use super::persistence::Persistence;
use super::quirk::{Admission, AfterFailure, Effects, OnAuthorization};
use super::report::{SeenAuthorization, Verdict};
use super::token::{Presented, TokenKind};
use super::users::Users;

/// What a guard decides by.
pub(super) struct Rules<'a> {
    pub(super) offers: &'a [Offer],
    pub(super) users: &'a Users,
    pub(super) effects: &'a Effects,
    /// Makes the acceptor for a handshake; `None` if the offer has none.
    pub(super) acceptor: &'a dyn Fn(&Offer) -> Option<Box<dyn Acceptor>>,
    pub(super) request: &'a request::Parts,
    /// The request target as the challenger gets to see it.
    pub(super) target: &'a Uri,
    pub(super) content: &'a [u8],
}

/// A decision, and what the report says of the field that led to it.
pub(super) struct Hearing {
    pub(super) decision: Decision,
    pub(super) seen: Option<SeenAuthorization>,
}

/// Whether a request gets past a guard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is served as this user.
    Admit { user: String, proof: UserProof },
    /// The handshake goes on with this token.
    Continue(OfferToken),
    /// The client is to authenticate; the token, if there is one, tells it why it has not.
    Demand(Option<OfferToken>),
    /// An exchange by requests goes on with this challenge.
    Challenge { challenge: String },
    /// The client is to authenticate; one offer's challenges are these.
    Tell { offer: usize, challenges: Vec<String> },
    /// The field cannot be read.
    Reject,
}

/// How the user of an admitted request is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UserProof {
    /// The connection was authenticated before.
    Standing,
    /// The request proved it by itself; perhaps with information about it for the client.
    Request(Option<String>),
    /// The request completed a handshake.
    Handshake {
        /// A token for the client.
        token: Option<OfferToken>,
        /// How long it holds, where the script does not say.
        persistence: Option<Persistence>,
    },
}

impl UserProof {
    /// How long it holds, where the script does not say.
    pub(super) fn persistence(&self) -> Option<Persistence> {
        match self {
            Self::Handshake { persistence, .. } => *persistence,
            Self::Standing | Self::Request(_) => None,
        }
    }
}

/// A token for the client, and the index of the offer that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OfferToken {
    pub(super) offer: usize,
    pub(super) octets: Vec<u8>,
}

/// What one challenger knows of one connection.
#[derive(Default)]
pub(super) struct Guard {
    user: Option<String>,
    pending: Option<PendingHandshake>,
    last_challenge: Option<OfferToken>,
    history: History,
}

struct PendingHandshake {
    offer: usize,
    acceptor: Box<dyn Acceptor>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum History {
    #[default]
    Clean,
    /// A handshake was refused, or one of its messages was misplaced.
    Failed,
}

impl Guard {
    /// Judges a request by the field value with its credentials.
    ///
    /// Only a token that continues a handshake leaves it pending: a request without the field, or
    /// with another scheme, ends it.
    pub(super) fn hear(&mut self, field: Option<&HeaderValue>, rules: &Rules<'_>) -> Hearing {
        let pending = self.pending.take();
        let Some(field) = field else {
            let decision = match &self.user {
                Some(user) => Decision::Admit { user: user.clone(), proof: UserProof::Standing },
                None => Decision::Demand(None),
            };
            return Hearing { decision, seen: None };
        };
        if rules.effects.on_authorization == OnAuthorization::DropState {
            self.user = None;
        }
        let presented = Presented::parse(field);
        let (decision, verdict) = self.judge(pending, field, &presented, rules);
        Hearing { decision, seen: Some(SeenAuthorization::new(&presented, verdict)) }
    }

    /// Ends what the request that was just admitted does not leave behind.
    pub(super) fn leave(&mut self, persistence: Option<Persistence>) {
        match persistence {
            Some(Persistence::Denied | Persistence::Forgotten) => self.user = None,
            Some(Persistence::Announced) | None => {}
        }
    }

    fn judge(
        &mut self,
        pending: Option<PendingHandshake>,
        field: &HeaderValue,
        presented: &Presented,
        rules: &Rules<'_>,
    ) -> (Decision, Verdict) {
        let is_presented = |offer: &Offer| offer.scheme().eq_ignore_ascii_case(&presented.scheme);
        let Some(index) = rules.offers.iter().position(is_presented) else {
            return (Decision::Demand(None), Verdict::Ignored);
        };
        if rules.effects.admission == Admission::NobodyEver && !presented.kind.begins() {
            let decision = self.last_challenge.clone().map_or(Decision::Demand(None), Decision::Continue);
            return (decision, Verdict::Ignored);
        }
        match &rules.offers[index] {
            Offer::Basic { .. } => self.judge_password(&presented.token, rules.users),
            Offer::Verbatim(_) => (Decision::Demand(None), Verdict::Ignored),
            Offer::Judged { judge, .. } => {
                let Rules { request, target, content, .. } = rules;
                let presentation =
                    Presentation::new(&presented.text, field, &request.method, target, content);
                self.judged(index, judge.judge(&presentation))
            }
            offer => {
                let pending = pending.filter(|pending| pending.offer == index);
                let picked = self.pick(pending, presented.kind, offer, rules);
                self.step(index, picked, &presented.token, rules)
            }
        }
    }

    /// The acceptor that a token belongs to.
    fn pick(
        &self,
        pending: Option<PendingHandshake>,
        kind: TokenKind,
        offer: &Offer,
        rules: &Rules<'_>,
    ) -> Picked {
        match pending {
            Some(pending) if !kind.begins() => return Picked::Acceptor(pending.acceptor),
            None if kind.continues() => return Picked::Misplaced,
            Some(_) | None => {}
        }
        if self.history == History::Failed && rules.effects.after_failure == AfterFailure::AnswerBare {
            return Picked::None("a handshake has failed on this connection before");
        }
        match (rules.acceptor)(offer) {
            Some(acceptor) => Picked::Acceptor(acceptor),
            None => Picked::None("the scheme has no handshakes"),
        }
    }

    fn step(&mut self, offer: usize, picked: Picked, token: &[u8], rules: &Rules<'_>) -> (Decision, Verdict) {
        let mut acceptor = match picked {
            Picked::Acceptor(acceptor) => acceptor,
            Picked::None(why) => return self.refuse(why, None),
            Picked::Misplaced => {
                self.history = History::Failed;
                return (Decision::Demand(None), Verdict::Misplaced);
            }
        };
        match acceptor.step(token) {
            Accept::Continue(octets) => {
                let token = OfferToken { offer, octets };
                self.last_challenge = Some(token.clone());
                if rules.effects.challenge_fault != Some(Fault::LeftOut) {
                    self.pending = Some(PendingHandshake { offer, acceptor });
                }
                (Decision::Continue(token), Verdict::Continued)
            }
            Accept::Accepted { user, token, integrity: _ } => {
                self.user = Some(user.clone());
                self.history = History::Clean;
                let token = token.map(|octets| OfferToken { offer, octets });
                let proof = UserProof::Handshake { token, persistence: acceptor.persistence() };
                (Decision::Admit { user: user.clone(), proof }, Verdict::Accepted { user })
            }
            Accept::Refused { why, token } => {
                self.history = History::Failed;
                self.refuse(why, token.map(|octets| OfferToken { offer, octets }))
            }
        }
    }

    /// `user:password`; the user name has no colon (RFC 7617, section 2).
    fn judge_password(&mut self, token: &[u8], users: &Users) -> (Decision, Verdict) {
        let Some((name, password)) = std::str::from_utf8(token).ok().and_then(|text| text.split_once(':'))
        else {
            return self.refuse("not a user name and a password", None);
        };
        let (domain, user) = name.split_once('\\').unwrap_or(("", name));
        if users.password(domain, user) != Some(password) {
            return self.refuse("there is no such user, or the password is wrong", None);
        }
        let user = name.to_owned();
        (Decision::Admit { user: user.clone(), proof: UserProof::Request(None) }, Verdict::Accepted { user })
    }

    fn judged(&mut self, offer: usize, judgement: Judgement) -> (Decision, Verdict) {
        match judgement {
            Judgement::Accepted { user, info } => (
                Decision::Admit { user: user.clone(), proof: UserProof::Request(info) },
                Verdict::Accepted { user },
            ),
            Judgement::Continued { challenge } => (Decision::Challenge { challenge }, Verdict::Continued),
            Judgement::Unreadable => (Decision::Reject, Verdict::Ignored),
            Judgement::Refused { why, challenges } => {
                let (demand, verdict) = self.refuse(why, None);
                let decision = challenges.map_or(demand, |challenges| Decision::Tell { offer, challenges });
                (decision, verdict)
            }
        }
    }

    fn refuse(&mut self, why: impl Into<String>, token: Option<OfferToken>) -> (Decision, Verdict) {
        self.user = None;
        (Decision::Demand(token), Verdict::Refused { why: why.into() })
    }
}

enum Picked {
    Acceptor(Box<dyn Acceptor>),
    Misplaced,
    None(&'static str),
}
