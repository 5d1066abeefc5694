//! Why a proxy opens no tunnel.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::handshake::Refusal;
use crate::protection_space::{InvalidOrigin, Origin};
use crate::service::error::{BoxError, Error};

/// Why there is no tunnel. What the proxy says is here, and never taken for the origin's answer.
#[derive(Debug)]
pub struct TunnelError {
    proxy: Origin,
    /// Host and port, if they are known.
    target: String,
    kind: TunnelErrorKind,
}

/// The kinds of [`TunnelError`].
#[derive(Debug)]
#[non_exhaustive]
pub enum TunnelErrorKind {
    /// The URI names no origin.
    Target(InvalidOrigin),
    /// There is no connection to the proxy.
    Unreachable(BoxError),
    /// The connection to the proxy failed, or the login on this side.
    Failed(Error),
    /// The proxy answered, and not by a tunnel.
    #[non_exhaustive]
    Answered {
        /// Its status.
        status: StatusCode,
        /// What it said beside the status, in printable characters.
        reason: String,
        /// Why its challenge was not met, if it is one.
        refusal: Option<Refusal>,
    },
    /// The client has a connector of the caller's own, whose TLS cannot go through a tunnel. A
    /// [`Tunnel`](crate::client::tunnel::Tunnel) beneath that connector can.
    NoTls,
    /// There is no tunnel after this time.
    Timeout(Duration),
}

impl TunnelError {
    pub(crate) fn new(proxy: Origin, target: String, kind: TunnelErrorKind) -> Self {
        Self { proxy, target, kind }
    }

    /// Returns what went wrong.
    pub fn kind(&self) -> &TunnelErrorKind {
        &self.kind
    }

    /// Returns the proxy.
    pub fn proxy(&self) -> &Origin {
        &self.proxy
    }
}

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, target, kind } = self;
        match kind {
            TunnelErrorKind::Target(_) => {
                return write!(f, "no tunnel through {proxy}: the target names no origin");
            }
            _ => write!(f, "no tunnel to {target} through {proxy}: ")?,
        }
        match kind {
            TunnelErrorKind::Target(_) => Ok(()),
            TunnelErrorKind::Unreachable(_) => f.write_str("the proxy cannot be reached"),
            TunnelErrorKind::Failed(_) => f.write_str("the conversation with the proxy failed"),
            TunnelErrorKind::Answered { status, reason, refusal } => {
                write!(f, "the proxy answered {} {reason}", status.as_u16())?;
                match refusal {
                    Some(refusal) => write!(f, ": {refusal}"),
                    None => Ok(()),
                }
            }
            TunnelErrorKind::NoTls => {
                f.write_str("a client with a connector of its own cannot speak TLS in a tunnel")
            }
            TunnelErrorKind::Timeout(after) => write!(f, "it was not open within {after:?}"),
        }
    }
}

impl std::error::Error for TunnelError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            TunnelErrorKind::Target(error) => Some(error),
            TunnelErrorKind::Unreachable(error) => Some(&**error),
            TunnelErrorKind::Failed(error) => Some(error),
            TunnelErrorKind::Answered { .. } | TunnelErrorKind::NoTls | TunnelErrorKind::Timeout(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_which_tunnel_is_missing_and_why() {
        let proxy: Origin = "http://proxy.example:3128".parse().expect("an origin");
        let target = || "site.example:443".to_owned();
        let error = |kind| TunnelError::new(proxy.clone(), target(), kind).to_string();
        let invalid = "/path".parse::<Origin>().expect_err("no origin");
        assert!(error(TunnelErrorKind::Target(invalid)).ends_with("the target names no origin"));
        let text = error(TunnelErrorKind::NoTls);
        assert!(
            text.contains("no tunnel to site.example:443 through http://proxy.example:3128: a client with"),
            "{text}"
        );
    }
}
