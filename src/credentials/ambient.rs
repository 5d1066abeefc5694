//! The logged-on user's own credentials, and where they may go.

use std::fmt;
use std::str::FromStr;

use crate::protection_space::Origin;

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
    /// Whatever the system takes for the user's own: with Kerberos, the default ticket cache
    /// (`KRB5CCNAME`), or the default client keytab (`KRB5_CLIENT_KTNAME`); on Windows, whoever is
    /// logged on.
    pub fn new() -> Self {
        Self::default()
    }

    /// This principal, such as `alice@CORP.EXAMPLE`, among those that the system has tickets or
    /// keys for. A login as anybody else is an error.
    #[must_use]
    pub fn principal(mut self, name: impl Into<String>) -> Self {
        self.principal = Some(name.into());
        self
    }

    /// This ticket cache in place of the default one, such as `FILE:/tmp/krb5cc_1000`. An error on
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

    /// This keytab to get tickets with, such as `FILE:/etc/service.keytab`.
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

    /// The principal, if one is named.
    pub fn principal_name(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    /// The ticket cache, if one is named.
    pub fn cache_name(&self) -> Option<&str> {
        self.cache.as_deref()
    }

    /// The keytab, if one is named.
    pub fn client_keytab_name(&self) -> Option<&str> {
        self.client_keytab.as_deref()
    }

    /// Whether nothing is named: whoever the system takes for the user.
    #[cfg(all(unix, feature = "gssapi"))]
    pub(crate) fn is_default(&self) -> bool {
        let Self { principal, cache, client_keytab, stable: _ } = self;
        [principal, cache, client_keytab].into_iter().all(Option::is_none)
    }

    /// Whether every login is the same user's.
    pub fn is_stable(&self) -> bool {
        self.stable || self.principal.is_some()
    }
}

/// The origins to which ambient credentials may go. Empty by default: a login tells the server who
/// the user is, so it is not offered to whoever asks.
///
/// | Entry | Origins |
/// |---|---|
/// | `https://mail.example` | exactly this one; the port is the scheme's default unless it is written |
/// | `https://*.corp.example` | `https` at its default port, every host below `corp.example` |
/// | `mail.example` | this host, with any scheme and port |
/// | `*.corp.example` | every host below `corp.example`, with any scheme and port |
/// | `*` | every origin |
///
/// ```
/// use legwork::credentials::OriginPatterns;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let intranet: OriginPatterns = "https://mail.example, *.corp.example".parse()?;
/// assert!(intranet.matches(&"http://namenode.corp.example:9870".parse()?));
/// assert!(!intranet.matches(&"http://mail.example".parse()?));
/// assert!(!intranet.matches(&"https://corp.example.evil.test".parse()?));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginPatterns(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    /// Scheme and port, where the entry names a scheme.
    at: Option<(bool, u16)>,
    host: Host,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    Exactly(String),
    /// With the leading dot.
    Below(String),
}

impl OriginPatterns {
    /// No origin.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether an entry covers `origin`.
    pub fn matches(&self, origin: &Origin) -> bool {
        self.0.iter().any(|pattern| pattern.matches(origin))
    }
}

impl Pattern {
    fn matches(&self, origin: &Origin) -> bool {
        let at = self.at.is_none_or(|(secure, port)| (secure, port) == (origin.is_secure(), origin.port()));
        at && match &self.host {
            Host::Any => true,
            Host::Exactly(host) => host == origin.host(),
            Host::Below(suffix) => {
                origin.host().len() > suffix.len() && origin.host().ends_with(suffix.as_str())
            }
        }
    }

    fn parse(entry: &str) -> Result<Self, InvalidPattern> {
        let invalid = || InvalidPattern(entry.to_owned());
        if entry == "*" {
            return Ok(Self { at: None, host: Host::Any });
        }
        let (scheme, rest) = match entry.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, entry),
        };
        let (below, rest) = match rest.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let origin: Origin =
            format!("{}://{rest}", scheme.unwrap_or("https")).parse().map_err(|_| invalid())?;
        let host = origin.host().to_owned();
        let has_more = rest.contains(['/', '?', '#', '@']) || (scheme.is_none() && rest.len() != host.len());
        if has_more {
            return Err(invalid());
        }
        Ok(Self {
            at: scheme.map(|_| (origin.is_secure(), origin.port())),
            host: if below { Host::Below(format!(".{host}")) } else { Host::Exactly(host) },
        })
    }
}

impl FromStr for OriginPatterns {
    type Err = InvalidPattern;

    /// Entries with commas or white space between them.
    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let entries = text.split([',', ' ', '\t', '\n', '\r']).filter(|entry| !entry.is_empty());
        entries.map(Pattern::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Origin> for OriginPatterns {
    /// Exactly this origin.
    fn from(origin: Origin) -> Self {
        let at = Some((origin.is_secure(), origin.port()));
        Self(vec![Pattern { at, host: Host::Exactly(origin.host().to_owned()) }])
    }
}

/// An entry of [`OriginPatterns`] that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPattern(String);

impl fmt::Display for InvalidPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is neither an origin (https://host:port), nor a host, with a leading \"*.\" or without, nor \"*\"",
            self.0
        )
    }
}

impl std::error::Error for InvalidPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(patterns: &str, origin: &str) -> bool {
        let patterns: OriginPatterns = patterns.parse().expect("patterns");
        patterns.matches(&origin.parse().expect("an origin"))
    }

    #[test]
    fn nothing_is_allowed_unless_it_is_written() {
        assert!(!OriginPatterns::none().matches(&"https://mail.example".parse().expect("an origin")));
        assert!(!matches("", "https://mail.example"));
        assert!(matches("*", "http://anything.at.all:1234"));
    }

    #[test]
    fn an_entry_with_a_scheme_is_an_exact_origin() {
        assert!(matches("https://mail.example", "https://MAIL.example:443"));
        assert!(!matches("https://mail.example", "https://mail.example:8443"));
        assert!(!matches("https://mail.example", "http://mail.example"));
        assert!(matches("http://mail.example:9870", "http://mail.example:9870"));
        assert!(!matches("https://mail.example", "https://x.mail.example"));
    }

    #[test]
    fn a_suffix_covers_what_is_below_it_and_nothing_beside() {
        for pattern in ["*.corp.example", "https://*.corp.example"] {
            assert!(matches(pattern, "https://a.b.corp.example"), "{pattern}");
            for other in
                ["https://corp.example", "https://evilcorp.example", "https://corp.example.evil.test"]
            {
                assert!(!matches(pattern, other), "{pattern} {other}");
            }
        }
        assert!(matches("*.corp.example", "http://x.corp.example:81"));
        assert!(!matches("https://*.corp.example", "http://x.corp.example"));
    }

    #[test]
    fn hosts_stand_without_port_and_address_literals_work() {
        assert!(matches("mail.example  127.0.0.1,[::1]", "http://127.0.0.1:8080"));
        assert!(matches("mail.example  127.0.0.1,[::1]", "https://[::1]:8443"));
        for invalid in [
            "mail.example:80",
            "*mail.example",
            "a.*.example",
            "https://",
            "ftp://h",
            "https://h/p",
            "*.",
            "**",
        ] {
            let error = invalid.parse::<OriginPatterns>().expect_err(invalid);
            assert!(error.to_string().contains(invalid), "{error}");
        }
    }
}
