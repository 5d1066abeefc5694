//! What the messages are made of: little-endian numbers, and buffers that a length and an offset
//! in the header point to (MS-NLMP 2.2).

use crate::mechanism::{ErrorKind, MechanismError};

/// What every message begins with.
pub(crate) const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// Windows 10 without a build number, NTLM revision 15 (MS-NLMP 2.2.2.10). For debugging only;
/// servers must not act on it, and the build of the machine is nobody's business.
pub(crate) const VERSION: [u8; 8] = [10, 0, 0, 0, 0, 0, 0, 15];

/// A message of the peer whose signature, type and header length have been checked.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    octets: &'a [u8],
    kind: u32,
}

impl<'a> Message<'a> {
    /// Checks signature and type, and that the fixed part of `header` octets is there.
    pub(crate) fn parse(octets: &'a [u8], kind: u32, header: usize) -> Result<Self, MechanismError> {
        let message = Self { octets, kind };
        if !octets.starts_with(SIGNATURE) {
            return Err(message.defective("no NTLMSSP signature at offset 0"));
        }
        let found = message.u32(8, "type")?;
        if found != kind {
            return Err(message.defective(format!("the type at offset 8 is {found}")));
        }
        if octets.len() < header {
            return Err(
                message.defective(format!("{} octets, but at least {header} are needed", octets.len()))
            );
        }
        Ok(message)
    }

    /// The octets at `offset`.
    pub(crate) fn array<const N: usize>(&self, offset: usize, what: &str) -> Result<[u8; N], MechanismError> {
        self.octets
            .get(offset..)
            .and_then(|rest| rest.first_chunk())
            .copied()
            .ok_or_else(|| self.defective(format!("ends before its {what} at offset {offset}")))
    }

    /// The number at `offset`.
    pub(crate) fn u32(&self, offset: usize, what: &str) -> Result<u32, MechanismError> {
        self.array(offset, what).map(u32::from_le_bytes)
    }

    /// The buffer that the field at `offset` points to: length (16 bit), allocated length, which
    /// is to be ignored, and offset (32 bit). Empty buffers may point anywhere; others must lie
    /// behind the first `header` octets.
    pub(crate) fn buffer(
        &self,
        offset: usize,
        header: usize,
        what: &str,
    ) -> Result<FieldBuffer<'a>, MechanismError> {
        let length = usize::from(u16::from_le_bytes(self.array(offset, what)?));
        let start = self.u32(offset + 4, what)?;
        if length == 0 {
            return Ok(FieldBuffer { octets: &[], offset: 0 });
        }
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        if start < header {
            return Err(self.defective(format!(
                "its {what} (field at offset {offset}) begins at {start}, inside the header"
            )));
        }
        let octets =
            start.checked_add(length).and_then(|end| self.octets.get(start..end)).ok_or_else(|| {
                self.defective(format!(
                "its {what} (field at offset {offset}) is {length} octets at {start}, beyond the end at {}",
                self.octets.len()
            ))
            })?;
        Ok(FieldBuffer { octets, offset: start })
    }

    /// An error that names the message.
    pub(crate) fn defective(&self, what: impl AsRef<str>) -> MechanismError {
        MechanismError::new(
            ErrorKind::DefectiveToken,
            format!("NTLM message of type {}: {}", self.kind, what.as_ref()),
        )
    }
}

/// A buffer of a message, and where in the message it begins.
#[derive(Clone, Copy)]
pub(crate) struct FieldBuffer<'a> {
    pub(crate) octets: &'a [u8],
    pub(crate) offset: usize,
}

/// A message being written: a header of known length, and the payload behind it.
pub(crate) struct MessageWriter {
    octets: Vec<u8>,
    header: usize,
    /// Where the header's next field goes.
    next: usize,
}

impl MessageWriter {
    /// Begins a message with a header of `header` octets, and with room for so much payload.
    pub(crate) fn new(kind: u32, header: usize, payload: usize) -> Self {
        let mut octets = Vec::with_capacity(header + payload);
        octets.resize(header, 0);
        let mut message = Self { octets, header, next: 0 };
        message.octets(SIGNATURE).u32(kind);
        message
    }

    /// Writes octets to the header.
    pub(crate) fn octets(&mut self, octets: &[u8]) -> &mut Self {
        let place = self.next..self.next + octets.len();
        debug_assert!(place.end <= self.header, "more fields than header");
        self.next = place.end;
        self.octets[place].copy_from_slice(octets);
        self
    }

    /// Writes a number to the header.
    pub(crate) fn u32(&mut self, number: u32) -> &mut Self {
        self.octets(&number.to_le_bytes())
    }

    /// Appends a buffer to the payload and gives the field that points to it.
    pub(crate) fn place(&mut self, octets: &[u8]) -> [u8; 8] {
        self.place_by(|payload| payload.extend_from_slice(octets))
    }

    /// The same for what `append` writes, in as many parts as it has.
    pub(crate) fn place_by(&mut self, append: impl FnOnce(&mut Vec<u8>)) -> [u8; 8] {
        let start = self.octets.len();
        append(&mut self.octets);
        let length = u16::try_from(self.octets.len() - start)
            .expect("names and target information are capped")
            .to_le_bytes();
        let offset = u32::try_from(start).expect("a few buffers of 64 KiB");
        let mut field = [0; 8];
        field[..2].copy_from_slice(&length);
        field[2..4].copy_from_slice(&length);
        field[4..].copy_from_slice(&offset.to_le_bytes());
        field
    }

    /// The whole message; what is missing of the header is zeros.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.octets
    }
}
