//! How a key is made of a password.

use std::num::NonZeroU32;

use crate::credentials::Secret;
use crate::mechanism::kerberos::crypto::{EncryptionType, Key};
use crate::mechanism::kerberos::exchange::policy::Policy;
use crate::mechanism::kerberos::exchange::principal::Principal;
use crate::mechanism::kerberos::messages::EtypeInfo2Entry;
use crate::mechanism::{ErrorKind, MechanismError};

/// What a KDC has said about the key of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StringToKey {
    etype: EncryptionType,
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

impl StringToKey {
    /// The strongest that an ETYPE-INFO2 offers of what was asked for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if there is none, or its iterations are out of the policy's bounds.
    pub(super) fn strongest(
        entries: &[EtypeInfo2Entry<'_>],
        client: &Principal,
        policy: &Policy,
    ) -> Result<Self, MechanismError> {
        let usable = entries.iter().filter_map(|entry| policy.asked_for(entry.etype));
        let Some(etype) = usable.max() else {
            let offered: Vec<_> = entries.iter().map(|entry| name(entry.etype)).collect();
            let sentence = format!(
                "the KDC offers {client} only encryption types that were not asked for: {} (an account that has only RC4 \
                 gets keys of AES with its next password)",
                offered.join(", ")
            );
            return Err(MechanismError::new(ErrorKind::Unsupported, sentence));
        };
        Self::of(etype, entries, client, policy)
    }

    /// The one for this type, with the default salt and iterations where the ETYPE-INFO2 does not say.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if its iterations are out of the policy's bounds.
    pub(super) fn of(
        etype: EncryptionType,
        entries: &[EtypeInfo2Entry<'_>],
        client: &Principal,
        policy: &Policy,
    ) -> Result<Self, MechanismError> {
        let entry = entries.iter().find(|entry| entry.etype == etype.number());
        let salt = entry.and_then(|entry| entry.salt).map_or_else(|| client.default_salt(), <[u8]>::to_vec);
        let iterations = match entry.and_then(|entry| entry.s2kparams) {
            None => etype.default_iterations(),
            Some(parameters) => u32::from_be_bytes(parameters.try_into().map_err(|_| {
                let sentence = format!(
                    "the KDC's parameters for a key of {etype} are {} octets, not 4",
                    parameters.len()
                );
                MechanismError::new(ErrorKind::DefectiveToken, sentence)
            })?),
        };
        let allowed = policy.iterations(etype);
        // 0 stands for 2^32 (RFC 3962, section 4).
        match NonZeroU32::new(iterations).filter(|iterations| allowed.contains(&iterations.get())) {
            Some(iterations) => Ok(Self { etype, salt, iterations }),
            None => {
                let sentence = format!(
                    "the KDC wants {iterations} iterations for a key of {etype}, and from {} to {} are allowed (anybody \
                     in between can have written that)",
                    allowed.start(),
                    allowed.end()
                );
                Err(MechanismError::new(ErrorKind::Unsupported, sentence))
            }
        }
    }

    /// The key's type.
    pub(crate) fn etype(&self) -> EncryptionType {
        self.etype
    }
}

/// The key of a password, and how it was made: kept, so that it is made once.
#[derive(Clone, Debug)]
pub(crate) struct PasswordKey {
    parameters: StringToKey,
    key: Key,
}

impl PasswordKey {
    /// Makes it. Slow on purpose: up to a second with the most iterations that the default policy allows.
    pub(super) fn new(parameters: StringToKey, password: &Secret) -> Self {
        let key =
            Key::from_password(parameters.etype, password.expose(), &parameters.salt, parameters.iterations);
        Self { parameters, key }
    }

    /// What a KDC has said about it.
    pub(crate) fn parameters(&self) -> &StringToKey {
        &self.parameters
    }

    /// The key itself.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }
}

/// An encryption type as a user may know it.
pub(super) fn name(number: i32) -> String {
    match (number, EncryptionType::from_number(number)) {
        (_, Some(etype)) => etype.to_string(),
        (1 | 3, None) => "DES".to_owned(),
        (16, None) => "3DES".to_owned(),
        (23 | 24, None) => "RC4".to_owned(),
        (number, None) => format!("number {number}"),
    }
}
