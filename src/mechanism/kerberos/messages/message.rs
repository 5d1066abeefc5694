//! What a message is, and what all of them have in them.

use std::fmt;

use crate::der::{INTEGER, Malformed, Reader, Writer};

/// The protocol's version (`pvno`, `tkt-vno`, `authenticator-vno`).
pub(super) const VERSION: i32 = 5;

/// A message, or a value that is encoded on its own.
pub(crate) trait Message<'a>: Sized {
    /// Its name in the RFC, for errors.
    const NAME: &'static str;

    /// Octets that suffice for all but its borrowed parts.
    const FIXED: usize = 1024;

    /// Reads the next value.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed>;

    /// Writes it.
    fn write(&self, writer: &mut Writer);

    /// Octets that its borrowed parts take up. What holds keys has room from the start, so that no copy of them is left
    /// behind where a buffer had to grow.
    fn room(&self) -> usize {
        0
    }

    /// Decodes what holds this and nothing else.
    ///
    /// # Errors
    ///
    /// [`MalformedMessage`], which says what is wrong and where.
    fn decode(octets: &'a [u8]) -> Result<Self, MalformedMessage> {
        let decoded = Reader::new(octets).and_then(|mut reader| {
            let message = Self::read(&mut reader)?;
            reader.finish()?;
            Ok(message)
        });
        decoded.map_err(|malformed| MalformedMessage { message: Self::NAME, malformed })
    }

    /// Its octets.
    fn encode(&self) -> Vec<u8> {
        self.encode_behind(&[])
    }

    /// Its octets behind others.
    fn encode_behind(&self, octets: &[u8]) -> Vec<u8> {
        let mut writer = Writer::with_room(octets.len() + Self::FIXED + self.room());
        writer.encoded(octets);
        self.write(&mut writer);
        writer.finish()
    }
}

/// A SEQUENCE OF messages.
impl<'a, M: Message<'a>> Message<'a> for Vec<M> {
    const NAME: &'static str = M::NAME;

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.sequence_of(M::read)
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence_of(self, |writer, item| item.write(writer));
    }

    fn room(&self) -> usize {
        self.iter().map(M::room).sum()
    }
}

/// What is no message of the kind that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MalformedMessage {
    /// The message's name.
    pub(crate) message: &'static str,
    /// What is wrong, and where.
    pub(crate) malformed: Malformed,
}

impl fmt::Display for MalformedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed {}: {}", self.message, self.malformed)
    }
}

impl std::error::Error for MalformedMessage {}

/// Reads the version, which has to be 5.
pub(super) fn read_version(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    match reader.int32()? {
        VERSION => Ok(()),
        _ => Err(reader.malformed("another version than 5")),
    }
}

/// Reads a message's type, which has to be the one that its tag says.
pub(super) fn read_type(reader: &mut Reader<'_>, number: u8) -> Result<(), Malformed> {
    match reader.int32()? {
        found if found == i32::from(number) => Ok(()),
        _ => Err(reader.malformed("another msg-type than its tag says")),
    }
}

/// Reads `Microseconds ::= INTEGER (0..999999)`. DER has them in their shortest form, but there are clients that write four octets
/// always, and KDCs that take them.
pub(super) fn read_microseconds(reader: &mut Reader<'_>) -> Result<u32, Malformed> {
    let octets = reader.value(INTEGER)?;
    let number = match octets {
        [0..=0x7f, ..] if octets.len() <= 4 => {
            octets.iter().fold(0, |number, octet| number << 8 | u32::from(*octet))
        }
        _ => u32::MAX,
    };
    match number {
        0..=999_999 => Ok(number),
        _ => Err(reader.malformed("microseconds out of range")),
    }
}

/// Reads any SEQUENCE without looking into it, such as addresses.
pub(super) fn read_any_sequence<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    reader.encoded(|reader| reader.value(crate::der::SEQUENCE))
}
