//! Attribute and value pairs: the target information of the server, and the client's additions
//! to it (MS-NLMP 2.2.2.1).

use std::borrow::Cow;

use crate::mechanism::MechanismError;
use crate::mechanism::ntlm::wire::{Buffer, Message};

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

/// The pairs, in order, without the one that ends them.
#[derive(Default)]
pub(crate) struct AvPairs<'a> {
    pairs: Vec<(u16, Cow<'a, [u8]>)>,
}

impl<'a> AvPairs<'a> {
    /// Reads the pairs of a buffer. What follows the end of the list is ignored: the client's
    /// pairs are followed by four octets that are reserved (MS-NLMP 2.2.2.7).
    pub(crate) fn parse(message: &Message<'_>, buffer: Buffer<'a>) -> Result<Self, MechanismError> {
        let mut pairs = Vec::new();
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
                return Ok(Self { pairs });
            }
            let Some((value, tail)) = tail.split_at_checked(length) else {
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
            pairs.push((id, Cow::Borrowed(value)));
            rest = tail;
        }
    }

    /// The same pairs, on their own.
    pub(crate) fn to_owned(&self) -> AvPairs<'static> {
        let owned = |(id, value): &(u16, Cow<'_, [u8]>)| (*id, Cow::Owned(value.to_vec()));
        AvPairs { pairs: self.pairs.iter().map(owned).collect() }
    }

    /// Adds a pair; earlier ones of the same kind are replaced.
    pub(crate) fn set(&mut self, id: u16, value: impl Into<Cow<'a, [u8]>>) {
        self.remove(id);
        self.pairs.push((id, value.into()));
    }

    /// Removes the pairs of a kind.
    pub(crate) fn remove(&mut self, id: u16) {
        self.pairs.retain(|(found, _)| *found != id);
    }

    /// The value of the first pair of a kind.
    pub(crate) fn value(&self, id: u16) -> Option<&[u8]> {
        self.pairs.iter().find(|(found, _)| *found == id).map(|(_, value)| value.as_ref())
    }

    /// The server's time, as it is on the wire.
    pub(crate) fn timestamp(&self) -> Option<[u8; 8]> {
        self.value(TIMESTAMP)?.try_into().ok()
    }

    /// The bits of [`FLAGS`], zero where there is no such pair.
    pub(crate) fn flags(&self) -> u32 {
        self.value(FLAGS).and_then(|value| value.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    /// The pairs and their end, as they go on the wire.
    pub(crate) fn to_octets(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        for (id, value) in &self.pairs {
            let length = u16::try_from(value.len()).expect("names are capped, other values copied");
            octets.extend_from_slice(&id.to_le_bytes());
            octets.extend_from_slice(&length.to_le_bytes());
            octets.extend_from_slice(value);
        }
        octets.extend_from_slice(&[0; 4]); // MsvAvEOL
        octets
    }
}
