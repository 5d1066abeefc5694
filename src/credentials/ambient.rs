//! The logged-on user's own credentials.

/// The credentials that the system holds for the user who runs the program: a Kerberos ticket
/// cache or a keytab, on Windows the logon session. Nothing of them is in this value; it only says which to use.
///
/// ```
/// use legwork::credentials::{Ambient, Credentials};
///
/// // Whoever has run kinit.
/// let user = Credentials::ambient(Ambient::new());
/// // A service in a container, by its keytab.
/// let service = Credentials::ambient(
///     Ambient::new().principal("http-client@CORP.EXAMPLE").client_keytab("FILE:/etc/service.keytab"),
/// );
/// assert_ne!(user, service);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ambient {
    principal: Option<String>,
    cache: Option<String>,
    client_keytab: Option<String>,
    stable: bool,
}

impl Ambient {
    /// Takes whatever the system regards as the user's own: with Kerberos, the default ticket cache
    /// (`KRB5CCNAME`), or the default client keytab (`KRB5_CLIENT_KTNAME`); on Windows, whoever is
    /// logged on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the principal, such as `alice@CORP.EXAMPLE`, among those that the system has tickets or
    /// keys for. A login as anybody else is an error.
    #[must_use]
    pub fn principal(mut self, name: impl Into<String>) -> Self {
        self.principal = Some(name.into());
        self
    }

    /// Sets the ticket cache in place of the default one, such as `FILE:/tmp/krb5cc_1000`. An error on
    /// Windows, like a keytab: there are none.
    ///
    /// A collection in a folder (`DIR:/path`) stands for its primary cache, or with a
    /// [`principal`](Self::principal) for the cache of that one. In collections of another kind
    /// (`KEYRING:`, `KCM:`) the principal has to be the primary one: for another, name its cache.
    #[must_use]
    pub fn cache(mut self, name: impl Into<String>) -> Self {
        self.cache = Some(name.into());
        self
    }

    /// Sets the keytab to get tickets with, such as `FILE:/etc/service.keytab`.
    #[must_use]
    pub fn client_keytab(mut self, name: impl Into<String>) -> Self {
        self.client_keytab = Some(name.into());
        self
    }

    /// States that the user does not change while the program runs, so that a connection which a
    /// login has authenticated serves later requests too. A [`principal`](Self::principal) states
    /// it as well. Otherwise each request logs in for itself, since somebody else may have logged
    /// on in the meantime.
    #[must_use]
    pub fn stable(mut self) -> Self {
        self.stable = true;
        self
    }

    /// Returns the principal, if one is named.
    pub fn principal_name(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    /// Returns the ticket cache, if one is named.
    pub fn cache_name(&self) -> Option<&str> {
        self.cache.as_deref()
    }

    /// Returns the keytab, if one is named.
    pub fn client_keytab_name(&self) -> Option<&str> {
        self.client_keytab.as_deref()
    }

    /// Whether nothing is named: whoever the system takes for the user.
    #[cfg(all(unix, feature = "gssapi"))]
    pub(crate) fn is_default(&self) -> bool {
        let Self { principal, cache, client_keytab, stable: _ } = self;
        [principal, cache, client_keytab].into_iter().all(Option::is_none)
    }

    /// Returns whether every login is the same user's.
    pub fn is_stable(&self) -> bool {
        self.stable || self.principal.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_told_and_the_rest_is_the_systems() {
        let system = Ambient::default();
        assert_eq!(
            (system.principal_name(), system.cache_name(), system.client_keytab_name()),
            (None, None, None)
        );
        assert!(!system.is_stable());
        let named = Ambient::default()
            .principal("alice@LAB.TEST")
            .cache("FILE:/tmp/cache")
            .client_keytab("FILE:/etc/alice.keytab");
        assert_eq!(named.principal_name(), Some("alice@LAB.TEST"));
        assert_eq!(named.cache_name(), Some("FILE:/tmp/cache"));
        assert_eq!(named.client_keytab_name(), Some("FILE:/etc/alice.keytab"));
        assert!(named.is_stable());
        assert!(!Ambient::default().cache("FILE:/tmp/cache").is_stable());
        assert!(Ambient::default().stable().is_stable());
    }
}
