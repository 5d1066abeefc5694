//! The acceptor and the client's core, without a connection between them.

use std::time::{Duration, Instant};

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, Method};

use super::nonces::{CountWindow, Unfit};
use super::*;
use crate::challenge::Challenges;
use crate::credentials::Credentials;
use crate::mechanism::{Entropy, MutualAuthentication};
use crate::protection_space::Challenger;
use crate::scheme::Charset;
use crate::scheme::digest::Algorithm;
use crate::scheme::digest::body::BodyDigest;
use crate::scheme::digest::challenge::DigestChallenge;
use crate::scheme::digest::info::ServerProof;
use crate::scheme::digest::nonce::{ClientNonce, NonceRenewal};
use crate::scheme::digest::policy::DigestPolicy;
use crate::scheme::digest::request::DigestRequest;
use crate::scheme::digest::sent::SentDigest;
use crate::scheme::digest::session::DigestSession;

const HOUR: Duration = Duration::from_secs(3600);

fn lab() -> DigestAcceptor {
    DigestAcceptor::new("the \"lab\"").user("carol", "carol-pw").user("J\u{e4}s\u{f8}n", "j\u{e4}s-pw")
}

/// The challenge that a client picks among the server's.
fn pick(server: &DigestAcceptor, stale: bool, now: Instant) -> DigestChallenge {
    let mut headers = HeaderMap::new();
    for value in server.challenges(stale, now) {
        headers.append(WWW_AUTHENTICATE, HeaderValue::try_from(value).expect("a field value"));
    }
    let challenges = Challenges::parse(&headers, WWW_AUTHENTICATE);
    assert_eq!(challenges.errors(), []);
    DigestChallenge::strongest(&challenges, &DigestPolicy::new()).expect("good").expect("Digest")
}

struct Client {
    session: DigestSession,
}

impl Client {
    fn new(server: &DigestAcceptor, username: &str, password: &str) -> Self {
        Self::with_policy(server, username, password, DigestPolicy::new())
    }

    fn with_policy(server: &DigestAcceptor, username: &str, password: &str, policy: DigestPolicy) -> Self {
        let credentials = Credentials::password(username, password);
        let challenge = pick(server, false, Instant::now());
        Self { session: DigestSession::new(credentials, policy, &challenge).expect("a login") }
    }

    fn prepare(&self, method: &Method, target: &str, content: &[u8]) -> (HeaderValue, SentDigest) {
        let digest = BodyDigest::of(self.session.challenge().algorithm(), content);
        let request = DigestRequest::new(method, target, true).with_body_digest(Some(&digest));
        let (authorization, sent) =
            self.session.authorize(&request, ClientNonce::new(Entropy::new([7; 32]))).expect("an answer");
        (authorization.into_value(), sent)
    }

    fn get(&self, server: &DigestAcceptor, now: Instant) -> (DigestVerdict, SentDigest) {
        let (field, sent) = self.prepare(&Method::GET, "/page", b"");
        (server.judge(&PresentedDigest::new(&Method::GET, "/page", &field), now), sent)
    }

    fn conclude(
        &self,
        (verdict, sent): &(DigestVerdict, SentDigest),
        content: &[u8],
    ) -> Result<ServerProof, String> {
        let DigestVerdict::Accepted(accepted) = verdict else { panic!("{verdict:?}") };
        let mut fields = HeaderMap::new();
        if let Some(info) = accepted.info(content) {
            fields.insert(Challenger::Origin.info_field(), HeaderValue::try_from(info).expect("a value"));
        }
        let body = sent.response_hasher(Challenger::Origin, &fields).map(|mut hasher| {
            hasher.update(content);
            hasher.finish()
        });
        let rule = MutualAuthentication::Required;
        let proof = self.session.concluded(sent, Challenger::Origin, &fields, body.as_ref(), rule);
        proof.map_err(|error| error.to_string())
    }
}

fn user(verdict: &DigestVerdict) -> &str {
    let DigestVerdict::Accepted(accepted) = verdict else { panic!("{verdict:?}") };
    accepted.user()
}

fn why(verdict: DigestVerdict) -> &'static str {
    let DigestVerdict::Refused { why } = verdict else { panic!("{verdict:?}") };
    why
}

#[test]
fn both_sides_prove_themselves_by_each_algorithm_and_protection() {
    let now = Instant::now();
    let algorithms = [
        Algorithm::Md5,
        Algorithm::Md5Sess,
        Algorithm::Sha256,
        Algorithm::Sha256Sess,
        Algorithm::Sha512_256,
        Algorithm::Sha512_256Sess,
    ];
    for algorithm in algorithms {
        for qop in ["auth", "auth-int", "x, AUTH-INT ,auth"] {
            let server = lab().algorithms([algorithm]).qop(qop);
            let client = Client::new(&server, "carol", "carol-pw");
            for content in [&b""[..], b"some", b"content"] {
                let (field, sent) = client.prepare(&Method::POST, "/a?b=c", content);
                let request = PresentedDigest::new(&Method::POST, "/a?b=c", &field).with_content(content);
                let verdict = server.judge(&request, now);
                assert_eq!(user(&verdict), "carol", "{algorithm} {qop}");
                assert_eq!(client.conclude(&(verdict, sent), b"a page"), Ok(ServerProof::Verified));
            }
        }
    }
}

#[test]
fn content_that_was_changed_on_its_way_is_refused() {
    let server = lab().qop("auth-int");
    let client = Client::new(&server, "carol", "carol-pw");
    let (field, _) = client.prepare(&Method::POST, "/", b"pay bob");
    let request = PresentedDigest::new(&Method::POST, "/", &field).with_content(b"pay eve");
    assert_eq!(
        why(server.judge(&request, Instant::now())),
        "there is no such user, or the password is wrong"
    );
}

#[test]
fn a_wrong_password_user_method_or_target_is_refused() {
    let (server, now) = (lab(), Instant::now());
    for (username, password) in [("carol", "wrong-pw"), ("dave", "carol-pw"), ("Carol", "carol-pw")] {
        let (verdict, _) = Client::new(&server, username, password).get(&server, now);
        assert_eq!(why(verdict), "there is no such user, or the password is wrong");
    }
    let (field, _) = Client::new(&server, "carol", "carol-pw").prepare(&Method::GET, "/page", b"");
    let judge = |method, target| why(server.judge(&PresentedDigest::new(&method, target, &field), now));
    assert_eq!(judge(Method::DELETE, "/page"), "there is no such user, or the password is wrong");
    assert_eq!(judge(Method::GET, "/other"), "the uri is not the request's target");
}

#[test]
fn names_beyond_ascii_are_known_hashed_extended_and_in_either_charset() {
    let now = Instant::now();
    let jason = ("J\u{e4}s\u{f8}n", "j\u{e4}s-pw");
    let hashing = lab().hash_names();
    let (verdict, _) = Client::new(&hashing, jason.0, jason.1).get(&hashing, now);
    assert_eq!(user(&verdict), jason.0);
    for charset in [Charset::Utf8, Charset::Latin1] {
        let (server, policy) = (lab(), DigestPolicy::new().charset(charset));
        let (verdict, _) = Client::with_policy(&server, jason.0, jason.1, policy).get(&server, now);
        assert_eq!(user(&verdict), jason.0);
    }
    let field =
        "Digest username*=UTF-8''J%C3%A4s%C3%B8n, realm=\"x\", nonce=\"n\", uri=\"/\", response=\"r\"";
    let params = presented::DigestParams::parse(&HeaderValue::from_static(field)).expect("well-formed");
    assert!(matches!(params.name, presented::PresentedName::Octets(octets) if octets == jason.0.as_bytes()));
}

#[test]
fn a_count_is_taken_once_in_any_order() {
    let mut window = CountWindow::default();
    for count in [3, 1, 2, 2000, 1000, 977] {
        assert_eq!(window.take(count), Ok(()), "{count}");
    }
    for count in [0, 3, 1, 976] {
        assert_eq!(window.take(count), Err(Unfit::Stale), "{count}");
    }
    for count in [2000, 1000, 977] {
        assert_eq!(window.take(count), Err(Unfit::Repeated), "{count}");
    }
    assert_eq!(window.take(u32::MAX), Ok(()));
    assert_eq!(CountWindow::default().take(0), Err(Unfit::Repeated));

    let (server, now) = (lab(), Instant::now());
    let client = Client::new(&server, "carol", "carol-pw");
    let fields: Vec<_> = (0..5).map(|_| client.prepare(&Method::GET, "/", b"").0).collect();
    let judge = |index: usize| server.judge(&PresentedDigest::new(&Method::GET, "/", &fields[index]), now);
    for index in [4, 0, 2, 1, 3] {
        assert_eq!(user(&judge(index)), "carol");
    }
    assert_eq!(why(judge(2)), "the count was used before");
}

#[test]
fn a_nonce_ages_and_wears_out_and_the_next_one_serves() {
    let now = Instant::now();
    for (server, later) in [(lab().nonce_lifetime(HOUR), now + 2 * HOUR), (lab().nonce_uses(1), now)] {
        let client = Client::new(&server, "carol", "carol-pw");
        assert_eq!(user(&client.get(&server, now).0), "carol");
        let (verdict, sent) = client.get(&server, later);
        assert!(matches!(verdict, DigestVerdict::Stale), "{verdict:?}");
        let next = pick(&server, true, later);
        assert!(next.is_stale());
        assert_eq!(client.session.challenged(Some(&sent), &next).expect("good"), NonceRenewal::Replaced);
        let (verdict, sent) = client.get(&server, later);
        assert_eq!((user(&verdict), sent.count()), ("carol", Some(1)));
    }
    // A wrong password is not told that its nonce is too old.
    let server = lab().nonce_uses(0);
    let (verdict, _) = Client::new(&server, "carol", "wrong-pw").get(&server, now);
    assert_eq!(why(verdict), "there is no such user, or the password is wrong");
    assert!(!pick(&lab().oddity(DigestOddity::NeverStale), true, now).is_stale());
}

#[test]
fn one_nonce_serves_any_count_until_a_challenge_replaces_it() {
    let (server, now) = (lab().oddity(DigestOddity::OneNonce), Instant::now());
    let client = Client::new(&server, "carol", "carol-pw");
    let (field, _) = client.prepare(&Method::GET, "/", b"");
    let judge = || server.judge(&PresentedDigest::new(&Method::GET, "/", &field), now);
    for _ in 0..2 {
        assert_eq!(user(&judge()), "carol", "the same count again");
    }
    let opaque =
        || server.challenges(false, now)[0].split_once("opaque=").expect("there is one").1.to_owned();
    assert_ne!(opaque(), opaque());
    assert!(matches!(judge(), DigestVerdict::Stale));
}

#[test]
fn each_answer_may_bring_the_next_nonce() {
    let now = Instant::now();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha256Sess] {
        let server = lab().algorithms([algorithm]).nonce_uses(1).oddity(DigestOddity::NextNonce);
        let client = Client::new(&server, "carol", "carol-pw");
        for _ in 0..5 {
            let answer = client.get(&server, now);
            assert_eq!((user(&answer.0), answer.1.count()), ("carol", Some(1)));
            assert_eq!(client.conclude(&answer, b""), Ok(ServerProof::Verified));
        }
    }
}

#[test]
fn the_client_copes_with_odd_servers() {
    let now = Instant::now();
    for oddity in [
        DigestOddity::NoQop,
        DigestOddity::LowerCaseAlgorithm,
        DigestOddity::UnknownAlgorithmFirst,
        DigestOddity::QuotesReversed,
    ] {
        let server = lab().oddity(oddity);
        let client = Client::new(&server, "carol", "carol-pw");
        let answer = client.get(&server, now);
        assert_eq!(user(&answer.0), "carol", "{oddity:?}");
        assert_eq!(client.conclude(&answer, b""), Ok(ServerProof::Verified), "{oddity:?}");
    }
}

#[test]
fn a_server_that_cannot_prove_itself_is_found_out() {
    for (oddity, expected) in [
        (DigestOddity::WrongProof, "Digest: the server's proof of who it is (rspauth) is wrong"),
        (DigestOddity::NoProof, "Digest: the server did not prove who it is (rspauth)"),
    ] {
        let server = lab().oddity(oddity);
        let client = Client::new(&server, "carol", "carol-pw");
        let answer = client.get(&server, Instant::now());
        assert_eq!(client.conclude(&answer, b""), Err(expected.to_owned()));
    }
    let server = lab().qop("auth-int");
    let client = Client::new(&server, "carol", "carol-pw");
    let answer = client.get(&server, Instant::now());
    let DigestVerdict::Accepted(accepted) = &answer.0 else { panic!("{answer:?}") };
    let info = HeaderValue::try_from(accepted.info(b"a page").expect("a proof")).expect("a value");
    let fields: HeaderMap = [(Challenger::Origin.info_field(), info)].into_iter().collect();
    let body = BodyDigest::of(Algorithm::Sha256, b"another page");
    let rule = MutualAuthentication::Preferred;
    client
        .session
        .concluded(&answer.1, Challenger::Origin, &fields, Some(&body), rule)
        .expect_err("the content was changed");
}

#[test]
fn what_must_be_echoed_and_how_it_is_quoted_is_checked() {
    let (server, now) = (lab(), Instant::now());
    let client = Client::new(&server, "carol", "carol-pw");
    for (from, to, expected) in [
        ("qop=auth", "qop=\"auth\"", "algorithm, qop, nc, userhash or username* within quotes"),
        ("uri=\"/\"", "uri=x", "username, realm, nonce, uri, response, cnonce or opaque without quotes"),
        ("realm=\"the ", "realm=\"a ", "another realm"),
        ("opaque=\"the ", "opaque=\"a ", "another opaque"),
        ("qop=auth", "qop=auth-int", "a qop not offered"),
        ("qop=auth", "qop=x", "the qop is unknown"),
        (", qop=auth", "", "nc or cnonce without qop"),
        ("nc=0", "nc=", "the nc has not eight hexadecimal digits"),
        ("SHA-256", "SHA-512-256", "an algorithm not offered"),
        ("username=", "user=", "username and username*, or neither, or a hash of the latter"),
        ("Digest ", "Basic ", "another scheme"),
        ("Digest ", "Digest x, ", "the field is malformed"),
    ] {
        let (field, _) = client.prepare(&Method::GET, "/", b"");
        let text = field.to_str().expect("ASCII");
        assert!(text.contains(from), "{text}");
        let field = HeaderValue::try_from(text.replace(from, to)).expect("a value");
        assert_eq!(why(server.judge(&PresentedDigest::new(&Method::GET, "/", &field), now)), expected);
    }
}
