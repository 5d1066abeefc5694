use std::fmt;

use http::HeaderName;

use crate::protection_space::InvalidOrigin;

/// Why a proxy cannot be used as it is set up. It holds nothing of a URI or a field's value, which may have a
/// password in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidProxy {
    /// It is no URI of a proxy.
    Uri,
    /// The URI names no host that can be connected to.
    Origin(InvalidOrigin),
    /// There is a blank or a control character in it.
    Character,
    /// An `@` comes after a `/`, `?` or `#`, so that it is open which of them belong to the password.
    Delimiter,
    /// The octets of user or password, once decoded, are not UTF-8, or control characters are among
    /// them.
    Encoding,
    /// It speaks SOCKS, which is a connector's business: give the client one that does, and no
    /// proxy for these origins.
    Socks,
    /// The proxy in an environment variable cannot be used.
    Variable {
        /// The variable's name, such as `https_proxy`.
        name: &'static str,
        /// What is wrong with its value.
        reason: Box<InvalidProxy>,
    },
    /// A field that the caller cannot set for `CONNECT`: `Authorization`, `Proxy-Authorization`, `Host`, or one that is
    /// about the message or its connection (`Connection`, `Content-Length`, `Expect`, `Keep-Alive`, `TE`, `Trailer`,
    /// `Transfer-Encoding` and `Upgrade`).
    ConnectField {
        /// The field's name.
        name: HeaderName,
        /// What its value is about.
        reason: &'static str,
    },
}

impl fmt::Display for InvalidProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Variable { name, .. } => {
                return write!(f, "cannot use the proxy in the environment variable {name}");
            }
            Self::ConnectField { name, reason } => {
                return write!(f, "the field {name} cannot be set for CONNECT: {reason}");
            }
            Self::Uri => "not the URI of a proxy (http://host:port or http://user:password@host:port)",
            Self::Origin(_) => "the URI of the proxy names no host",
            Self::Character => {
                "the URI of the proxy has a blank or a control character in it; in the user and the \
                 password, write a blank as %20"
            }
            Self::Delimiter => {
                "the URI of the proxy has an @ after a /, ? or #; in the user and the password, write \
                 / as %2F, ? as %3F, # as %23 and @ as %40"
            }
            Self::Encoding => {
                "the user or the password in the URI of the proxy is not UTF-8 or has a control \
                 character; write each octet of its UTF-8 as % and two digits, such as %C3%A4"
            }
            Self::Socks => {
                "SOCKS proxies are not supported: give the client a connector that speaks SOCKS, and no proxy"
            }
        };
        f.write_str(text)
    }
}

impl std::error::Error for InvalidProxy {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Origin(error) => Some(error),
            Self::Variable { reason, .. } => Some(&**reason),
            Self::Uri
            | Self::Character
            | Self::Delimiter
            | Self::Encoding
            | Self::Socks
            | Self::ConnectField { .. } => None,
        }
    }
}
