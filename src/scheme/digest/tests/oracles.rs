//! The crates `http-auth` and `digest_auth` on generated challenges and requests, as far as they go.
//!
//! Neither reads algorithms in lower case, `nextnonce` or `rspauth`. `http-auth` sends other than
//! ASCII as `username*` always and hashes content itself where RFC 7616 has the content's hash;
//! `digest_auth` knows no `username*`, and wants `auth-int` wherever it has the content.

use digest_auth::{AuthContext, HttpMethod, WwwAuthenticateHeader};
use http_auth::{ChallengeParser, DigestClient, PasswordParams};

use super::*;

/// A deterministic source of choices (xorshift64).
struct Choices(u64);

impl Choices {
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        of[usize::try_from(self.0 >> 33).expect("31 bits fit") % of.len()]
    }

    /// Text that has to be quoted here and there.
    fn text(&mut self) -> String {
        let pieces = ["a", "Z", "0", " ", "\"", "\\", ",", "=", "@", "/", "realm", "Digest"];
        (0..1 + self.one(&[0, 3, 9])).map(|_| self.one(&pieces)).collect()
    }

    /// Digits, as a client's nonce has them.
    fn digits(&mut self) -> String {
        (0..1 + self.one(&[0, 15, 31])).map(|_| self.one(&["0", "5", "9", "a", "f"])).collect()
    }
}

struct Case {
    challenge: String,
    username: String,
    password: String,
    target: &'static str,
    method: &'static str,
    content: &'static [u8],
    cnonce: String,
}

impl Case {
    fn generate(choices: &mut Choices) -> Self {
        let quoted = |text: String| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut challenge =
            format!("Digest realm=\"{}\", nonce=\"{}\"", quoted(choices.text()), quoted(choices.text()));
        if choices.one(&[true, false]) {
            challenge += &format!(", opaque=\"x{}\"", quoted(choices.text()));
        }
        let qop = choices.one(&[
            None,
            Some("auth"),
            Some("auth,auth-int"),
            Some("auth-int, auth"),
            Some("auth-int"),
        ]);
        if let Some(qop) = qop {
            challenge += &format!(", qop=\"{qop}\"");
        }
        let algorithms = ["MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess", "SHA-512-256-sess"];
        // Without qop there is nothing to make a session of.
        let algorithm = choices.one(if qop.is_some() { &algorithms[..] } else { &algorithms[..3] });
        if algorithm != "MD5" || choices.one(&[true, false]) {
            challenge += &format!(", algorithm={algorithm}");
        }
        if choices.one(&[true, false]) {
            challenge += ", userhash=true";
        }
        Self {
            challenge,
            username: choices.text(),
            password: choices.text() + choices.one(&["", "ü", "€"]),
            target: choices.one(&["/", "/a?b=\"c\"", "http://a.test/b", "*", "a.test:443"]),
            method: choices.one(&["GET", "POST", "OPTIONS", "X-OWN"]),
            content: choices.one(&[b"", b"some content"]),
            cnonce: choices.digits(),
        }
    }

    fn qop(&self) -> Option<&str> {
        self.challenge.split("qop=\"").nth(1)?.split('"').next()
    }

    /// Our answers, one after the other on one nonce.
    fn ours(&self, times: usize) -> Vec<BTreeMap<String, Vec<u8>>> {
        let challenge = challenge(&self.challenge);
        let credentials = Credentials::password(&*self.username, &*self.password);
        let session = DigestSession::new(credentials, DigestPolicy::new(), &challenge).expect("a login");
        let method = self.method.parse().expect("a method");
        let digest = BodyDigest::of(challenge.algorithm(), self.content);
        let request = DigestRequest::new(&method, self.target, true).with_body_digest(Some(&digest));
        let answer =
            || session.authorize(&request, ClientNonce::verbatim(&self.cnonce)).expect("an answer").0;
        (0..times).map(|_| params(answer())).collect()
    }
}

/// What both name, ours may say more: the algorithm where theirs is silent about it.
fn agree(case: &Case, ours: &BTreeMap<String, Vec<u8>>, theirs: &str) {
    let theirs = params_of(&HeaderValue::try_from(theirs).expect("a field value"));
    for name in ["username", "realm", "nonce", "uri", "response", "opaque", "qop", "nc", "cnonce", "userhash"]
    {
        let text = |params: &BTreeMap<String, Vec<u8>>| {
            params.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
        };
        assert_eq!(text(ours), text(&theirs), "{name}, {}", case.challenge);
    }
}

#[test]
fn http_auth_answers_the_same() {
    let mut choices = Choices(0x9E37_79B9_7F4A_7C15);
    let mut compared = 0;
    for _ in 0..2000 {
        let case = Case::generate(&mut choices);
        // With content at hand it would take auth-int, in its own way.
        if case.qop() == Some("auth-int") {
            continue;
        }
        let challenge = ChallengeParser::new(&case.challenge).next().expect("one").expect("well-formed");
        let mut client = DigestClient::try_from(&challenge).expect("it can be answered");
        for ours in case.ours(3) {
            let params = PasswordParams {
                username: &case.username,
                password: &case.password,
                uri: case.target,
                method: case.method,
                body: None,
            };
            let theirs = client.respond_with_testing_cnonce(&params, &case.cnonce).expect("an answer");
            agree(&case, &ours, &theirs);
            compared += 1;
        }
    }
    assert!(compared > 3000, "{compared}");
}

#[test]
fn digest_auth_answers_the_same() {
    let mut choices = Choices(0x2545_F491_4F6C_DD1D);
    let mut content = 0;
    for _ in 0..2000 {
        let case = Case::generate(&mut choices);
        let mut prompt = WwwAuthenticateHeader::parse(&case.challenge).expect("well-formed");
        for ours in case.ours(3) {
            let covered = (case.qop() == Some("auth-int")).then_some(case.content);
            content += usize::from(covered.is_some());
            let method = HttpMethod(case.method.into());
            let mut context =
                AuthContext::new_with_method(&*case.username, &*case.password, case.target, covered, method);
            context.set_custom_cnonce(&*case.cnonce);
            let theirs = prompt.respond(&context).expect("an answer").to_header_string();
            agree(&case, &ours, &theirs);
        }
    }
    assert!(content > 500, "{content}");
}
