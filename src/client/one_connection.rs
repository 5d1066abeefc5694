//! What reqwest's and the legacy client have in common, where each client has one connection.

use std::fmt;

use http::Uri;

/// The client's only connection is gone, and it must not make another.
#[derive(Debug)]
pub(super) struct Gone;

impl Gone {
    /// Whether it is what lies behind an error.
    pub(super) fn is_behind(error: &(dyn std::error::Error + 'static)) -> bool {
        std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<Self>())
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
