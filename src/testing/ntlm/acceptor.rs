//! The two steps of an acceptor: challenge, then verify (MS-NLMP 3.2.5.1).

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::channel_bindings::ChannelBindings;
use crate::mechanism::ntlm::av_pairs;
use crate::mechanism::ntlm::crypto::{
    Key, exchange_key, keyed, message_integrity_code, nt_proof, response_key, same, session_base_key,
};
use crate::mechanism::ntlm::filetime::filetime;
use crate::mechanism::ntlm::flags::{
    NEGOTIATE_KEY_EXCH, NEGOTIATE_TARGET_INFO, NEGOTIATE_VERSION, REQUESTED, REQUESTED_FOR_INTEGRITY, has,
};
use crate::mechanism::ntlm::integrity::{Direction, NtlmIntegrity};
use crate::mechanism::ntlm::message_type;
use crate::mechanism::ntlm::names::utf16;
use crate::mechanism::ntlm::wire::{Message, MessageWriter, VERSION};
use crate::testing::acceptor::{Accept, Acceptor};
use crate::testing::ntlm::authenticate::AuthenticateMessage;
use crate::testing::ntlm::bindings::SentBindings;
use crate::testing::users::Users;

/// O of the negotiate flags: the target name is a server's.
const TARGET_TYPE_SERVER: u32 = 0x0002_0000;
/// Names in the target information (2.2.2.1).
const NETBIOS_COMPUTER_NAME: u16 = 1;
const NETBIOS_DOMAIN_NAME: u16 = 2;

/// How the acceptor's CHALLENGE_MESSAGE looks; real servers send all four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChallengeForm {
    /// Target information with the server's time: today's Windows, Samba, gss-ntlmssp.
    #[default]
    WithTimestamp,
    /// Target information without a time: the client sends LMv2 and no MIC.
    WithoutTimestamp,
    /// No target information: nowhere to put channel bindings.
    WithoutTargetInfo,
    /// Only the first 32 octets: servers from before Windows 2000.
    Short,
}

/// The accepting side of NTLM, for one connection.
///
/// A NEGOTIATE_MESSAGE always begins anew; a CHALLENGE_MESSAGE is good for one answer. Only
/// NTLMv2 answers are accepted.
pub struct NtlmAcceptor {
    users: Arc<Users>,
    challenge: [u8; 8],
    now: SystemTime,
    form: ChallengeForm,
    withheld: u32,
    server: String,
    domain: String,
    bindings: Rule,
    challenged: Option<Challenged>,
}

/// What is made of a client's channel bindings.
enum Rule {
    Ignored,
    Accepted(ChannelBindings),
    Required(ChannelBindings),
}

/// The messages so far, which the MIC covers.
struct Challenged {
    negotiate: Vec<u8>,
    challenge: Vec<u8>,
}

impl NtlmAcceptor {
    /// Creates an acceptor with fixed challenge and clock that calls itself `SERVER` in `DOMAIN`.
    pub fn new(users: Arc<Users>, challenge: [u8; 8], now: SystemTime) -> Self {
        Self {
            users,
            challenge,
            now,
            form: ChallengeForm::default(),
            withheld: 0,
            server: "SERVER".to_owned(),
            domain: "DOMAIN".to_owned(),
            bindings: Rule::Ignored,
            challenged: None,
        }
    }

    /// Sets the form of the challenge.
    #[must_use]
    pub fn challenge_form(mut self, form: ChallengeForm) -> Self {
        self.form = form;
        self
    }

    /// Sets the NetBIOS names that the challenge tells.
    #[must_use]
    pub fn names(mut self, server: impl Into<String>, domain: impl Into<String>) -> Self {
        (self.server, self.domain) = (server.into(), domain.into());
        self
    }

    /// Sets flags of MS-NLMP 2.2.2.5 that are not granted, such as `0x4000_0000` for the key exchange.
    #[must_use]
    pub fn withhold(mut self, flags: u32) -> Self {
        self.withheld = flags;
        self
    }

    /// Refuses clients that send the hash of other bindings than these, or zeros, but takes those
    /// that send none: Extended Protection, set to "accept". By default nobody looks at them.
    #[must_use]
    pub fn accept_channel_bindings(mut self, bindings: ChannelBindings) -> Self {
        self.bindings = Rule::Accepted(bindings);
        self
    }

    /// Refuses clients that do not send the hash of these bindings: Extended Protection, set to
    /// "required".
    #[must_use]
    pub fn require_channel_bindings(mut self, bindings: ChannelBindings) -> Self {
        self.bindings = Rule::Required(bindings);
        self
    }

    /// The answer to a NEGOTIATE_MESSAGE (3.2.5.1.1).
    fn challenge(&mut self, negotiate: &[u8]) -> Result<Vec<u8>, String> {
        let message = Message::parse(negotiate, 1, 16).map_err(|e| e.to_string())?;
        let asked = message.u32(12, "flags").map_err(|e| e.to_string())?;
        let granted = asked & (REQUESTED | REQUESTED_FOR_INTEGRITY) & !self.withheld;
        let challenge = self.challenge_message(granted);
        self.challenged = Some(Challenged { negotiate: negotiate.to_vec(), challenge: challenge.clone() });
        Ok(challenge)
    }

    /// CHALLENGE_MESSAGE (2.2.1.2).
    fn challenge_message(&self, granted: u32) -> Vec<u8> {
        if self.form == ChallengeForm::Short {
            let mut message = MessageWriter::new(2, 32, 0);
            message.octets(&[0; 8]).u32(granted & !NEGOTIATE_VERSION).octets(&self.challenge);
            return message.finish();
        }
        let mut message = MessageWriter::new(2, 56, 0);
        let target_name = message.place(&utf16(&self.server));
        let (flags, target_info) = match self.target_info() {
            Some(pairs) => (granted | NEGOTIATE_TARGET_INFO, message.place(&pairs)),
            None => (granted, message.place(&[])),
        };
        message
            .octets(&target_name)
            .u32(flags | TARGET_TYPE_SERVER)
            .octets(&self.challenge)
            .octets(&[0; 8])
            .octets(&target_info)
            .octets(if has(flags, NEGOTIATE_VERSION) { &VERSION } else { &[0; 8] });
        message.finish()
    }

    fn target_info(&self) -> Option<Vec<u8>> {
        let mut pairs = Vec::new();
        av_pairs::push(&mut pairs, NETBIOS_DOMAIN_NAME, &utf16(&self.domain));
        av_pairs::push(&mut pairs, NETBIOS_COMPUTER_NAME, &utf16(&self.server));
        match self.form {
            ChallengeForm::WithTimestamp => {
                av_pairs::push(&mut pairs, av_pairs::TIMESTAMP, &filetime(self.now));
            }
            ChallengeForm::WithoutTimestamp => {}
            ChallengeForm::WithoutTargetInfo | ChallengeForm::Short => return None,
        }
        av_pairs::push_end(&mut pairs);
        Some(pairs)
    }

    /// Verifies an AUTHENTICATE_MESSAGE (3.2.5.1.2); gives the name and the integrity.
    fn verify(
        &self,
        challenged: &Challenged,
        token: &[u8],
    ) -> Result<(String, Option<NtlmIntegrity>), String> {
        let message = AuthenticateMessage::parse(token).map_err(|e| e.to_string())?;
        let name = match message.domain() {
            "" => message.user().to_owned(),
            domain => format!("{domain}\\{}", message.user()),
        };
        let Some(password) = self.users.password(message.domain(), message.user()) else {
            return Err(format!("there is no account {name:?}"));
        };
        let response_key = keyed(&response_key(message.user(), message.domain(), password));
        let expected = nt_proof(&response_key, self.challenge, message.client_challenge());
        if !same(&expected, message.nt_proof()) {
            return Err(format!("NTProofStr of {name:?} does not match: the password is wrong"));
        }
        let session_key = exported_session_key(&message, session_base_key(&response_key, &expected))?;
        if has(message.av_flags(), av_pairs::FLAG_MIC) {
            verify_mic(challenged, &message, &session_key)?;
        }
        self.verify_channel_bindings(&message)?;
        Ok((name, NtlmIntegrity::negotiated(message.flags(), &session_key, Direction::ServerToClient)))
    }

    fn verify_channel_bindings(&self, message: &AuthenticateMessage) -> Result<(), String> {
        let sent = message.channel_bindings();
        let (Rule::Accepted(ours) | Rule::Required(ours)) = &self.bindings else { return Ok(()) };
        let why = match sent {
            SentBindings::Absent if matches!(self.bindings, Rule::Accepted(_)) => return Ok(()),
            SentBindings::Absent => "channel bindings are required, and there are none",
            SentBindings::Zeros => "the channel bindings are zero",
            SentBindings::Hash(_) if sent.are(ours) => return Ok(()),
            SentBindings::Hash(_) => "the channel bindings are those of another connection",
        };
        Err(why.to_owned())
    }
}

impl Acceptor for NtlmAcceptor {
    fn step(&mut self, token: &[u8]) -> Accept {
        let challenged = self.challenged.take();
        let accepted = match (message_type(token), challenged) {
            (Some(1), _) => match self.challenge(token) {
                Ok(challenge) => return Accept::Continue(challenge),
                Err(why) => Err(why),
            },
            (Some(3), Some(challenged)) => self.verify(&challenged, token),
            (Some(3), None) => Err("an AUTHENTICATE_MESSAGE, but no challenge is open".to_owned()),
            (Some(other), _) => Err(format!("an NTLM message of type {other} is not for a server")),
            (None, _) => Err("not an NTLM message".to_owned()),
        };
        match accepted {
            Ok((user, integrity)) => {
                let integrity = integrity.map(|integrity| Box::new(integrity) as _);
                Accept::Accepted { user, token: None, integrity }
            }
            Err(why) => Accept::Refused { why, token: None },
        }
    }
}

impl fmt::Debug for NtlmAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NtlmAcceptor")
            .field("users", &self.users)
            .field("form", &self.form)
            .field("challenged", &self.challenged.is_some())
            .finish_non_exhaustive()
    }
}

fn exported_session_key(message: &AuthenticateMessage, key_exchange_key: Key) -> Result<Key, String> {
    if !has(message.flags(), NEGOTIATE_KEY_EXCH) {
        return Ok(key_exchange_key);
    }
    match message.encrypted_session_key().try_into() {
        Ok(encrypted) => Ok(exchange_key(&key_exchange_key, encrypted)),
        Err(_) => Err("the encrypted session key has not 16 octets".to_owned()),
    }
}

fn verify_mic(
    challenged: &Challenged,
    message: &AuthenticateMessage,
    session_key: &Key,
) -> Result<(), String> {
    let Some((mic, unsigned)) = message.mic() else {
        return Err("the MIC is announced, but there is no room for it before the payload".to_owned());
    };
    let expected =
        message_integrity_code(session_key, [&challenged.negotiate, &challenged.challenge, &unsigned]);
    if same(&expected, &mic) { Ok(()) } else { Err("the MIC does not match the three messages".to_owned()) }
}
