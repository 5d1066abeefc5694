//! Origins that are named one by one, or by what their hosts end with.

use std::fmt;
use std::str::FromStr;

use crate::protection_space::Origin;

/// Origins, named one by one or by a pattern: those to which [ambient](super::Ambient) credentials may go,
/// since a login tells the server who the user is, or those that are
/// [declared](crate::handshake::AuthenticatorBuilder::declare) to want a scheme. Empty by default.
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
pub(crate) enum Pattern {
    Any,
    /// With any scheme and port.
    Host(String),
    Below(Below),
    Origin(Origin),
}

/// What lies below a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Below {
    /// Scheme and port, where the entry names a scheme.
    at: Option<(bool, u16)>,
    /// With the leading dot.
    suffix: String,
}

/// How closely a pattern names an origin that it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closeness {
    Any,
    /// By so many octets, and then by scheme and port.
    Below(usize, bool),
    Host,
    Origin,
}

impl OriginPatterns {
    /// Matches no origin.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns whether an entry covers `origin`.
    pub fn matches(&self, origin: &Origin) -> bool {
        self.0.iter().any(|pattern| pattern.closeness(origin).is_some())
    }

    pub(crate) fn into_patterns(self) -> Vec<Pattern> {
        self.0
    }
}

impl Pattern {
    /// How closely it names `origin`, if it covers it.
    pub(crate) fn closeness(&self, origin: &Origin) -> Option<Closeness> {
        let (covers, closeness) = match self {
            Self::Any => (true, Closeness::Any),
            Self::Host(host) => (host == origin.host(), Closeness::Host),
            Self::Below(below) => {
                (below.covers(origin), Closeness::Below(below.suffix.len(), below.at.is_some()))
            }
            Self::Origin(exactly) => (exactly == origin, Closeness::Origin),
        };
        covers.then_some(closeness)
    }

    fn parse(entry: &str) -> Result<Self, InvalidPattern> {
        let invalid = || InvalidPattern(entry.to_owned());
        if entry == "*" {
            return Ok(Self::Any);
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
        let host = origin.host();
        let has_more = rest.contains(['/', '?', '#', '@']) || (scheme.is_none() && rest.len() != host.len());
        if has_more {
            return Err(invalid());
        }
        Ok(match (below, scheme) {
            (true, scheme) => Self::Below(Below {
                at: scheme.map(|_| (origin.is_secure(), origin.port())),
                suffix: format!(".{host}"),
            }),
            (false, None) => Self::Host(host.to_owned()),
            (false, Some(_)) => Self::Origin(origin),
        })
    }
}

impl Below {
    fn covers(&self, origin: &Origin) -> bool {
        let at = self.at.is_none_or(|(secure, port)| (secure, port) == (origin.is_secure(), origin.port()));
        at && origin.host().len() > self.suffix.len() && origin.host().ends_with(self.suffix.as_str())
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
        Self(vec![Pattern::Origin(origin)])
    }
}

impl fmt::Display for OriginPatterns {
    /// The entries with commas between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, pattern) in self.0.iter().enumerate() {
            let comma = if position > 0 { ", " } else { "" };
            write!(f, "{comma}{pattern}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Host(host) => f.write_str(host),
            Self::Below(Below { at: None, suffix }) => write!(f, "*{suffix}"),
            Self::Below(Below { at: Some((secure, port)), suffix }) => {
                let (scheme, default) = if *secure { ("https", 443) } else { ("http", 80) };
                write!(f, "{scheme}://*{suffix}")?;
                if *port == default { Ok(()) } else { write!(f, ":{port}") }
            }
            Self::Origin(origin) => origin.fmt(f),
        }
    }
}

/// Why a text is not an entry of [`OriginPatterns`].
#[derive(Clone, PartialEq, Eq)]
pub struct InvalidPattern(String);

impl fmt::Debug for InvalidPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InvalidPattern({self})")
    }
}

impl fmt::Display for InvalidPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What stands before an @ may be a password.
        let shown = self.0.rsplit('@').next().unwrap_or_default();
        write!(
            f,
            "{shown:?} is neither an origin (https://host:port), nor a host, with a leading \"*.\" or without, nor \"*\"",
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
        assert!(!matches("*.corp.example", "https://.corp.example"), "nothing is below it");
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

    #[test]
    fn patterns_are_shown_as_they_are_written() {
        let written = "*, mail.example, *.corp.example, https://*.corp.example, http://*.corp.example:81, \
                       https://mail.example, http://[::1]:8080";
        let patterns: OriginPatterns = written.parse().expect("patterns");
        assert_eq!(patterns.to_string(), written);
        assert_eq!(patterns.to_string().parse(), Ok(patterns));
        assert_eq!(OriginPatterns::none().to_string(), "");
    }

    #[test]
    fn the_longer_name_is_the_closer_one() {
        let origin = "https://a.b.corp.example".parse().expect("an origin");
        let patterns: OriginPatterns =
            "* *.example https://*.corp.example *.b.corp.example a.b.corp.example \
                                        https://a.b.corp.example"
                .parse()
                .expect("patterns");
        let closeness: Vec<_> = patterns.into_patterns().iter().map(|it| it.closeness(&origin)).collect();
        assert!(closeness.is_sorted() && closeness[0].is_some(), "{closeness:?}");
        let named = |pattern: &str| Pattern::parse(pattern).expect("a pattern").closeness(&origin);
        assert!(named("https://*.example") > named("*.example"));
        assert_eq!(named("*.a.b.corp.example"), None);
    }

    #[test]
    fn what_stands_before_a_host_is_not_shown() {
        let error = "https://carol:carol-pw@*mail".parse::<OriginPatterns>().expect_err("a pattern inside");
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(shown.contains("*mail") && !shown.contains("carol-pw"), "{shown}");
        }
    }
}
