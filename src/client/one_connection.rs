//! What reqwest's and the legacy client have in common, where each client has one connection.

use std::fmt;

use http::Uri;

/// The client's only connection is gone, and it must not make another.
#[derive(Debug)]
pub(super) struct Gone;

impl Gone {
    /// Whether it is what lies behind an error: nothing was sent.
    ///
    /// hyper says the same of a request that was on its way to its connection when that ended. What lies behind hyper's
    /// own error is somebody else's, as that of the request's body.
    pub(super) fn is_behind(error: &(dyn std::error::Error + 'static)) -> bool {
        let chain = || std::iter::successors(Some(error), |error| error.source());
        let hypers = chain().find_map(|error| error.downcast_ref::<hyper::Error>());
        hypers.is_some_and(hyper::Error::is_canceled) || chain().any(|error| error.is::<Self>())
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was closed")
    }
}

impl std::error::Error for Gone {}

/// These clients want whole URIs.
pub(super) fn absolute(origin: &Uri, target: &Uri) -> Uri {
    let mut parts = origin.clone().into_parts();
    parts.path_and_query = target.path_and_query().cloned();
    Uri::from_parts(parts).expect("scheme, authority and path are a URI")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::service::LegError;

    #[test]
    fn a_connection_that_is_gone_is_found_behind_other_errors() {
        assert!(Gone::is_behind(&LegError::Unsent(LegError::Reset(Gone.into()).into())));
        assert!(!Gone::is_behind(&io::Error::other("another")));
        assert_eq!(Gone.to_string(), "the connection was closed");
    }
}
