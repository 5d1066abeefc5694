//! `tests/vectors/digest.txt`.

use super::*;

/// The answer to a challenge of a section's server, as text; `algorithm` and the like follow.
fn answer(section: &str, more: &str, request: &DigestRequest<'_>) -> String {
    let vectors = vectors();
    let value = |name: &str| vectors.text(&format!("{section}.{name}"));
    let (realm, nonce, opaque) = (value("realm"), value("nonce"), value("opaque"));
    let challenge =
        challenge(&format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", opaque=\"{opaque}\"{more}"));
    let credentials = Credentials::password(value("username"), value("password"));
    let session = DigestSession::new(credentials, DigestPolicy::new(), &challenge).expect("a login");
    let cnonce = if more.contains("qop") { value("cnonce") } else { "unused" };
    let (authorization, _) = session.authorize(request, ClientNonce::verbatim(cnonce)).expect("an answer");
    authorization.into_value().to_str().expect("ASCII").to_owned()
}

/// The hexadecimal digits of its response.
fn response(section: &str, more: &str, request: &DigestRequest<'_>) -> String {
    let answer = answer(section, more, request);
    let (_, rest) = answer.split_once("response=\"").expect("a response");
    rest.split('"').next().unwrap_or_default().to_owned()
}

#[test]
fn answers_the_example_of_rfc_7616_with_sha_256_and_md5() {
    let vectors = vectors();
    let sha256 =
        answer("rfc7616-3.9.1", ", qop=\"auth, auth-int\", algorithm=SHA-256", &get("/dir/index.html"));
    assert_eq!(
        sha256,
        "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", \
         nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", uri=\"/dir/index.html\", \
         response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\", \
         algorithm=SHA-256, opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\", qop=auth, nc=00000001, \
         cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\""
    );
    let md5 = response("rfc7616-3.9.1", ", qop=\"auth, auth-int\", algorithm=MD5", &get("/dir/index.html"));
    assert_eq!(md5, vectors.text("rfc7616-3.9.1.md5"));
}

#[test]
fn answers_the_example_of_rfc_7616_with_a_hashed_name() {
    let vectors = vectors();
    let hashed = ", qop=\"auth\", algorithm=SHA-512-256, charset=UTF-8, userhash=true";
    let text = answer("rfc7616-3.9.2", hashed, &get("/doe.json"));
    assert!(text.contains(&format!("username=\"{}\"", vectors.text("rfc7616-3.9.2.userhash"))), "{text}");
    assert!(text.ends_with(", userhash=true"), "{text}");
    assert_eq!(response("rfc7616-3.9.2", hashed, &get("/doe.json")), vectors.text("rfc7616-3.9.2.response"));

    let named = ", qop=\"auth\", algorithm=SHA-512-256, charset=UTF-8";
    let text = answer("rfc7616-3.9.2", named, &get("/doe.json"));
    assert!(text.contains(&format!("username*={},", vectors.text("rfc7616-3.9.2.username-star"))), "{text}");
    assert!(!text.contains("userhash") && !text.contains("username="), "{text}");
    assert_eq!(response("rfc7616-3.9.2", named, &get("/doe.json")), vectors.text("rfc7616-3.9.2.response"));
}

#[test]
fn names_beyond_latin_1_come_out_as_computed_elsewhere() {
    let vectors = vectors();
    let names: Vec<_> =
        vectors.sections().into_iter().filter(|section| section.starts_with("name-")).collect();
    assert_eq!(names.len(), 5);
    for section in names {
        for algorithm in ["md5", "sha-256", "sha-512-256"] {
            let value = |name: &str| vectors.text(&format!("{section}.{algorithm}-{name}")).to_owned();
            let in_utf8 = format!(", qop=auth, algorithm={algorithm}, charset=UTF-8");
            let hashed = format!("{in_utf8}, userhash=true");
            let text = answer(section, &hashed, &get("/doe.json"));
            assert!(text.contains(&format!("username=\"{}\",", value("userhash"))), "{text}");
            assert!(text.ends_with(", userhash=true") && !text.contains("username*"), "{text}");
            assert_eq!(response(section, &hashed, &get("/doe.json")), value("response"));

            let text = answer(section, &in_utf8, &get("/doe.json"));
            let extended = vectors.text(&format!("{section}.username-star"));
            assert!(text.contains(&format!("username*={extended},")), "{text}");
            assert!(!text.contains("userhash") && !text.contains("username="), "{text}");
            assert_eq!(response(section, &in_utf8, &get("/doe.json")), value("response"));
        }
    }
}

#[test]
fn answers_the_example_of_rfc_2617() {
    let expected = vectors().text("rfc2617-3.5.response").to_owned();
    assert_eq!(response("rfc2617-3.5", ", qop=\"auth,auth-int\"", &get("/dir/index.html")), expected);
}

#[test]
fn answers_the_example_of_rfc_2069() {
    let text = answer("rfc2069-2.4", "", &get("/dir/index.html"));
    assert_eq!(
        text,
        "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", \
         response=\"1949323746fe6a43ef61f9606e7febea\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""
    );
}

#[test]
fn sessions_and_content_come_out_as_computed_elsewhere() {
    let vectors = vectors();
    for (name, algorithm) in [("sha-256", Algorithm::Sha256), ("md5", Algorithm::Md5)] {
        let session =
            response("rfc7616-3.9.1", &format!(", qop=auth, algorithm={name}-sess"), &get("/dir/index.html"));
        assert_eq!(session, vectors.text(&format!("computed.{name}-session")));

        let hello = BodyDigest::of(algorithm, b"hello");
        let post = DigestRequest::new(&Method::POST, "/dir/index.html", true).with_body_digest(Some(&hello));
        let content = response("rfc7616-3.9.1", &format!(", qop=\"auth-int\", algorithm={name}"), &post);
        assert_eq!(content, vectors.text(&format!("computed.{name}-content")));
    }
}

#[test]
fn content_is_covered_where_the_server_wants_nothing_less() {
    let both = carol("Digest nonce=n, qop=\"auth-int,auth\"");
    let alone = carol("Digest nonce=n, qop=\"auth-int\"");
    let unknown = DigestRequest::new(&Method::POST, "/", true);
    let wrong = BodyDigest::of(Algorithm::Sha256, b"x");
    let qop = |session: &DigestSession, request: &DigestRequest<'_>| {
        let (authorization, _) = session.authorize(request, ClientNonce::verbatim("c"))?;
        Ok::<_, SchemeError>(params(authorization)["qop"].clone())
    };
    assert_eq!(qop(&both, &unknown).expect("auth will do"), b"auth");
    for request in [unknown.clone(), unknown.with_body_digest(Some(&wrong))] {
        let error = qop(&alone, &request).expect_err("auth is not offered");
        assert_eq!(
            error.to_string(),
            "Digest: the challenge offers only qop auth-int, and the hash of the request's content is not known",
        );
    }
    // A request without content has that of no octets, and the errors spent no count.
    let (authorization, sent) = alone.authorize(&get("/"), ClientNonce::verbatim("c")).expect("an answer");
    assert_eq!((params(authorization)["qop"].as_slice(), sent.count()), (b"auth-int".as_slice(), Some(1)));
}

#[test]
fn values_go_back_as_they_came_and_are_hashed_without_their_quotes() {
    let value = r#"Digest realm="the \"lab\" \\ \x", nonce="n\"\\", opaque="", algorithm="md5", qop=auth"#;
    let session =
        DigestSession::new(Credentials::password(r#"a"b\c"#, "pw"), DigestPolicy::new(), &challenge(value))
            .expect("a login");
    let (authorization, _) =
        session.authorize(&get("/\"x\""), ClientNonce::verbatim("c")).expect("an answer");
    let value = authorization.into_value();
    let start = r#"Digest username="a\"b\\c", realm="the \"lab\" \\ x", nonce="n\"\\", uri="/\"x\"", "#;
    assert!(value.to_str().expect("ASCII").starts_with(start), "{value:?}");
    let params = params_of(&value);
    assert_eq!(params["opaque"], b"");
    assert_eq!(params["algorithm"], b"md5");
    let hash = super::super::algorithm::DigestHash::Md5;
    let key = hash.of(&[br#"a"b\c"#, br#"the "lab" \ x"#, b"pw"]);
    let request = hash.of(&[b"GET", b"/\"x\""]);
    let expected = hash.of(&[key.as_bytes(), br#"n"\"#, b"00000001", b"c", b"auth", request.as_bytes()]);
    assert_eq!(params["response"], expected.as_bytes());
}

#[test]
fn a_realm_that_is_not_utf8_is_hashed_and_sent_octet_by_octet() {
    let challenges = Challenges::from_value(b"Digest realm=\"Z\xfcrich\", nonce=n");
    let challenge = DigestChallenge::parse(challenges.iter().next().expect("one")).expect("good");
    let session =
        DigestSession::new(Credentials::password("a", "b"), DigestPolicy::new(), &challenge).expect("good");
    let (authorization, _) = session.authorize(&get("/"), ClientNonce::verbatim("c")).expect("an answer");
    let params = params(authorization);
    assert_eq!(params["realm"], b"Z\xfcrich");
    let hash = super::super::algorithm::DigestHash::Md5;
    let (key, request) = (hash.of(&[b"a", b"Z\xfcrich", b"b"]), hash.of(&[b"GET", b"/"]));
    assert_eq!(params["response"], hash.of(&[key.as_bytes(), b"n", request.as_bytes()]).as_bytes());
}

#[test]
fn nothing_prints_a_secret() {
    let session = carol("Digest realm=lab, nonce=the-nonce, qop=auth");
    let (authorization, sent) = session.authorize(&get("/"), ClientNonce::verbatim("mine")).expect("good");
    let text = format!("{session:?} {authorization:?} {sent:?}");
    assert_eq!(
        text,
        "DigestSession { credentials: Credentials { username: \"carol\", .. }, .. } \
         Authorization { scheme: \"Digest\", .. } \
         SentDigest { algorithm: Md5, target: \"/\", count: Some(1), .. }",
    );
}
