use std::fmt;

use crate::protection_space::InvalidOrigin;

/// Why something is no proxy that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidProxy {
    /// It is no URI of a proxy.
    Uri,
    /// The URI names no host that can be connected to.
    Origin(InvalidOrigin),
    /// It speaks SOCKS, which is a connector's business: give the client one that does, and no
    /// proxy for these origins.
    Socks,
}

impl fmt::Display for InvalidProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uri => "not the URI of a proxy (http://host:port)",
            Self::Origin(_) => "the URI of the proxy names no host",
            Self::Socks => "a SOCKS proxy takes a connector that speaks SOCKS, in place of a proxy",
        })
    }
}

impl std::error::Error for InvalidProxy {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Origin(error) => Some(error),
            Self::Uri | Self::Socks => None,
        }
    }
}
