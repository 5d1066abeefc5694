//! The two steps of an initiator: negotiate, then answer the challenge (MS-NLMP 3.1.5.1).

use zeroize::Zeroizing;

use crate::channel_bindings::AbsentChannelBindings;
use crate::credentials::{Credentials, Secret};
use crate::mechanism::ntlm::Ntlm;
use crate::mechanism::ntlm::authenticate::Authenticate;
use crate::mechanism::ntlm::av_pairs::{self, AvPairs};
use crate::mechanism::ntlm::challenge::Challenge;
use crate::mechanism::ntlm::crypto::{
    Key, channel_bindings_hash, client_challenge, exchange_key, lm_response, message_integrity_code,
    nt_proof, response_key, session_base_key,
};
use crate::mechanism::ntlm::filetime::filetime;
use crate::mechanism::ntlm::flags::{
    NEGOTIATE_KEY_EXCH, NEGOTIATE_SIGN, NEGOTIATE_TARGET_INFO, NEGOTIATE_UNICODE, NEGOTIATE_VERSION,
    REQUEST_TARGET, REQUESTED, has,
};
use crate::mechanism::ntlm::integrity::{Integrity, Way};
use crate::mechanism::ntlm::names::{Account, check_length, utf16};
use crate::mechanism::ntlm::negotiate::negotiate_message;
use crate::mechanism::ntlm::wire::VERSION;
use crate::mechanism::{
    Binding, ErrorKind, Established, Expects, Initiate, MechanismError, Moment, MutualAuthentication, Proves,
    SecurityContext, Step,
};

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
        let negotiate = negotiate_message();
        Ok(Step::Continue {
            token: negotiate.clone(),
            context: Box::new(Negotiated { options, arguments, moment, negotiate }),
            expects: Expects::Challenge,
            proves: Proves::Nothing,
        })
    }
}

/// Refuses what cannot serve before anything is sent.
fn check_credentials(credentials: &Credentials) -> Result<(), MechanismError> {
    let (username, password) = password(credentials)?;
    Account::parse(username)?;
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

/// The NEGOTIATE_MESSAGE is sent; its octets count in the MIC.
struct Negotiated {
    options: Ntlm,
    arguments: Initiate,
    moment: Moment,
    negotiate: Vec<u8>,
}

impl SecurityContext for Negotiated {
    fn step(self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let Some(input) = input else {
            return Err(MechanismError::new(
                ErrorKind::MissingToken,
                "the server sent no NTLM challenge: it refused the negotiation, or lost its state",
            ));
        };
        let challenge = Challenge::parse(input)?;
        let flags = negotiated_flags(challenge.flags)?;
        let (token, exported_session_key) = self.answer(input, &challenge, flags)?;

        let principal = self.arguments.credentials.username().map(str::to_owned);
        let mut established = Established::new("NTLM", principal, Binding::Connection);
        if let Some(integrity) = Integrity::negotiated(flags, &exported_session_key, Way::ClientToServer) {
            established.integrity = Some(Box::new(integrity));
        }
        Ok(Step::Complete { token: Some(token), established })
    }
}

impl Negotiated {
    /// The AUTHENTICATE_MESSAGE and the session key that goes with it (3.1.5.1.2, 3.3.2).
    fn answer(
        &self,
        challenge_message: &[u8],
        challenge: &Challenge<'_>,
        flags: u32,
    ) -> Result<(Vec<u8>, Key), MechanismError> {
        let (username, password) = password(&self.arguments.credentials)?;
        let Account { domain, user } = Account::parse(username)?;
        let response_key = response_key(user, domain, password.expose());
        let (nonce, random_session_key) = self.random();

        let timestamp = challenge.target_info.as_ref().and_then(AvPairs::timestamp);
        let time = timestamp.unwrap_or_else(|| filetime(self.moment.now));
        let av_pairs = challenge.target_info.as_ref().map(|info| self.av_pairs(info).to_octets());
        let client_challenge = client_challenge(time, nonce, &av_pairs.unwrap_or_default());
        let nt_proof = nt_proof(&response_key, challenge.server_challenge, &client_challenge);
        // A server that sends its time wants no LMv2 response beside the NT one.
        let lm_response = match timestamp {
            Some(_) => [0; 24],
            None => lm_response(&response_key, challenge.server_challenge, nonce),
        };

        let key_exchange_key = session_base_key(&response_key, &nt_proof);
        let (exported_session_key, encrypted_session_key) = if has(flags, NEGOTIATE_KEY_EXCH) {
            let encrypted = exchange_key(&key_exchange_key, &random_session_key);
            (random_session_key, encrypted.to_vec())
        } else {
            (key_exchange_key, Vec::new())
        };

        let message = Authenticate {
            flags,
            version: if has(flags, NEGOTIATE_VERSION) { VERSION } else { [0; 8] },
            domain: &utf16(domain),
            user: &utf16(user),
            workstation: &utf16(&self.options.workstation),
            lm_response: &lm_response,
            nt_response: &[nt_proof.as_slice(), &client_challenge].concat(),
            encrypted_session_key: &encrypted_session_key,
        };
        let token = match timestamp {
            Some(_) => message.write_with_mic(|unsigned| {
                let messages = [&self.negotiate, challenge_message, unsigned];
                message_integrity_code(&exported_session_key, messages)
            }),
            None => message.write(),
        };
        Ok((token, exported_session_key))
    }

    /// The server's target information with the client's own pairs in place of what the server
    /// may have put there.
    fn av_pairs(&self, target_info: &AvPairs<'_>) -> AvPairs<'static> {
        let mut pairs = target_info.to_owned();
        let flags = match pairs.timestamp() {
            Some(_) => pairs.flags() | av_pairs::FLAG_MIC,
            None => pairs.flags() & !av_pairs::FLAG_MIC,
        };
        pairs.remove(av_pairs::FLAGS);
        if flags != 0 {
            pairs.set(av_pairs::FLAGS, flags.to_le_bytes().to_vec());
        }
        pairs.remove(av_pairs::CHANNEL_BINDINGS);
        match (&self.arguments.channel_bindings, self.arguments.absent_channel_bindings) {
            (Some(bindings), _) => {
                pairs.set(av_pairs::CHANNEL_BINDINGS, channel_bindings_hash(bindings).to_vec());
            }
            (None, AbsentChannelBindings::Zeros) => pairs.set(av_pairs::CHANNEL_BINDINGS, vec![0; 16]),
            (None, AbsentChannelBindings::LeftOut) => {}
        }
        pairs.remove(av_pairs::TARGET_NAME);
        if !self.arguments.target_name.is_empty() {
            pairs.set(av_pairs::TARGET_NAME, utf16(&self.arguments.target_name).to_vec());
        }
        pairs
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
fn negotiated_flags(offered: u32) -> Result<u32, MechanismError> {
    if !has(offered, NEGOTIATE_UNICODE) {
        return Err(MechanismError::new(
            ErrorKind::Unsupported,
            "the NTLM challenge (flags at offset 20) does not offer Unicode, and OEM code pages are not supported",
        ));
    }
    let granted = offered & (REQUESTED | NEGOTIATE_TARGET_INFO) | REQUEST_TARGET;
    Ok(if has(granted, NEGOTIATE_SIGN) { granted } else { granted & !NEGOTIATE_KEY_EXCH })
}
