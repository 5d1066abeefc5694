//! What real servers do differently.

/// A deviation of a [`DigestAcceptor`](super::DigestAcceptor).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestOddity {
    /// Challenges have no `qop`, as before RFC 2617, and answers must have none.
    NoQop,
    /// The algorithm is named in lower case, and compared so.
    LowerCaseAlgorithm,
    /// The first challenge names an algorithm that nobody knows.
    UnknownAlgorithmFirst,
    /// `rspauth` is wrong.
    WrongProof,
    /// There is no `rspauth`.
    NoProof,
    /// `rspauth` and `cnonce` come without quotes, `qop` and `nc` within.
    QuotesReversed,
    /// Each success brings the next nonce.
    NextNonce,
    /// A nonce that is too old is refused without `stale=true`.
    NeverStale,
    /// The server has one nonce, which each challenge replaces, and one `opaque` with it. Counts are not
    /// looked at, and what came too late is refused without `stale=true`. The `WebServer` of the ESP32's
    /// and the ESP8266's Arduino libraries does this, and closes each connection.
    OneNonce,
}
