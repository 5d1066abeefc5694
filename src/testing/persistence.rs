/// How long an authenticated connection stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Persistence {
    /// As long as it lives, and `Persistent-Auth: true` says so behind a handshake.
    Announced,
    /// For the one request, and `Persistent-Auth: false` says so behind a handshake.
    Denied,
    /// Until after this leg, and nothing says so.
    Forgotten,
}
