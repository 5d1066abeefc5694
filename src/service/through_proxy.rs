//! What an error says of the proxy in between.

use crate::protection_space::Origin;
#[cfg(feature = "client")]
use crate::service::causes::causes;
use crate::service::error::{Error, ErrorKind};
#[cfg(feature = "client")]
use crate::service::tunnel::{TunnelError, TunnelErrorKind};

impl Error {
    /// Returns the proxy between this side and the origin, where the client knows of one: it was given to the
    /// client, or opens the tunnels of a [`Tunnel`](crate::client::tunnel::Tunnel) and failed to.
    pub fn proxy(&self) -> Option<&Origin> {
        let of_route = self.route.as_ref().and_then(|route| route.proxy.as_ref());
        #[cfg(feature = "client")]
        let of_route = of_route.or_else(|| self.tunnel_error().map(TunnelError::proxy));
        of_route
    }

    /// Whether it is about the connection to the proxy, and not about what is behind it.
    pub(super) fn is_at_proxy(&self) -> bool {
        let (ErrorKind::Connect(_) | ErrorKind::Connection(_)) = self.kind() else { return false };
        #[cfg(feature = "client")]
        if let Some(error) = self.tunnel_error() {
            return matches!(error.kind(), TunnelErrorKind::Unreachable(_));
        }
        // Requests to http origins are sent to the proxy itself.
        self.proxy().is_some() && self.origin().is_some_and(|origin| !origin.is_secure())
    }

    /// What a proxy said instead of opening a tunnel, as far below as that may be.
    #[cfg(feature = "client")]
    pub(super) fn tunnel_error(&self) -> Option<&TunnelError> {
        causes(self).find_map(|cause| cause.downcast_ref())
    }
}
