//! Attribute and value pairs: the target information of the server, and the client's additions
//! to it (MS-NLMP 2.2.2.1).

use crate::mechanism::MechanismError;
use crate::mechanism::ntlm::names::push_utf16;
use crate::mechanism::ntlm::wire::{FieldBuffer, Message};

/// The end of the list; has no value.
const EOL: u16 = 0;
/// Bits about the authentication, 32 bit.
pub(crate) const FLAGS: u16 = 6;
/// The server's time as a FILETIME, 64 bit.
pub(crate) const TIMESTAMP: u16 = 7;
/// The service principal name that the client asked for.
pub(crate) const TARGET_NAME: u16 = 9;
/// The MD5 hash of the channel bindings.
pub(crate) const CHANNEL_BINDINGS: u16 = 10;

/// The bit in [`FLAGS`] that says that the AUTHENTICATE_MESSAGE has a MIC.
pub(crate) const FLAG_MIC: u32 = 0x2;

/// A list of pairs, checked, on the wire.
#[derive(Clone, Copy)]
pub(crate) struct AvPairs<'a> {
    octets: &'a [u8],
}

impl<'a> AvPairs<'a> {
    /// Reads the pairs of a buffer. What follows the end of the list is ignored: the client's
    /// pairs are followed by four octets that are reserved (MS-NLMP 2.2.2.7).
    pub(crate) fn parse(message: &Message<'_>, buffer: FieldBuffer<'a>) -> Result<Self, MechanismError> {
        let mut rest = buffer.octets;
        loop {
            let at = buffer.offset + buffer.octets.len() - rest.len();
            let Some((&[id_low, id_high, length_low, length_high], tail)) = rest.split_first_chunk() else {
                return Err(
                    message.defective(format!("the list of pairs ends without MsvAvEOL at offset {at}"))
                );
            };
            let id = u16::from_le_bytes([id_low, id_high]);
            let length = usize::from(u16::from_le_bytes([length_low, length_high]));
            if id == EOL {
                return Ok(Self { octets: buffer.octets });
            }
            let Some((_, tail)) = tail.split_at_checked(length) else {
                return Err(message.defective(format!(
                    "pair {id} at offset {at} has a value of {length} octets, of which {} are there",
                    tail.len()
                )));
            };
            let fixed = match id {
                FLAGS => Some(4),
                TIMESTAMP => Some(8),
                CHANNEL_BINDINGS => Some(16),
                _ => None,
            };
            if fixed.is_some_and(|fixed| fixed != length) {
                return Err(
                    message.defective(format!("pair {id} at offset {at} has a value of {length} octets"))
                );
            }
            rest = tail;
        }
    }

    /// The pairs of octets that have been checked.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn checked(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// The pairs, in order, without the one that ends them.
    pub(crate) fn iter(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.octets;
        std::iter::from_fn(move || {
            let (&[id_low, id_high, length_low, length_high], tail) = rest.split_first_chunk()?;
            let id = u16::from_le_bytes([id_low, id_high]);
            let length = u16::from_le_bytes([length_low, length_high]);
            let value;
            (value, rest) = tail.split_at_checked(length.into())?;
            (id != EOL).then_some((id, value))
        })
    }

    /// The value of the first pair of a kind.
    pub(crate) fn value(self, id: u16) -> Option<&'a [u8]> {
        self.iter().find(|(found, _)| *found == id).map(|(_, value)| value)
    }

    /// The server's time, as it is on the wire.
    pub(crate) fn timestamp(self) -> Option<[u8; 8]> {
        self.value(TIMESTAMP)?.try_into().ok()
    }

    /// The bits of [`FLAGS`], zero where there is no such pair.
    pub(crate) fn flags(self) -> u32 {
        self.value(FLAGS).and_then(|value| value.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    /// How many octets they take, with what follows them.
    pub(crate) fn len(self) -> usize {
        self.octets.len()
    }
}

/// Appends a pair to a list.
pub(crate) fn push(list: &mut Vec<u8>, id: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).expect("names are capped, other values copied");
    list.extend_from_slice(&id.to_le_bytes());
    list.extend_from_slice(&length.to_le_bytes());
    list.extend_from_slice(value);
}

/// Appends a pair whose value is a text.
pub(crate) fn push_text(list: &mut Vec<u8>, id: u16, text: &str) {
    let start = list.len();
    push(list, id, &[]);
    push_utf16(list, text);
    let length = u16::try_from(list.len() - start - 4).expect("names are capped");
    list[start + 2..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Appends the end of a list.
pub(crate) fn push_end(list: &mut Vec<u8>) {
    push(list, EOL, &[]);
}
