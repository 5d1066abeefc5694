//! Message signatures with extended session security (MS-NLMP 3.4.4.2), the `GSS_GetMIC` and
//! `GSS_VerifyMIC` of NTLM.

use md5::{Digest, Md5};
use zeroize::Zeroizing;

use crate::mechanism::ntlm::crypto::{Key, hmac_md5, same};
use crate::mechanism::ntlm::flags::{
    NEGOTIATE_128, NEGOTIATE_EXTENDED_SESSION_SECURITY, NEGOTIATE_KEY_EXCH, NEGOTIATE_SIGN, has,
};
use crate::mechanism::ntlm::rc4::Rc4;
use crate::mechanism::{ErrorKind, MechanismError, MessageIntegrity};

/// Which way signed messages go.
#[derive(Clone, Copy)]
pub(crate) enum Direction {
    ClientToServer,
    ServerToClient,
}

impl Direction {
    fn opposite(self) -> Self {
        match self {
            Self::ClientToServer => Self::ServerToClient,
            Self::ServerToClient => Self::ClientToServer,
        }
    }

    /// What is hashed behind the session key for the key that signs, and for the one that seals (3.4.5.2, 3.4.5.3).
    fn magic_constants(self) -> [&'static [u8]; 2] {
        match self {
            Self::ClientToServer => [
                b"session key to client-to-server signing key magic constant\0",
                b"session key to client-to-server sealing key magic constant\0",
            ],
            Self::ServerToClient => [
                b"session key to server-to-client signing key magic constant\0",
                b"session key to server-to-client sealing key magic constant\0",
            ],
        }
    }
}

/// Both directions of an established context.
///
/// Each direction has a sequence number and an RC4 state of its own, which every signature moves
/// on. SPNEGO resets the RC4 states, though not the numbers, after the signatures of its
/// mechanism list (MS-SPNG 3.3.5.1). HTTP signs nothing after them, so there is no such reset here.
pub(crate) struct NtlmIntegrity {
    exported_session_key: Key,
    key_exchanged: bool,
    sends: Direction,
    /// Made for the first message: many logins sign nothing, and many servers neither.
    sending: Option<DirectionState>,
    receiving: Option<DirectionState>,
}

impl NtlmIntegrity {
    /// The integrity that these flags give to the side that sends `sends`. `None` without
    /// signing, extended session security or 128-bit keys: what older clients did then is not
    /// worth trusting.
    pub(crate) fn negotiated(flags: u32, exported_session_key: &Key, sends: Direction) -> Option<Self> {
        if !has(flags, NEGOTIATE_SIGN | NEGOTIATE_EXTENDED_SESSION_SECURITY | NEGOTIATE_128) {
            return None;
        }
        Some(Self {
            exported_session_key: exported_session_key.clone(),
            key_exchanged: has(flags, NEGOTIATE_KEY_EXCH),
            sends,
            sending: None,
            receiving: None,
        })
    }

    fn sending(&mut self) -> &mut DirectionState {
        let way = self.sends;
        self.sending
            .get_or_insert_with(|| DirectionState::new(way, &self.exported_session_key, self.key_exchanged))
    }

    fn receiving(&mut self) -> &mut DirectionState {
        let way = self.sends.opposite();
        self.receiving
            .get_or_insert_with(|| DirectionState::new(way, &self.exported_session_key, self.key_exchanged))
    }

    /// Encrypts a message, for the published vectors: HTTP never seals.
    #[cfg(test)]
    pub(super) fn seal(&mut self, message: &mut [u8]) {
        self.sending().sealing.as_mut().expect("an exchanged key").apply(message);
    }
}

impl MessageIntegrity for NtlmIntegrity {
    fn mic(&mut self, message: &[u8]) -> Result<Vec<u8>, MechanismError> {
        Ok(self.sending().sign(message).to_vec())
    }

    fn verify(&mut self, message: &[u8], mic: &[u8]) -> Result<(), MechanismError> {
        if same(&self.receiving().sign(message), mic) {
            return Ok(());
        }
        Err(MechanismError::new(ErrorKind::BadMic, "the peer's NTLM signature does not match"))
    }
}

/// What signs the messages that go one way.
struct DirectionState {
    signing_key: Key,
    /// Encrypts the checksums where the session key was exchanged.
    sealing: Option<Rc4>,
    sequence_number: u32,
}

impl DirectionState {
    /// SIGNKEY and SEALKEY (3.4.5.2, 3.4.5.3) for one direction.
    fn new(way: Direction, exported_session_key: &Key, key_exchanged: bool) -> Self {
        let key = |constant: &[u8]| -> Key {
            let mut hash = Md5::new();
            hash.update(exported_session_key.as_slice());
            hash.update(constant);
            Zeroizing::new(hash.finalize().into())
        };
        let [signing, sealing] = way.magic_constants();
        Self {
            signing_key: key(signing),
            sealing: key_exchanged.then(|| Rc4::new(&key(sealing))),
            sequence_number: 0,
        }
    }

    /// NTLMSSP_MESSAGE_SIGNATURE (2.2.2.9.2): version 1, eight octets of checksum, the number.
    fn sign(&mut self, message: &[u8]) -> [u8; 16] {
        let number = self.sequence_number.to_le_bytes();
        let mut checksum = hmac_md5(&self.signing_key, &[&number, message]);
        let checksum = &mut checksum[..8];
        if let Some(sealing) = &mut self.sealing {
            sealing.apply(checksum);
        }
        self.sequence_number = self.sequence_number.wrapping_add(1);
        let mut signature = [0; 16];
        signature[0] = 1;
        signature[4..12].copy_from_slice(checksum);
        signature[12..].copy_from_slice(&number);
        signature
    }
}
