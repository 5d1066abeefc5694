//! AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3): the proof.

use crate::mechanism::ntlm::wire::MessageWriter;

/// Six buffers from 12, flags at 60, version at 64.
const HEADER: usize = 72;
/// The same and the MIC.
const HEADER_WITH_MIC: usize = 88;

/// What goes into the message. Names are UTF-16LE.
pub(super) struct Authenticate<'a> {
    pub(super) flags: u32,
    pub(super) version: [u8; 8],
    pub(super) domain: &'a [u8],
    pub(super) user: &'a [u8],
    pub(super) workstation: &'a [u8],
    pub(super) lm_response: &'a [u8],
    pub(super) nt_response: &'a [u8],
    pub(super) encrypted_session_key: &'a [u8],
}

impl Authenticate<'_> {
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
        let mut message = MessageWriter::new(3, header);
        // Windows' order in the payload: names first, though their fields come third to fifth.
        let [domain, user, workstation] =
            [self.domain, self.user, self.workstation].map(|name| message.place(name));
        let [lm_response, nt_response, encrypted_session_key] =
            [self.lm_response, self.nt_response, self.encrypted_session_key]
                .map(|proof| message.place(proof));
        for field in [lm_response, nt_response, domain, user, workstation, encrypted_session_key] {
            message.octets(&field);
        }
        message.u32(self.flags).octets(&self.version);
        message.finish()
    }
}
