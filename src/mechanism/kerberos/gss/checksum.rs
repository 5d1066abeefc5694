//! The checksum of an Authenticator, which is none: channel bindings, flags and extensions (RFC 4121, section 4.1.1).

use crate::channel_bindings::ChannelBindings;
use crate::mechanism::MechanismError;
use crate::mechanism::bindings_hash::channel_bindings_hash;
use crate::mechanism::kerberos::gss::defective::defective;

/// Its checksum type.
pub(crate) const CHECKSUM_TYPE: i32 = 0x8003;

/// Context flags (RFC 4121, section 4.1.1.1).
#[allow(dead_code, reason = "the table is whole")]
pub(crate) mod flags {
    pub(crate) const DELEG: u32 = 1;
    pub(crate) const MUTUAL: u32 = 2;
    pub(crate) const REPLAY: u32 = 4;
    pub(crate) const SEQUENCE: u32 = 8;
    pub(crate) const CONF: u32 = 16;
    pub(crate) const INTEG: u32 = 32;
}

/// Octets of `Lgth`, `Bnd` and `Flags`.
const FIXED: usize = 24;

/// What a client asks of the context, and what ties it to its TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuthenticatorChecksum<'a> {
    /// `Bnd`: MD5 of the channel bindings, or zeros where there are none.
    pub(crate) bindings: [u8; 16],
    /// What is wanted, of [`flags`].
    pub(crate) flags: u32,
    /// A KRB-CRED, with [`flags::DELEG`] and only then.
    pub(crate) delegated: Option<&'a [u8]>,
    /// `Exts` (RFC 6542).
    pub(crate) extensions: Vec<Extension<'a>>,
}

/// An extension (RFC 6542, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extension<'a> {
    pub(crate) number: u32,
    pub(crate) data: &'a [u8],
}

impl Extension<'_> {
    /// IAKERB's KRB-FINISHED.
    pub(crate) const FINISHED: u32 = 2;
}

impl<'a> AuthenticatorChecksum<'a> {
    /// Without delegation and extensions.
    pub(crate) fn new(bindings: Option<&ChannelBindings>, flags: u32) -> Self {
        let bindings = bindings.map_or([0; 16], channel_bindings_hash);
        Self { bindings, flags, delegated: None, extensions: Vec::new() }
    }

    /// Whether its channel bindings are these. Zeros are none, and so they are nobody's.
    pub(crate) fn has_bindings(&self, bindings: &ChannelBindings) -> bool {
        self.bindings == channel_bindings_hash(bindings)
    }

    /// The data of the first extension with this number.
    pub(crate) fn extension(&self, number: u32) -> Option<&'a [u8]> {
        self.extensions.iter().find(|extension| extension.number == number).map(|extension| extension.data)
    }

    /// Its octets. Numbers are little-endian, but for those of the extensions.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(FIXED);
        octets.extend_from_slice(&16_u32.to_le_bytes());
        octets.extend_from_slice(&self.bindings);
        octets.extend_from_slice(&self.flags.to_le_bytes());
        if let Some(delegated) = self.delegated {
            // DlgOpt is 1. A KRB-CRED of 64 KiB is as long as a whole token can be.
            octets.extend_from_slice(&1_u16.to_le_bytes());
            octets.extend_from_slice(&(delegated.len() as u16).to_le_bytes());
            octets.extend_from_slice(delegated);
        }
        for extension in &self.extensions {
            octets.extend_from_slice(&extension.number.to_be_bytes());
            octets.extend_from_slice(&(extension.data.len() as u32).to_be_bytes());
            octets.extend_from_slice(extension.data);
        }
        octets
    }

    /// Decodes it.
    ///
    /// # Errors
    ///
    /// [`DefectiveToken`](crate::mechanism::ErrorKind::DefectiveToken) if it ends in the middle, or its lengths are
    /// wrong.
    pub(crate) fn decode(octets: &'a [u8]) -> Result<Self, MechanismError> {
        let malformed = |what| defective(format!("malformed checksum of the Authenticator: {what}"));
        let mut rest = octets;
        let fixed: &[u8; FIXED] = take_chunk(&mut rest).ok_or_else(|| malformed("shorter than 24 octets"))?;
        if fixed[..4] != 16_u32.to_le_bytes() {
            return Err(malformed("channel bindings of another length than 16"));
        }
        let mut checksum = Self {
            bindings: *fixed[4..].first_chunk().expect("20 octets are left"),
            flags: u32::from_le_bytes(*fixed.last_chunk().expect("24 octets")),
            delegated: None,
            extensions: Vec::new(),
        };
        if checksum.flags & flags::DELEG != 0 {
            let head: &[u8; 4] =
                take_chunk(&mut rest).ok_or_else(|| malformed("no delegated credentials"))?;
            let [1, 0, low, high] = *head else { return Err(malformed("another DlgOpt than 1")) };
            let length = usize::from(u16::from_le_bytes([low, high]));
            let delegated =
                take(&mut rest, length).ok_or_else(|| malformed("delegated credentials cut short"))?;
            checksum.delegated = Some(delegated);
        }
        // RFC 6542 has their numbers big-endian, and the crate sspi little-endian, as it says of Windows: then the length
        // read in the other order is far beyond the end.
        let extensions =
            extensions(rest, u32::from_be_bytes).or_else(|| extensions(rest, u32::from_le_bytes));
        checksum.extensions = extensions.ok_or_else(|| malformed("an extension cut short"))?;
        Ok(checksum)
    }
}

/// Reads extensions whose numbers are in this order. MIT passes over what is shorter than the head of one, too.
fn extensions(mut rest: &[u8], number: fn([u8; 4]) -> u32) -> Option<Vec<Extension<'_>>> {
    let mut extensions = Vec::new();
    while let Some(head) = take_chunk::<8>(&mut rest) {
        let [number, length] = [0, 4].map(|at| number(*head[at..].first_chunk().expect("4 octets")));
        let data = take(&mut rest, usize::try_from(length).ok()?)?;
        extensions.push(Extension { number, data });
    }
    Some(extensions)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

fn take_chunk<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(taken)
}
