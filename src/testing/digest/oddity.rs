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
    /// With an algorithm that ends in `-sess`, the key is made of the nonces that come with each request: no session
    /// goes on with a `nextnonce`. WEBrick does this.
    NoSessions,
    /// Names beyond ASCII are read in `username` only: a request with `username*` gets a `400`. CherryPy does this.
    NoExtendedNames,
    /// A login that is refused, for whatever reason, gets no challenge. px does this.
    NoSecondChallenge,
    /// A nonce that is too old is refused without `stale=true`.
    NeverStale,
    /// The server has one nonce, which each challenge replaces, and one `opaque` with it. Counts are not
    /// looked at, and what came too late is refused without `stale=true`. The `WebServer` of the ESP32's
    /// and the ESP8266's Arduino libraries does this, and closes each connection.
    OneNonce,
}
