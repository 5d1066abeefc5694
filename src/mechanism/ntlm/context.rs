//! The two steps of an initiator: negotiate, then answer the challenge (MS-NLMP 3.1.5.1).

use zeroize::Zeroizing;

use crate::channel_bindings::AbsentChannelBindings;
use crate::credentials::{Credentials, Secret};
use crate::mechanism::bindings_hash::channel_bindings_hash;
use crate::mechanism::ntlm::Ntlm;
use crate::mechanism::ntlm::authenticate::AuthenticateFields;
use crate::mechanism::ntlm::av_pairs::{self, AvPairs};
use crate::mechanism::ntlm::challenge::ChallengeMessage;
use crate::mechanism::ntlm::crypto::{
    Key, client_challenge, exchange_key, keyed, lm_response, message_integrity_code, nt_proof, response_key,
    session_base_key,
};
use crate::mechanism::ntlm::filetime::filetime;
use crate::mechanism::ntlm::flags::{
    NEGOTIATE_KEY_EXCH, NEGOTIATE_SIGN, NEGOTIATE_TARGET_INFO, NEGOTIATE_UNICODE, NEGOTIATE_VERSION,
    REQUEST_TARGET, REQUESTED, REQUESTED_FOR_INTEGRITY, has,
};
use crate::mechanism::ntlm::integrity::{Direction, NtlmIntegrity};
use crate::mechanism::ntlm::names::{AccountName, check_length};
use crate::mechanism::ntlm::negotiate::negotiate_message;
use crate::mechanism::ntlm::wire::VERSION;
use crate::mechanism::{
    Binding, ErrorKind, Established, Expects, Initiate, Mechanism, MechanismError, Moment,
    MutualAuthentication, Proves, SecurityContext, Step,
};

impl Mechanism for Ntlm {
    fn name(&self) -> &'static str {
        "NTLM"
    }

    /// 1.3.6.1.4.1.311.2.2.10.
    fn oid(&self) -> &'static [u8] {
        &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a]
    }

    fn initiate(&self, arguments: Initiate, moment: Moment) -> Box<dyn SecurityContext> {
        Box::new(Begin::new(self.clone(), arguments, moment))
    }
}

/// Nothing sent yet.
pub(super) struct Begin {
    options: Ntlm,
    arguments: Initiate,
    moment: Moment,
}

impl Begin {
    pub(super) fn new(options: Ntlm, arguments: Initiate, moment: Moment) -> Self {
        Self { options, arguments, moment }
    }
}

impl SecurityContext for Begin {
    fn step(self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        if input.is_some() {
            return Err(MechanismError::new(
                ErrorKind::DefectiveToken,
                "a token came first, but NTLM's initiator begins",
            ));
        }
        let Self { options, arguments, moment } = *self;
        if arguments.mutual_authentication == MutualAuthentication::Required {
            return Err(MechanismError::new(ErrorKind::Unsupported, "NTLM cannot authenticate the server"));
        }
        check_credentials(&arguments.credentials)?;
        check_length("target name", &arguments.target_name)?;
        check_length("workstation name", &options.workstation)?;
        let requested = if arguments.integrity { REQUESTED | REQUESTED_FOR_INTEGRITY } else { REQUESTED };
        Ok(Step::Continue {
            token: negotiate_message(requested).to_vec(),
            context: Box::new(NegotiateSent { options, arguments, moment, requested }),
            expects: Expects::Challenge,
            proves: Proves::Nothing,
        })
    }
}

/// Refuses what cannot serve before anything is sent.
fn check_credentials(credentials: &Credentials) -> Result<(), MechanismError> {
    let (username, password) = password(credentials)?;
    AccountName::parse(username)?;
    check_length("user name", username)?;
    check_length("password", password.expose())
}

fn password(credentials: &Credentials) -> Result<(&str, &Secret), MechanismError> {
    credentials.as_password().ok_or_else(|| {
        MechanismError::new(
            ErrorKind::Credentials,
            "NTLM needs a password, which the system does not give away",
        )
    })
}

/// The NEGOTIATE_MESSAGE is sent.
struct NegotiateSent {
    options: Ntlm,
    arguments: Initiate,
    moment: Moment,
    requested: u32,
}

impl SecurityContext for NegotiateSent {
    fn step(self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let Some(input) = input else {
            return Err(MechanismError::new(
                ErrorKind::MissingToken,
                "the server sent no NTLM challenge: it refused the negotiation, or lost its state",
            ));
        };
        let challenge = ChallengeMessage::parse(input)?;
        let flags = negotiated_flags(self.requested, challenge.flags)?;
        let (token, exported_session_key) = self.answer(input, &challenge, flags)?;

        let principal = self.arguments.credentials.username().map(str::to_owned);
        let mut established = Established::new("NTLM", principal, Binding::Connection);
        if let Some(integrity) =
            NtlmIntegrity::negotiated(flags, &exported_session_key, Direction::ClientToServer)
        {
            established.integrity = Some(Box::new(integrity));
        }
        Ok(Step::Complete { token: Some(token), established })
    }
}

impl NegotiateSent {
    /// The AUTHENTICATE_MESSAGE and the session key that goes with it (3.1.5.1.2, 3.3.2).
    fn answer(
        &self,
        challenge_message: &[u8],
        challenge: &ChallengeMessage<'_>,
        flags: u32,
    ) -> Result<(Vec<u8>, Key), MechanismError> {
        let (username, password) = password(&self.arguments.credentials)?;
        let AccountName { domain, user } = AccountName::parse(username)?;
        let make_key = || keyed(&response_key(user, domain, password.expose()));
        let response_key = self.arguments.credentials.ntlm_key(make_key);
        let (nonce, random_session_key) = self.random();

        let timestamp = challenge.target_info.and_then(AvPairs::timestamp);
        let time = timestamp.unwrap_or_else(|| filetime(self.moment.now));
        let target_info = challenge.target_info;
        let room = target_info.map_or(0, |info| info.len() + 2 * self.arguments.target_name.len() + 40);
        let client_challenge = client_challenge(time, nonce, room, |pairs| {
            target_info.into_iter().for_each(|info| self.push_av_pairs(info, pairs));
        });
        let nt_proof = nt_proof(response_key, challenge.server_challenge, &client_challenge);
        // A server that sends its time wants no LMv2 response beside the NT one.
        let lm_response = match timestamp {
            Some(_) => [0; 24],
            None => lm_response(response_key, challenge.server_challenge, nonce),
        };

        let key_exchange_key = session_base_key(response_key, &nt_proof);
        let (exported_session_key, encrypted_session_key) = if has(flags, NEGOTIATE_KEY_EXCH) {
            let encrypted = exchange_key(&key_exchange_key, &random_session_key);
            (random_session_key, Some(encrypted))
        } else {
            (key_exchange_key, None)
        };

        let message = AuthenticateFields {
            flags,
            version: if has(flags, NEGOTIATE_VERSION) { VERSION } else { [0; 8] },
            domain,
            user,
            workstation: &self.options.workstation,
            lm_response,
            nt_proof,
            client_challenge: &client_challenge,
            encrypted_session_key: encrypted_session_key.as_ref().map_or(&[], |key| key.as_slice()),
        };
        let token = match timestamp {
            Some(_) => message.write_with_mic(|unsigned| {
                let negotiate = negotiate_message(self.requested);
                message_integrity_code(&exported_session_key, [&negotiate, challenge_message, unsigned])
            }),
            None => message.write(),
        };
        Ok((token, exported_session_key))
    }

    /// Appends the server's target information with the client's own pairs in place of what the server
    /// may have put there.
    fn push_av_pairs(&self, target_info: AvPairs<'_>, pairs: &mut Vec<u8>) {
        for (id, value) in target_info.iter() {
            if !matches!(id, av_pairs::FLAGS | av_pairs::CHANNEL_BINDINGS | av_pairs::TARGET_NAME) {
                av_pairs::push(pairs, id, value);
            }
        }
        let flags = match target_info.timestamp() {
            Some(_) => target_info.flags() | av_pairs::FLAG_MIC,
            None => target_info.flags() & !av_pairs::FLAG_MIC,
        };
        if flags != 0 {
            av_pairs::push(pairs, av_pairs::FLAGS, &flags.to_le_bytes());
        }
        let bindings = match (&self.arguments.channel_bindings, self.arguments.absent_channel_bindings) {
            (Some(bindings), _) => Some(channel_bindings_hash(bindings)),
            (None, AbsentChannelBindings::Zeros) => Some([0; 16]),
            (None, AbsentChannelBindings::LeftOut) => None,
        };
        if let Some(hash) = bindings {
            av_pairs::push(pairs, av_pairs::CHANNEL_BINDINGS, &hash);
        }
        if !self.arguments.target_name.is_empty() {
            av_pairs::push_text(pairs, av_pairs::TARGET_NAME, &self.arguments.target_name);
        }
        av_pairs::push_end(pairs);
    }

    /// The client's challenge and a session key.
    fn random(&self) -> ([u8; 8], Key) {
        let entropy = self.moment.entropy.octets();
        let (mut challenge, mut session_key) = ([0; 8], Zeroizing::new([0; 16]));
        challenge.copy_from_slice(&entropy[..8]);
        session_key.copy_from_slice(&entropy[8..24]);
        (challenge, session_key)
    }
}

/// What both sides have: what was asked for and granted.
///
/// Without Unicode there is no answer: the names would have to go in a code page that nobody
/// tells. A key is exchanged only where it signs something (3.1.5.1.2).
fn negotiated_flags(requested: u32, offered: u32) -> Result<u32, MechanismError> {
    if !has(offered, NEGOTIATE_UNICODE) {
        return Err(MechanismError::new(
            ErrorKind::Unsupported,
            "the NTLM challenge (flags at offset 20) does not offer Unicode, and OEM code pages are not supported",
        ));
    }
    let granted = offered & (requested | NEGOTIATE_TARGET_INFO) | REQUEST_TARGET;
    Ok(if has(granted, NEGOTIATE_SIGN) { granted } else { granted & !NEGOTIATE_KEY_EXCH })
}
