//! Octets that were read from a transport before it was their reader's.

use bytes::Bytes;
use hyper::rt::ReadBufCursor;

/// Reads octets that were read from the transport before, if there are any.
pub(in crate::client) fn read_early(early: &mut Bytes, buffer: &mut ReadBufCursor<'_>) -> bool {
    if early.is_empty() {
        return false;
    }
    let octets = early.len().min(buffer.remaining());
    buffer.put_slice(&early.split_to(octets));
    *early = held(std::mem::take(early));
    true
}

/// None of the buffer that the proxy's answer was read into, once there are no octets in it: a tunnel
/// may be open for long.
pub(in crate::client) fn held(early: Bytes) -> Bytes {
    if early.is_empty() { Bytes::new() } else { early }
}
