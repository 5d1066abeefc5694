//! What a Digest challenge says (RFC 7616, section 3.3).

use std::fmt;
use std::sync::Arc;

use super::algorithm::Algorithm;
use super::body::BodyHasher;
use super::name::NAME;
use super::policy::{DigestPolicy, LegacyDigest};
use super::response::Qop;
use super::space::DigestSpace;
use crate::challenge::Challenge;
use crate::protection_space::{Challenger, Origin};
use crate::scheme::SchemeError;

/// A Digest challenge that can be answered.
///
/// Servers without a realm are taken to mean an empty one, as curl and Chromium do. `Debug` shows
/// no value but the algorithm.
#[derive(Clone)]
pub struct DigestChallenge {
    realm: Vec<u8>,
    nonce: Arc<[u8]>,
    opaque: Option<Vec<u8>>,
    algorithm: Algorithm,
    algorithm_as_sent: Option<String>,
    protection: OfferedQops,
    nonce_is_stale: bool,
    user_hash: bool,
    utf8: bool,
    domain: Vec<u8>,
    order: u64,
}

/// The qualities of protection that a server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OfferedQops {
    /// None, as before RFC 2617.
    Legacy,
    Auth,
    AuthInt,
    Both,
}

impl DigestChallenge {
    /// How many octets realm, nonce and opaque may have each: they go back with every request.
    pub const MAX_PARAM_OCTETS: usize = 4096;

    /// Reads a challenge of this scheme.
    ///
    /// # Errors
    ///
    /// [`SchemeError`] if it has no nonce, names an algorithm or qualities of protection that are
    /// all unknown, or has an oversized parameter.
    pub fn parse(challenge: &Challenge) -> Result<Self, SchemeError> {
        let error = |reason| Err(SchemeError::new(NAME, reason));
        if challenge.token68().is_some() {
            return error("the challenge has a token68 in place of parameters");
        }
        for name in ["realm", "nonce", "opaque"] {
            if challenge.param(name).is_some_and(|value| value.len() > Self::MAX_PARAM_OCTETS) {
                return error("the challenge's realm, nonce or opaque is too long");
            }
        }
        let nonce = match challenge.param("nonce") {
            Some(nonce) if !nonce.is_empty() => nonce.into(),
            Some(_) => return error("the challenge's nonce is empty"),
            None => return error("the challenge has no nonce"),
        };
        let (algorithm, algorithm_as_sent) = match challenge.param("algorithm") {
            None => (Algorithm::Md5, None),
            Some(name) => match Algorithm::from_name(name) {
                // In the server's spelling it goes back: it may compare without unifying case.
                Some(algorithm) => (algorithm, Some(String::from_utf8_lossy(name).into_owned())),
                None => return error("the challenge's algorithm is unknown"),
            },
        };
        let protection = match challenge.param("qop").map(offered) {
            None => OfferedQops::Legacy,
            Some(Some(protection)) => protection,
            Some(None) => return error("the challenge's qop offers neither auth nor auth-int"),
        };
        if protection == OfferedQops::Legacy && algorithm.is_session() {
            return error("the challenge's algorithm wants a client's nonce, and there is no qop to send it");
        }
        let says = |name, value: &str| {
            challenge.param(name).is_some_and(|said| said.eq_ignore_ascii_case(value.as_bytes()))
        };
        Ok(Self {
            realm: challenge.param("realm").unwrap_or_default().to_vec(),
            nonce,
            opaque: challenge.param("opaque").map(<[u8]>::to_vec),
            algorithm,
            algorithm_as_sent,
            protection,
            nonce_is_stale: says("stale", "true"),
            user_hash: says("userhash", "true"),
            utf8: says("charset", "UTF-8"),
            domain: challenge.param("domain").unwrap_or_default().to_vec(),
            order: challenge.order(),
        })
    }

    /// Chooses the best of several: by the strongest hash function, the first of equals. Those of other
    /// schemes are passed over; `None` if there are no others.
    ///
    /// `auth-int` makes none better, and neither does a session.
    ///
    /// # Errors
    ///
    /// The first one's [`SchemeError`] if none can be answered. One that cannot hides no other.
    pub fn strongest<'a>(
        challenges: impl IntoIterator<Item = &'a Challenge>,
        policy: &DigestPolicy,
    ) -> Result<Option<Self>, SchemeError> {
        let mut best: Option<Self> = None;
        let mut first_error = None;
        for challenge in challenges.into_iter().filter(|challenge| challenge.is(NAME)) {
            match Self::parse(challenge).and_then(|read| read.allowed_by(policy).map(|()| read)) {
                Ok(read) => {
                    let hash = read.algorithm.hash();
                    if best.as_ref().is_none_or(|best| best.algorithm.hash() < hash) {
                        best = Some(read);
                    }
                }
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        match (best, first_error) {
            (None, Some(error)) => Err(error),
            (best, _) => Ok(best),
        }
    }

    /// Returns the realm's octets after unquoting.
    pub fn realm(&self) -> &[u8] {
        &self.realm
    }

    /// Returns the algorithm, MD5 where none is named.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns whether the server says that the credentials were good and the nonce was too old.
    pub fn is_stale(&self) -> bool {
        self.nonce_is_stale
    }

    /// Returns whether it has no `qop`, as before RFC 2617.
    pub fn is_legacy(&self) -> bool {
        self.protection == OfferedQops::Legacy
    }

    /// Returns whether a request with content can be answered only with the content's hash: `auth-int` is
    /// offered and `auth` is not.
    pub fn needs_body_digest(&self) -> bool {
        self.protection == OfferedQops::AuthInt
    }

    /// Returns a hasher for the content of a request that answers this challenge.
    pub fn body_hasher(&self) -> BodyHasher {
        BodyHasher::new(self.algorithm)
    }

    /// Returns where the same credentials may be sent without being asked, on the origin that challenged.
    pub fn space(&self, challenger: Challenger, origin: &Origin) -> DigestSpace {
        DigestSpace::new(challenger, origin, &self.domain)
    }

    pub(super) fn allowed_by(&self, policy: &DigestPolicy) -> Result<(), SchemeError> {
        match policy.legacy {
            LegacyDigest::Refused if self.is_legacy() => {
                Err(SchemeError::new(NAME, "the challenge has no qop, which the policy refuses"))
            }
            LegacyDigest::Refused | LegacyDigest::Allowed => Ok(()),
        }
    }

    /// The quality of protection for a request; `None` is that of RFC 2069.
    pub(super) fn choose(&self, body_is_hashed: bool) -> Result<Option<Qop>, SchemeError> {
        match self.protection {
            OfferedQops::Legacy => Ok(None),
            OfferedQops::Auth | OfferedQops::Both => Ok(Some(Qop::Auth)),
            OfferedQops::AuthInt if body_is_hashed => Ok(Some(Qop::AuthInt)),
            OfferedQops::AuthInt => Err(SchemeError::new(
                NAME,
                "the challenge offers only qop auth-int, and the hash of the request's content is not known",
            )),
        }
    }

    /// Which of its server's challenges it is.
    pub(super) fn order(&self) -> u64 {
        self.order
    }

    pub(super) fn nonce(&self) -> &Arc<[u8]> {
        &self.nonce
    }

    pub(super) fn opaque(&self) -> Option<&[u8]> {
        self.opaque.as_deref()
    }

    pub(super) fn algorithm_as_sent(&self) -> Option<&str> {
        self.algorithm_as_sent.as_deref()
    }

    pub(super) fn wants_user_hash(&self) -> bool {
        self.user_hash
    }

    pub(super) fn is_utf8(&self) -> bool {
        self.utf8
    }

    /// Whether name and key come out the same.
    pub(super) fn has_key_of(&self, other: &Self) -> bool {
        let terms = |challenge: &Self| (challenge.algorithm, challenge.user_hash, challenge.utf8);
        self.realm == other.realm && terms(self) == terms(other)
    }
}

impl fmt::Debug for DigestChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestChallenge")
            .field("algorithm", &self.algorithm)
            .field("protection", &self.protection)
            .field("stale", &self.nonce_is_stale)
            .finish_non_exhaustive()
    }
}

/// A list of names, of which the unknown ones are ignored. An empty list counts as none, as in
/// curl and Chromium; one with only unknown names is something else, and `None`.
fn offered(list: &[u8]) -> Option<OfferedQops> {
    let names = || list.split(|octet| b", \t".contains(octet)).filter(|name| !name.is_empty());
    let has = |qop| names().any(|name| Qop::from_name(name) == Some(qop));
    match (has(Qop::Auth), has(Qop::AuthInt)) {
        (true, true) => Some(OfferedQops::Both),
        (true, false) => Some(OfferedQops::Auth),
        (false, true) => Some(OfferedQops::AuthInt),
        (false, false) => names().next().is_none().then_some(OfferedQops::Legacy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge::Challenges;

    fn parse(value: &str) -> Result<DigestChallenge, SchemeError> {
        DigestChallenge::parse(Challenges::from_value(value.as_bytes()).iter().next().expect("a challenge"))
    }

    fn strongest(value: &str, policy: DigestPolicy) -> Result<Option<DigestChallenge>, SchemeError> {
        DigestChallenge::strongest(&Challenges::from_value(value.as_bytes()), &policy)
    }

    #[test]
    fn the_algorithm_is_read_in_any_case_and_form() {
        for (value, algorithm, sent) in [
            ("Digest nonce=n", Algorithm::Md5, None),
            ("Digest nonce=n, algorithm=md5", Algorithm::Md5, Some("md5")),
            ("Digest nonce=n, ALGORITHM=\"Md5\"", Algorithm::Md5, Some("Md5")),
            (
                "Digest nonce=n, qop=auth, algorithm=\"sha-256-SESS\"",
                Algorithm::Sha256Sess,
                Some("sha-256-SESS"),
            ),
            ("Digest nonce=n, algorithm=SHA-512-256", Algorithm::Sha512_256, Some("SHA-512-256")),
        ] {
            let challenge = parse(value).expect(value);
            assert_eq!((challenge.algorithm(), challenge.algorithm_as_sent()), (algorithm, sent), "{value}");
        }
    }

    #[test]
    fn the_list_of_qualities_is_read_whatever_its_spacing_and_unknown_members() {
        for (list, offers) in [
            ("auth", OfferedQops::Auth),
            ("AUTH", OfferedQops::Auth),
            (" auth-int ,\tAuth,, ", OfferedQops::Both),
            ("auth auth-int", OfferedQops::Both),
            ("auth-conf,auth-int", OfferedQops::AuthInt),
            ("token,auth,x=y", OfferedQops::Auth),
            ("", OfferedQops::Legacy),
            (" , ", OfferedQops::Legacy),
        ] {
            let challenge = parse(&format!("Digest nonce=n, qop=\"{list}\"")).expect(list);
            assert_eq!(challenge.protection, offers, "{list}");
        }
        assert_eq!(parse("Digest nonce=n, qop=auth").expect("a token").protection, OfferedQops::Auth);
        assert!(parse("Digest nonce=n").expect("RFC 2069").is_legacy());
    }

    #[test]
    fn what_cannot_be_answered_says_why() {
        let long = format!("Digest nonce=\"{}\"", "n".repeat(DigestChallenge::MAX_PARAM_OCTETS + 1));
        for (value, reason) in [
            ("Digest", "Digest: the challenge has no nonce"),
            ("Digest realm=\"r\"", "Digest: the challenge has no nonce"),
            ("Digest nonce=\"\"", "Digest: the challenge's nonce is empty"),
            ("Digest abc=", "Digest: the challenge has a token68 in place of parameters"),
            ("Digest nonce=n, algorithm=MD4", "Digest: the challenge's algorithm is unknown"),
            ("Digest nonce=n, algorithm=\"\"", "Digest: the challenge's algorithm is unknown"),
            ("Digest nonce=n, qop=auth-conf", "Digest: the challenge's qop offers neither auth nor auth-int"),
            (
                "Digest nonce=n, algorithm=MD5-sess",
                "Digest: the challenge's algorithm wants a client's nonce, and there is no qop to send it",
            ),
            (&long, "Digest: the challenge's realm, nonce or opaque is too long"),
        ] {
            assert_eq!(parse(value).expect_err(value).to_string(), reason);
        }
    }

    #[test]
    fn the_strongest_hash_function_wins_and_the_first_of_equals() {
        let best = |value: &str| {
            strongest(value, DigestPolicy::new()).expect("one can be answered").expect("one").algorithm()
        };
        let md5 = "Digest nonce=a, qop=auth, algorithm=MD5";
        let sha256 = "Digest nonce=b, qop=auth, algorithm=SHA-256";
        let sha512 = "Digest nonce=c, qop=auth, algorithm=SHA-512-256";
        assert_eq!(best(&format!("{md5}, {sha256}, {sha512}")), Algorithm::Sha512_256);
        assert_eq!(best(&format!("{sha256}, Basic realm=x, {md5}")), Algorithm::Sha256);
        let session = "Digest nonce=d, qop=auth-int, algorithm=MD5-sess";
        assert_eq!(best(&format!("{md5}, {session}")), Algorithm::Md5);
        assert_eq!(best(&format!("{session}, {md5}")), Algorithm::Md5Sess);
    }

    #[test]
    fn one_that_cannot_be_answered_hides_no_other() {
        let unknown = "Digest nonce=a, qop=auth, algorithm=SHA3-512";
        let legacy = "Digest nonce=b, algorithm=SHA-256";
        let good = "Digest nonce=c, qop=auth";
        let strict = DigestPolicy::new().without_legacy();
        let all = format!("{unknown}, Digest broken==, {legacy}, {good}");
        let lenient = strongest(&all, DigestPolicy::new()).expect("good").expect("one");
        assert_eq!(lenient.algorithm(), Algorithm::Sha256);
        assert_eq!(strongest(&all, strict).expect("good").expect("one").algorithm(), Algorithm::Md5);

        let error = strongest(&format!("{unknown}, {legacy}"), strict).expect_err("none");
        assert_eq!(error.to_string(), "Digest: the challenge's algorithm is unknown");
        let error = strongest(legacy, strict).expect_err("none");
        assert_eq!(error.to_string(), "Digest: the challenge has no qop, which the policy refuses");
        assert!(strongest("Basic realm=x", strict).expect("nothing to answer").is_none());
    }

    #[test]
    fn debug_shows_no_nonce() {
        let challenge = parse("Digest realm=rr, nonce=nnn, opaque=oo, stale=TRUE, qop=auth").expect("good");
        assert!(challenge.is_stale());
        assert_eq!(
            format!("{challenge:?}"),
            "DigestChallenge { algorithm: Md5, protection: Auth, stale: true, .. }"
        );
    }
}
