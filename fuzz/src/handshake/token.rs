//! What a leg carried, read back from its field value.

use http::HeaderValue;
use legwork::challenge::{Challenge, Challenges};
use legwork::mechanism::ntlm::message_type;
use legwork::unversioned::scram::ScramAttributes;
use legwork::unversioned::testing::AuthenticateMessage;

/// `scheme token68`, from either side; of Digest's parameters the user's name, of SCRAM's the
/// message.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) scheme: &'static str,
    pub(super) octets: Vec<u8>,
    /// Digest's and SCRAM's, where it is said.
    pub(super) realm: Option<String>,
}

impl Token {
    /// What `Authorization` carries.
    pub(super) fn sent(value: &HeaderValue) -> Self {
        let challenges = Challenges::from_value(value.as_bytes());
        let mut tokens = challenges.iter();
        let (Some(credentials), None) = (tokens.next(), tokens.next()) else { panic!("not scheme token68") };
        let realm = credentials.realm().map(|realm| realm.to_string());
        if credentials.is("Digest") {
            let octets = credentials.param("username").expect("a name").to_vec();
            return Self { scheme: "Digest", octets, realm };
        }
        if credentials.is("SCRAM-SHA-256") {
            let attributes = ScramAttributes::from_challenge(credentials).expect("its own attributes");
            return Self { scheme: "SCRAM-SHA-256", octets: attributes.data.expect("a message"), realm };
        }
        let octets = credentials.token().expect("base64").expect("a token");
        let known = ["Basic", "NTLM", "Negotiate"].into_iter().find(|known| credentials.is(known));
        Self { scheme: known.expect("one of the schemes"), octets, realm: None }
    }

    /// The NTLM message in it, bare or within SPNEGO.
    pub(super) fn ntlm(&self) -> Option<&[u8]> {
        ntlm(&self.octets)
    }

    /// Which NTLM message is in it.
    pub(super) fn ntlm_type(&self) -> Option<u32> {
        self.ntlm().and_then(message_type)
    }

    /// Whether it is part of a login that the whole connection gets.
    pub(super) fn is_bound(&self) -> bool {
        !matches!(self.scheme, "Basic" | "Digest" | "SCRAM-SHA-256")
    }

    /// Whether it was made from the password.
    pub(super) fn proves(&self) -> bool {
        match self.scheme {
            "Basic" | "Digest" => true,
            // The first message names the user, the last one has the proof.
            "SCRAM-SHA-256" => self.octets.starts_with(b"c="),
            _ => self.ntlm_type() == Some(3),
        }
    }

    /// Whose proof it is, where it says so.
    pub(super) fn user(&self) -> Option<String> {
        if self.scheme == "Digest" {
            return Some(String::from_utf8(self.octets.clone()).expect("UTF-8"));
        }
        if self.scheme == "Basic" {
            let text = String::from_utf8(self.octets.clone()).expect("UTF-8");
            return Some(text.split_once(':').expect("a colon").0.to_owned());
        }
        let message = self.ntlm().filter(|message| message_type(message) == Some(3))?;
        let message = AuthenticateMessage::parse(message).expect("the acceptor reads what the client writes");
        Some(match message.domain() {
            "" => message.user().to_owned(),
            domain => format!("{domain}\\{}", message.user()),
        })
    }
}

/// Whether a challenge has an NTLM message of type 2 in it.
pub(super) fn has_ntlm_challenge(challenge: &Challenge) -> bool {
    let token = challenge.token().ok().flatten().unwrap_or_default();
    token.windows(12).any(|window| message_type(window) == Some(2))
}

fn ntlm(octets: &[u8]) -> Option<&[u8]> {
    (0..octets.len()).map(|at| &octets[at..]).find(|rest| message_type(rest).is_some())
}
