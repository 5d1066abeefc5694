//! NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1): what the client can do.

use crate::mechanism::ntlm::flags::REQUESTED;
use crate::mechanism::ntlm::wire::{MessageWriter, VERSION};

/// Flags at 12, domain at 16, workstation at 24, version at 32.
const HEADER: usize = 40;

/// The message: always 40 octets. Domain and workstation stay empty, since they would go in an
/// OEM code page before anything is negotiated. The version is always there, because
/// gss-ntlmssp takes a message without it for truncated.
pub(super) fn negotiate_message() -> Vec<u8> {
    let mut message = MessageWriter::new(1, HEADER);
    message.u32(REQUESTED).octets(&[0; 16]).octets(&VERSION);
    message.finish()
}
