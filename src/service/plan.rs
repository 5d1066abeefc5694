//! What is decided of a request's next leg, challenger by challenger.

use http::request::Parts;
use http::{HeaderMap, Response};

use crate::authorization::Authorization;
use crate::handshake::{BodyUse, Outcome};
use crate::protection_space::Challenger;
use crate::service::deadlines::Deadlines;
use crate::service::observe::{self, TokenReport};

/// What a request needs beside its connection and its body.
pub(super) struct Plan<R> {
    /// The head as the caller made it, until the first leg takes it.
    pub(super) parts: Option<Parts>,
    /// What the next leg carries for each challenger, once it is decided.
    origin: Option<NextLeg>,
    proxy: Option<NextLeg>,
    pub(super) origin_begun: bool,
    /// A challenge in hand.
    pub(super) response: Option<Response<R>>,
    pub(super) proxy_outcome: Option<Box<Outcome>>,
    pub(super) deadlines: Deadlines,
    pub(super) sent_tokens: Vec<TokenReport>,
}

/// A challenger's share of the next leg.
pub(super) struct NextLeg {
    pub(super) authorization: Option<Authorization>,
    pub(super) body: BodyUse,
}

impl<R> Plan<R> {
    /// Nothing has been decided. Without a head, the first leg has taken it.
    pub(super) fn new(parts: Option<Parts>) -> Self {
        Self {
            parts,
            origin: None,
            proxy: None,
            origin_begun: false,
            response: None,
            proxy_outcome: None,
            deadlines: Deadlines::default(),
            sent_tokens: Vec::new(),
        }
    }

    /// Notes what a challenger's share of the next leg is; tells who is still undecided.
    pub(super) fn decide(
        &mut self,
        challenger: Challenger,
        leg: NextLeg,
        has_proxy: bool,
    ) -> Option<Challenger> {
        match challenger {
            Challenger::Proxy => {
                // While the proxy's own handshake is not through, the origin sees nothing.
                let not_through = leg.body == BodyUse::Withheld;
                self.proxy = Some(leg);
                (self.origin.is_none() && !not_through).then_some(Challenger::Origin)
            }
            Challenger::Origin => {
                self.origin = Some(leg);
                (self.proxy.is_none() && has_proxy).then_some(Challenger::Proxy)
            }
        }
    }

    /// What the next leg does with the body: carries it if no challenger withholds it.
    pub(super) fn body_use(&self) -> BodyUse {
        let withholds = |leg: &Option<NextLeg>| leg.as_ref().is_some_and(|leg| leg.body == BodyUse::Withheld);
        match withholds(&self.origin) || withholds(&self.proxy) {
            true => BodyUse::Withheld,
            false => BodyUse::Carried,
        }
    }

    /// Puts the authorizations on a leg's head, and notes them for an observer if there is one.
    pub(super) fn authorize(&mut self, headers: &mut HeaderMap, is_observed: bool) {
        self.sent_tokens.clear();
        for (challenger, leg) in [(Challenger::Proxy, &self.proxy), (Challenger::Origin, &self.origin)] {
            let Some(authorization) = leg.as_ref().and_then(|leg| leg.authorization.clone()) else {
                continue;
            };
            let value = authorization.into_value();
            if is_observed {
                self.sent_tokens.extend(observe::authorization(challenger, &value));
            }
            headers.insert(challenger.authorization_field(), value);
        }
    }

    /// The leg was answered. What it carried for the origin, a proxy's challenge leaves standing.
    pub(super) fn answered(&mut self, challenged_by_proxy: bool) {
        self.deadlines.leg_ends();
        self.proxy = None;
        if !challenged_by_proxy {
            self.origin = None;
        }
    }
}
