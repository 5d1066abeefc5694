//! A KDC: what it is made of, and the handle on it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::core::{Clock, Core};
use super::fault::KdcFault;
use super::report::KdcReport;
use super::sockets::Sockets;
use crate::credentials::Secret;
use crate::mechanism::kerberos::crypto::EncryptionType;
use crate::mechanism::kerberos::messages::{AuthorizationData, PrincipalName};
use crate::mechanism::kerberos::server::{self, AccountState};
use crate::mechanism::{Moment, Moments};
use crate::service::environment::SystemMoments;

/// A Kerberos KDC of one realm, for tests: on a loopback port, or only behind a server that relays to it.
///
/// It grants first tickets for passwords and further ones for its services, by the encryption types of RFC 3962 and
/// RFC 8009, and counts what it was asked for. Dropping it closes its sockets.
///
/// ```
/// use legwork::testing::Kdc;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let kdc = Kdc::builder("LAB.TEST").user("alice", "alice-pw").service("HTTP/www.lab.test").start().await?;
/// assert!(kdc.address().ip().is_loopback());
/// assert_eq!(kdc.report().packets(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Kdc {
    pub(super) core: Arc<Core>,
    sockets: Option<Sockets>,
}

impl Kdc {
    /// Starts from a KDC of this realm that knows nobody.
    pub fn builder(realm: &str) -> KdcBuilder {
        KdcBuilder::new(realm)
    }

    /// Returns the address that it listens on, over UDP and TCP.
    ///
    /// # Panics
    ///
    /// If it listens nowhere, since it was [built](KdcBuilder::build) and not started.
    pub fn address(&self) -> SocketAddr {
        self.sockets.as_ref().expect("the KDC was not started: it listens nowhere").address
    }

    /// Returns what the KDC has seen so far.
    pub fn report(&self) -> KdcReport {
        self.core.subscribe().borrow().clone()
    }

    /// Waits until the report satisfies a condition, without polling, and returns it.
    ///
    /// It waits for as long as it takes: wrap it in a timeout where the test has none.
    pub async fn wait_for(&self, condition: impl FnMut(&KdcReport) -> bool) -> KdcReport {
        let mut reports = self.core.subscribe();
        let report = reports.wait_for(condition).await;
        report.expect("the KDC itself keeps the sender").clone()
    }

    /// Returns the keys that its last answers had in them or were encrypted by, up to 64 of them: for tests that search a
    /// client's memory for what it should have wiped.
    pub fn session_keys(&self) -> Vec<Vec<u8>> {
        self.core.with_kdc(|kdc| kdc.session_keys().map(|key| key.octets().to_vec()).collect())
    }

    /// Changes what it does in place of an answer, from the next request on.
    pub fn set_fault(&self, fault: Option<KdcFault>) {
        self.core.set_fault(fault);
    }

    /// Changes whether a user may log in.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    pub fn set_account(&self, user: &str, state: AccountState) {
        self.core.with_kdc(|kdc| kdc.user(user).expect("a user of the KDC").state = state);
    }

    /// Changes a user's password.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    pub fn set_password(&self, user: &str, password: &str) {
        let password = Secret::new(password);
        self.core.with_kdc(|kdc| kdc.user(user).expect("a user of the KDC").password = password);
    }
}

/// What a [`Kdc`] is to be: its realm, users and services.
pub struct KdcBuilder {
    realm: String,
    users: Vec<(String, Secret)>,
    salts: Vec<(String, Vec<u8>)>,
    services: Vec<PrincipalName>,
    types: Vec<EncryptionType>,
    iterations: Option<NonZeroU32>,
    requires_timestamp: bool,
    lifetime: Duration,
    groups: Option<usize>,
    fault: Option<KdcFault>,
    clock: Clock,
}

impl KdcBuilder {
    fn new(realm: &str) -> Self {
        Self {
            realm: realm.to_owned(),
            users: Vec::new(),
            salts: Vec::new(),
            services: Vec::new(),
            types: vec![EncryptionType::Aes256Sha1, EncryptionType::Aes128Sha1],
            iterations: None,
            requires_timestamp: true,
            lifetime: Duration::from_secs(36_000),
            groups: None,
            fault: None,
            clock: Box::new(SystemTime::now),
        }
    }

    /// Adds a user of the realm, such as `alice`, with a password.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), Secret::new(password)));
        self
    }

    /// Adds a service with a random key, such as `HTTP/www.lab.test`. Clients ask for no tickets for addresses.
    #[must_use]
    pub fn service(mut self, name: &str) -> Self {
        self.services.push(principal_name(name));
        self
    }

    /// Sets which types keys, tickets and session keys are of: AES with SHA-1 by default, of 256 bits and of 128.
    ///
    /// # Panics
    ///
    /// If there are none.
    #[must_use]
    pub fn encryption_types(mut self, types: impl Into<Vec<EncryptionType>>) -> Self {
        self.types = types.into();
        assert!(!self.types.is_empty(), "a KDC without encryption types can grant no ticket");
        self
    }

    /// Sets how many iterations of PBKDF2 make a key of a password, and has clients told so.
    ///
    /// # Panics
    ///
    /// If there are none.
    #[must_use]
    pub fn iterations(mut self, iterations: u32) -> Self {
        self.iterations = Some(NonZeroU32::new(iterations).expect("no iterations make no key"));
        self
    }

    /// Salts a user's password by something else than the realm and the name, as where the account was renamed.
    #[must_use]
    pub fn salt(mut self, user: &str, salt: impl Into<Vec<u8>>) -> Self {
        self.salts.push((user.to_owned(), salt.into()));
        self
    }

    /// Grants a first ticket to everyone who asks: only the right password opens it.
    #[must_use]
    pub fn without_preauthentication(mut self) -> Self {
        self.requires_timestamp = false;
        self
    }

    /// Sets how long a ticket is good for: ten hours by default.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Makes each ticket longer by so many octets, as those of Windows are by the user's groups: some hundreds as a rule, and up to
    /// 48 KiB.
    #[must_use]
    pub fn groups(mut self, octets: usize) -> Self {
        self.groups = Some(octets);
        self
    }

    /// Sets what the KDC does in place of an answer, from the beginning.
    #[must_use]
    pub fn fault(mut self, fault: KdcFault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Sets the clock of the KDC and of its services, the system's by default.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Creates a KDC that listens nowhere: servers with its services relay to it, by IAKERB.
    pub fn build(self) -> Kdc {
        Kdc { core: Arc::new(self.core()), sockets: None }
    }

    /// Starts a KDC that listens on a free loopback port, over UDP and TCP, in the current Tokio runtime.
    ///
    /// # Errors
    ///
    /// If there is no port that is free for both.
    pub async fn start(self) -> io::Result<Kdc> {
        let core = Arc::new(self.core());
        let sockets = Sockets::open(core.clone()).await?;
        Ok(Kdc { core, sockets: Some(sockets) })
    }

    fn core(self) -> Core {
        let Moment { entropy, .. } = SystemMoments.moment().expect("the system has randomness");
        let mut kdc = server::Kdc::new(&self.realm, self.types.clone(), &entropy);
        kdc.lifetime = self.lifetime;
        kdc.user_data = self.groups.map(AuthorizationData::groups);
        for (name, password) in self.users {
            let user = kdc.add_user(&name, password, self.types.clone());
            user.iterations = self.iterations;
            user.requires_timestamp = self.requires_timestamp;
            if let Some((_, salt)) = self.salts.iter().find(|(user, _)| *user == name) {
                user.salt.clone_from(salt);
            }
        }
        for name in self.services {
            kdc.add_service(name, self.types[0], self.types.clone());
        }
        Core::new(kdc, self.fault, self.clock)
    }
}

/// A service's name, from how it is written.
pub(super) fn principal_name(name: &str) -> PrincipalName {
    let name_string = name.split('/').map(str::to_owned).collect();
    PrincipalName { name_type: PrincipalName::NT_SRV_HST, name_string }
}

impl fmt::Debug for KdcBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users: Vec<_> = self.users.iter().map(|(name, _)| name).collect();
        f.debug_struct("KdcBuilder")
            .field("realm", &self.realm)
            .field("users", &users)
            .field("types", &self.types)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}
