//! AUTHENTICATE_MESSAGE as a server reads it (MS-NLMP 2.2.1.3).

use std::fmt;

use crate::mechanism::MechanismError;
use crate::mechanism::ntlm::av_pairs::{self, AvPairs};
use crate::mechanism::ntlm::flags::{NEGOTIATE_UNICODE, has};
use crate::mechanism::ntlm::wire::{FieldBuffer, Message};
use crate::testing::ntlm::bindings::SentBindings;

/// Six buffers from 12 and the flags at 60. Version (64) and MIC (72) may be missing.
const SHORTEST_HEADER: usize = 64;
const MIC: std::ops::Range<usize> = 72..88;
/// NTProofStr, then NTLMv2_CLIENT_CHALLENGE (2.2.2.7), whose pairs begin at its octet 28.
const NT_PROOF: usize = 16;
const FIXED_CLIENT_CHALLENGE: usize = 28;

/// A client's AUTHENTICATE_MESSAGE with an NTLMv2 response.
///
/// For tests that look into what a client sent:
///
/// ```
/// use legwork::unversioned::testing::AuthenticateMessage;
///
/// let error = AuthenticateMessage::parse(b"NTLMSSP\0\x03\0\0\0").unwrap_err();
/// assert_eq!(error.to_string(), "NTLM message of type 3: 12 octets, but at least 64 are needed");
/// ```
pub struct AuthenticateMessage {
    octets: Vec<u8>,
    payload: usize,
    flags: u32,
    domain: String,
    user: String,
    workstation: String,
    lm_response: Vec<u8>,
    nt_response: Vec<u8>,
    encrypted_session_key: Vec<u8>,
}

impl AuthenticateMessage {
    /// Reads the message.
    ///
    /// # Errors
    ///
    /// [`MechanismError`] that says what is wrong and where, also for LM and NTLMv1 responses.
    pub fn parse(octets: &[u8]) -> Result<Self, MechanismError> {
        let message = Message::parse(octets, 3, SHORTEST_HEADER)?;
        let mut payload = octets.len();
        let mut buffer = |offset, what| {
            let buffer = message.buffer(offset, SHORTEST_HEADER, what)?;
            if !buffer.octets.is_empty() {
                payload = payload.min(buffer.offset);
            }
            Ok::<_, MechanismError>(buffer)
        };
        let lm_response = buffer(12, "LM response")?;
        let nt_response = buffer(20, "NT response")?;
        let domain = buffer(28, "domain")?;
        let user = buffer(36, "user")?;
        let workstation = buffer(44, "workstation")?;
        let encrypted_session_key = buffer(52, "encrypted session key")?;

        let Some(pairs) = nt_response.octets.get(NT_PROOF + FIXED_CLIENT_CHALLENGE..) else {
            return Err(message
                .defective(format!("an NT response of {} octets is not NTLMv2", nt_response.octets.len())));
        };
        let flags = message.u32(60, "flags")?;
        let text = |buffer, what| text(&message, flags, buffer, what);
        let offset = nt_response.offset + NT_PROOF + FIXED_CLIENT_CHALLENGE;
        AvPairs::parse(&message, FieldBuffer { octets: pairs, offset })?;
        Ok(Self {
            octets: octets.to_vec(),
            payload,
            flags,
            domain: text(domain, "domain")?,
            user: text(user, "user")?,
            workstation: text(workstation, "workstation")?,
            lm_response: lm_response.octets.to_vec(),
            nt_response: nt_response.octets.to_vec(),
            encrypted_session_key: encrypted_session_key.octets.to_vec(),
        })
    }

    /// Returns the negotiate flags (2.2.2.5).
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Returns the user's domain, possibly empty.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Returns the user's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the name of the client's machine, possibly empty.
    pub fn workstation(&self) -> &str {
        &self.workstation
    }

    /// Returns the LM response: 24 octets, zero where the server had sent its time.
    pub fn lm_response(&self) -> &[u8] {
        &self.lm_response
    }

    /// Returns the first 16 octets of the NT response.
    pub fn nt_proof(&self) -> &[u8] {
        &self.nt_response[..NT_PROOF]
    }

    /// Returns what the proof is over: time, the client's challenge, the pairs.
    pub fn client_challenge(&self) -> &[u8] {
        &self.nt_response[NT_PROOF..]
    }

    /// Returns the session key under the key exchange key, or nothing.
    pub fn encrypted_session_key(&self) -> &[u8] {
        &self.encrypted_session_key
    }

    fn av_pairs(&self) -> AvPairs<'_> {
        AvPairs::checked(&self.nt_response[NT_PROOF + FIXED_CLIENT_CHALLENGE..])
    }

    /// Returns the bits of `MsvAvFlags`; `0x2` announces a MIC.
    pub fn av_flags(&self) -> u32 {
        self.av_pairs().flags()
    }

    /// Returns the service principal name in `MsvAvTargetName`.
    pub fn target_name(&self) -> Option<String> {
        self.av_pairs().value(av_pairs::TARGET_NAME).and_then(decode_utf16)
    }

    /// `MsvAvChannelBindings`: the MD5 hash of the bindings, or zeros.
    pub fn channel_bindings_hash(&self) -> Option<[u8; 16]> {
        self.av_pairs().value(av_pairs::CHANNEL_BINDINGS)?.try_into().ok()
    }

    /// Returns what that hash says, and whether it is there.
    pub fn channel_bindings(&self) -> SentBindings {
        SentBindings::of(self.channel_bindings_hash())
    }

    /// Returns the MIC, and the message with zeros in its place; `None` where the payload begins before
    /// the MIC would end.
    pub fn mic(&self) -> Option<([u8; 16], Vec<u8>)> {
        if self.payload < MIC.end {
            return None;
        }
        let mic = self.octets.get(MIC)?.try_into().ok()?;
        let mut unsigned = self.octets.clone();
        unsigned[MIC].fill(0);
        Some((mic, unsigned))
    }
}

impl fmt::Debug for AuthenticateMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticateMessage")
            .field("flags", &format_args!("{:#010x}", self.flags))
            .field("domain", &self.domain)
            .field("user", &self.user)
            .field("workstation", &self.workstation)
            .field("target_name", &self.target_name())
            .field("mic", &self.mic().is_some())
            .finish_non_exhaustive()
    }
}

/// Without the flag it is in some code page, of which ASCII is what all have: curl sends its names so.
fn text(
    message: &Message<'_>,
    flags: u32,
    buffer: FieldBuffer<'_>,
    what: &str,
) -> Result<String, MechanismError> {
    let (text, coding) = match has(flags, NEGOTIATE_UNICODE) {
        true => (decode_utf16(buffer.octets), "UTF-16"),
        false => {
            let text = std::str::from_utf8(buffer.octets).ok().filter(|text| text.is_ascii());
            (text.map(str::to_owned), "ASCII")
        }
    };
    text.ok_or_else(|| message.defective(format!("its {what} at offset {} is not {coding}", buffer.offset)))
}

fn decode_utf16(octets: &[u8]) -> Option<String> {
    let units = octets.chunks_exact(2);
    if !units.remainder().is_empty() {
        return None;
    }
    char::decode_utf16(units.map(|unit| u16::from_le_bytes([unit[0], unit[1]])))
        .collect::<Result<_, _>>()
        .ok()
}
