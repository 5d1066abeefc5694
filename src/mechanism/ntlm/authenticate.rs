//! AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3): the proof.

use crate::mechanism::ntlm::names::push_utf16;
use crate::mechanism::ntlm::wire::MessageWriter;

/// Six buffers from 12, flags at 60, version at 64.
const HEADER: usize = 72;
/// The same and the MIC.
const HEADER_WITH_MIC: usize = 88;

/// What goes into the message.
pub(super) struct AuthenticateFields<'a> {
    pub(super) flags: u32,
    pub(super) version: [u8; 8],
    pub(super) domain: &'a str,
    pub(super) user: &'a str,
    pub(super) workstation: &'a str,
    pub(super) lm_response: [u8; 24],
    /// The NT response is the two together.
    pub(super) nt_proof: [u8; 16],
    pub(super) client_challenge: &'a [u8],
    pub(super) encrypted_session_key: &'a [u8],
}

impl AuthenticateFields<'_> {
    /// The message without a MIC.
    pub(super) fn write(&self) -> Vec<u8> {
        self.with_header(HEADER)
    }

    /// The message with a MIC, which is computed over the message in which it is zero.
    pub(super) fn write_with_mic(&self, mic: impl FnOnce(&[u8]) -> [u8; 16]) -> Vec<u8> {
        let mut message = self.with_header(HEADER_WITH_MIC);
        let mic = mic(&message);
        message[HEADER..HEADER_WITH_MIC].copy_from_slice(&mic);
        message
    }

    fn with_header(&self, header: usize) -> Vec<u8> {
        let names = [self.domain, self.user, self.workstation];
        let proofs =
            [self.lm_response.as_slice(), &self.nt_proof, self.client_challenge, self.encrypted_session_key];
        let payload = names.iter().map(|name| 2 * name.len()).sum::<usize>()
            + proofs.iter().map(|proof| proof.len()).sum::<usize>();
        let mut message = MessageWriter::new(3, header, payload);
        // Windows' order in the payload: names first, though their fields come third to fifth.
        let [domain, user, workstation] =
            names.map(|name| message.place_by(|payload| push_utf16(payload, name)));
        let lm_response = message.place(&self.lm_response);
        let nt_response = message.place_by(|payload| {
            payload.extend_from_slice(&self.nt_proof);
            payload.extend_from_slice(self.client_challenge);
        });
        let encrypted_session_key = message.place(self.encrypted_session_key);
        for field in [lm_response, nt_response, domain, user, workstation, encrypted_session_key] {
            message.octets(&field);
        }
        message.u32(self.flags).octets(&self.version);
        message.finish()
    }
}
