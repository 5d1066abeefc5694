/// What a KDC does in place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KdcFault {
    /// It never answers. Connections stay open.
    Silent,
    /// It closes connections, and does not answer datagrams.
    Closing,
    /// It answers datagrams with RESPONSE_TOO_BIG, and connections as it should.
    TooBig,
    /// It answers with octets that are no message.
    Garbage,
    /// Over TCP it announces 2 GiB, sends little and falls silent; datagrams are cut short.
    Cut,
}
