//! How a request may end, and what it may cost: the bounds of the page on limits, and of the lockout guard.

use std::time::Duration;

use legwork::service::{Error, ErrorKind};

pub(super) use super::peer::LONGEST as ANSWER;

/// How a request has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// With what it asked for.
    Served,
    /// With a challenge.
    Refused,
    /// With another answer.
    Answered,
    /// In the middle of the content.
    Broken,
    /// Its caller did not read it.
    Unread,
    /// Its caller gave it up.
    GivenUp,
    /// With an error of the login.
    LoginFailed,
    /// Of the connection.
    ConnectionFailed,
    /// Of time.
    TimedOut,
    /// With another error.
    Failed,
}

impl End {
    pub(super) fn of(status: u16, path: &str) -> Self {
        match status {
            200 if path != "/missing" => Self::Served,
            404 if path == "/missing" => Self::Served,
            401 | 407 => Self::Refused,
            _ => Self::Answered,
        }
    }

    pub(super) fn failed(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Handshake(_) | ErrorKind::NewConnectionNeeded(_) => Self::LoginFailed,
            ErrorKind::Connect(_) | ErrorKind::Connection(_) | ErrorKind::ConnectionGone => {
                Self::ConnectionFailed
            }
            ErrorKind::Timeout(..) => Self::TimedOut,
            _ => Self::Failed,
        }
    }
}

/// Legs of a request on one connection.
pub(super) const LEGS: u32 = 24;
/// The first connection, three beginnings anew, a move from an idle one that has closed, and those from which it moves
/// before anything was sent.
pub(super) const CONNECTIONS: usize = 1 + 3 + 1 + 64;
/// Of a leg with content, or of what is sent before there are any: the settings of HTTP/2, the legs of `CONNECT`.
pub(super) const OCTETS: u64 = 110_000;
/// No world has so many.
pub(super) const ALL_LEGS: u32 = 5_000;
/// A request, and ten redirects.
pub(super) const HOPS: u32 = 11;

/// On each of five connections: connecting, a login, the wait for others' logins at both challengers, the rest of a
/// challenge's content, and the answer with its content. Before that the wait for a place.
const CONNECTION: u64 = 30 + 120 + 2 * 30 + 5 + 2 * 45;
pub(super) const LONGEST: Duration = Duration::from_secs(11 * (120 + 5 * CONNECTION));

/// Where nothing goes wrong: bodies in pieces take half a second each, and the others wait for them.
pub(super) const CALM: Duration = Duration::from_secs(4);

/// How often a wrong password may be shown that was never accepted: twice; and after each pause again, once, and once more
/// where that is not answered. By Digest, each of these three times, where others' challenges make nonces void.
pub(super) fn attempts(seen: &[Duration], by_digest: bool) -> usize {
    let each = if by_digest { 3 } else { 1 };
    let (Some(first), Some(last)) = (seen.first(), seen.last()) else { return 0 };
    let pauses = [30, 5 * 60].into_iter().chain(std::iter::repeat(32 * 60)).map(Duration::from_secs);
    let ends = pauses.scan(*first, |end, pause| {
        *end += pause;
        Some(*end)
    });
    let passed = ends.take_while(|end| end <= last).count();
    each * 2 * (1 + passed)
}
