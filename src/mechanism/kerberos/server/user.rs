//! Whom a KDC knows by a password.

use std::fmt;
use std::num::NonZeroU32;
use std::time::SystemTime;

use crate::credentials::Secret;
use crate::mechanism::kerberos::crypto::{EncryptionType, Key, KeyUsage};
use crate::mechanism::kerberos::messages::krb_error::{
    KDC_ERR_CLIENT_REVOKED, KDC_ERR_KEY_EXPIRED, KDC_ERR_PREAUTH_FAILED, KDC_ERR_PREAUTH_REQUIRED,
    KRB_AP_ERR_SKEW,
};
use crate::mechanism::kerberos::messages::pa_data::{PA_ENC_TIMESTAMP, PA_ETYPE_INFO2, PA_FX_COOKIE};
use crate::mechanism::kerberos::messages::{EncryptedData, EtypeInfo2Entry, Message, PaData, PaEncTsEnc};
use crate::mechanism::kerberos::server::presented::is_skewed;
use crate::mechanism::kerberos::server::refusal::Refusal;

/// A user's account.
pub(crate) struct User {
    pub(super) name: String,
    /// Another name, which is looked up.
    pub(crate) enterprise: Option<String>,
    pub(crate) password: Secret,
    /// The types of its keys.
    pub(crate) encryption_types: Vec<EncryptionType>,
    pub(crate) salt: Vec<u8>,
    /// Iterations of PBKDF2 other than the type's default.
    pub(crate) iterations: Option<NonZeroU32>,
    pub(crate) state: AccountState,
    /// Whether the password is to be proven before there is a ticket.
    pub(crate) requires_timestamp: bool,
    /// Timestamps that were not made with the password.
    pub(crate) failures: usize,
    /// Keys that were made once: that is slow.
    made: Vec<(Parameters, Key)>,
}

/// What a key is made of.
#[derive(Clone, PartialEq, Eq)]
struct Parameters {
    etype: EncryptionType,
    password: Secret,
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

/// Whether an account may log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountState {
    /// It may.
    #[default]
    Active,
    /// Locked or disabled.
    Locked,
    /// The password is right, and has to be changed.
    PasswordExpired,
}

impl User {
    /// A user of this realm, who is active and salted as RFC 4120 has it.
    pub(super) fn new(name: &str, realm: &str, password: Secret, types: Vec<EncryptionType>) -> Self {
        Self {
            name: name.to_owned(),
            enterprise: None,
            password,
            encryption_types: types,
            salt: format!("{realm}{}", name.replace('/', "")).into_bytes(),
            iterations: None,
            state: AccountState::Active,
            requires_timestamp: true,
            failures: 0,
            made: Vec::new(),
        }
    }

    /// Its name, as a KDC writes it.
    pub(super) fn components(&self) -> Vec<String> {
        self.name.split('/').map(str::to_owned).collect()
    }

    /// Refuses an account that may not log in, before anybody looks at its password, as MIT's KDC does.
    pub(super) fn check_state(&self) -> Result<(), Refusal> {
        match self.state {
            AccountState::Active => Ok(()),
            AccountState::Locked => Err(Refusal::new(KDC_ERR_CLIENT_REVOKED, "the account is locked")),
            AccountState::PasswordExpired => {
                Err(Refusal::new(KDC_ERR_KEY_EXPIRED, "the password has expired"))
            }
        }
    }

    /// The types of its keys that were asked for, in the order in which they were.
    pub(super) fn asked_for(&self, numbers: &[i32]) -> Vec<EncryptionType> {
        let types = numbers.iter().filter_map(|number| EncryptionType::from_number(*number));
        types.filter(|etype| self.encryption_types.contains(etype)).collect()
    }

    /// ETYPE-INFO2 for these types.
    pub(super) fn etype_info2(&self, types: &[EncryptionType]) -> Vec<u8> {
        let iterations = self.iterations.map(|iterations| iterations.get().to_be_bytes());
        let entry = |etype: &EncryptionType| EtypeInfo2Entry {
            etype: etype.number(),
            salt: Some(&self.salt),
            s2kparams: iterations.as_ref().map(<[u8; 4]>::as_slice),
        };
        types.iter().map(entry).collect::<Vec<_>>().encode()
    }

    /// Checks an encrypted timestamp; without one, says what is wanted.
    pub(super) fn check_timestamp(
        &mut self,
        timestamp: Option<&[u8]>,
        types: &[EncryptionType],
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let methods = methods(&self.etype_info2(types));
        let Some(timestamp) = timestamp else {
            if !self.requires_timestamp {
                return Ok(());
            }
            let wanted = Refusal::new(KDC_ERR_PREAUTH_REQUIRED, "a timestamp, please");
            return Err(wanted.with_data(methods));
        };
        let timestamp = EncryptedData::decode(timestamp)?;
        let key = types.iter().find(|etype| etype.number() == timestamp.etype).map(|etype| self.key(*etype));
        let keys = key.map(|key| key.for_messages(KeyUsage::PA_ENC_TIMESTAMP));
        let Some(plaintext) = keys.and_then(|keys| timestamp.decrypt(&keys).ok()) else {
            self.failures += 1;
            let failed = Refusal::new(KDC_ERR_PREAUTH_FAILED, "the password is wrong");
            return Err(failed.with_data(methods));
        };
        if is_skewed(PaEncTsEnc::decode(&plaintext)?.patimestamp, now) {
            return Err(Refusal::new(KRB_AP_ERR_SKEW, "the timestamp is not of the present"));
        }
        Ok(())
    }

    /// The key of this type. The first time is slow on purpose.
    pub(super) fn key(&mut self, etype: EncryptionType) -> Key {
        let default = NonZeroU32::new(etype.default_iterations()).expect("some");
        let iterations = self.iterations.unwrap_or(default);
        let (password, salt) = (self.password.clone(), self.salt.clone());
        let parameters = Parameters { etype, password, salt, iterations };
        if let Some((_, key)) = self.made.iter().find(|(made, _)| *made == parameters) {
            return key.clone();
        }
        let key = Key::from_password(etype, self.password.expose(), &self.salt, iterations);
        self.made.push((parameters, key.clone()));
        key
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).field("state", &self.state).finish_non_exhaustive()
    }
}

/// METHOD-DATA: an encrypted timestamp by these keys, and a cookie to be sent back.
fn methods(infos: &[u8]) -> Vec<u8> {
    let method = |padata_type, padata_value| PaData { padata_type, padata_value };
    vec![method(PA_ETYPE_INFO2, infos), method(PA_ENC_TIMESTAMP, &[]), method(PA_FX_COOKIE, b"cookie")]
        .encode()
}
