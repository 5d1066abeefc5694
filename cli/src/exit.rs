//! How the program ends.

use std::process::ExitCode;

/// What the exit code says. The numbers are part of the interface, and are curl's where curl has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The answer is there, and no login is missing.
    Done = 0,
    /// The arguments are not understood.
    Usage = 2,
    /// A URL, of the target or of a proxy, is none, or is of another scheme.
    Url = 3,
    /// The proxy's name has no address.
    ProxyName = 5,
    /// The host's name has no address.
    HostName = 6,
    /// Nobody answers at the address.
    Connect = 7,
    /// The answer ends before its time.
    Partial = 18,
    /// With `--fail`: the status is 400 or more.
    Status = 22,
    /// A file, or stdout, cannot be written.
    File = 23,
    /// A file, or stdin, cannot be read.
    Read = 26,
    /// The time is up.
    Timeout = 28,
    /// There is no TLS with the server.
    Handshake = 35,
    /// There are too many redirects, or one that is not followed.
    Redirect = 47,
    /// The connection failed, the answer is broken, or a proxy opens no tunnel.
    Answer = 56,
    /// The server's certificate is not trusted, or TLS cannot be set up.
    Tls = 60,
    /// The server, or a proxy, let nobody in: the challenge stands.
    Refused = 67,
    /// There is no password, or no token.
    Secret = 94,
    /// A signal: control-C.
    Interrupted = 130,
    /// Another signal: to end.
    Terminated = 143,
}

/// The same for `--help`, the manual page and, by a test, README.md.
pub(crate) const HELP: &str = "\
Exit codes (curl's numbers):
   0  there is an answer, and no login is missing
   2  the arguments are not understood
   3  a URL cannot be read
   5  the proxy's name has no address
   6  the host's name has no address
   7  nobody answers at the address
  18  the answer broke off
  22  with --fail: the status is 400 or more
  23  a file, or stdout, cannot be written
  26  a file, or stdin, cannot be read
  28  the time is up
  35  there is no TLS with the server
  47  a redirect is not followed
  56  the connection failed, or a proxy opens no tunnel
  60  the certificate is not trusted
  67  not logged in: the server, or a proxy, lets nobody in
  94  there is no password, or no token
 130  interrupted (143: by SIGTERM)";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
