//! The bodies of requests.

use hyper::body::{Body as _, Incoming};
use legwork::service::Limits;

/// Whether the client keeps all of it, in case that it has to be sent again.
pub(super) fn can_be_sent_again(body: &Incoming) -> bool {
    body.size_hint().upper().is_some_and(|octets| octets <= Limits::default().replay)
}
