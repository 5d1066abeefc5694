//! A service that carries its clients' messages to a KDC (draft-ietf-kitten-iakerb-03).

use std::fmt;

use crate::mechanism::kerberos::exchange::{Carried, Principal};
use crate::mechanism::kerberos::gss::iakerb::IakerbHeader;
use crate::mechanism::kerberos::gss::{Token, TokenId};
use crate::mechanism::kerberos::messages::PrincipalName;
use crate::mechanism::kerberos::messages::krb_error::{
    KRB_AP_ERR_IAKERB_KDC_NO_RESPONSE, KRB_AP_ERR_IAKERB_KDC_NOT_FOUND,
};
use crate::mechanism::kerberos::server::refusal::Refusal;
use crate::mechanism::kerberos::server::service::{Accepted, Rejected, Service};
use crate::mechanism::{Moment, oid};

/// A login takes at most seven: five for the first ticket, two for the service's.
const MAX_MESSAGES: usize = 16;

/// One client's login by IAKERB.
pub(crate) struct Iakerb {
    /// The realm of the server, told to who asks.
    realm: String,
    without_realm: WithoutRealm,
    /// What the client has to send back.
    cookie: Option<Vec<u8>>,
    /// All tokens as they were sent, of both sides.
    tokens: Vec<u8>,
    messages: usize,
}

/// What becomes of a message that names no realm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum WithoutRealm {
    /// It is refused, as by MIT's acceptor.
    #[default]
    Refused,
    /// It is for the server's own, as with Windows.
    OurRealm,
}

/// Why there is no answer of a KDC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// Nobody knows a KDC for the realm.
    NotFound,
    /// It does not answer.
    NoResponse,
}

/// What a token has come to.
#[derive(Debug)]
pub(crate) enum Relayed {
    /// Send this, and wait for the next.
    Continue(Vec<u8>),
    Accepted(Box<Accepted>),
    Rejected(Rejected),
}

impl Iakerb {
    /// A login that begins, at a server of this realm.
    pub(crate) fn new(realm: impl Into<String>) -> Self {
        Self {
            realm: realm.into(),
            without_realm: WithoutRealm::Refused,
            cookie: None,
            tokens: Vec::new(),
            messages: 0,
        }
    }

    /// The same with this rule for messages that name no realm.
    #[must_use]
    pub(crate) fn with_messages_without_realm(mut self, rule: WithoutRealm) -> Self {
        self.without_realm = rule;
        self
    }

    /// The same with a cookie, without which the client's next message is refused. MIT's acceptor sends none.
    #[must_use]
    pub(crate) fn with_cookie(mut self, cookie: Vec<u8>) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// Takes the client's next token. `kdc` gives the answer of a KDC of the realm that it is told.
    pub(crate) fn step(
        &mut self,
        token: &[u8],
        service: &Service,
        mut kdc: impl FnMut(&str, &[u8]) -> Result<Vec<u8>, Unreachable>,
        moment: &Moment,
    ) -> Relayed {
        let proxied = Token::decode(token)
            .ok()
            .filter(|token| token.id == TokenId::IakerbProxy && token.mechanism == oid::IAKERB);
        let Some(proxied) = proxied else {
            return match service.accept(token, Carried::Iakerb(&self.tokens), moment) {
                Ok(accepted) => Relayed::Accepted(Box::new(accepted)),
                Err(rejected) => Relayed::Rejected(rejected),
            };
        };
        let (header, message) = match IakerbHeader::split(proxied.message) {
            Ok(split) => split,
            Err(error) => return rejected(error.to_string()),
        };
        if self.messages > 0 && self.cookie.as_deref().is_some_and(|cookie| header.cookie != Some(cookie)) {
            return rejected("the client does not send the cookie back");
        }
        self.messages += 1;
        if self.messages > MAX_MESSAGES {
            return rejected("too many messages for one login");
        }
        let target_realm = match (&*header.target_realm, message, self.without_realm) {
            // Who sends no message asks for the realm.
            ("", [], _) | ("", _, WithoutRealm::OurRealm) => self.realm.clone(),
            ("", _, WithoutRealm::Refused) => return rejected("a message for no realm"),
            (realm, ..) => realm.to_owned(),
        };
        let answer = match message {
            [] => Vec::new(),
            message => kdc(&target_realm, message).unwrap_or_else(|unreachable| {
                unreachable.refusal().message(&Principal::new(nobody(), "WELLKNOWN:ANONYMOUS"), moment.now)
            }),
        };
        let header = IakerbHeader { target_realm, cookie: self.cookie.as_deref() };
        let answer = header.token(&answer);
        self.tokens.extend_from_slice(token);
        self.tokens.extend_from_slice(&answer);
        Relayed::Continue(answer)
    }
}

impl fmt::Debug for Iakerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iakerb")
            .field("realm", &self.realm)
            .field("messages", &self.messages)
            .finish_non_exhaustive()
    }
}

impl Unreachable {
    fn refusal(self) -> Refusal {
        match self {
            Self::NotFound => Refusal::new(KRB_AP_ERR_IAKERB_KDC_NOT_FOUND, "no KDC of this realm is known"),
            Self::NoResponse => {
                Refusal::new(KRB_AP_ERR_IAKERB_KDC_NO_RESPONSE, "the KDC of this realm does not answer")
            }
        }
    }
}

/// Who MIT's acceptor says it is in errors of its own.
fn nobody() -> PrincipalName {
    PrincipalName {
        name_type: PrincipalName::NT_WELLKNOWN,
        name_string: vec!["WELLKNOWN".to_owned(), "ANONYMOUS".to_owned()],
    }
}

fn rejected(why: impl Into<String>) -> Relayed {
    Relayed::Rejected(Rejected { why: why.into(), token: None })
}
