//! What a security context is begun with.

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use zeroize::Zeroize;

use crate::channel_bindings::{AbsentChannelBindings, ChannelBindings};
use crate::credentials::Credentials;
use crate::mechanism::MechanismError;

/// Who logs in where and how; cheap to clone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Initiate {
    /// The service principal name, such as `HTTP/mail.example` (RFC 4559, section 4).
    pub target_name: Arc<str>,
    /// Who logs in.
    pub credentials: Credentials,
    /// What ties the login to its TLS connection, if there is one.
    pub channel_bindings: Option<ChannelBindings>,
    /// What NTLM says where there is nothing of the kind.
    pub absent_channel_bindings: AbsentChannelBindings,
    /// Whether the server may act as the user elsewhere.
    pub delegation: Delegation,
    /// Whether the server has to prove who it is.
    pub mutual_authentication: MutualAuthentication,
    /// Whether messages are to be signed once the context is established (`GSS_C_INTEG_FLAG`, RFC 2743,
    /// section 1.2.7). Nothing in HTTP is, but SPNEGO's list of mechanisms.
    pub integrity: bool,
    /// The password may be shown to a KDC, and not to a server: it has refused it.
    pub only_kdc: bool,
}

impl Initiate {
    /// Arguments without channel bindings, delegation and message integrity; mutual authentication where the
    /// mechanism has it.
    pub fn new(target_name: impl Into<Arc<str>>, credentials: Credentials) -> Self {
        Self {
            target_name: target_name.into(),
            credentials,
            channel_bindings: None,
            absent_channel_bindings: AbsentChannelBindings::default(),
            delegation: Delegation::default(),
            mutual_authentication: MutualAuthentication::default(),
            integrity: false,
            only_kdc: false,
        }
    }

    /// Asks for message integrity, or not. A mechanism that always has it may give it unasked.
    #[must_use]
    pub fn with_integrity(mut self, wanted: bool) -> Self {
        self.integrity = wanted;
        self
    }

    /// Allows only mechanisms that [show a password to nobody but a KDC](crate::mechanism::Mechanism::asks_kdc).
    #[must_use]
    pub fn with_only_kdc(mut self, only: bool) -> Self {
        self.only_kdc = only;
        self
    }

    /// Sets the channel bindings.
    #[must_use]
    pub fn with_channel_bindings(mut self, bindings: Option<ChannelBindings>) -> Self {
        self.channel_bindings = bindings;
        self
    }

    /// Sets what is said where there are no channel bindings.
    #[must_use]
    pub fn with_absent_channel_bindings(mut self, absent: AbsentChannelBindings) -> Self {
        self.absent_channel_bindings = absent;
        self
    }

    /// Sets whether the login is delegated.
    #[must_use]
    pub fn with_delegation(mut self, delegation: Delegation) -> Self {
        self.delegation = delegation;
        self
    }

    /// Sets whether the server has to prove who it is.
    #[must_use]
    pub fn with_mutual_authentication(mut self, rule: MutualAuthentication) -> Self {
        self.mutual_authentication = rule;
        self
    }
}

/// Whether a login lets the server act as the user elsewhere (RFC 4121, section 4.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delegation {
    /// Never: the default.
    #[default]
    Off,
    /// Where the realm's policy marks the server as trusted for it (`GSS_C_DELEG_POLICY_FLAG`, RFC
    /// 5896).
    ByPolicy,
    /// Always.
    On,
}

/// Whether the server has to prove who it is, by the token in its final response (RFC 2743,
/// section 1.2.5).
///
/// A token that is there and does not hold is an error under every rule but [`Off`](Self::Off).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MutualAuthentication {
    /// It is not asked for, and the final response is not looked at.
    Off,
    /// It is asked for, and checked where the server answers: the default. Many servers leave the
    /// token out, above all in responses other than 200; over https the certificate has already
    /// shown who the server is, and over http whoever can remove the token can change the page
    /// as well.
    #[default]
    Preferred,
    /// A final response without the token is an error, and mechanisms that cannot authenticate the
    /// server, such as NTLM, are not used.
    Required,
}

/// The present and fresh randomness, as a mechanism is given them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Moment {
    /// The wall clock, for mechanisms that send it.
    pub now: SystemTime,
    pub(crate) entropy: Entropy,
}

impl Moment {
    /// Creates a moment; the octets are used once.
    pub fn new(now: SystemTime, entropy: [u8; 32]) -> Self {
        Self { now, entropy: Entropy::new(entropy) }
    }

    /// Returns the randomness, for one context. It is wiped when the moment is dropped.
    pub fn entropy(&self) -> &[u8; 32] {
        self.entropy.octets()
    }
}

/// Where moments come from: the clocks and the random source of whoever drives a handshake. The
/// system's are [`SystemMoments`](crate::unversioned::handshake::SystemMoments).
pub trait Moments {
    /// The present by a clock that is never set back: what pauses and waits are measured with.
    fn instant(&self) -> Instant;

    /// The present by the wall clock, with randomness that nobody else gets.
    ///
    /// # Errors
    ///
    /// [`MechanismError`] if the source of randomness fails.
    fn moment(&self) -> Result<Moment, MechanismError>;

    /// Whether a wait ends at its time. Without that, a login waits for no request that may never be
    /// answered.
    fn has_timer(&self) -> bool {
        true
    }
}

impl fmt::Debug for dyn Moments + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moments(..)")
    }
}

/// Randomness for one security context: 32 octets, drawn by the caller and used once.
pub struct Entropy([u8; 32]);

impl Entropy {
    /// Wraps octets that nobody else will use.
    pub fn new(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// Returns the octets.
    pub fn octets(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Entropy {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(..)")
    }
}

/// A moment that a test has chosen.
#[cfg(test)]
pub(crate) struct FixedMoment(pub(crate) SystemTime);

#[cfg(test)]
impl Moments for FixedMoment {
    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn moment(&self) -> Result<Moment, MechanismError> {
        Ok(Moment::new(self.0, [7; 32]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn randomness_is_handed_over_and_not_printed() {
        let moment = Moment::new(SystemTime::UNIX_EPOCH, [171; 32]);
        assert_eq!(moment.entropy(), &[171; 32]);
        assert!(!format!("{moment:?}").contains("171"), "{moment:?}");
        let moments: &dyn Moments = &FixedMoment(SystemTime::UNIX_EPOCH);
        assert_eq!(format!("{moments:?}"), "Moments(..)");
    }
}
