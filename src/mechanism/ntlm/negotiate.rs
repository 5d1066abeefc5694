//! NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1): what the client can do.

use crate::mechanism::ntlm::wire::{SIGNATURE, VERSION};

/// The message: always 40 octets. Flags at 12, domain at 16, workstation at 24, version at 32.
/// Domain and workstation stay empty, since they would go in an OEM code page before anything is
/// negotiated. The version is always there, because gss-ntlmssp takes a message without it for
/// truncated.
pub(super) fn negotiate_message(requested: u32) -> [u8; 40] {
    let mut message = [0; 40];
    message[..8].copy_from_slice(SIGNATURE);
    message[8] = 1;
    message[12..16].copy_from_slice(&requested.to_le_bytes());
    message[32..].copy_from_slice(&VERSION);
    message
}
