//! HTTP versions, as far as logins depend on them.

/// The highest HTTP version that an origin's authentication works over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpVersion {
    /// Nothing speaks against the newest.
    #[default]
    Any,
    /// A connection-bound scheme was met, or the server said so: only HTTP/1.1.
    Http1,
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1.1: one request at a time, so that a login may be the connection's.
    #[default]
    Http1,
    /// HTTP/2: many requests at a time. A login that would be the connection's needs another
    /// one, over HTTP/1.1.
    Http2,
    /// HTTP/2, where there can be no connection over HTTP/1.1: such a login is passed over.
    Http2Alone,
}
