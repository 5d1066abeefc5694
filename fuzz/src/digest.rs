//! Any octets as a server's Digest challenges and its `Authentication-Info`: an answer that the
//! crate's own grammar reads back, or an error.

use http::header::{HeaderMap, HeaderValue};
use http::{Method, Uri};
use legwork::challenge::{AuthenticationInfo, Challenge, Challenges};
use legwork::credentials::Credentials;
use legwork::mechanism::MutualAuthentication;
use legwork::protection_space::{Challenger, Origin};
use legwork::scheme::Charset;
use legwork::unversioned::Entropy;
use legwork::unversioned::digest::{
    BodyDigest, ClientNonce, DigestChallenge, DigestPolicy, DigestRequest, DigestSession, SentDigest,
};

const TARGET: &str = "/a/\"b\"?c=d";

/// Panics if anything is wrong. Says whether a challenge was answered.
///
/// The first octet has the options; then come three lines: the challenges, the info to the answer,
/// and the challenges to another answer.
pub fn check(input: &[u8]) -> bool {
    let Some((options, rest)) = input.split_first() else { return false };
    let options = Options(*options);
    let mut lines = rest.splitn(3, |&octet| octet == b'\n');
    let mut line = || lines.next().unwrap_or_default();

    let challenges = Challenges::from_value(line());
    for challenge in &challenges {
        if let Ok(read) = DigestChallenge::parse(challenge) {
            check_space(&read);
        }
    }
    let Some(challenge) = strongest(&challenges, &options) else { return false };
    let Ok(session) = DigestSession::new(options.credentials(), options.policy(), &challenge) else {
        panic!("the policy allows it and the names are good")
    };
    let Some(first) = answer(&session, &challenges, &options) else { return false };

    check_info(&session, &first, line(), &options);
    let again = Challenges::from_value(line());
    if let Some(challenge) = strongest(&again, &options) {
        let in_realm = challenge.realm() == session.challenge().realm();
        for sent in [Some(&first), None] {
            assert_eq!(session.challenged(sent, &challenge).is_ok(), in_realm, "nothing else is wrong");
        }
    }
    let _ = session.authorize(&options.request(), cnonce());
    let _ = format!("{session:?} {first:?} {challenge:?}");
    true
}

/// The best one; an error is never about a challenge of another scheme.
fn strongest(challenges: &Challenges, options: &Options) -> Option<DigestChallenge> {
    match DigestChallenge::strongest(challenges, &options.policy()) {
        Ok(best) => best,
        Err(error) => {
            assert!(challenges.iter().any(|challenge| challenge.is("Digest")), "{error}");
            None
        }
    }
}

/// An answer, which says again what the challenge said.
fn answer(session: &DigestSession, challenges: &Challenges, options: &Options) -> Option<SentDigest> {
    let challenge = session.challenge();
    let authorized = session.authorize(&options.request(), cnonce());
    let Ok((authorization, sent)) = authorized else {
        assert!(options.hides_content() && challenge.needs_body_digest(), "nothing else is missing");
        return None;
    };
    assert_eq!(sent.count(), (!challenge.is_legacy()).then_some(1));

    let value = authorization.into_value();
    assert!(value.is_sensitive());
    let read = Challenges::from_value(value.as_bytes());
    assert_eq!(read.errors(), [], "{}", value.as_bytes().escape_ascii());
    let said: Vec<_> = read.iter().collect();
    let [said] = said[..] else { panic!("one challenge: {}", value.as_bytes().escape_ascii()) };
    assert!(said.is("Digest"));
    assert_eq!(said.param("uri"), Some(TARGET.as_bytes()));
    assert_eq!(said.param("realm"), Some(challenge.realm()));
    assert!(said.param("username").is_some() != said.param("username*").is_some());
    let digits = if challenge.algorithm().name().starts_with("MD5") { 32 } else { 64 };
    assert_eq!(said.param("response").map(<[u8]>::len), Some(digits));
    assert_eq!(said.param("nc"), (!challenge.is_legacy()).then_some(&b"00000001"[..]));
    let from = |asked: &&Challenge| {
        let same = |name| asked.param(name) == said.param(name);
        asked.param("realm").unwrap_or_default() == challenge.realm()
            && same("nonce")
            && same("opaque")
            && same("algorithm")
    };
    assert!(challenges.iter().any(|asked| from(&asked)), "{}", value.as_bytes().escape_ascii());
    Some(sent)
}

/// Only a nonce that the server named comes next.
fn check_info(session: &DigestSession, sent: &SentDigest, info: &[u8], options: &Options) {
    let _ = AuthenticationInfo::from_value(info);
    let Ok(value) = HeaderValue::from_bytes(info) else { return };
    let fields: HeaderMap = [(Challenger::Origin.info_field(), value)].into_iter().collect();
    let algorithm = session.challenge().algorithm();
    for body in [None, Some(BodyDigest::of(algorithm, b"content"))] {
        for rule in
            [MutualAuthentication::Off, MutualAuthentication::Preferred, MutualAuthentication::Required]
        {
            let _ = session.concluded(sent, Challenger::Origin, &fields, body.as_ref(), rule);
        }
    }
    let _ = sent.response_hasher(Challenger::Origin, &fields);
    let Ok((authorization, _)) = session.authorize(&options.request(), cnonce()) else {
        panic!("the first one was answered")
    };
    let value = authorization.into_value();
    let read = Challenges::from_value(value.as_bytes());
    assert_eq!(read.errors(), [], "{}", value.as_bytes().escape_ascii());
    let next = AuthenticationInfo::from_value(info);
    let next = next.as_ref().ok().and_then(|info| info.param("nextnonce"));
    let nonce = read.iter().next().and_then(|said| said.param("nonce")).expect("an answer has one");
    let count = read.iter().next().and_then(|said| said.param("nc"));
    match count {
        Some(b"00000001") => assert_eq!(Some(nonce), next),
        Some(count) => assert_eq!(count, b"00000002"),
        None => {}
    }
}

/// No space reaches beyond its origin.
fn check_space(challenge: &DigestChallenge) {
    let origin: Origin = "http://a.test:8080".parse().expect("an origin");
    let space = challenge.space(Challenger::Origin, &origin);
    let contains = |uri: &'static str| space.contains(&Uri::from_static(uri));
    assert!(
        !contains("http://b.test:8080/") && !contains("http://a.test/") && !contains("https://a.test:8080/")
    );
    assert_eq!(contains("http://a.test:8080/a"), contains("/a"));
    assert!(contains("/a/b?c") || !contains("/a"));
    assert!(challenge.space(Challenger::Proxy, &origin).contains(&Uri::from_static("b.test:443")));
}

fn cnonce() -> ClientNonce {
    ClientNonce::new(Entropy::new([7; 32]))
}

struct Options(u8);

impl Options {
    fn policy(&self) -> DigestPolicy {
        let policy =
            DigestPolicy::new().charset(if self.0 & 2 == 0 { Charset::Utf8 } else { Charset::Latin1 });
        if self.0 & 1 == 0 { policy } else { policy.without_legacy() }
    }

    fn credentials(&self) -> Credentials {
        let username = ["carol", "J\u{e4}s\u{f8}n", "\"\\ \u{20ac}", ""][usize::from(self.0 >> 2 & 3)];
        Credentials::password(username, "pa\u{df}")
    }

    fn hides_content(&self) -> bool {
        self.0 & 16 != 0
    }

    fn request(&self) -> DigestRequest<'static> {
        DigestRequest::new(&Method::POST, TARGET, self.hides_content())
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::seeds;

    #[test]
    fn the_seeds_are_answered_and_their_beginnings_do_no_harm() {
        for (name, input) in seeds::of("digest") {
            assert_eq!(check(&input), !name.starts_with("bad-"), "{name}");
            for end in 0..input.len() {
                check(&input[..end]);
            }
        }
    }

    #[test]
    fn any_octet_may_be_damaged() {
        for (_, input) in seeds::of("digest") {
            for at in 0..input.len() {
                for damage in [0x01, 0x02, 0x20, 0x80, 0xff] {
                    let mut damaged = input.clone();
                    damaged[at] ^= damage;
                    check(&damaged);
                }
            }
        }
    }
}
