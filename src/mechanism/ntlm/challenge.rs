//! CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2), as far as an answer needs it.

use crate::mechanism::MechanismError;
use crate::mechanism::ntlm::av_pairs::AvPairs;
use crate::mechanism::ntlm::flags::{NEGOTIATE_TARGET_INFO, has};
use crate::mechanism::ntlm::wire::Message;

/// Signature, type, target name (12), flags (20), server challenge (24). Old servers stop here;
/// reserved (32), target information (40) and version (48) follow elsewhere.
const SHORTEST_HEADER: usize = 32;
const HEADER_WITH_TARGET_INFO: usize = 48;

/// Real challenges have a few hundred octets; the cap also keeps the answer, which quotes the
/// target information, within the 16-bit lengths of its buffers.
const LONGEST: usize = 16 * 1024;

/// What the server says.
///
/// Its target name is not read: nothing depends on it, and servers are known that get its offset
/// wrong.
pub(super) struct ChallengeMessage<'a> {
    pub(super) flags: u32,
    pub(super) server_challenge: [u8; 8],
    /// `None` where the server sends none, or an empty one.
    pub(super) target_info: Option<AvPairs<'a>>,
}

impl<'a> ChallengeMessage<'a> {
    /// Reads the message.
    pub(super) fn parse(octets: &'a [u8]) -> Result<Self, MechanismError> {
        let message = Message::parse(octets, 2, SHORTEST_HEADER)?;
        if octets.len() > LONGEST {
            return Err(
                message.defective(format!("{} octets, but at most {LONGEST} are allowed", octets.len()))
            );
        }
        let flags = message.u32(20, "flags")?;
        let server_challenge = message.array(24, "server challenge")?;
        // Only the flag tells whether offset 40 is a field or already payload.
        let target_info = if has(flags, NEGOTIATE_TARGET_INFO) {
            let buffer = message.buffer(40, HEADER_WITH_TARGET_INFO, "target information")?;
            if buffer.octets.is_empty() { None } else { Some(AvPairs::parse(&message, buffer)?) }
        } else {
            None
        };
        Ok(Self { flags, server_challenge, target_info })
    }
}
