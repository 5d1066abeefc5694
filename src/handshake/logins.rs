//! The logins of one connection: at its origin and, where its requests are sent to one, at a proxy.

use std::time::Instant;

use http::{HeaderValue, Method, StatusCode, Uri};

use crate::authorization::Authorization;
use crate::challenge::Challenges;
use crate::channel_bindings::ChannelBindings;
use crate::handshake::action::{Action, Answer, BodyUse, Outlook, ResponseHead};
use crate::handshake::demand::{Demands, FirstLeg};
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
    /// Most connections have none, and room for it would be more than all the rest takes.
    proxy: Option<Box<Handshake>>,
    /// Who the request under way, or the last, acts as.
    acting: Acting,
    /// What the next leg carries for each, once that is decided.
    for_origin: Option<Share>,
    for_proxy: Option<Box<Share>>,
    /// The origin's handshake has begun with this request.
    origin_begun: bool,
    proxy_outcome: Option<Box<Outcome>>,
    /// The next leg is decided, for one of them at least, and has not been sent.
    is_due: bool,
    /// Whose action it is that waits for an answer.
    asking: Challenger,
    /// How many of the request's legs were answered. Each handshake counts those since it began, and while the other goes
    /// on it may begin again.
    legs: u32,
}

/// Who a request acts as, and what it has found out that is demanded of it: what it takes along when
/// it moves to another connection.
#[derive(Clone, Debug)]
pub(crate) struct Acting {
    pub(crate) at_origin: Identity,
    pub(crate) at_proxy: Identity,
    demands: Demands,
}

impl Acting {
    /// Of a request that has not been sent.
    pub(crate) fn new(at_origin: Identity, at_proxy: Identity) -> Self {
        Self { at_origin, at_proxy, demands: Demands::default() }
    }
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
            proxy: proxy.map(Box::new),
            acting: Acting::new(Identity::None, Identity::None),
            for_origin: None,
            for_proxy: None,
            origin_begun: false,
            proxy_outcome: None,
            is_due: false,
            asking: Challenger::Origin,
            legs: 0,
        }
    }

    /// Those of other requests on the same connection, at the same time.
    #[cfg(feature = "client")]
    pub(crate) fn beside(&self) -> Self {
        Self::new(self.origin.beside(), self.proxy.as_deref().map(Handshake::beside))
    }

    /// A request is about to be sent; the proxy, which sees it first, is asked first.
    pub(crate) fn begin(&mut self, acting: Acting, request: WireRequest<'_>) -> Action {
        self.act(acting);
        let first = if self.proxy.is_some() { Challenger::Proxy } else { Challenger::Origin };
        let action = self.begin_at(first, request);
        self.settle(first, action, None, request)
    }

    /// Tells whether a request for this path can go as its caller made it, and begins it then. It is whole if no body
    /// follows its head.
    #[inline]
    pub(crate) fn go_on(&mut self, identity: &Identity, path: &str, is_whole: bool) -> bool {
        self.proxy.is_none()
            && (self.origin.go_on(identity) || is_whole && self.origin.go_unasked(identity, path))
    }

    /// It is for this, and the last one was for something else.
    pub(crate) fn serves(&mut self, method: &Method, path: &str) {
        self.origin.serves(method, path);
    }

    /// Whether a response with this status, to a request that [went on](Self::go_on), is for the
    /// only the caller.
    #[inline]
    pub(crate) fn passes_through(&mut self, status: StatusCode) -> bool {
        self.origin.passes_through(status)
    }

    /// It is not: the response is to be [received](Self::receive).
    pub(crate) fn went_on(&mut self) {
        self.act(Acting::new(self.origin.identity().clone(), Identity::None));
        self.origin_begun = true;
        self.sent_with(BodyUse::Carried);
    }

    /// A response came.
    pub(crate) fn receive(&mut self, head: ResponseHead<'_>, request: WireRequest<'_>) -> Action {
        self.legs += 1;
        // Before the origin sees a 401 that may be the proxy's.
        if let Some(refusal) = self.refused_by_proxy(head, request) {
            return refusal;
        }
        let by_proxy = head.status == Challenger::Proxy.status();
        // The origin has not seen the leg: a login of its own that was on it begins again, and nobody waits for it.
        if by_proxy && self.proxy.is_some() && self.origin.withdraw(request.on_the_wire.moments.instant()) {
            self.for_origin = None;
        }
        if by_proxy && self.proxy.is_some() {
            self.origin.take_leg_back();
        }
        self.for_proxy = None;
        // What was for the origin, a proxy's challenge leaves standing.
        let for_origin = self.for_origin.take_if(|_| !by_proxy || self.proxy.is_none());
        let challenger = if self.proxy.is_some() { Challenger::Proxy } else { Challenger::Origin };
        let action = self.receive_at(challenger, head, request);
        if let (Challenger::Proxy, false, Action::Send { .. }) = (challenger, by_proxy, &action) {
            // The proxy is told the same in another way. What else the leg holds stays.
            self.for_origin = for_origin;
        }
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
        self.note_demands();
        self.settle(challenger, action, head, request)
    }

    /// The connection was lost while a leg was out: see [`Handshake::lose_connection`].
    pub(crate) fn lose_connection(&mut self, now: Instant) -> bool {
        let at_proxy = self.proxy.as_mut().is_some_and(|proxy| proxy.lose_connection(now));
        self.origin.lose_connection(now) | at_proxy
    }

    /// How the next leg may fare, if it carries the body.
    pub(crate) fn outlook(&self) -> Outlook {
        let at_proxy = self.proxy.as_deref().map_or(Outlook::Clear, Handshake::outlook);
        self.origin.outlook().max(at_proxy)
    }

    /// The leg that is out was answered by somebody who has looked at no login.
    pub(crate) fn withdraw(&mut self, now: Instant) {
        self.origin.withdraw(now);
        if let Some(proxy) = &mut self.proxy {
            proxy.withdraw(now);
        }
    }

    /// The next leg has been sent.
    pub(crate) fn leg_sent(&mut self) {
        self.is_due = false;
        // What was decided for one of them earlier, or not at all, goes with this leg.
        // Both, whoever had it sent: whichever challenger answers it counts it as a leg of its own.
        self.origin.leg_begins();
        if let Some(proxy) = &mut self.proxy {
            proxy.leg_begins();
        }
    }

    /// The connection is given up. Of a leg that is decided and was not sent, nobody has seen a secret.
    pub(crate) fn give_up(&mut self) {
        // Decided and not sent, or sent: the same handshakes, and all the difference to a trial.
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

    /// What the next leg carries for each challenger. With a proxy it stays here: its challenge leaves standing what was
    /// for the origin.
    pub(crate) fn authorizations(&mut self) -> impl Iterator<Item = (Challenger, HeaderValue)> {
        let stays = self.proxy.is_some();
        let (for_proxy, for_origin) = (self.for_proxy.as_deref_mut(), self.for_origin.as_mut());
        let shares = [(Challenger::Proxy, for_proxy), (Challenger::Origin, for_origin)];
        shares.into_iter().filter_map(move |(challenger, share)| {
            let authorization = &mut share?.authorization;
            let carried = if stays { authorization.clone() } else { authorization.take() };
            Some((challenger, carried?.into_value()))
        })
    }

    /// The leg that is out was lost. Tells whether it spoke unasked, and showed nothing of a secret:
    /// then the request goes without such a hint from now on.
    pub(crate) fn drop_hints(&mut self) -> bool {
        let at_proxy = self.proxy.as_deref_mut().is_some_and(Handshake::drop_hint);
        let at_origin = self.origin_begun && self.origin.drop_hint();
        self.note_demands();
        at_proxy | at_origin
    }

    /// What came of the proxy's handshake with this request, told once.
    pub(crate) fn take_proxy_outcome(&mut self) -> Option<ProxyOutcome> {
        self.proxy_outcome.take().map(|outcome| ProxyOutcome(*outcome))
    }

    /// Who the request under way, or the last, acts as.
    pub(crate) fn acting(&self) -> &Acting {
        &self.acting
    }

    pub(crate) fn origin(&self) -> &Handshake {
        &self.origin
    }

    pub(crate) fn proxy(&self) -> Option<&Handshake> {
        self.proxy.as_deref()
    }

    pub(crate) fn has_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    /// Whether the connection can serve another request once its response has ended.
    #[cfg(feature = "client")]
    pub(crate) fn is_reusable(&self) -> bool {
        self.origin.is_reusable() && self.proxy.as_deref().is_none_or(Handshake::is_reusable)
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
        // px and tinyproxy answer a wrong password by 401. Whose it is shows by the method (nobody else answers a
        // CONNECT), by a field that only proxies send, by the lack of the one that an origin must send, or by the
        // realm.
        let is_own = *request.on_the_wire.method == Method::CONNECT
            || head.headers.contains_key(Challenger::Proxy.challenge_field())
            || !head.headers.contains_key(Challenger::Origin.challenge_field())
            || own_realm.is_some_and(|own| {
                select::legible(&challenges).any(|challenge| select::realm(challenge).as_ref() == Some(own))
            });
        if !is_own {
            return None;
        }
        let is_tunnel = *request.on_the_wire.method == Method::CONNECT;
        let refusal = proxy.refuse(head, is_tunnel, request.on_the_wire)?;
        if let Action::Send { .. } = &refusal {
            if self.origin.withdraw(request.on_the_wire.moments.instant()) {
                self.for_origin = None;
            }
            self.for_proxy = None;
            return Some(self.settle(Challenger::Proxy, refusal, Some(head), request));
        }
        // It has not seen the leg.
        self.origin.not_sent();
        if let Action::Deliver(outcome) = &refusal {
            self.proxy_outcome.clone_from(outcome);
        }
        Some(refusal)
    }

    fn either(&self, is: fn(&Handshake) -> bool) -> bool {
        is(&self.origin) || self.proxy.as_deref().is_some_and(is)
    }

    fn act(&mut self, acting: Acting) {
        self.acting = acting;
        self.legs = 0;
        (self.for_origin, self.for_proxy) = (None, None);
        (self.origin_begun, self.proxy_outcome) = (false, None);
    }

    fn begin_at(&mut self, challenger: Challenger, request: WireRequest<'_>) -> Action {
        let seen = request.seen_by(challenger);
        // Nobody waits for a turn who holds one that has not been used.
        let opening = |tries_at_the_other| match tries_at_the_other {
            true => FirstLeg::SpeaksAtOnce,
            false => FirstLeg::Speaks,
        };
        match (challenger, &mut self.proxy) {
            (Challenger::Proxy, Some(proxy)) => {
                let tries = self.for_origin.is_some() && self.origin.is_on_trial();
                proxy.begin_as(&self.acting.at_proxy, opening(tries), self.acting.demands.proxy, seen)
            }
            (_, proxy) => {
                self.origin_begun = true;
                let tries = self.for_proxy.is_some() && proxy.as_deref().is_some_and(Handshake::is_on_trial);
                self.origin.begin_as(&self.acting.at_origin, opening(tries), self.acting.demands.origin, seen)
            }
        }
    }

    fn receive_at(
        &mut self,
        challenger: Challenger,
        head: ResponseHead<'_>,
        request: WireRequest<'_>,
    ) -> Action {
        let seen = request.seen_by(challenger);
        let action = match (challenger, &mut self.proxy) {
            (Challenger::Proxy, Some(proxy)) => proxy.receive(head, seen),
            _ => self.origin.receive(head, seen),
        };
        self.note_demands();
        action
    }

    /// What the handshakes have found out of the request, each once it has begun with it.
    fn note_demands(&mut self) {
        if self.origin_begun {
            self.acting.demands.origin = self.origin.demand();
        }
        if let Some(proxy) = &self.proxy {
            self.acting.demands.proxy = proxy.demand();
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
                        None if self.origin.is_past_the_last_leg(self.legs) => {
                            self.not_sent();
                            return self.origin.end_after_all_legs();
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
                    // The first leg's outcome is kept where this one brings none: the login is told once, and the
                    // response to be delivered may come legs later.
                    self.proxy_outcome = outcome.or(self.proxy_outcome.take());
                    challenger = Challenger::Origin;
                    if self.origin_begun {
                        self.receive_at(Challenger::Origin, head, request)
                    } else {
                        self.take_over(head, request)
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

    /// The proxy has let pass a leg that carried nothing for the origin: to the origin it was a bare request.
    fn take_over(&mut self, head: ResponseHead<'_>, request: WireRequest<'_>) -> Action {
        // The origin's handshake has not begun, for a leg that carried nothing for it. It begins now, as one that has
        // listened.
        let demand = self.acting.demands.origin;
        let is_challenge = head.status == Challenger::Origin.status();
        if !is_challenge && self.origin.holds_body() && demand.body_follows(head.status) {
            // The answer to a request without its body is nobody's answer: the origin decides anew, and the body goes.
            self.origin.take_leg_back();
            return self.begin_at(Challenger::Origin, request);
        }
        self.origin_begun = true;
        let seen = request.seen_by(Challenger::Origin);
        match self.origin.begin_as(&self.acting.at_origin, FirstLeg::Listens, demand, seen) {
            Action::Send { .. } => self.receive_at(Challenger::Origin, head, request),
            other => other,
        }
    }

    /// Notes what a challenger's share of the next leg is; tells who is still undecided.
    fn decide(&mut self, challenger: Challenger, share: Share) -> Option<Challenger> {
        self.is_due = true;
        match challenger {
            Challenger::Proxy => {
                // While the proxy's own handshake is not through, the origin sees nothing.
                // A leg that the proxy will only challenge must not show the origin's credentials, to the proxy least
                // of all.
                let is_through = share.body == BodyUse::Carried;
                self.for_proxy = Some(Box::new(share));
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
        match [self.for_origin.as_ref(), self.for_proxy.as_deref()].into_iter().flatten().any(withholds) {
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
