//! The server's proof in `Authentication-Info`, against the rules for mutual authentication.

use http::HeaderMap;

use super::*;
use crate::mechanism::MutualAuthentication::{self, Off, Preferred, Required};
use crate::protection_space::Challenger;

/// The example of RFC 7616, section 3.9.1, with the request sent.
fn mufasa(algorithm: &str, qop: &str) -> (DigestSession, SentDigest) {
    let vectors = vectors();
    let value = |name: &str| vectors.text(&format!("rfc7616-3.9.1.{name}"));
    let challenge = challenge(&format!(
        "Digest realm=\"{}\", nonce=\"{}\", algorithm={algorithm}, qop={qop}",
        value("realm"),
        value("nonce")
    ));
    let credentials = Credentials::password(value("username"), value("password"));
    let session = DigestSession::new(credentials, DigestPolicy::new(), &challenge).expect("a login");
    let cnonce = ClientNonce::verbatim(value("cnonce"));
    let (_, sent) = session.authorize(&get(value("uri")), cnonce).expect("an answer");
    (session, sent)
}

fn fields(value: &str) -> HeaderMap {
    let value = HeaderValue::try_from(value).expect("a field value");
    [(Challenger::Origin.info_field(), value)].into_iter().collect()
}

fn proof(name: &str) -> String {
    vectors().text(&format!("computed.{name}")).to_owned()
}

fn verify(
    (session, sent): &(DigestSession, SentDigest),
    value: &str,
    rule: MutualAuthentication,
) -> Result<ServerProof, String> {
    let proof = session.concluded(sent, Challenger::Origin, &fields(value), None, rule);
    proof.map_err(|error| error.to_string())
}

#[test]
fn a_proof_is_verified_whichever_of_its_values_are_quoted() {
    let cnonce = vectors().text("rfc7616-3.9.1.cnonce").to_owned();
    for algorithm in ["sha-256", "md5"] {
        let mufasa = mufasa(algorithm, "auth");
        let proof = proof(&format!("{algorithm}-proof"));
        for value in [
            format!("rspauth=\"{proof}\", cnonce=\"{cnonce}\", nc=00000001, qop=auth"),
            format!("QOP=\"auth\", NC=\"00000001\", Rspauth=\"{}\"", proof.to_uppercase()),
            format!("rspauth={proof}"),
        ] {
            for rule in [Preferred, Required] {
                assert_eq!(verify(&mufasa, &value, rule), Ok(ServerProof::Verified), "{value}");
            }
            assert_eq!(verify(&mufasa, &value, Off), Ok(ServerProof::NotChecked));
        }
    }
}

#[test]
fn a_wrong_proof_is_an_error_under_every_rule_that_asks_for_one() {
    let mufasa = mufasa("md5", "auth");
    let good = proof("md5-proof");
    let wrong = "Digest: the server's proof of who it is (rspauth) is wrong";
    let other = "Digest: the server's proof (rspauth) belongs to another request";
    for (value, expected) in [
        (format!("rspauth=\"{}\"", good.replace('9', "8")), wrong),
        (format!("rspauth=\"{}\"", &good[1..]), wrong),
        ("rspauth=\"\"".to_owned(), wrong),
        (format!("rspauth=\"{}\"", proof("sha-256-proof")), wrong),
        // Reflected: what the client sent.
        (format!("rspauth=\"{}\"", vectors().text("rfc7616-3.9.1.md5")), wrong),
        (format!("rspauth=\"{good}\", nc=00000002"), other),
        (format!("rspauth=\"{good}\", nc=1000000001"), other),
        (format!("rspauth=\"{good}\", nc=+1"), other),
        (format!("rspauth=\"{good}\", cnonce=\"x\""), other),
        (format!("rspauth=\"{good}\", qop=x"), "Digest: the qop of the server's proof (rspauth) is unknown"),
    ] {
        let value = format!("{value}, nextnonce=evil");
        for rule in [Preferred, Required] {
            assert_eq!(verify(&mufasa, &value, rule), Err(expected.to_owned()), "{value}");
        }
        let next = params(mufasa.0.authorize(&get("/"), ClientNonce::verbatim("c")).expect("good").0);
        assert_ne!(next["nonce"], b"evil");
    }
    let value = format!("rspauth=\"{}\"", good.replace('9', "8"));
    assert_eq!(verify(&mufasa, &value, Off), Ok(ServerProof::NotChecked));
}

#[test]
fn a_missing_proof_is_an_error_where_it_is_required() {
    let mufasa = mufasa("md5", "auth");
    for value in ["nextnonce=x", "", "qop=auth, nc=zz"] {
        assert_eq!(verify(&mufasa, value, Preferred), Ok(ServerProof::Absent), "{value}");
        let error = verify(&mufasa, value, Required).expect_err(value);
        assert_eq!(error, "Digest: the server did not prove who it is (rspauth)");
    }
    assert_eq!(verify(&mufasa, "a=\"b", Preferred), Ok(ServerProof::Absent));
    let error = verify(&mufasa, "a=\"b", Required).expect_err("malformed");
    assert_eq!(error, "Digest: the Authentication-Info is malformed");
}

#[test]
fn a_proof_over_the_content_needs_its_hash() {
    for (name, algorithm) in [("sha-256", Algorithm::Sha256), ("md5", Algorithm::Md5)] {
        let (session, sent) = mufasa(name, "auth-int");
        let info = fields(&format!("rspauth=\"{}\", qop=auth-int", proof(&format!("{name}-content-proof"))));
        let conclude = |body: Option<&BodyDigest>, rule| {
            let proof = session.concluded(&sent, Challenger::Origin, &info, body, rule);
            proof.map_err(|error| error.to_string())
        };
        let mut hasher = sent.response_hasher(Challenger::Origin, &info).expect("the proof covers it");
        hasher.update(b"hel");
        hasher.update(b"lo");
        assert_eq!(conclude(Some(&hasher.finish()), Required), Ok(ServerProof::Verified));
        assert_eq!(conclude(None, Preferred), Ok(ServerProof::Unverifiable));
        assert_eq!(
            conclude(None, Required),
            Err("Digest: the server's proof (rspauth) covers the content, whose hash is not known".to_owned())
        );
        assert_eq!(
            conclude(Some(&BodyDigest::of(algorithm, b"other")), Preferred),
            Err("Digest: the server's proof of who it is (rspauth) is wrong".to_owned())
        );
        assert_eq!(
            conclude(Some(&BodyDigest::of(Algorithm::Sha512_256, b"hello")), Preferred),
            Err("Digest: the response's content was hashed by another algorithm".to_owned())
        );
    }
}

#[test]
fn the_content_is_hashed_only_where_the_proof_covers_it() {
    let covers = |qop: &str, info: &str| {
        let (_, sent) = mufasa("md5", qop);
        sent.response_hasher(Challenger::Origin, &fields(info)).is_some()
    };
    assert!(!covers("auth", "") && !covers("auth", "qop=auth") && covers("auth", "qop=\"auth-int\""));
    assert!(covers("auth-int", "") && !covers("auth-int", "qop=auth"));
}

#[test]
fn a_proof_to_an_answer_of_rfc_2069_has_no_count_in_it() {
    let session = carol("Digest realm=lab, nonce=n");
    let sent = authorize(&session);
    assert_eq!(sent.count(), None);
    let hash = super::super::algorithm::DigestHash::Md5;
    let (key, request) = (hash.of(&[b"carol", b"lab", b"carol-pw"]), hash.of(&[b"", b"/"]));
    let proof = hash.of(&[key.as_bytes(), b"n", request.as_bytes()]);
    let value = format!("rspauth=\"{}\", qop=auth", &*proof);
    assert_eq!(verify(&(session, sent), &value, Required), Ok(ServerProof::Verified));
}

#[test]
fn a_proxy_proves_itself_in_a_field_of_its_own() {
    let (session, sent) = mufasa("md5", "auth");
    let value = HeaderValue::try_from(format!("rspauth=\"{}\"", proof("md5-proof"))).expect("a value");
    let info: HeaderMap = [(Challenger::Proxy.info_field(), value)].into_iter().collect();
    let conclude = |challenger| session.concluded(&sent, challenger, &info, None, Preferred).expect("good");
    assert_eq!(conclude(Challenger::Proxy), ServerProof::Verified);
    assert_eq!(conclude(Challenger::Origin), ServerProof::Absent);
}
