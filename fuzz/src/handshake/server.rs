//! The server of one connection, honest or not, as the script has it.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use http::{HeaderMap, HeaderValue, Response, StatusCode, Version};
use legwork::authorization::Authorization;
use legwork::mechanism::Mechanism;
use legwork::mechanism::ntlm::Ntlm;
use legwork::protection_space::Challenger;
use legwork::testing::{Accept, Acceptor, Users};
use legwork::unversioned::testing::{ChallengeForm, NtlmAcceptor, SpnegoAcceptor};

use super::script::Script;
use super::token::Token;

/// What servers are known to offer.
const OFFERS: [&[&str]; 10] = [
    &["Negotiate", "NTLM"],
    &["Basic realm=\"a\""],
    &["NTLM"],
    &["Negotiate"],
    &["NTLM, Basic realm=\"a\""],
    &["Basic realm=\"b\""],
    &["Basic"],
    &["Bearer realm=\"a\"", "SCRAM-SHA-256 realm=\"a\""],
    &["Negotiate", "NTLM", "Digest realm=\"a\", nonce=\"n\"", "Basic realm=\"a\", Basic realm=\"b\""],
    &[],
];

/// The honest part of a server: it verifies what the client sends.
pub(super) struct Server {
    challenger: Challenger,
    users: Arc<Users>,
    acceptor: SpnegoAcceptor,
    verdict: Option<Verdict>,
    /// The last token that it made, good or stale.
    last: Token,
}

/// What an honest server answers to the last token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Continue,
    Accepted,
    Refused,
}

impl Server {
    pub(super) fn new(challenger: Challenger, users: Arc<Users>) -> Self {
        let acceptor = acceptor(&users, ChallengeForm::WithTimestamp);
        let last = Token { scheme: "NTLM", octets: Vec::new(), realm: None };
        Self { challenger, users, acceptor, verdict: None, last }
    }

    /// Takes a leg.
    pub(super) fn take(&mut self, token: Option<&Token>, script: &mut Script<'_>) {
        self.verdict = None;
        let Some(token) = token else { return };
        if token.scheme == "Basic" {
            let text = String::from_utf8_lossy(&token.octets);
            let (name, password) = text.split_once(':').unwrap_or_default();
            let (domain, user) = name.split_once('\\').unwrap_or(("", name));
            let right = self.users.password(domain, user) == Some(password);
            self.verdict = Some(if right { Verdict::Accepted } else { Verdict::Refused });
            return;
        }
        if !token.is_bound() {
            self.verdict = Some(script.choose(&[Verdict::Refused, Verdict::Accepted]));
            return;
        }
        if token.ntlm_type() == Some(1) {
            let forms = [
                ChallengeForm::WithTimestamp,
                ChallengeForm::WithoutTimestamp,
                ChallengeForm::WithoutTargetInfo,
                ChallengeForm::Short,
            ];
            self.acceptor = acceptor(&self.users, script.choose(&forms));
        }
        let (verdict, answer) = match self.acceptor.step(&token.octets) {
            Accept::Continue(answer) => (Verdict::Continue, Some(answer)),
            Accept::Accepted { token, .. } => (Verdict::Accepted, token),
            Accept::Refused { token, .. } => (Verdict::Refused, token),
        };
        self.verdict = Some(verdict);
        let octets = answer.unwrap_or_default();
        self.last = Token { scheme: token.scheme, octets, realm: None };
    }

    /// Answers the leg.
    pub(super) fn respond(&self, script: &mut Script<'_>) -> Response<()> {
        match script.below(4) {
            0 => self.honest(script),
            1 => self.response(StatusCode::OK, []),
            2 => self.offer(script),
            _ => self.made_up(script),
        }
    }

    fn honest(&self, script: &mut Script<'_>) -> Response<()> {
        let token = (!self.last.octets.is_empty()).then(|| field_value(&self.last));
        match self.verdict {
            Some(Verdict::Continue) => self.response(self.challenger.status(), token),
            Some(Verdict::Accepted) => self.response(StatusCode::OK, token),
            Some(Verdict::Refused) | None => self.offer(script),
        }
    }

    fn offer(&self, script: &mut Script<'_>) -> Response<()> {
        let offer = script.choose(&OFFERS).iter().copied().map(HeaderValue::from_static);
        self.response(self.challenger.status(), offer)
    }

    fn made_up(&self, script: &mut Script<'_>) -> Response<()> {
        let statuses =
            [self.challenger.status().as_u16(), 401, 407, 200, 204, 302, 400, 403, 404, 500, 502, 503];
        let status = StatusCode::from_u16(script.choose(&statuses)).expect("a status code");
        let mut response = self.response(status, []);
        *response.version_mut() =
            script.choose(&[Version::HTTP_11, Version::HTTP_10, Version::HTTP_2, Version::HTTP_09]);
        let headers = response.headers_mut();
        for (name, values) in [
            ("connection", [None, Some("close"), Some("keep-alive"), Some("Close, x")]),
            ("proxy-connection", [None, Some("close"), Some("keep-alive"), Some("")]),
            ("persistent-auth", [None, Some("true"), Some("false"), Some("perhaps")]),
        ] {
            if let Some(value) = script.choose(&values) {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        for _ in 0..script.below(5) {
            self.line(headers, script);
        }
        response
    }

    /// Some lines of challenges, as a rule one.
    fn line(&self, headers: &mut HeaderMap, script: &mut Script<'_>) {
        let field =
            script.choose(&[self.challenger, Challenger::Origin, Challenger::Proxy]).challenge_field();
        let mut token = self.last.clone();
        match script.below(7) {
            0 => {}
            1 => {
                for value in script.choose(&OFFERS) {
                    headers.append(&field, HeaderValue::from_static(value));
                }
                return;
            }
            2 => {
                if let Ok(value) = HeaderValue::from_bytes(script.line()) {
                    headers.append(field, value);
                }
                return;
            }
            3 => token.octets.truncate(script.below(256)),
            4 => {
                let at = script.below(256);
                if let Some(octet) = token.octets.get_mut(at) {
                    *octet ^= 1 << script.below(8);
                }
            }
            5 => token.scheme = script.choose(&["NTLM", "Negotiate", "Basic"]),
            _ => {
                token.scheme = script.choose(&["NTLM", "Negotiate", "Basic"]);
                token.octets = script.line().to_vec();
            }
        }
        headers.append(field, field_value(&token));
    }

    fn response(&self, status: StatusCode, lines: impl IntoIterator<Item = HeaderValue>) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = status;
        // Short enough for a request to be asked once more on the connection.
        response.headers_mut().insert("content-length", HeaderValue::from_static("9"));
        for line in lines {
            response.headers_mut().append(self.challenger.challenge_field(), line);
        }
        response
    }
}

fn acceptor(users: &Arc<Users>, form: ChallengeForm) -> SpnegoAcceptor {
    let ntlm = NtlmAcceptor::new(Arc::clone(users), [1; 8], UNIX_EPOCH).challenge_form(form);
    SpnegoAcceptor::new(Ntlm::new().oid(), Box::new(ntlm))
}

/// A token as a challenge carries it, which is as an authorization does.
fn field_value(token: &Token) -> HeaderValue {
    Authorization::token68(token.scheme, &token.octets).into_value()
}
