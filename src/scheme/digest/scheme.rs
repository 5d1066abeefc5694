//! Digest as a scheme of the handshake.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::Uri;

use super::algorithm::Algorithm;
use super::challenge::DigestChallenge;
use super::covered::CoveredRequest;
use super::info::ServerProof;
use super::lifetime::Lifetime;
use super::name::NAME;
use super::nonce::{ClientNonce, Nonce, NonceCounts};
use super::policy::DigestPolicy;
use super::request::DigestRequest;
use super::sent::SentDigest;
use super::session::{self, DigestSession};
use super::sharing::{NonceScope, Sharing};
use super::spelling::{Spelling, Spellings};
use crate::authorization::Authorization;
use crate::challenge::Challenge;
use crate::credentials::Credentials;
use crate::mechanism::{Binding, Expects, Initiate, MutualAuthentication, Proves};
use crate::protection_space::{Paths, ProtectionSpace};
use crate::scheme::charset::Charset;
use crate::scheme::{
    Acceptance, Continuation, Exchange, Knowledge, Proof, Reply, RequestContext, Scheme, SchemeError,
};

/// The Digest scheme (RFC 7616).
///
/// Requests of one user in one realm share the server's nonce, on all connections: the next one
/// takes one round trip. Where a server does not take that, since it wants counts in order or a nonce
/// for each request, or since each challenge replaces the only nonce that it has, that is learnt without
/// failing a request. To tell such a server from a wrong password, the first login among several requests
/// waits until the others have been answered, a second at the most, and asks for another challenge. Where
/// other programs use a server with a single nonce, their challenges cannot be seen here: the first login among
/// them may be taken for a wrong password. A nonce that has become too old is
/// replaced, and the request sent again, as often as a request may take
/// [legs](crate::handshake::AuthenticatorBuilder::max_legs).
#[derive(Clone, Copy, Debug, Default)]
pub struct Digest {
    policy: DigestPolicy,
}

impl Digest {
    /// Creates Digest as most clients answer it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves challenges without `qop` (RFC 2069) unanswered.
    ///
    /// The answer to one carries neither a nonce of the client nor a count: it can be repeated as long as the nonce lives,
    /// and someone who chooses nonces can prepare tables for common passwords. They are answered by default, as by curl,
    /// Chromium, Firefox and .NET: cameras and other devices know nothing else, and someone who can remove `qop` from a
    /// challenge can ask for Basic as well.
    #[must_use]
    pub fn without_legacy(mut self) -> Self {
        self.policy = self.policy.without_legacy();
        self
    }

    /// Sets the encoding for challenges that name none.
    #[must_use]
    pub fn charset(mut self, charset: Charset) -> Self {
        self.policy = self.policy.charset(charset);
        self
    }
}

impl Scheme for Digest {
    fn name(&self) -> &'static str {
        NAME
    }

    fn binding(&self) -> Binding {
        Binding::Request
    }

    fn authenticates_server(&self) -> bool {
        true
    }

    fn is_voided_by_challenges(&self) -> bool {
        true
    }

    /// By the hash function: the strongest of several challenges is answered.
    fn strength(&self, challenge: &Challenge) -> u8 {
        let algorithm = DigestChallenge::parse(challenge).map(|challenge| challenge.algorithm());
        match algorithm {
            Ok(Algorithm::Sha512_256 | Algorithm::Sha512_256Sess) => 3,
            Ok(Algorithm::Sha256 | Algorithm::Sha256Sess) => 2,
            Ok(Algorithm::Md5 | Algorithm::Md5Sess) => 1,
            Err(_) => 0,
        }
    }

    /// What its `domain` lists on this origin, else all of it (RFC 7616, section 3.3).
    fn paths(&self, challenge: &Challenge, space: &ProtectionSpace, _: &Uri) -> Paths {
        match DigestChallenge::parse(challenge) {
            Ok(challenge) => challenge.space(space.challenger, &space.origin).paths(),
            Err(_) => Paths::All,
        }
    }

    fn begin(&self, arguments: Initiate, knowledge: &Knowledge) -> Box<dyn Exchange> {
        let space = knowledge.of::<RealmMemory>();
        let session = space.logins().of(&arguments.credentials);
        Box::new(DigestExchange {
            session,
            space,
            policy: self.policy,
            credentials: arguments.credentials,
            rule: arguments.mutual_authentication,
            own: None,
            chosen: None,
            sent: None,
        })
    }
}

/// What all exchanges in a realm share: the logins by user, how the server treats its nonces, and how it
/// reads names.
#[derive(Default)]
struct RealmMemory {
    logins: Mutex<RealmLogins>,
    sharing: Sharing,
    counts: NonceCounts,
    spellings: Spellings,
    lifetime: Lifetime,
}

/// The logins in one realm, by user; the last one in use comes last.
#[derive(Default)]
struct RealmLogins(Vec<(Credentials, Arc<DigestSession>)>);

impl RealmLogins {
    /// How many users' logins are kept in a realm.
    const MAX: usize = 64;
    /// Of how many of them all nonces are kept. A server that makes a new one for each challenge makes 40 KiB of them for a
    /// user; of the others only the nonce in use is kept.
    const RECENT: usize = 8;

    fn of(&mut self, credentials: &Credentials) -> Option<Arc<DigestSession>> {
        let at = self.0.iter().position(|(known, _)| known == credentials)?;
        self.0[at..].rotate_left(1);
        self.0.last().map(|(_, session)| Arc::clone(session))
    }

    /// Adds a login, unless another request was faster.
    fn add(&mut self, credentials: &Credentials, session: DigestSession) -> Arc<DigestSession> {
        if let Some(known) = self.of(credentials) {
            return known;
        }
        let session = Arc::new(session);
        self.0.push((credentials.clone(), Arc::clone(&session)));
        if self.0.len() > Self::MAX {
            self.0.remove(0);
        }
        let others = self.0.len().saturating_sub(Self::RECENT);
        self.0[..others].iter().for_each(|(_, session)| session.forget_other_nonces());
        session
    }
}

impl RealmMemory {
    fn logins(&self) -> MutexGuard<'_, RealmLogins> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct DigestExchange {
    space: Arc<RealmMemory>,
    session: Option<Arc<DigestSession>>,
    policy: DigestPolicy,
    credentials: Credentials,
    rule: MutualAuthentication,
    /// The last nonce that came over this connection.
    own: Option<Nonce>,
    /// What is to be answered with once the content is known.
    chosen: Option<Chosen>,
    sent: Option<Sent>,
}

/// The nonce for an answer.
struct Chosen {
    nonce: Nonce,
    is_fresh: bool,
    age: Duration,
}

/// What was sent last.
struct Sent {
    digest: SentDigest,
    /// It answers the nonce of a challenge to this very request.
    is_fresh: bool,
    /// How long its nonce had been known.
    age: Duration,
    /// When it was made, and how old its nonce was then, as far as that is known.
    at: Instant,
    known_age: Option<Duration>,
    /// Its nonce may have become too old.
    is_doubtful: bool,
}

impl DigestExchange {
    /// The nonce for a request that speaks first.
    fn known_nonce(&mut self, session: &DigestSession) -> Option<Nonce> {
        match self.space.sharing.scope() {
            NonceScope::All => session.alive(),
            NonceScope::Connection => self.own.clone().or_else(|| session.take_unused()),
            NonceScope::Request => match &self.own {
                Some(own) if own.count() == 0 || self.space.sharing.tries_again() => Some(own.clone()),
                _ => session.take_unused(),
            },
        }
    }

    fn answer(
        &mut self,
        chosen: Chosen,
        at: Instant,
        request: RequestContext<'_>,
    ) -> Result<Reply, SchemeError> {
        let Chosen { nonce, is_fresh, age } = chosen;
        let before = self.sent.as_ref().map(|sent| &sent.digest.request);
        let (authorization, digest) = authorize(&nonce, request, self.space.spellings.next(), before)?;
        let known_age = self.space.lifetime.age(&nonce, at);
        let is_doubtful = known_age.is_some_and(|age| self.space.lifetime.is_doubtful(age));
        self.sent = Some(Sent { digest, is_fresh, age, at, known_age, is_doubtful });
        Ok(reply(authorization))
    }

    /// The nonce for an answer to a challenge that came to this very request.
    fn nonce_for(
        &mut self,
        session: &DigestSession,
        challenge: &DigestChallenge,
        now: Instant,
    ) -> Result<Nonce, SchemeError> {
        let nonce = session.hear(challenge, now, &self.space.counts)?;
        self.space.lifetime.hear(&nonce, now);
        let sent = self.sent.take();
        session.share_unless_late(sent.as_ref().map(|sent| &sent.digest), nonce.clone());
        self.own = Some(nonce.clone());
        Ok(match sent {
            // Not every server behind this name knows a nonce of the others': the one that does may be next.
            Some(sent) if challenge.is_stale() && sent.is_fresh => sent.digest.nonce,
            _ => nonce,
        })
    }
}

impl Chosen {
    /// Whether an answer covers content that is not known.
    fn lacks_content(&self, request: RequestContext<'_>) -> bool {
        let is_covered = request.has_body && self.nonce.terms().challenge.needs_body_digest();
        is_covered && request.content.is_none()
    }
}

impl Exchange for DigestExchange {
    /// A nonce that is too old says nothing about the password. One that was replaced, that is used again,
    /// or whose count was overtaken may be [refused for that](Sharing::refused). And servers that have been
    /// started anew say nothing but 401: once in a request, an answer to a nonce of an earlier one is
    /// given again. So it is where the server has [another idea of sessions](DigestSession::learns_of_sessions).
    /// A challenge of another realm wants a login of its own.
    fn continuation(&self, challenge: &Challenge, is_accepted: bool) -> Continuation {
        let (Some(session), Some(sent)) = (&self.session, &self.sent) else { return Continuation::Refuses };
        let Ok(challenge) = DigestChallenge::parse(challenge) else { return Continuation::Refuses };
        if !session.is_for(&challenge) {
            return Continuation::Refuses;
        }
        // Without a lockout guard nobody but the session knows of a proof.
        let is_accepted = is_accepted || session.was_accepted();
        let sharing = &self.space.sharing;
        match () {
            () if challenge.is_stale() => {
                sharing.called_stale(&sent.digest, sent.age);
                if let Some(age) = sent.known_age {
                    self.space.lifetime.called_stale(age);
                }
                Continuation::GoesOn
            }
            // Its nonce may be the challenge's: WEBrick's is that of the second.
            () if is_accepted && session.learns_of_sessions(&sent.digest) => Continuation::Superseded,
            () if sent.digest.used_nonce_of(&challenge) => Continuation::Refuses,
            () if !is_accepted => Continuation::Refuses,
            () if sharing.refused(&sent.digest, !sent.is_fresh && session.has_replaced(&sent.digest)) => {
                Continuation::Superseded
            }
            () if !sent.is_fresh => Continuation::Renews,
            () => Continuation::Refuses,
        }
    }

    fn respond(
        &mut self,
        challenge: Option<&Challenge>,
        request: RequestContext<'_>,
    ) -> Result<Reply, SchemeError> {
        let now = request.moments.instant();
        let challenge = challenge.map(DigestChallenge::parse).transpose()?;
        let session = match (&self.session, &challenge) {
            (Some(session), _) => Arc::clone(session),
            (None, None) => return Ok(Reply::Listen),
            (None, Some(challenge)) => {
                let session = DigestSession::new(self.credentials.clone(), self.policy, challenge)?;
                self.space.logins().add(&self.credentials, session)
            }
        };
        self.session = Some(Arc::clone(&session));
        let nonce = match &challenge {
            Some(challenge) => self.nonce_for(&session, challenge, now)?,
            None => match self.known_nonce(&session) {
                Some(nonce) => nonce,
                None => return Ok(Reply::Listen),
            },
        };
        let is_fresh = challenge.is_some_and(|challenge| nonce.text() == challenge.nonce());
        let chosen = Chosen { is_fresh, age: nonce.age(now), nonce };
        if chosen.lacks_content(request) {
            self.chosen = Some(chosen);
            return Ok(Reply::Gather);
        }
        self.answer(chosen, now, request)
    }

    fn gathered(&mut self, request: RequestContext<'_>) -> Result<Reply, SchemeError> {
        match self.chosen.take() {
            Some(chosen) if chosen.lacks_content(request) => Err(SchemeError::content_not_kept(NAME)),
            Some(chosen) => self.answer(chosen, request.moments.instant(), request),
            None => Err(SchemeError::new(NAME, "it was told of content that it had not asked for")),
        }
    }

    fn rephrase(&mut self, request: RequestContext<'_>) -> Option<Result<Reply, SchemeError>> {
        let sent = self.sent.as_mut().filter(|sent| sent.digest.has_spellings())?;
        let spelling = self.space.spellings.after_bad_request(sent.digest.spelling)?;
        let authorized = authorize(&sent.digest.nonce, request, spelling, Some(&sent.digest.request));
        Some(authorized.map(|(authorization, digest)| {
            sent.digest = digest;
            reply(authorization)
        }))
    }

    fn answered(&self) -> Option<u64> {
        self.sent.as_ref()?.digest.nonce.order()
    }

    /// A nonce of an earlier request may have died, and px, for one, sends no other.
    fn unchallenged(&mut self, is_accepted: bool) -> Continuation {
        let (Some(session), Some(sent)) = (&self.session, &self.sent) else { return Continuation::Refuses };
        if sent.is_fresh {
            return Continuation::Refuses;
        }
        session.bury(&sent.digest);
        self.own.take_if(|own| own.is(&sent.digest.nonce));
        match is_accepted || session.was_accepted() {
            true => Continuation::Superseded,
            false => Continuation::Refuses,
        }
    }

    fn may_be_out_of_date(&self) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.is_doubtful)
    }

    fn not_sent(&mut self) {
        let (Some(session), Some(sent)) = (&self.session, self.sent.take()) else { return };
        sent.digest.take_back();
        if let Some(own) = self.own.take_if(|own| own.count() == 0) {
            session.keep_unused(own);
        }
    }

    fn conclude(&mut self, acceptance: Acceptance<'_>) -> Result<Reply, SchemeError> {
        let (Some(session), Some(Sent { digest, is_fresh, at, known_age, .. })) = (&self.session, &self.sent)
        else {
            return Err(SchemeError::new(NAME, "there is no exchange to conclude"));
        };
        let Acceptance { challenger, fields, .. } = acceptance;
        let (proof, next) = session.conclude(digest, challenger, fields, None, self.rule)?;
        self.space.sharing.accepted(digest);
        if let Some(age) = known_age {
            self.space.lifetime.accepted(*age);
        }
        if let Some(next) = &next {
            self.space.lifetime.hear(next, *at);
        }
        // Nobody may have looked at what was not asked for.
        if digest.has_spellings() && (*is_fresh || proof == ServerProof::Verified) {
            self.space.spellings.note_read(digest.spelling);
        }
        self.own = next.or(self.own.take());
        Ok(Reply::Done(Proof {
            mechanism: NAME,
            principal: self.credentials.username().map(str::to_owned),
            mutual: proof == ServerProof::Verified,
            binding: Binding::Request,
        }))
    }
}

/// What a request carries that uses this nonce.
fn authorize(
    nonce: &Nonce,
    request: RequestContext<'_>,
    spelling: Spelling,
    before: Option<&Arc<CoveredRequest>>,
) -> Result<(Authorization, SentDigest), SchemeError> {
    let terms = &nonce.terms().challenge;
    let content = request.content.filter(|_| terms.needs_body_digest()).map(|content| {
        let mut hasher = terms.body_hasher();
        content.read(&mut |octets| hasher.update(octets));
        hasher.finish()
    });
    let moment = request.moments.moment().map_err(|error| SchemeError::mechanism(NAME, error))?;
    let request = DigestRequest::from(request).with_body_digest(content.as_ref());
    session::authorize(nonce, &request, ClientNonce::new(moment.entropy), spelling, before)
}

fn reply(authorization: Authorization) -> Reply {
    Reply::Send { authorization, expects: Expects::Success, proves: Proves::Secret }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::{HeaderMap, Method};

    use super::*;
    use crate::challenge::Challenges;
    use crate::mechanism::FixedMoment;
    use crate::protection_space::Challenger;

    #[test]
    fn so_many_users_logins_are_kept_of_a_realm_and_what_is_unused_for_longest_goes_first() {
        let challenges = Challenges::from_value(b"Digest realm=lab, nonce=n, qop=auth");
        let challenge = DigestChallenge::parse(challenges.iter().next().expect("one")).expect("good");
        let user = |number: usize| Credentials::password(format!("user{number}"), "pw");
        let mut logins = RealmLogins::default();
        for number in 0..3 * RealmLogins::MAX {
            let session = DigestSession::new(user(number), DigestPolicy::new(), &challenge).expect("good");
            logins.add(&user(number), session);
            assert!(logins.of(&user(0)).is_some(), "it is in use all the time");
        }
        assert_eq!(logins.0.len(), RealmLogins::MAX);
        assert!(logins.of(&user(1)).is_none());
    }

    #[test]
    fn only_the_last_users_in_a_realm_keep_more_than_their_nonce() {
        let challenge = |nonce: usize| {
            let value = format!("Digest realm=lab, nonce=n{nonce}, qop=auth");
            let challenges = Challenges::from_value(value.as_bytes());
            DigestChallenge::parse(challenges.iter().next().expect("one")).expect("good")
        };
        let mut logins = RealmLogins::default();
        for number in 0..3 * RealmLogins::RECENT {
            let user = Credentials::password(format!("user{number}"), "pw");
            let session = DigestSession::new(user.clone(), DigestPolicy::new(), &challenge(0)).expect("good");
            let session = logins.add(&user, session);
            for nonce in 1..10 {
                session.hear(&challenge(nonce), Instant::now(), &NonceCounts::default()).expect("good");
            }
        }
        let known: Vec<_> = logins.0.iter().map(|(_, session)| session.other_nonces()).collect();
        let expected = [vec![0; 2 * RealmLogins::RECENT], vec![9; RealmLogins::RECENT]].concat();
        assert_eq!(known, expected);
    }

    const NOW: FixedMoment = FixedMoment(SystemTime::UNIX_EPOCH);

    fn begun(digest: Digest, knowledge: &Knowledge) -> Box<dyn Exchange> {
        digest.begin(Initiate::new("HTTP/host", Credentials::password("Jäsøn", "pw")), knowledge)
    }

    /// What a GET request is answered with.
    fn answer(exchange: &mut dyn Exchange, challenge: Option<&str>) -> Result<Vec<u8>, SchemeError> {
        let challenges = challenge.map(|value| Challenges::from_value(value.as_bytes()));
        let challenge = challenges.as_ref().and_then(|challenges| challenges.iter().next());
        let uri = Uri::from_static("/");
        match exchange.respond(challenge, RequestContext::new(&Method::GET, &uri, false, &NOW))? {
            Reply::Send { authorization, .. } => Ok(authorization.into_value().as_bytes().to_vec()),
            reply => panic!("{reply:?}"),
        }
    }

    #[test]
    fn the_policy_is_that_of_the_scheme() {
        let has = |digest: Digest, name: &[u8]| {
            let knowledge = Knowledge::default();
            let value = answer(&mut *begun(digest, &knowledge), Some("Digest realm=lab, nonce=n"));
            value.expect("an answer").windows(name.len()).any(|part| part == name)
        };
        assert!(has(Digest::new(), "\"Jäsøn\"".as_bytes()));
        assert!(has(Digest::new().charset(Charset::Latin1), b"\"J\xe4s\xf8n\""));

        let strict = begun(Digest::new().without_legacy(), &Knowledge::default());
        let error = answer(&mut *{ strict }, Some("Digest realm=lab, nonce=n")).expect_err("no qop");
        assert_eq!(error.scheme(), "Digest");
    }

    #[test]
    fn what_was_not_asked_for_is_an_error() {
        let mut exchange = begun(Digest::new(), &Knowledge::default());
        let (uri, fields) = (Uri::from_static("/"), HeaderMap::new());
        let request = RequestContext::new(&Method::GET, &uri, false, &NOW);
        let error = exchange.gathered(request).expect_err("no challenge was answered");
        assert_eq!(error.to_string(), "Digest: it was told of content that it had not asked for");
        let acceptance = Acceptance::new(Challenger::Origin, None, &fields);
        let error = exchange.conclude(acceptance).expect_err("no challenge was answered");
        assert_eq!(error.to_string(), "Digest: there is no exchange to conclude");
    }

    #[test]
    fn a_refusal_without_a_challenge_is_superseded_only_where_an_older_nonce_was_used() {
        let knowledge = Knowledge::default();
        let mut first = begun(Digest::new(), &knowledge);
        assert_eq!(first.unchallenged(true), Continuation::Refuses, "nothing was sent");
        answer(&mut *first, Some("Digest realm=lab, nonce=n, qop=auth")).expect("an answer");
        assert_eq!(first.unchallenged(true), Continuation::Refuses, "the nonce is of this very request");
        let mut second = begun(Digest::new(), &knowledge);
        answer(&mut *second, None).expect("by the nonce that is known");
        assert_eq!(second.unchallenged(true), Continuation::Superseded);
        let mut third = begun(Digest::new(), &knowledge);
        let (uri, method) = (Uri::from_static("/"), Method::GET);
        let reply = third.respond(None, RequestContext::new(&method, &uri, false, &NOW));
        assert!(matches!(reply, Ok(Reply::Listen)), "the nonce is not used again");
    }

    #[test]
    fn of_two_first_logins_of_a_user_one_is_kept() {
        let challenges = Challenges::from_value(b"Digest realm=lab, nonce=n, qop=auth");
        let challenge = DigestChallenge::parse(challenges.iter().next().expect("one")).expect("good");
        let user = Credentials::password("alice", "pw");
        let session = || DigestSession::new(user.clone(), DigestPolicy::new(), &challenge).expect("good");
        let mut logins = RealmLogins::default();
        let first = logins.add(&user, session());
        assert!(Arc::ptr_eq(&first, &logins.add(&user, session())));
        assert_eq!(logins.0.len(), 1);
    }
}
