//! MIC tokens (RFC 4121, section 4.2.6.1).

use std::fmt;

use crate::mechanism::kerberos::crypto::{ChecksumKey, Key, KeyUsage};
use crate::mechanism::kerberos::gss::defective::defective;
use crate::mechanism::{ErrorKind, MechanismError, MessageIntegrity};

const TOKEN_ID: [u8; 2] = [4, 4];
/// Flags (section 4.2.2).
const SENT_BY_ACCEPTOR: u8 = 1;
const ACCEPTOR_SUBKEY: u8 = 4;
/// Octets before the checksum: `TOK_ID`, flags, five of 0xff, `SND_SEQ`.
const HEADER: usize = 16;

/// The two ends of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Initiator,
    Acceptor,
}

impl Side {
    fn peer(self) -> Self {
        match self {
            Self::Initiator => Self::Acceptor,
            Self::Acceptor => Self::Initiator,
        }
    }

    fn usage(self) -> KeyUsage {
        match self {
            Self::Initiator => KeyUsage::INITIATOR_SIGN,
            Self::Acceptor => KeyUsage::ACCEPTOR_SIGN,
        }
    }

    fn flag(self) -> u8 {
        match self {
            Self::Initiator => 0,
            Self::Acceptor => SENT_BY_ACCEPTOR,
        }
    }
}

/// Whose subkey an established context's tokens are made with (section 2).
#[derive(Clone, Debug)]
pub(crate) enum ContextKey {
    /// The one of the acceptor's AP-REP.
    AcceptorSubkey(Key),
    /// The one of the initiator's Authenticator, or without one the session key.
    Initiators(Key),
}

/// MIC tokens in both directions of an established context.
///
/// Nothing but SPNEGO's list is signed in HTTP, once in each direction: the peer's sequence numbers are
/// authenticated, but not kept track of.
pub(crate) struct MicTokens {
    side: Side,
    acceptor_subkey: u8,
    key: Key,
    /// Derived for the first message: many logins sign nothing. In boxes, since they are large.
    sending: Option<Box<ChecksumKey>>,
    receiving: Option<Box<ChecksumKey>>,
    /// The next one's `SND_SEQ`.
    sequence_number: u64,
}

impl MicTokens {
    /// Of this side, which counts from the number in its Authenticator or AP-REP.
    pub(crate) fn new(side: Side, key: ContextKey, sequence_number: u32) -> Self {
        let (acceptor_subkey, key) = match key {
            ContextKey::AcceptorSubkey(key) => (ACCEPTOR_SUBKEY, key),
            ContextKey::Initiators(key) => (0, key),
        };
        let sequence_number = sequence_number.into();
        Self { side, acceptor_subkey, key, sending: None, receiving: None, sequence_number }
    }
}

impl MessageIntegrity for MicTokens {
    fn mic(&mut self, message: &[u8]) -> Result<Vec<u8>, MechanismError> {
        let mut token = Vec::with_capacity(HEADER + 24);
        token.extend_from_slice(&TOKEN_ID);
        token.push(self.side.flag() | self.acceptor_subkey);
        token.extend_from_slice(&[0xff; 5]);
        token.extend_from_slice(&self.sequence_number.to_be_bytes());
        self.sequence_number = self.sequence_number.wrapping_add(1);
        let key = self.sending.get_or_insert_with(|| self.key.for_checksums(self.side.usage()).into());
        let checksum = key.checksum(&[message, &token]);
        token.extend_from_slice(&checksum);
        Ok(token)
    }

    fn verify(&mut self, message: &[u8], mic: &[u8]) -> Result<(), MechanismError> {
        let Some((header, checksum)) = mic.split_first_chunk::<HEADER>() else {
            return Err(defective("malformed MIC token: shorter than 16 octets"));
        };
        if header[..2] != TOKEN_ID || header[3..8] != [0xff; 5] {
            return Err(defective("malformed MIC token: another TOK_ID or filler"));
        }
        let peer = self.side.peer();
        if header[2] & SENT_BY_ACCEPTOR != peer.flag() {
            return Err(MechanismError::new(ErrorKind::BadMic, "a MIC token of this side came back to it"));
        }
        if header[2] & ACCEPTOR_SUBKEY != self.acceptor_subkey {
            return Err(MechanismError::new(
                ErrorKind::BadMic,
                "the peer's MIC token is made with another key",
            ));
        }
        let key = self.receiving.get_or_insert_with(|| self.key.for_checksums(peer.usage()).into());
        if key.verify(&[message, header], checksum) {
            return Ok(());
        }
        Err(MechanismError::new(ErrorKind::BadMic, "the peer's Kerberos MIC token does not match"))
    }
}

impl fmt::Debug for MicTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MicTokens({:?}, ..)", self.side)
    }
}
