//! Many requests on one login: counts, nonces that are replaced, answers that come late.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;
use std::time::SystemTime;

use http::HeaderMap;

use super::*;
use crate::challenge::Challenge;
use crate::mechanism::{FixedMoment, Initiate, MutualAuthentication};
use crate::protection_space::Challenger;
use crate::scheme::{Acceptance, Continuation, Exchange, Knowledge, Reply, RequestContext, Scheme};

const FIRST: &str = "Digest realm=lab, nonce=first, qop=auth";
const SECOND: &str = "Digest realm=lab, nonce=second, qop=auth, stale=true";

fn nonce_and_count(session: &DigestSession) -> (String, u32) {
    let (authorization, sent) = session.authorize(&get("/"), ClientNonce::verbatim("c")).expect("an answer");
    let params = params(authorization);
    let count = sent.count().expect("one");
    assert_eq!(params["nc"], format!("{count:08x}").as_bytes());
    (String::from_utf8(params["nonce"].clone()).expect("ASCII"), count)
}

fn info(value: &'static str) -> HeaderMap {
    [(Challenger::Origin.info_field(), HeaderValue::from_static(value))].into_iter().collect()
}

fn conclude(session: &DigestSession, sent: &SentDigest, fields: &HeaderMap) -> ServerProof {
    let rule = MutualAuthentication::Preferred;
    session.concluded(sent, Challenger::Origin, fields, None, rule).expect("no proof to fail")
}

#[test]
fn a_thousand_threads_use_one_nonce_without_gap_or_repeat() {
    let session = carol(FIRST);
    let start = Barrier::new(1000);
    let counts = thread::scope(|scope| {
        let threads: Vec<_> = (0..1000)
            .map(|_| {
                let use_it = || {
                    start.wait();
                    nonce_and_count(&session)
                };
                thread::Builder::new().stack_size(128 * 1024).spawn_scoped(scope, use_it).expect("a thread")
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<BTreeSet<_>>()
    });
    let expected: BTreeSet<_> = (1..=1000).map(|count| ("first".to_owned(), count)).collect();
    assert_eq!(counts, expected);
}

#[test]
fn of_a_storm_of_stale_nonces_one_replacement_counts() {
    let session = carol(FIRST);
    let sent: Vec<_> = (0..100).map(|_| authorize(&session)).collect();
    let start = Barrier::new(sent.len());
    let renewals = thread::scope(|scope| {
        let threads: Vec<_> = sent
            .iter()
            .enumerate()
            .map(|(index, sent)| {
                let (session, start) = (&session, &start);
                scope.spawn(move || {
                    let own = format!("Digest realm=lab, nonce=second-{index}, qop=auth, stale=true");
                    start.wait();
                    let renewal = session.challenged(Some(sent), &challenge(&own)).expect("good");
                    (renewal, nonce_and_count(session))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
    });
    let replaced = renewals.iter().filter(|(renewal, _)| *renewal == NonceRenewal::Replaced).count();
    let superseded = renewals.iter().filter(|(renewal, _)| *renewal == NonceRenewal::Superseded).count();
    assert_eq!((replaced, superseded), (1, 99));
    let used: BTreeSet<_> = renewals.iter().map(|(_, used)| used.clone()).collect();
    let nonce = &renewals[0].1.0;
    assert_eq!(used, (1..=100).map(|count| (nonce.clone(), count)).collect());
}

#[test]
fn a_late_answer_throws_no_newer_nonce_away() {
    let session = carol(FIRST);
    let (one, two) = (authorize(&session), authorize(&session));
    assert_eq!(session.challenged(Some(&one), &challenge(SECOND)).expect("good"), NonceRenewal::Replaced);
    assert_eq!(nonce_and_count(&session), ("second".to_owned(), 1));
    let third = challenge("Digest realm=lab, nonce=third, qop=auth");
    assert_eq!(session.challenged(Some(&two), &third).expect("good"), NonceRenewal::Superseded);
    assert_eq!(conclude(&session, &two, &info("nextnonce=fourth")), ServerProof::Absent);
    assert_eq!(nonce_and_count(&session), ("second".to_owned(), 2));
}

#[test]
fn a_challenge_to_a_request_without_an_answer_leaves_a_nonce_that_is_in_use() {
    let session = carol(FIRST);
    authorize(&session);
    assert_eq!(session.challenged(None, &challenge(SECOND)).expect("good"), NonceRenewal::Superseded);
    assert_eq!(nonce_and_count(&session), ("first".to_owned(), 2));
    let stronger = challenge("Digest realm=lab, nonce=second, qop=auth, algorithm=SHA-256");
    assert_eq!(session.challenged(None, &stronger).expect("good"), NonceRenewal::Replaced);
    assert_eq!(nonce_and_count(&session), ("second".to_owned(), 1));
}

#[test]
fn a_nonce_that_comes_again_goes_on_counting() {
    let session = carol(FIRST);
    let sent = authorize(&session);
    let again = challenge("Digest realm=lab, nonce=first, qop=auth, opaque=new");
    assert_eq!(session.challenged(Some(&sent), &again).expect("good"), NonceRenewal::Unchanged);
    let (authorization, sent) = session.authorize(&get("/"), ClientNonce::verbatim("c")).expect("good");
    assert_eq!((params(authorization)["opaque"].as_slice(), sent.count()), (b"new".as_slice(), Some(2)));
    session.challenged(Some(&sent), &challenge(SECOND)).expect("good");
    let sent = authorize(&session);
    session.challenged(Some(&sent), &challenge(FIRST)).expect("good");
    assert_eq!(nonce_and_count(&session), ("first".to_owned(), 3));
}

#[test]
fn the_next_nonce_is_taken_with_a_count_of_its_own() {
    let session = carol(FIRST);
    let sent = authorize(&session);
    assert_eq!(conclude(&session, &sent, &info("nextnonce=\"a\\\"b\"")), ServerProof::Absent);
    assert_eq!(nonce_and_count(&session), ("a\"b".to_owned(), 1));
    // Neither an empty one nor an oversized one is taken.
    let sent = authorize(&session);
    conclude(&session, &sent, &info("nextnonce=\"\""));
    let long = "n".repeat(DigestChallenge::MAX_PARAM_OCTETS + 1);
    let mut fields = HeaderMap::new();
    fields.insert(
        Challenger::Origin.info_field(),
        HeaderValue::try_from(format!("nextnonce={long}")).expect("ASCII"),
    );
    conclude(&session, &sent, &fields);
    assert_eq!(nonce_and_count(&session), ("a\"b".to_owned(), 3));
}

#[test]
fn a_session_key_lives_from_challenge_to_challenge() {
    let value = |nonce: &str| format!("Digest realm=lab, nonce={nonce}, qop=auth, algorithm=MD5-sess");
    let session = carol(&value("n1"));
    let answer = |cnonce: &str| {
        let (authorization, sent) =
            session.authorize(&get("/"), ClientNonce::verbatim(cnonce)).expect("an answer");
        (params(authorization), sent)
    };
    let hash = super::super::algorithm::DigestHash::Md5;
    let login = hash.of(&[b"carol", b"lab", b"carol-pw"]);
    let expected = |nonces: [&[u8]; 2], nonce: &[u8], count: &[u8], cnonce: &[u8]| {
        let key = hash.of(&[login.as_bytes(), nonces[0], nonces[1]]);
        let request = hash.of(&[b"GET", b"/"]);
        hash.of(&[key.as_bytes(), nonce, count, cnonce, b"auth", request.as_bytes()]).as_bytes().to_vec()
    };

    let (first, _) = answer("c1");
    assert_eq!(first["response"], expected([b"n1", b"c1"], b"n1", b"00000001", b"c1"));
    let (second, sent) = answer("c2");
    assert_eq!(second["cnonce"], b"c1");
    assert_eq!(second["response"], expected([b"n1", b"c1"], b"n1", b"00000002", b"c1"));
    conclude(&session, &sent, &info("nextnonce=n2"));
    let (third, sent) = answer("c3");
    assert_eq!(third["response"], expected([b"n1", b"c1"], b"n2", b"00000001", b"c1"));
    session.challenged(Some(&sent), &challenge(&value("n3"))).expect("good");
    let (fourth, _) = answer("c4");
    assert_eq!(fourth["response"], expected([b"n3", b"c4"], b"n3", b"00000001", b"c4"));
}

#[test]
fn another_algorithm_makes_another_key() {
    let session = carol(FIRST);
    let sent = authorize(&session);
    let stronger = challenge("Digest realm=lab, nonce=second, qop=auth, algorithm=SHA-256, userhash=true");
    session.challenged(Some(&sent), &stronger).expect("good");
    assert_eq!(session.challenge().algorithm(), Algorithm::Sha256);
    let (authorization, _) = session.authorize(&get("/"), ClientNonce::verbatim("c")).expect("good");
    let fresh =
        DigestSession::new(Credentials::password("carol", "carol-pw"), DigestPolicy::new(), &stronger)
            .expect("good");
    let (expected, _) = fresh.authorize(&get("/"), ClientNonce::verbatim("c")).expect("good");
    assert_eq!(authorization.into_value(), expected.into_value());
}

#[test]
fn a_login_stays_in_its_realm() {
    let session = carol(FIRST);
    let sent = authorize(&session);
    let other = challenge("Digest realm=other, nonce=second, qop=auth, stale=true");
    for sent in [Some(&sent), None] {
        let error = session.challenged(sent, &other).expect_err("another realm");
        assert_eq!(error.to_string(), "Digest: the challenge is for another realm than the login");
    }
    assert_eq!(nonce_and_count(&session), ("first".to_owned(), 2));
}

#[test]
fn a_challenge_that_the_policy_refuses_leaves_the_login_as_it_was() {
    let strict = DigestPolicy::new().without_legacy();
    let carol = Credentials::password("carol", "carol-pw");
    let session = DigestSession::new(carol.clone(), strict, &challenge(FIRST)).expect("good");
    let sent = authorize(&session);
    let legacy = challenge("Digest realm=lab, nonce=second");
    session.challenged(Some(&sent), &legacy).expect_err("no qop");
    assert_eq!(nonce_and_count(&session), ("first".to_owned(), 2));
    DigestSession::new(carol, strict, &legacy).expect_err("no qop");
}

/// Carol's login, by what is known already.
fn begun(knowledge: &Knowledge) -> Box<dyn Exchange> {
    Digest::new().begin(Initiate::new("HTTP/lab", Credentials::password("carol", "carol-pw")), knowledge)
}

fn parsed(value: &str) -> Challenge {
    Challenges::from_value(value.as_bytes()).iter().next().expect("one").clone()
}

/// The server accepts what was sent, with these fields.
fn accepts(exchange: &mut dyn Exchange, fields: &HeaderMap) {
    let acceptance = Acceptance::new(Challenger::Origin, None, fields);
    assert!(matches!(exchange.conclude(acceptance), Ok(Reply::Done(_))));
}

#[test]
fn a_nonce_for_one_request_is_used_once_by_the_next_request() {
    let mut exchange = begun(&Knowledge::default());
    let (target, moments) = ("/".parse().expect("a target"), FixedMoment(SystemTime::UNIX_EPOCH));
    let request = || RequestContext::new(&Method::GET, &target, false, &moments);
    let sent = |reply: Reply| match reply {
        Reply::Send { authorization, .. } => {
            let params = params(authorization);
            [&params["nonce"], &params["nc"]].map(|text| String::from_utf8(text.clone()).expect("ASCII"))
        }
        reply => panic!("nothing is sent: {reply:?}"),
    };

    // It takes none twice, as the first that it sees twice shows.
    let reply = exchange.respond(Some(&parsed(FIRST)), request()).expect("an answer");
    assert_eq!(sent(reply), ["first", "00000001"]);
    accepts(&mut *exchange, &HeaderMap::new());
    let reply = exchange.respond(None, request()).expect("an answer");
    assert_eq!(sent(reply), ["first", "00000002"]);
    let second = parsed(SECOND);
    assert_eq!(exchange.continuation(&second, true), Continuation::GoesOn);
    exchange.respond(Some(&second), request()).expect("an answer");

    accepts(&mut *exchange, &info("nextnonce=\"third\""));
    let reply = exchange.respond(None, request()).expect("an answer");
    assert_eq!(sent(reply), ["third", "00000001"]);
    accepts(&mut *exchange, &HeaderMap::new());
    let reply = exchange.respond(None, request()).expect("an answer");
    assert!(matches!(reply, Reply::Listen), "it has no other: {reply:?}");
}

#[test]
fn a_refusal_is_superseded_where_another_request_has_brought_another_nonce() {
    let (target, moments) = ("/".parse().expect("a target"), FixedMoment(SystemTime::UNIX_EPOCH));
    let request = || RequestContext::new(&Method::GET, &target, false, &moments);
    for (fields, expected) in
        [(HeaderMap::new(), Continuation::Renews), (info("nextnonce=\"second\""), Continuation::Superseded)]
    {
        let knowledge = Knowledge::default();
        let mut one = begun(&knowledge);
        one.respond(Some(&parsed(FIRST)), request()).expect("an answer");
        accepts(&mut *one, &HeaderMap::new());
        // So that no later use is refused for being the second one.
        one.respond(None, request()).expect("an answer");
        accepts(&mut *one, &HeaderMap::new());
        let (mut slow, mut other) = (begun(&knowledge), begun(&knowledge));
        slow.respond(None, request()).expect("an answer");
        one.respond(None, request()).expect("an answer");
        accepts(&mut *one, &HeaderMap::new());
        other.respond(None, request()).expect("an answer");
        accepts(&mut *slow, &fields);
        let third = parsed("Digest realm=lab, nonce=third, qop=auth");
        assert_eq!(other.continuation(&third, true), expected, "{fields:?}");
    }
}
