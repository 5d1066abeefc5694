//! Whole answers: the published ones, those of other implementations, and what comes back.

mod oracles;
mod proofs;
mod published;
mod sharing;

use std::collections::BTreeMap;

use http::{HeaderValue, Method};

use super::body::BodyDigest;
use super::challenge::DigestChallenge;
use super::info::ServerProof;
use super::nonce::{ClientNonce, NonceRenewal};
use super::policy::DigestPolicy;
use super::request::DigestRequest;
use super::sent::SentDigest;
use super::session::DigestSession;
use super::*;
use crate::authorization::Authorization;
use crate::challenge::Challenges;
use crate::credentials::Credentials;
use crate::mechanism::ntlm::vectors::Vectors;
use crate::scheme::SchemeError;

fn vectors() -> Vectors {
    Vectors::read(include_str!("../../../../tests/vectors/digest.txt"))
}

fn challenge(value: &str) -> DigestChallenge {
    let challenges = Challenges::from_value(value.as_bytes());
    DigestChallenge::strongest(&challenges, &DigestPolicy::new())
        .expect("it can be answered")
        .expect("Digest")
}

pub(super) fn carol(value: &str) -> DigestSession {
    let carol = Credentials::password("carol", "carol-pw");
    DigestSession::new(carol, DigestPolicy::new(), &challenge(value)).expect("she can log in")
}

fn get(target: &str) -> DigestRequest<'_> {
    DigestRequest::new(&Method::GET, target, false)
}

pub(super) fn authorize(session: &DigestSession) -> SentDigest {
    let (_, sent) = session.authorize(&get("/"), ClientNonce::verbatim("c")).expect("an answer");
    sent
}

/// Names and values of an answer, by the grammar that it shares with challenges (RFC 9110, section
/// 11.4).
fn params(authorization: Authorization) -> BTreeMap<String, Vec<u8>> {
    params_of(&authorization.into_value())
}

fn params_of(value: &HeaderValue) -> BTreeMap<String, Vec<u8>> {
    let challenges = Challenges::from_value(value.as_bytes());
    assert_eq!(challenges.errors(), []);
    let digest = challenges.iter().next().expect("one");
    assert!(digest.is("Digest"));
    digest.params().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
}
