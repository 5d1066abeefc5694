//! The schemes that the server offers, in the order of its challenges.

use std::fmt;
use std::sync::Arc;

use super::acceptor::Acceptor;
use super::judge::Judge;
#[cfg(feature = "kerberos")]
use super::kerberos::KerberosService;
#[cfg(feature = "kerberos")]
use super::spnego::SpnegoAcceptor;

/// A scheme that the server offers.
#[derive(Clone)]
#[non_exhaustive]
pub enum Offer {
    /// `Negotiate` (RFC 4559): SPNEGO with NTLM in it. A bare NTLM message is taken too and
    /// answered by a bare one, as IIS and Apache do.
    Negotiate,
    /// `NTLM`.
    Ntlm,
    /// `Basic` (RFC 7617).
    Basic {
        /// The realm of the challenge.
        realm: String,
    },
    /// A scheme of the test's own.
    Custom {
        /// Its name.
        scheme: &'static str,
        /// Makes the acceptor of one handshake.
        acceptor: MakeAcceptor,
    },
    /// A scheme whose credentials hold for one request.
    Judged {
        /// Its name.
        scheme: &'static str,
        /// Looks at the requests.
        judge: Arc<dyn Judge>,
    },
    /// A challenge that is sent as it stands and that no answer satisfies.
    Verbatim(&'static str),
}

/// Makes an acceptor for each handshake of a custom scheme.
pub type MakeAcceptor = Arc<dyn Fn() -> Box<dyn Acceptor> + Send + Sync>;

impl Offer {
    /// `Basic` with this realm.
    pub fn basic(realm: impl Into<String>) -> Self {
        Self::Basic { realm: realm.into() }
    }

    /// A scheme of the test's own that logs a connection in. `make` is called for each handshake, whose tokens go through
    /// the acceptor that it returns.
    pub fn custom<F, A>(scheme: &'static str, make: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Acceptor + 'static,
    {
        Self::Custom { scheme, acceptor: Arc::new(move || Box::new(make())) }
    }

    /// `Negotiate` with Kerberos, inside SPNEGO and without it.
    #[cfg(feature = "kerberos")]
    pub fn kerberos(service: &KerberosService) -> Self {
        let service = service.clone();
        Self::custom("Negotiate", move || SpnegoAcceptor::kerberos(&service))
    }

    /// `Negotiate` with Kerberos and IAKERB, both inside SPNEGO and without it.
    #[cfg(feature = "kerberos")]
    pub fn kerberos_and_iakerb(service: &KerberosService) -> Self {
        let service = service.clone();
        Self::custom("Negotiate", move || SpnegoAcceptor::kerberos(&service).with_iakerb(&service))
    }

    /// `Negotiate` with nothing but IAKERB, and that only without SPNEGO: Apache over MIT's library, whose SPNEGO does not know IAKERB. As
    /// there, other tokens are answered by a bare challenge, and the next login may begin on the same connection.
    #[cfg(feature = "kerberos")]
    pub fn iakerb(service: &KerberosService) -> Self {
        let service = service.clone();
        Self::custom("Negotiate", move || service.iakerb())
    }

    /// A scheme whose credentials hold for one request, such as Bearer or Digest: the judge looks at each request by itself,
    /// whichever connection it comes over. A scheme that logs a connection in, leg by leg, is [`custom`](Self::custom).
    pub fn judged(scheme: &'static str, judge: impl Judge + 'static) -> Self {
        Self::Judged { scheme, judge: Arc::new(judge) }
    }

    /// The scheme's name.
    pub fn scheme(&self) -> &str {
        match self {
            Self::Negotiate => "Negotiate",
            Self::Ntlm => "NTLM",
            Self::Basic { .. } => "Basic",
            Self::Custom { scheme, .. } | Self::Judged { scheme, .. } => scheme,
            Self::Verbatim(challenge) => challenge.split(' ').next().unwrap_or_default(),
        }
    }

    /// The challenges without a token.
    pub(super) fn challenges(&self) -> Vec<String> {
        match self {
            Self::Basic { realm } => {
                vec![format!("Basic realm=\"{}\"", realm.replace('\\', "\\\\").replace('"', "\\\""))]
            }
            Self::Verbatim(challenge) => vec![(*challenge).to_owned()],
            Self::Negotiate | Self::Ntlm | Self::Custom { .. } => vec![self.scheme().to_owned()],
            Self::Judged { judge, .. } => judge.challenges(),
        }
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Offer({})", self.challenges().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_is_a_quoted_string() {
        assert_eq!(
            Offer::basic(r#"the "lab" \ here"#).challenges(),
            [r#"Basic realm="the \"lab\" \\ here""#]
        );
    }
}
