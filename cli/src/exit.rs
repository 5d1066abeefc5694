//! How the program ends.

use std::process::ExitCode;

/// What the exit code says. The numbers are part of the interface, and are curl's where curl has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(dead_code, reason = "the first command does not fail in each of these ways yet")]
pub(crate) enum Exit {
    /// The answer is there, and no login is missing.
    Done = 0,
    /// The arguments are not understood.
    Usage = 2,
    /// A URL, of the target or of a proxy, is none, or is of another scheme.
    Url = 3,
    /// Nobody answers: no name, no address, no connection, or no TLS with a server that is trusted.
    Connect = 7,
    /// With `--fail`: the status is 400 or more.
    Status = 22,
    /// A file, or stdout, cannot be read or written.
    File = 23,
    /// The time is up.
    Timeout = 28,
    /// The answer is broken, or ends before its time.
    Answer = 56,
    /// TLS cannot be set up or the peer's certificate is not trusted.
    Tls = 60,
    /// The server, or a proxy, let nobody in: the challenge stands.
    Refused = 67,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
