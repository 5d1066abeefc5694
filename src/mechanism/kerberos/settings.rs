//! What a program says about its realms.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::mechanism::kerberos::accounts::Accounts;
use crate::mechanism::kerberos::bare::BareServers;
use crate::mechanism::kerberos::crypto::EncryptionType;
use crate::mechanism::kerberos::exchange::Policy;

/// Kerberos for a name and a password, without a library of the system.
///
/// A handle: clones share tickets, keys, and what KDCs have refused. One that is set otherwise begins with none of it. All
/// that it holds is in memory, and wiped with the last clone.
///
/// ```
/// use legwork::mechanism::kerberos::Kerberos;
///
/// let kerberos = Kerberos::new()
///     .kdc("CORP.EXAMPLE", ["dc1.corp.example", "dc2.corp.example:88"])
///     .default_realm("CORP.EXAMPLE");
/// # let _ = kerberos;
/// ```
#[derive(Clone, Default)]
pub struct Kerberos {
    settings: Arc<Settings>,
    shared: Arc<Shared>,
}

#[derive(Clone, Default)]
struct Settings {
    kdcs: HashMap<String, Arc<[String]>>,
    default_realm: Option<String>,
    policy: Policy,
}

/// What logins leave behind for others.
#[derive(Default)]
struct Shared {
    accounts: Arc<Accounts>,
    bare: BareServers,
}

impl Kerberos {
    /// Creates a handle without KDCs: nobody is asked, and no name is looked up.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the KDCs of a realm, the most wanted first: a host's name or an address, with `:port` where that is not 88.
    ///
    /// The realm as the KDC writes it, in upper case as a rule. Given again, the later list counts.
    #[must_use]
    pub fn kdc<A: Into<String>>(
        self,
        realm: impl Into<String>,
        addresses: impl IntoIterator<Item = A>,
    ) -> Self {
        let addresses = addresses.into_iter().map(Into::into).collect();
        self.set(|settings| _ = settings.kdcs.insert(realm.into(), addresses))
    }

    /// Sets the realm of user names without one: `alice`.
    #[must_use]
    pub fn default_realm(self, realm: impl Into<String>) -> Self {
        self.set(|settings| settings.default_realm = Some(realm.into()))
    }

    /// Sets which encryption types are asked for, the most wanted first; all by default.
    #[must_use]
    pub fn encryption_types(self, types: impl IntoIterator<Item = EncryptionType>) -> Self {
        let types: Vec<_> = types.into_iter().collect();
        self.set(|settings| settings.policy = settings.policy.clone().with_encryption_types(types))
    }

    /// Sets how many iterations of PBKDF2 a KDC may ask for with the two encryption types of RFC 3962; 4,096 to 1,000,000 by
    /// default.
    ///
    /// What asks is not authenticated: anybody on the way can ask for few, and get what a password is quickly guessed from, or
    /// for many, and keep a processor busy.
    #[must_use]
    pub fn dangerous_iterations_rfc3962(self, iterations: RangeInclusive<u32>) -> Self {
        self.set(|settings| settings.policy = settings.policy.clone().with_iterations_rfc3962(iterations))
    }

    /// The same for the two encryption types of RFC 8009; 32,768 to 1,000,000 by default.
    #[must_use]
    pub fn dangerous_iterations_rfc8009(self, iterations: RangeInclusive<u32>) -> Self {
        self.set(|settings| settings.policy = settings.policy.clone().with_iterations_rfc8009(iterations))
    }

    /// The KDCs of a realm, if any are named.
    pub(super) fn kdcs(&self, realm: &str) -> Option<&Arc<[String]>> {
        self.settings.kdcs.get(realm).filter(|addresses| !addresses.is_empty())
    }

    /// The realm of names without one.
    pub(super) fn realm_by_default(&self) -> Option<&str> {
        self.settings.default_realm.as_deref()
    }

    /// What is asked for and taken.
    pub(super) fn policy(&self) -> &Policy {
        &self.settings.policy
    }

    /// Tickets, keys and refusals.
    pub(super) fn accounts(&self) -> &Arc<Accounts> {
        &self.shared.accounts
    }

    /// Which servers take IAKERB only without SPNEGO around it.
    pub(super) fn bare(&self) -> &BareServers {
        &self.shared.bare
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        Self { settings: self.settings, shared: Arc::default() }
    }
}

impl fmt::Debug for Kerberos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kerberos")
            .field("kdcs", &self.settings.kdcs)
            .field("default_realm", &self.settings.default_realm)
            .finish_non_exhaustive()
    }
}
