//! Why there was no login, and what to try.

use std::fmt;
use std::io;

use legwork::client::proxy::InvalidProxy;
use legwork::handshake::{HandshakeError, Refusal, Renewal, Tried, Why};
use legwork::service::{BoxError, Error, ErrorKind};

use crate::chain::{causes, chain};

/// What went wrong. Displayed, it is a sentence or two for the user.
#[derive(Debug)]
pub(crate) enum Failure {
    NotAUrl,
    Proxy(InvalidProxy),
    /// The embedded server did not start.
    Embedded(io::Error),
    /// There is no password, for this reason.
    Password(String),
    /// TLS cannot be set up: the certificate authorities cannot be read, as a rule.
    Tls(BoxError),
    /// The file to upload could not be read.
    File(io::Error),
    /// The server's challenge stands.
    Refused(Refusal),
    /// There was no response.
    NoResponse(Error),
    /// The response broke off.
    Response(hyper::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Refused(refusal) => Self::Refused(refusal.clone()),
            _ => Self::NoResponse(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAUrl => f.write_str(
                "That is no http or https URL. Write it in full, such as https://mail.example/ews/.",
            ),
            Self::Proxy(error) => write!(f, "--proxy: {}.", chain(error)),
            Self::Embedded(error) => write!(f, "The embedded server did not start: {}.", chain(error)),
            Self::Password(why) => f.write_str(why),
            Self::Tls(error) => write!(f, "TLS cannot be set up: {}.", chain(&**error)),
            Self::File(error) => write!(f, "The file to upload could not be read: {}.", chain(error)),
            Self::Refused(refusal) => f.write_str(&refused(refusal)),
            Self::NoResponse(error) => f.write_str(&no_response(error)),
            Self::Response(error) => write!(f, "The response broke off: {}.", chain(error)),
        }
    }
}

fn refused(refusal: &Refusal) -> String {
    // The reason that tells the most; of the others the user can do something about none.
    let Some(Tried { scheme, why, .. }) = refusal.tried.iter().max_by_key(|tried| weight(&tried.why)) else {
        return "Not logged in: the server says 401 without a challenge.".to_owned();
    };
    match why {
        Why::Refused(None) => format!(
            "Not logged in: the server refused the user or the password ({scheme}). Check both, and the \
             domain; it was tried once, and some servers lock the account after a few times."
        ),
        Why::Refused(Some(detail)) => format!(
            "Not logged in: the server refused the user or the password ({detail}). Check both, and the \
             domain; it was tried once, and some servers lock the account after a few times."
        ),
        Why::RefusedBefore => format!(
            "Not logged in: the server has refused this user or password ({scheme}), and it is not sent \
             again, lest the account is locked. Check both, and the domain."
        ),
        Why::Denied => format!(
            "The login is valid ({scheme}), but has no access to this page. Try another page or user."
        ),
        Why::NoCredentials => {
            format!("Not logged in: the server wants a login ({}). Try --user NAME.", offered(refusal))
        }
        Why::RevealsSecret => format!(
            "Not logged in: the server takes {scheme} alone, which would show the password to whoever reads \
             this plain http connection. Try https, or --insecure-basic on a network that you trust."
        ),
        Why::CannotStart(reason) => format!(
            "Not logged in: {scheme} could not start ({reason}). Try another --scheme; the server offers {}.",
            offered(refusal)
        ),
        Why::Unsupported => format!(
            "Not logged in: the server offers {}, none of which was to be used. Try it without --scheme.",
            offered(refusal)
        ),
        _ => format!("Not logged in: {refusal}."),
    }
}

fn weight(why: &Why) -> u8 {
    match why {
        Why::Denied => 7,
        Why::Refused(_) => 6,
        Why::RefusedBefore => 5,
        Why::NoCredentials => 4,
        Why::CannotStart(_) | Why::NoProxySupport | Why::Http2 => 3,
        Why::RevealsSecret => 2,
        _ => 1,
    }
}

fn offered(refusal: &Refusal) -> String {
    let mut names: Vec<_> = refusal.tried.iter().map(|tried| tried.scheme.as_str()).collect();
    names.retain(|name| !name.is_empty());
    names.dedup();
    names.join(", ")
}

fn no_response(error: &Error) -> String {
    match error.kind() {
        ErrorKind::Connect(error) | ErrorKind::Connection(error) => no_connection(error),
        ErrorKind::NewConnectionNeeded(Renewal::ClosedAfterChallenge | Renewal::ClosedInHandshake) => {
            format!(
                "Not logged in: {error}. These logins hold for one connection: try the server without the proxy, \
             or have its keep-alive turned on."
            )
        }
        ErrorKind::BodyNotReplayable { .. } => format!("Not logged in: {error}. Try it once more."),
        ErrorKind::Timeout(..) => {
            format!("{}. Is the server overloaded, or a firewall in between?", chain(error))
        }
        ErrorKind::Handshake(HandshakeError::FinalToken(_)) => format!(
            "Not logged in: {}. Somebody may stand between; do not type the password again.",
            chain(error)
        ),
        ErrorKind::Handshake(_) => format!("Not logged in: {}. Try another --scheme.", chain(error)),
        _ => format!("No response: {}.", chain(error)),
    }
}

fn no_connection(error: &BoxError) -> String {
    let text = chain(&**error);
    let tls = causes(&**error).find_map(|error| error.downcast_ref::<rustls::Error>());
    let io = causes(&**error).find_map(|error| error.downcast_ref::<io::Error>());
    match (tls, io.map(io::Error::kind)) {
        (Some(rustls::Error::InvalidCertificate(_)), _) => format!(
            "The server's certificate is not trusted: {text}. Is the host name the one in the certificate? \
             Where the company signs its own, try --ca FILE.pem."
        ),
        (Some(rustls::Error::InvalidMessage(_)), _) => {
            format!("The server does not speak TLS on this port: {text}. Try http:// or another port.")
        }
        (Some(_), _) => format!("There is no TLS connection: {text}."),
        (None, Some(io::ErrorKind::ConnectionRefused)) => {
            format!("Nobody answers at this address: {text}. Check the host and the port.")
        }
        _ if text.contains("dns error") => {
            format!("The host is not known: {text}. Check its name, and the VPN if it needs one.")
        }
        _ => format!("The connection failed: {text}."),
    }
}
