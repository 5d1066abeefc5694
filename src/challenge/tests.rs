use std::time::Instant;

use http::header::{HeaderMap, HeaderValue, PROXY_AUTHENTICATE, WWW_AUTHENTICATE};

use super::{Challenge, ChallengeErrorKind, Challenges};

/// Challenges as text: `scheme`, `scheme=token68` or `scheme{name:value,…}`.
fn shape(challenge: &Challenge) -> String {
    if let Some(token) = challenge.token68() {
        return format!("{}={token}", challenge.scheme());
    }
    let params: Vec<_> =
        challenge.params().map(|(name, value)| format!("{name}:{}", value.escape_ascii())).collect();
    match params.is_empty() {
        true => challenge.scheme().to_owned(),
        false => format!("{}{{{}}}", challenge.scheme(), params.join(",")),
    }
}

/// Kind, scheme and offset.
type ErrorShape = (ChallengeErrorKind, Option<String>, usize);

/// The challenges of a value and its errors.
fn read(value: &str) -> (Vec<String>, Vec<ErrorShape>) {
    let challenges = Challenges::from_value(value.as_bytes());
    let errors = challenges.errors().iter();
    (
        challenges.iter().map(shape).collect(),
        errors.map(|error| (error.kind(), error.scheme().map(str::to_owned), error.offset())).collect(),
    )
}

#[track_caller]
fn reads(value: &str, expected: &[&str]) {
    assert_eq!(read(value), (expected.iter().map(|&text| text.to_owned()).collect(), vec![]), "{value:?}");
}

#[track_caller]
fn fails(value: &str, expected: &[&str], kind: ChallengeErrorKind, scheme: Option<&str>, offset: usize) {
    let challenges = expected.iter().map(|&text| text.to_owned()).collect();
    assert_eq!(read(value), (challenges, vec![(kind, scheme.map(str::to_owned), offset)]), "{value:?}");
}

#[test]
fn reads_all_lines_of_the_field_in_order_and_no_other() {
    let mut headers = HeaderMap::new();
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Negotiate"));
    headers.append(PROXY_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"proxy\""));
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("NTLM, Basic realm=\"a\""));
    let shapes: Vec<_> = Challenges::parse(&headers, WWW_AUTHENTICATE).iter().map(shape).collect();
    assert_eq!(shapes, ["Negotiate", "NTLM", "Basic{realm:a}"]);
}

#[test]
fn a_comma_separates_challenges_and_parameters() {
    // The example of RFC 9110, section 11.6.1.
    reads(
        r#"Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"""#,
        &["Basic{realm:simple}", r#"Newauth{realm:apps,type:1,title:Login to \"apps\"}"#],
    );
    reads("A b=c, D, E f=g, H i==, J", &["A{b:c}", "D", "E{f:g}", "H=i==", "J"]);
}

#[test]
fn empty_elements_and_odd_white_space_are_nothing() {
    reads("", &[]);
    reads(" ,\t, ,", &[]);
    reads(",, \tA\t \t,,B \t,\tc\t= \td ,, e =f\t", &["A", "B{c:d,e:f}"]);
    reads("A , b=c", &["A{b:c}"]);
}

#[test]
fn a_tab_after_the_scheme_and_a_comma_right_after_it_are_tolerated() {
    reads("NTLM\tTlRM,Basic\trealm=x", &["NTLM=TlRM", "Basic{realm:x}"]);
    reads("Basic, realm=x", &["Basic{realm:x}"]);
}

#[test]
fn what_looks_like_a_token68_after_a_scheme_is_one() {
    reads("A aZ09+/-._~==", &["A=aZ09+/-._~=="]);
    reads("A realm=", &["A=realm="]);
    reads("A b====, C d= , E f", &["A=b====", "C=d=", "E=f"]);
    reads("A b=c", &["A{b:c}"]);
    reads("A b = c", &["A{b:c}"]);
}

#[test]
fn values_are_tokens_or_quoted_strings_with_escapes() {
    reads(
        r#"A b=!#$%&'*+-.^_`|~9, c="", d="x, Basic y=z", e="\a\"\\""#,
        &[r#"A{b:!#$%&\'*+-.^_`|~9,c:,d:x, Basic y=z,e:a\"\\}"#],
    );
    reads("A b=\"\t\\\t\"", &[r"A{b:\t\t}"]);
}

#[test]
fn names_are_matched_in_any_case_and_kept_as_received() {
    let challenges = Challenges::from_value(b"bAsIc ReAlM=x");
    let basic = challenges.iter().next().expect("one challenge");
    assert!(basic.is("Basic") && !basic.is("Basi"));
    assert_eq!((basic.scheme(), basic.realm().as_deref()), ("bAsIc", Some("x")));
    assert_eq!(basic.params().next(), Some(("ReAlM", &b"x"[..])));
    assert_eq!(basic.param("nonce"), None);
}

#[test]
fn text_is_utf8_or_else_iso_8859_1() {
    let challenges = Challenges::from_value(b"Basic realm=\"Z\xc3\xbcrich\", old=\"Z\xfcrich\"");
    let basic = challenges.iter().next().expect("one challenge");
    assert_eq!(basic.realm().as_deref(), Some("Zürich"));
    assert_eq!(basic.param("old"), Some(&b"Z\xfcrich"[..]));
    assert_eq!(basic.param_str("OLD").as_deref(), Some("Zürich"));
}

#[test]
fn a_token_is_decoded_with_and_without_padding() {
    let token = |value: &str| {
        let challenges = Challenges::from_value(value.as_bytes());
        challenges.iter().next().expect("one challenge").token()
    };
    assert_eq!(token("NTLM TlRMTVNTUAA="), Ok(Some(b"NTLMSSP\0".to_vec())));
    assert_eq!(token("NTLM TlRMTVNTUAA"), Ok(Some(b"NTLMSSP\0".to_vec())));
    assert_eq!(token("NTLM"), Ok(None));
    assert_eq!(token("NTLM realm=x"), Ok(None));
    let error = token("NTLM  TlRM~AAA").expect_err("not base64");
    assert_eq!((error.kind(), error.offset()), (ChallengeErrorKind::InvalidToken, 10));
    assert_eq!(error.to_string(), "NTLM challenge: the token68 is not base64, at octet 10 of field line 0");
}

#[test]
fn a_broken_challenge_leaves_its_neighbours() {
    use ChallengeErrorKind::*;
    let a = Some("A");
    fails("X, A b=c, d=, e=f, Y z", &["X", "Y=z"], MissingValue, a, 12);
    fails("X, A b, c=d, Y", &["X", "Y"], TokenAndParams, a, 8);
    fails("X, A b c, d=e, Y", &["X", "Y"], UnexpectedOctet, a, 7);
    fails("X, A b!, Y", &["X", "Y"], MissingValue, a, 7);
    fails("X, A b=c d=e, Y", &["X", "Y"], UnexpectedOctet, a, 9);
    fails("X, A b=\"c\"d, Y", &["X", "Y"], UnexpectedOctet, a, 10);
    fails("X, A b=\"\x01, Z\", c=d, Y", &["X", "Y"], UnexpectedOctet, a, 8);
    fails("X, A b=c/d, Y", &["X", "Y"], UnexpectedOctet, a, 8);
    fails("X, A/b c=d, e=f, Y", &["X", "Y"], UnexpectedOctet, None, 4);
    fails("X, A/b, Y", &["X", "Y"], UnexpectedOctet, None, 4);
    fails("X, A \"b, Z\", Y", &["X", "Y"], UnexpectedOctet, a, 5);
    fails("X, A b=c, REALM=d, realm=e, Y", &["X", "Y"], DuplicateParam, a, 19);
    fails("X, \"A, Z\", c=d, Y", &["X", "Y"], InvalidScheme, None, 3);
    fails("a=b, c=d, Y", &["Y"], MissingScheme, None, 0);
}

#[test]
fn a_quote_without_an_end_that_may_hide_another_challenge_leaves_nothing_to_answer() {
    for value in ["Basic realm=\"x, NTLM", "Basic realm=\"by \"him\", NTLM", "Basic a=b, realm=\"\\, x"] {
        let challenges = Challenges::from_value(value.as_bytes());
        assert!(challenges.is_empty() && challenges.malformed().is_empty(), "{value}");
        assert_eq!(challenges.errors()[0].scheme(), Some("Basic"), "{value}");
    }
}

/// What can be read of a value whose challenges are all malformed.
#[track_caller]
fn salvages(value: &str, expected: &[&str]) {
    let challenges = Challenges::from_value(value.as_bytes());
    assert_eq!(challenges.malformed().iter().map(shape).collect::<Vec<_>>(), expected, "{value:?}");
    assert!(challenges.is_empty(), "{value:?}");
    let named = challenges.errors().iter().filter_map(|error| error.scheme());
    assert!(named.eq(challenges.malformed().iter().map(Challenge::scheme)), "{value:?}");
}

#[test]
fn what_can_be_read_of_a_malformed_challenge_is_kept_beside_the_others() {
    salvages("Basic realm=my realm", &["Basic{realm:my realm}"]);
    salvages("Basic realm = my  realm\t", &["Basic{realm:my  realm}"]);
    salvages("Basic realm=cam@host/1", &["Basic{realm:cam@host/1}"]);
    salvages("Basic realm=\"x Basic realm=y ", &["Basic{realm:x Basic realm=y}"]);
    salvages(r#"Basic realm="x \"y\"#, &["Basic{realm:x \\\"y}"]);
    salvages("Basic realm=\"a\" charset=\"UTF-8\"", &["Basic{realm:a,charset:UTF-8}"]);
    salvages("Basic realm=a b charset = UTF-8", &["Basic{realm:a b,charset:UTF-8}"]);
    salvages("Basic realm=\"a\"b c, charset=x/y", &["Basic{realm:a,charset:x/y}"]);
    salvages("Basic realm=a=b", &["Basic{realm:a=b}"]);
    salvages("Basic realm= charset=x", &["Basic{charset:x}"]);
    salvages("Basic realm=\"\" x", &["Basic{realm:}"]);
    salvages("Basic my realm, charset=x", &["Basic{charset:x}"]);
    salvages("Basic YWJj, realm=x", &["Basic{realm:x}"]);
    salvages("Basic realm=Hall, charset=x, REALM=\"Yard\"", &["Basic{realm:Hall,charset:x}"]);
    salvages("Basic realm=\"\x01\" charset=x", &["Basic{charset:x}"]);
    salvages("A \"b, Basic realm=x\"", &["A"]);
    salvages("A x\"y z=1, Basic realm=x\"w v=2, A b c", &["A{v:2}", "A"]);
    salvages(
        "Bearer authorization_uri=https://a.example/b?c=d resource_id=https://e.example",
        &["Bearer{authorization_uri:https://a.example/b?c=d,resource_id:https://e.example}"],
    );
    // No scheme, or none that is legible.
    salvages("realm=my realm", &[]);
    salvages("Basic/1 realm=my realm", &[]);
    salvages("Basic\"1\", realm=my realm", &[]);
}

#[test]
fn what_can_be_read_has_the_limits_of_a_challenge() {
    let params: String = (0..100).map(|i| format!(" p{i}=v")).collect();
    let challenges = Challenges::from_value(format!("A{params}, q=w, B").as_bytes());
    assert_eq!(challenges.malformed()[0].params().count(), Challenges::MAX_PARAMS);
    assert_eq!((challenges.iter().count(), challenges.errors().len()), (1, 1));
    let challenges = Challenges::from_value("A b c,".repeat(1000).as_bytes());
    assert_eq!(challenges.malformed().len(), Challenges::MAX_CHALLENGES);
}

#[test]
fn an_unterminated_quote_costs_the_rest_of_its_line_only() {
    fails("X, A b=\"c, Y", &["X"], ChallengeErrorKind::UnterminatedQuote, Some("A"), 7);
    fails("X, A b=\"c, Y\\", &["X"], ChallengeErrorKind::UnterminatedQuote, Some("A"), 7);
    fails("X, A b=\"c\\\", Y", &["X"], ChallengeErrorKind::UnterminatedQuote, Some("A"), 7);

    let mut headers = HeaderMap::new();
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("X"));
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("A b=\"c"));
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("d=\"e\", Y"));
    let challenges = Challenges::parse(&headers, &WWW_AUTHENTICATE);
    assert_eq!(challenges.iter().map(shape).collect::<Vec<_>>(), ["X", "Y"]);
    let errors: Vec<_> = challenges.errors().iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "A challenge: a quoted string without an end, at octet 4 of field line 1",
            "a parameter before any scheme, at octet 0 of field line 2",
        ]
    );
}

#[test]
fn a_challenge_with_too_many_parameters_is_left_out() {
    let params = |count: usize| (0..count).map(|i| format!("p{i}=v")).collect::<Vec<_>>().join(", ");
    let (challenges, errors) = read(&format!("A {}, B", params(Challenges::MAX_PARAMS)));
    assert_eq!((challenges.len(), errors.len()), (2, 0));
    let (challenges, errors) = read(&format!("A {}, B", params(Challenges::MAX_PARAMS + 9)));
    assert_eq!((challenges, errors.len()), (vec!["B".to_owned()], 1));
    assert_eq!(errors[0].0, ChallengeErrorKind::TooManyParams);
}

#[test]
fn reading_ends_at_the_limits_of_challenges_and_octets() {
    for element in ["A,", "\",\",", "A b c,"] {
        let challenges = Challenges::from_value(element.repeat(1000).as_bytes());
        assert_eq!(challenges.challenges.len() + challenges.errors.len(), Challenges::MAX_CHALLENGES + 1);
        let last = challenges.errors().last().expect("the limit");
        assert_eq!(last.kind(), ChallengeErrorKind::TooManyChallenges);
    }
    let half = format!("A {}", "a".repeat(Challenges::MAX_OCTETS / 2));
    let challenges = Challenges::from_lines([half.as_bytes(), half.as_bytes(), b"B"]);
    assert_eq!(challenges.iter().count(), 1);
    assert_eq!(challenges.errors()[0].to_string(), "too many octets, at octet 65534 of field line 1",);
}

#[test]
fn debug_shows_scheme_and_sizes_alone() {
    let text = format!("{:?}", Challenges::from_value(b"NTLM TlRM, Basic realm=lab, charset=UTF-8"));
    assert_eq!(
        text,
        "Challenges { challenges: [Challenge { scheme: \"NTLM\", token68: 4 octets }, \
         Challenge { scheme: \"Basic\", params: 2 of 8 octets }], malformed: [], errors: [] }",
    );
}

#[test]
fn the_worst_value_takes_linear_time() {
    for pattern in ["\"", "\\", ",", "a", " ", "a=", "a ", "=", "\"\\", "a=\"b\",", " a=", " =", "a\" "] {
        let value = format!("A b=\"c\", {}", pattern.repeat(120_000 / pattern.len()));
        let begun = Instant::now();
        let challenges = Challenges::from_value(value.as_bytes());
        assert!(challenges.errors().iter().all(|error| error.offset() <= value.len()));
        assert!(begun.elapsed().as_secs() < 5, "{pattern:?}");
    }
}

#[test]
fn a_line_may_take_all_the_octets_that_are_left() {
    let whole = format!("A {}", "a".repeat(Challenges::MAX_OCTETS - 2));
    let challenges = Challenges::from_lines([whole.as_bytes()]);
    assert_eq!((challenges.iter().count(), challenges.errors().len()), (1, 0));
    let challenges = Challenges::from_lines([whole.as_bytes(), b"B"]);
    assert_eq!(challenges.iter().count(), 1);
    assert_eq!(challenges.errors()[0].kind(), ChallengeErrorKind::TooManyOctets);
}

#[test]
fn the_size_of_a_challenge_is_that_of_its_texts() {
    let octets = |value: &str| Challenges::from_value(value.as_bytes()).iter().next().map(Challenge::octets);
    assert_eq!(octets("NTLM"), Some(4));
    assert_eq!(octets("NTLM TlRMTVNT"), Some(4 + 8));
    assert_eq!(octets("Basic realm=abc, charset=\"UTF-8\""), Some(5 + 5 + 3 + 7 + 5));
}
