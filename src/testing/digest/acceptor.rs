//! The server's side of Digest.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderValue, Method};

use super::super::judge::{Judge, Judgement, Presentation};
use super::nonces::{IssuedNonces, NoncePair, Unfit};
use super::oddity::DigestOddity;
use super::presented::{DigestParams, PresentedName};
use crate::credentials::Secret;
use crate::scheme::digest::Algorithm;
use crate::scheme::digest::algorithm::Key;
use crate::scheme::digest::body::BodyDigest;
use crate::scheme::digest::response::{self, Protection, Qop};

/// The accepting side of Digest, for all connections of a server.
///
/// It verifies the response, the target, what must be echoed and which values are quoted. A count
/// is taken once, in any order, as far as 1,024 counts back. Nonces age and wear out, which
/// `stale=true` tells.
///
/// ```
/// use std::time::Instant;
/// use http::{HeaderValue, Method};
/// use legwork::testing::DigestAcceptor;
/// use legwork::unversioned::testing::{DigestVerdict, PresentedDigest};
///
/// let server = DigestAcceptor::new("the lab").user("carol", "carol-pw");
/// let now = Instant::now();
/// assert!(server.challenges(false, now)[0].starts_with("Digest realm=\"the lab\", nonce="));
///
/// let field = HeaderValue::from_static("Digest username=\"carol\"");
/// let presented = PresentedDigest::new(&Method::GET, "/", &field);
/// assert!(matches!(server.judge(&presented, now), DigestVerdict::Refused { .. }));
/// ```
pub struct DigestAcceptor {
    realm: String,
    accounts: Vec<(String, Secret)>,
    algorithms: Vec<Algorithm>,
    qop: &'static str,
    reads_utf8: bool,
    hashes_names: bool,
    oddities: Vec<DigestOddity>,
    nonces: Mutex<IssuedNonces>,
}

/// A request with credentials, as an acceptor sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PresentedDigest<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target as on the request line.
    pub target: &'a str,
    /// The field's value.
    pub field: &'a HeaderValue,
    /// The content.
    pub content: &'a [u8],
}

impl<'a> PresentedDigest<'a> {
    /// Creates a request without content.
    pub fn new(method: &'a Method, target: &'a str, field: &'a HeaderValue) -> Self {
        Self { method, target, field, content: b"" }
    }

    /// Adds the content.
    #[must_use]
    pub fn with_content(mut self, content: &'a [u8]) -> Self {
        self.content = content;
        self
    }
}

/// What came of a request with credentials.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "complete by definition: yes, not now, no, what?")]
pub enum DigestVerdict {
    /// The user is who it says it is.
    Accepted(Box<AcceptedDigest>),
    /// The response is right, but the nonce is too old: `challenges(true, …)` tells.
    Stale,
    /// There is no user's name that can be read.
    Unreadable,
    /// It proves nothing.
    Refused {
        /// The reason, for people; not for the client.
        why: &'static str,
    },
}

/// A request that was accepted.
pub struct AcceptedDigest {
    user: String,
    algorithm: Algorithm,
    key: Key,
    params: DigestParams,
    next_nonce: Option<String>,
    oddities: Vec<DigestOddity>,
}

const TOO_OLD: &str = "the nonce is too old";
const OPAQUE: &str = "the \"opaque\" one";

impl DigestAcceptor {
    /// Offers SHA-256 and MD5, by two challenges, with `qop=auth`; nonces live for five minutes.
    pub fn new(realm: impl Into<String>) -> Self {
        Self {
            realm: realm.into(),
            accounts: Vec::new(),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            qop: "auth",
            reads_utf8: false,
            hashes_names: false,
            oddities: Vec::new(),
            nonces: Mutex::new(IssuedNonces::new()),
        }
    }

    /// Adds a user.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.accounts.push((name.into(), Secret::new(password)));
        self
    }

    /// Sends one challenge for each algorithm, in this order.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Sets the list of `qop`, spelled as in the challenge.
    #[must_use]
    pub fn qop(mut self, list: &'static str) -> Self {
        self.qop = list;
        self
    }

    /// Asks for names in UTF-8.
    #[must_use]
    pub fn utf8(mut self) -> Self {
        self.reads_utf8 = true;
        self
    }

    /// Asks for hashed names in UTF-8.
    #[must_use]
    pub fn hash_names(mut self) -> Self {
        (self.reads_utf8, self.hashes_names) = (true, true);
        self
    }

    /// Sets how long a nonce lives.
    #[must_use]
    pub fn nonce_lifetime(self, lifetime: Duration) -> Self {
        self.nonces().live_for(lifetime);
        self
    }

    /// Sets how many requests a nonce serves.
    #[must_use]
    pub fn nonce_uses(self, uses: u32) -> Self {
        self.nonces().live_for_uses(uses);
        self
    }

    /// Adds an oddity.
    #[must_use]
    pub fn oddity(mut self, oddity: DigestOddity) -> Self {
        self.oddities.push(oddity);
        self
    }

    /// Returns the challenges, with a new nonce: one value for each field line.
    pub fn challenges(&self, stale: bool, now: Instant) -> Vec<String> {
        let nonce = self.fresh_nonce(now);
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut rest = format!("nonce=\"{nonce}\", opaque=\"{}\"", quoted(&self.opaque(&nonce)));
        if !self.is(DigestOddity::NoQop) {
            rest += &format!(", qop=\"{}\"", self.qop);
        }
        if stale && self.tells_stale() {
            rest += ", stale=true";
        }
        if self.reads_utf8 {
            rest += ", charset=UTF-8";
        }
        if self.hashes_names {
            rest += ", userhash=true";
        }
        let unknown = self.is(DigestOddity::UnknownAlgorithmFirst).then(|| "SHA3-512".to_owned());
        let names = unknown.into_iter().chain(self.algorithms.iter().map(|algorithm| self.spell(*algorithm)));
        let realm = quoted(&self.realm);
        names.map(|name| format!("Digest realm=\"{realm}\", {rest}, algorithm={name}")).collect()
    }

    /// Judges a request by its credentials.
    pub fn judge(&self, request: &PresentedDigest<'_>, now: Instant) -> DigestVerdict {
        match self.verify(request, now) {
            Ok(accepted) => DigestVerdict::Accepted(Box::new(accepted)),
            Err(Rejection::Nonce(Unfit::Stale)) => DigestVerdict::Stale,
            Err(Rejection::Nonce(Unfit::Repeated)) => {
                DigestVerdict::Refused { why: "the count was used before" }
            }
            Err(Rejection::NoName) => DigestVerdict::Unreadable,
            Err(Rejection::Other(why)) => DigestVerdict::Refused { why },
        }
    }

    fn verify(&self, request: &PresentedDigest<'_>, now: Instant) -> Result<AcceptedDigest, Rejection> {
        let params = DigestParams::parse(request.field).map_err(Rejection::Other)?;
        if params.is_name_extended && self.is(DigestOddity::NoExtendedNames) {
            return Err(Rejection::NoName);
        }
        let algorithm = self.algorithm(&params)?;
        let echoes = [
            (params.realm == self.realm.as_bytes(), "another realm"),
            (params.target == request.target, "the uri is not the request's target"),
            (params.opaque.as_deref() == Some(self.opaque(&params.nonce).as_bytes()), "another opaque"),
            (self.offers(params.protection.as_ref().map(|presented| presented.qop)), "a qop not offered"),
        ];
        if let Some((_, why)) = echoes.into_iter().find(|(holds, _)| !holds) {
            return Err(Rejection::Other(why));
        }

        let mut nonces = self.nonces();
        let session = match &params.protection {
            Some(presented) if algorithm.is_session() && self.is(DigestOddity::NoSessions) => {
                Some(NoncePair { nonce: params.nonce.clone(), cnonce: presented.cnonce.clone() })
            }
            Some(presented) if algorithm.is_session() => {
                Some(nonces.session(&params.nonce, &presented.cnonce))
            }
            Some(_) | None => None,
        };
        let hash = algorithm.hash();
        let content = match &params.protection {
            Some(presented) if presented.qop == Qop::AuthInt => {
                Some(BodyDigest::of(algorithm, request.content))
            }
            Some(_) | None => None,
        };
        let request_hash = response::request_hash(
            hash,
            request.method.as_str(),
            request.target,
            content.as_ref().and_then(|digest| digest.hex(hash)),
        );
        let keys = self.keys(&params.name, algorithm);
        let known = keys.into_iter().find_map(|(user, key)| {
            let key = match &session {
                Some(session) => {
                    response::session_key(hash, &key, session.nonce.as_bytes(), session.cnonce.as_bytes())
                }
                None => key,
            };
            let nonce = params.nonce.as_bytes();
            let expected = response::response(hash, &key, nonce, params.protection(), &request_hash);
            response::same(&expected, &params.response).then_some((user, key))
        });
        let (user, key) = known.ok_or(Rejection::Other("there is no such user, or the password is wrong"))?;

        let counted = params.protection.as_ref().filter(|_| !self.is(DigestOddity::OneNonce));
        let count = counted.map(|presented| presented.count);
        nonces.spend(now, &params.nonce, count, session.clone()).map_err(Rejection::Nonce)?;
        let next_nonce = self.is(DigestOddity::NextNonce).then(|| nonces.issue(now, session));
        Ok(AcceptedDigest { user, algorithm, key, params, next_nonce, oddities: self.oddities.clone() })
    }

    /// The algorithm in the spelling of the challenge, or MD5.
    fn algorithm(&self, params: &DigestParams) -> Result<Algorithm, Rejection> {
        let offered = |algorithm: &&Algorithm| match &params.algorithm {
            Some(name) => self.spell(**algorithm) == *name,
            None => **algorithm == Algorithm::Md5,
        };
        self.algorithms.iter().find(offered).copied().ok_or(Rejection::Other("an algorithm not offered"))
    }

    fn offers(&self, qop: Option<Qop>) -> bool {
        match qop {
            None => self.is(DigestOddity::NoQop),
            Some(qop) => {
                let listed = |name: &str| name.trim().eq_ignore_ascii_case(qop.name());
                !self.is(DigestOddity::NoQop) && self.qop.split(',').any(listed)
            }
        }
    }

    /// Who it may be, and the keys of each: in UTF-8 and, where that differs, in ISO-8859-1.
    fn keys(&self, name: &PresentedName, algorithm: Algorithm) -> Vec<(String, Key)> {
        let (hash, realm) = (algorithm.hash(), self.realm.as_bytes());
        let mut keys = Vec::new();
        for (user, password) in &self.accounts {
            for encode in [utf8, latin1] {
                let (Some(octets), Some(password)) = (encode(user), encode(password.expose())) else {
                    continue;
                };
                let is_meant = match name {
                    PresentedName::Octets(presented) => *presented == octets,
                    PresentedName::Hashed(hex) => {
                        response::same(&response::user_hash(algorithm, &octets, realm), hex)
                    }
                };
                if is_meant {
                    keys.push((user.clone(), response::key(hash, &octets, realm, &password)));
                }
            }
        }
        keys
    }

    fn spell(&self, algorithm: Algorithm) -> String {
        let name = algorithm.name();
        if self.is(DigestOddity::LowerCaseAlgorithm) { name.to_lowercase() } else { name.to_owned() }
    }

    fn fresh_nonce(&self, now: Instant) -> String {
        let mut nonces = self.nonces();
        if self.is(DigestOddity::OneNonce) {
            nonces.forget();
        }
        nonces.issue(now, None)
    }

    /// What goes with this nonce.
    fn opaque(&self, nonce: &str) -> String {
        if self.is(DigestOddity::OneNonce) { format!("{OPAQUE} of {nonce}") } else { OPAQUE.to_owned() }
    }

    fn tells_stale(&self) -> bool {
        let silent = [DigestOddity::NeverStale, DigestOddity::NoSecondChallenge, DigestOddity::OneNonce];
        !silent.iter().any(|oddity| self.is(*oddity))
    }

    fn is(&self, oddity: DigestOddity) -> bool {
        self.oddities.contains(&oddity)
    }

    fn nonces(&self) -> MutexGuard<'_, IssuedNonces> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DigestAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestAcceptor")
            .field("realm", &self.realm)
            .field("algorithms", &self.algorithms)
            .field("oddities", &self.oddities)
            .finish_non_exhaustive()
    }
}

impl Judge for DigestAcceptor {
    fn challenges(&self) -> Vec<String> {
        DigestAcceptor::challenges(self, false, Instant::now())
    }

    fn judge(&self, presentation: &Presentation<'_>) -> Judgement {
        let (now, target) = (Instant::now(), presentation.target.to_string());
        let presented = PresentedDigest::new(presentation.method, &target, presentation.field)
            .with_content(presentation.content);
        let refused = |why: &str| match self.is(DigestOddity::NoSecondChallenge) {
            true => Judgement::Refused { why: why.to_owned(), challenges: Some(Vec::new()) },
            false => Judgement::refused(why),
        };
        match DigestAcceptor::judge(self, &presented, now) {
            DigestVerdict::Accepted(accepted) => {
                // Without the page's content, which its proof covers only with auth-int.
                Judgement::Accepted { user: accepted.user().to_owned(), info: accepted.info(b"") }
            }
            DigestVerdict::Unreadable => Judgement::Unreadable,
            DigestVerdict::Stale if !self.tells_stale() => refused(TOO_OLD),
            DigestVerdict::Stale => Judgement::Refused {
                why: TOO_OLD.to_owned(),
                challenges: Some(DigestAcceptor::challenges(self, true, now)),
            },
            DigestVerdict::Refused { why } => refused(why),
        }
    }
}

enum Rejection {
    Nonce(Unfit),
    NoName,
    Other(&'static str),
}

impl AcceptedDigest {
    /// Returns the user's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// `Authentication-Info`, or `Proxy-Authentication-Info`, for an answer with this content;
    /// `None` if there is nothing to say.
    pub fn info(&self, content: &[u8]) -> Option<String> {
        let mut params = Vec::new();
        if let Some(nonce) = &self.next_nonce {
            params.push(format!("nextnonce=\"{nonce}\""));
        }
        if !self.is(DigestOddity::NoProof) {
            let hash = self.algorithm.hash();
            let content = BodyDigest::of(self.algorithm, content);
            let covered = match &self.params.protection {
                Some(presented) if presented.qop == Qop::AuthInt => content.hex(hash),
                Some(_) | None => None,
            };
            let request_hash = response::request_hash(hash, "", &self.params.target, covered);
            let nonce = self.params.nonce.as_bytes();
            let proof = response::response(hash, &self.key, nonce, self.params.protection(), &request_hash);
            let mut proof = proof.to_string();
            if self.is(DigestOddity::WrongProof) {
                proof = proof.chars().rev().collect();
            }
            let (inner, outer) = if self.is(DigestOddity::QuotesReversed) { ("", "\"") } else { ("\"", "") };
            params.push(format!("rspauth={inner}{proof}{inner}"));
            if let Some(presented) = &self.params.protection {
                params.push(format!("cnonce={inner}{}{inner}", presented.cnonce));
                params.push(format!("nc={outer}{}{outer}", presented.digits));
                params.push(format!("qop={outer}{}{outer}", presented.qop.name()));
            }
        }
        (!params.is_empty()).then(|| params.join(", "))
    }

    fn is(&self, oddity: DigestOddity) -> bool {
        self.oddities.contains(&oddity)
    }
}

impl fmt::Debug for AcceptedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptedDigest").field("user", &self.user).finish_non_exhaustive()
    }
}

impl DigestParams {
    fn protection(&self) -> Option<Protection<'_>> {
        self.protection.as_ref().map(|presented| Protection {
            qop: presented.qop,
            count: presented.digits.as_bytes(),
            cnonce: presented.cnonce.as_bytes(),
        })
    }
}

fn utf8(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}
