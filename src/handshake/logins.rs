//! The logins of one connection: at its origin and, where its requests are sent to one, at a proxy.

use std::time::Instant;

use http::{HeaderValue, Method, StatusCode, Uri};

use crate::authorization::Authorization;
use crate::challenge::Challenges;
use crate::channel_bindings::ChannelBindings;
use crate::handshake::action::{Action, Answer, BodyUse, ResponseHead};
use crate::handshake::identity::Identity;
use crate::handshake::outcome::{Outcome, ProxyOutcome};
use crate::handshake::select;
use crate::handshake::state::Handshake;
use crate::protection_space::Challenger;
use crate::scheme::RequestContext;

/// Both handshakes of a connection, and what each wants of the next leg.
///
/// Used like a single [`Handshake`]: what it says holds for both challengers. The next leg carries
/// their [authorizations](Self::authorizations).
pub(crate) struct Logins {
    origin: Handshake,
    proxy: Option<Handshake>,
    /// Who the request under way, or the last, acts as.
    identity: Identity,
    proxy_identity: Identity,
    /// What the next leg carries for each, once that is decided.
    for_origin: Option<Share>,
    for_proxy: Option<Share>,
    /// The origin's handshake has begun with this request.
    origin_begun: bool,
    proxy_outcome: Option<Box<Outcome>>,
    /// The next leg is decided, for one of them at least, and has not been sent.
    is_due: bool,
    /// Whose action it is that waits for an answer.
    asking: Challenger,
}

/// A challenger's share of the next leg.
struct Share {
    authorization: Option<Authorization>,
    body: BodyUse,
}

/// A request as it stands on the wire, and its target beyond the proxy, where one is in between.
#[derive(Clone, Copy)]
pub(crate) struct WireRequest<'a> {
    pub(crate) on_the_wire: RequestContext<'a>,
    pub(crate) beyond_proxy: Option<&'a Uri>,
}

impl<'a> WireRequest<'a> {
    /// As a challenger sees it.
    fn seen_by(self, challenger: Challenger) -> RequestContext<'a> {
        match (challenger, self.beyond_proxy) {
            (Challenger::Origin, Some(target)) => RequestContext { target, ..self.on_the_wire },
            _ => self.on_the_wire,
        }
    }
}

impl Logins {
    pub(crate) fn new(origin: Handshake, proxy: Option<Handshake>) -> Self {
        Self {
            origin,
            proxy,
            identity: Identity::None,
            proxy_identity: Identity::None,
            for_origin: None,
            for_proxy: None,
            origin_begun: false,
            proxy_outcome: None,
            is_due: false,
            asking: Challenger::Origin,
        }
    }

    /// Those of other requests on the same connection, at the same time.
    #[cfg(feature = "client")]
    pub(crate) fn beside(&self) -> Self {
        Self::new(self.origin.beside(), self.proxy.as_ref().map(Handshake::beside))
    }

    /// A request is about to be sent; the proxy, which sees it first, is asked first.
    pub(crate) fn begin(
        &mut self,
        identity: Identity,
        proxy_identity: Identity,
        request: WireRequest<'_>,
    ) -> Action {
        self.act_as(identity, proxy_identity);
        let first = if self.proxy.is_some() { Challenger::Proxy } else { Challenger::Origin };
        let action = self.begin_at(first, request);
        self.settle(first, action, None, request)
    }

    /// Tells whether a request can go as its caller made it.
    #[inline]
    pub(crate) fn go_on(&mut self, identity: &Identity) -> bool {
        self.proxy.is_none() && self.origin.go_on(identity)
    }

    /// It is for this, and the last one was for something else.
    pub(crate) fn serves(&mut self, method: &Method, path: &str) {
        self.origin.serves(method, path);
    }

    /// Whether a response with this status, to a request that [went on](Self::go_on), is for the
    /// caller alone.
    #[inline]
    pub(crate) fn goes_by(&self, status: StatusCode) -> bool {
        self.origin.goes_by(status)
    }

    /// It is not: the response is to be [received](Self::receive).
    pub(crate) fn went_on(&mut self) {
        let owner = self.origin.owner().cloned().unwrap_or(Identity::None);
        self.act_as(owner, Identity::None);
        self.sent_with(BodyUse::Carried);
    }

    /// A response came.
    pub(crate) fn receive(&mut self, head: ResponseHead<'_>, request: WireRequest<'_>) -> Action {
        if let Some(refusal) = self.refused_by_proxy(head, request) {
            return refusal;
        }
        let by_proxy = head.status == Challenger::Proxy.status();
        self.for_proxy = None;
        // What was for the origin, a proxy's challenge leaves standing.
        if !by_proxy || self.proxy.is_none() {
            self.for_origin = None;
        }
        let (challenger, action) = match &mut self.proxy {
            Some(proxy) => (Challenger::Proxy, proxy.receive(head, request.seen_by(Challenger::Proxy))),
            None => (Challenger::Origin, self.origin.receive(head, request.seen_by(Challenger::Origin))),
        };
        self.settle(challenger, action, Some(head), request)
    }

    /// What an action asked for; `head` is that of the response in hand.
    pub(crate) fn resume(
        &mut self,
        answer: Answer,
        head: Option<ResponseHead<'_>>,
        request: WireRequest<'_>,
    ) -> Action {
        let challenger = self.asking;
        let action = match (challenger, &mut self.proxy) {
            (Challenger::Proxy, Some(proxy)) => proxy.resume(answer, request.seen_by(challenger)),
            _ => self.origin.resume(answer, request.seen_by(challenger)),
        };
        self.settle(challenger, action, head, request)
    }

    /// The connection was lost while a leg was out: see [`Handshake::lose_connection`].
    pub(crate) fn lose_connection(&mut self, now: Instant) -> bool {
        let at_proxy = self.proxy.as_mut().is_some_and(|proxy| proxy.lose_connection(now));
        self.origin.lose_connection(now) | at_proxy
    }

    /// The next leg has been sent.
    pub(crate) fn leg_sent(&mut self) {
        self.is_due = false;
    }

    /// The connection is given up. Of a leg that is decided and was not sent, nobody has seen a secret.
    pub(crate) fn give_up(&mut self) {
        if self.is_due {
            self.not_sent();
        }
    }

    /// The leg that was to be sent was not: nobody has seen anything of a secret.
    pub(crate) fn not_sent(&mut self) {
        self.origin.not_sent();
        if let Some(proxy) = &mut self.proxy {
            proxy.not_sent();
        }
    }

    pub(crate) fn learn_channel_bindings(&mut self, bindings: impl FnOnce() -> Option<ChannelBindings>) {
        if self.origin.awaits_channel_bindings() {
            self.origin.learn_channel_bindings(bindings());
        }
    }

    /// What the next leg carries for each challenger.
    pub(crate) fn authorizations(&self) -> impl Iterator<Item = (Challenger, HeaderValue)> {
        let shares = [(Challenger::Proxy, &self.for_proxy), (Challenger::Origin, &self.for_origin)];
        shares.into_iter().filter_map(|(challenger, share)| {
            let authorization = share.as_ref()?.authorization.clone()?;
            Some((challenger, authorization.into_value()))
        })
    }

    /// What came of the proxy's handshake with this request, told once.
    pub(crate) fn take_proxy_outcome(&mut self) -> Option<ProxyOutcome> {
        self.proxy_outcome.take().map(|outcome| ProxyOutcome(*outcome))
    }

    /// Who the request under way, or the last, acts as: at the origin, and at the proxy.
    pub(crate) fn identities(&self) -> (Identity, Identity) {
        (self.identity.clone(), self.proxy_identity.clone())
    }

    pub(crate) fn origin(&self) -> &Handshake {
        &self.origin
    }

    pub(crate) fn has_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    /// Whether the connection can serve another request once its response has ended.
    #[cfg(feature = "client")]
    pub(crate) fn is_reusable(&self) -> bool {
        self.origin.is_reusable() && self.proxy.as_ref().is_none_or(Handshake::is_reusable)
    }

    /// Whether what the next leg carries, or the leg that is out, begins or continues a handshake.
    pub(crate) fn expects_challenge(&self) -> bool {
        self.either(Handshake::expects_challenge)
    }

    /// Whether a leg is out that the connection must outlive.
    pub(crate) fn is_bound_under_way(&self) -> bool {
        self.either(Handshake::is_bound_under_way)
    }

    /// Some proxies answer a wrong password with the origin's status, `401`.
    fn refused_by_proxy(&mut self, head: ResponseHead<'_>, request: WireRequest<'_>) -> Option<Action> {
        let proxy = self.proxy.as_mut().filter(|_| head.status == Challenger::Origin.status())?;
        let challenges = Challenges::parse(head.headers, Challenger::Origin.challenge_field());
        let own_realm = proxy.realm_under_way();
        let is_own = *request.on_the_wire.method == Method::CONNECT
            || head.headers.contains_key(Challenger::Proxy.challenge_field())
            || !head.headers.contains_key(Challenger::Origin.challenge_field())
            || own_realm.is_some_and(|own| {
                challenges.iter().any(|challenge| select::realm(challenge).as_ref() == Some(own))
            });
        if !is_own {
            return None;
        }
        let is_tunnel = *request.on_the_wire.method == Method::CONNECT;
        let refusal = proxy.refuse(head, is_tunnel, request.on_the_wire.moments.instant());
        if refusal.is_some() {
            // It has not seen the leg.
            self.origin.not_sent();
        }
        if let Some(Action::Deliver(outcome)) = &refusal {
            self.proxy_outcome.clone_from(outcome);
        }
        refusal
    }

    fn either(&self, is: fn(&Handshake) -> bool) -> bool {
        is(&self.origin) || self.proxy.as_ref().is_some_and(is)
    }

    fn act_as(&mut self, identity: Identity, proxy_identity: Identity) {
        (self.identity, self.proxy_identity) = (identity, proxy_identity);
        (self.for_origin, self.for_proxy) = (None, None);
        (self.origin_begun, self.proxy_outcome) = (false, None);
    }

    fn begin_at(&mut self, challenger: Challenger, request: WireRequest<'_>) -> Action {
        let seen = request.seen_by(challenger);
        match (challenger, &mut self.proxy) {
            // Nobody waits for a turn who holds one that has not been used.
            (Challenger::Proxy, Some(proxy)) if self.for_origin.is_some() && self.origin.is_on_trial() => {
                proxy.begin_without_waiting(&self.proxy_identity, seen)
            }
            (Challenger::Proxy, Some(proxy)) => proxy.begin(&self.proxy_identity, seen),
            (_, proxy) => {
                self.origin_begun = true;
                let proxy_tries =
                    self.for_proxy.is_some() && proxy.as_ref().is_some_and(Handshake::is_on_trial);
                match proxy_tries {
                    true => self.origin.begin_without_waiting(&self.identity, seen),
                    false => self.origin.begin(&self.identity, seen),
                }
            }
        }
    }

    /// Goes on until both have said what the next leg is, or something must be waited for.
    fn settle(
        &mut self,
        mut challenger: Challenger,
        mut action: Action,
        head: Option<ResponseHead<'_>>,
        request: WireRequest<'_>,
    ) -> Action {
        loop {
            action = match (action, head) {
                (Action::Send { authorization, body }, _) => {
                    match self.decide(challenger, Share { authorization, body }) {
                        Some(undecided) => {
                            challenger = undecided;
                            self.begin_at(undecided, request)
                        }
                        None => {
                            let body = self.body_use();
                            self.sent_with(body);
                            return Action::Send { authorization: None, body };
                        }
                    }
                }
                // The proxy is content: now the origin's own view of the response.
                (Action::Deliver(outcome), Some(head))
                    if challenger == Challenger::Proxy && head.status != Challenger::Proxy.status() =>
                {
                    self.proxy_outcome = outcome.or(self.proxy_outcome.take());
                    challenger = Challenger::Origin;
                    if self.origin_begun {
                        self.origin.receive(head, request.seen_by(Challenger::Origin))
                    } else {
                        // The leg was the proxy's alone, and it wanted none.
                        self.begin_at(Challenger::Origin, request)
                    }
                }
                (Action::Deliver(outcome), _) if challenger == Challenger::Proxy => {
                    self.proxy_outcome = outcome;
                    return Action::Deliver(self.proxy_outcome.clone());
                }
                (Action::Deliver(outcome), _) => {
                    return Action::Deliver(outcome.or_else(|| self.proxy_outcome.clone()));
                }
                (other, _) => {
                    self.asking = challenger;
                    return other;
                }
            }
        }
    }

    /// Notes what a challenger's share of the next leg is; tells who is still undecided.
    fn decide(&mut self, challenger: Challenger, share: Share) -> Option<Challenger> {
        self.is_due = true;
        match challenger {
            Challenger::Proxy => {
                // While the proxy's own handshake is not through, the origin sees nothing.
                let is_through = share.body == BodyUse::Carried;
                self.for_proxy = Some(share);
                (self.for_origin.is_none() && is_through).then_some(Challenger::Origin)
            }
            Challenger::Origin => {
                self.for_origin = Some(share);
                (self.for_proxy.is_none() && self.proxy.is_some()).then_some(Challenger::Proxy)
            }
        }
    }

    /// The next leg carries the body unless a challenger withholds it.
    fn body_use(&self) -> BodyUse {
        let withholds = |share: &Share| share.body == BodyUse::Withheld;
        match [&self.for_origin, &self.for_proxy].into_iter().flatten().any(withholds) {
            true => BodyUse::Withheld,
            false => BodyUse::Carried,
        }
    }

    fn sent_with(&mut self, body: BodyUse) {
        self.origin.sent_with(body);
        if let Some(proxy) = &mut self.proxy {
            proxy.sent_with(body);
        }
    }
}
