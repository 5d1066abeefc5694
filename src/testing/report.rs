//! What the server saw: connections, their legs, and what came of each.

use std::fmt;
use std::net::SocketAddr;

use http::{HeaderMap, Method, StatusCode, Version};
use tokio::sync::watch;

use super::ntlm::SentBindings;
use super::token::{Presented, TokenKind};

/// A snapshot of everything that the server saw so far. It holds no passwords; the header fields
/// that carry credentials are left out of it.
///
/// `Display` prints the conversation, one line for each leg: worth putting into an assertion's
/// message.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    connections: Vec<Connection>,
}

/// One connection and its legs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Connection {
    /// Its number in the order of arrival, from 1.
    pub number: usize,
    /// The client's address; `None` for connections that are no sockets.
    pub peer: Option<SocketAddr>,
    /// The requests on it, in order.
    pub legs: Vec<Leg>,
    /// Whether it is closed.
    pub closed: bool,
}

/// One request and its response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Leg {
    /// Its number on the connection, from 1.
    pub number: usize,
    /// The request's method.
    pub method: Method,
    /// The request target as it was sent.
    pub target: String,
    /// The version of HTTP that it came by.
    pub version: Version,
    /// The request's header fields, without `Authorization` and `Proxy-Authorization`.
    pub headers: HeaderMap,
    /// What came in `Authorization`.
    pub authorization: Option<SeenAuthorization>,
    /// What came in `Proxy-Authorization`.
    pub proxy_authorization: Option<SeenAuthorization>,
    /// `Content-Length` as it was sent.
    pub content_length: Option<String>,
    /// Octets of content that have arrived.
    pub body_octets: u64,
    /// The status answered, once the answer is on its way.
    pub status: Option<StatusCode>,
    /// The challenges in the answer.
    pub challenges: Vec<String>,
    /// Who the request was served as; `None` if it was not, or without authentication.
    pub user: Option<String>,
}

/// An `Authorization` field, told without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenAuthorization {
    /// The scheme as the client spelled it.
    pub scheme: String,
    /// What kind of token came with it.
    pub token: TokenKind,
    /// The token's length in octets, decoded.
    pub octets: usize,
    /// What it says of channel bindings, if it is an answer by NTLM.
    pub channel_bindings: Option<SentBindings>,
    /// What the server made of it.
    pub verdict: Verdict,
}

/// What the server made of an `Authorization` field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Nobody looked at it: no authentication was demanded, or none by this scheme; or it cannot be read.
    Ignored,
    /// The handshake goes on.
    Continued,
    /// It proved this user.
    Accepted {
        /// The user's name.
        user: String,
    },
    /// It did not prove anything.
    Refused {
        /// The reason.
        why: String,
    },
    /// It continued a handshake that was not pending on this connection.
    Misplaced,
}

impl SeenAuthorization {
    pub(super) fn new(presented: &Presented, verdict: Verdict) -> Self {
        Self {
            scheme: presented.scheme.clone(),
            token: presented.kind,
            octets: presented.token.len(),
            channel_bindings: presented.channel_bindings(),
            verdict,
        }
    }
}

impl Report {
    /// Returns the connections in the order of their arrival.
    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// Returns the legs of all connections, one connection after the other.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.connections.iter().flat_map(|connection| &connection.legs)
    }

    /// Returns how many connections are open.
    pub fn open(&self) -> usize {
        self.connections.iter().filter(|connection| !connection.closed).count()
    }

    /// Returns how many handshakes were completed; schemes whose credentials hold for one request have none.
    pub fn handshakes(&self) -> usize {
        self.count(|seen| {
            let of_request = matches!(seen.token, TokenKind::UserPass | TokenKind::OfRequest);
            matches!(seen.verdict, Verdict::Accepted { .. }) && !of_request
        })
    }

    /// How many answers derived from a password were verified, right or wrong, by this server or by the KDC that it relays to: what
    /// counts towards a lockout.
    pub fn attempts(&self) -> usize {
        self.count(|seen| {
            let verified = match seen.verdict {
                Verdict::Accepted { .. } | Verdict::Refused { .. } => true,
                Verdict::Continued => seen.token.is_verified_elsewhere(),
                Verdict::Ignored | Verdict::Misplaced => false,
            };
            verified && seen.token.proves()
        })
    }

    /// Returns how many `Authorization` fields were refused.
    pub fn refused(&self) -> usize {
        self.count(|seen| matches!(seen.verdict, Verdict::Refused { .. }))
    }

    /// Returns how many messages continued a handshake that was not pending on their connection: legs that
    /// went astray.
    pub fn misplaced(&self) -> usize {
        self.count(|seen| seen.verdict == Verdict::Misplaced)
    }

    /// Octets of request content on all connections.
    pub fn body_octets(&self) -> u64 {
        self.legs().map(|leg| leg.body_octets).sum()
    }

    fn count(&self, predicate: impl Fn(&SeenAuthorization) -> bool) -> usize {
        self.legs()
            .flat_map(|leg| [&leg.proxy_authorization, &leg.authorization])
            .flatten()
            .filter(|seen| predicate(seen))
            .count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for connection in &self.connections {
            let state = if connection.closed { "closed" } else { "open" };
            writeln!(f, "connection {} ({state})", connection.number)?;
            for leg in &connection.legs {
                writeln!(f, "  {leg}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {} {}", self.number, self.method, self.target)?;
        for seen in [&self.proxy_authorization, &self.authorization].into_iter().flatten() {
            write!(f, " [{}: {}, {}]", seen.scheme, seen.token, seen.verdict)?;
        }
        if self.body_octets > 0 {
            write!(f, " + {} octets", self.body_octets)?;
        }
        match self.status {
            Some(status) => write!(f, " -> {}", status.as_u16())?,
            None => f.write_str(" -> no answer")?,
        }
        if let Some(user) = &self.user {
            write!(f, " as {user}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored => f.write_str("ignored"),
            Self::Continued => f.write_str("continued"),
            Self::Accepted { user } => write!(f, "accepted as {user}"),
            Self::Refused { why } => write!(f, "refused: {why}"),
            Self::Misplaced => f.write_str("misplaced"),
        }
    }
}

/// Writes the report; whoever waits for something in it is woken.
#[derive(Debug)]
pub(super) struct Recorder(watch::Sender<Report>);

impl Recorder {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Report::default()))
    }

    pub(super) fn snapshot(&self) -> Report {
        self.0.borrow().clone()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Report> {
        self.0.subscribe()
    }

    /// Adds a connection and returns its number.
    pub(super) fn opened(&self, peer: Option<SocketAddr>) -> usize {
        let mut number = 0;
        self.0.send_modify(|report| {
            number = report.connections.len() + 1;
            report.connections.push(Connection { number, peer, legs: Vec::new(), closed: false });
        });
        number
    }

    pub(super) fn closed(&self, connection: usize) {
        self.on_connection(connection, |connection| connection.closed = true);
    }

    /// Adds a leg and returns its number.
    pub(super) fn began(&self, connection: usize, leg: impl FnOnce(usize) -> Leg) -> usize {
        let mut number = 0;
        self.on_connection(connection, |connection| {
            number = connection.legs.len() + 1;
            connection.legs.push(leg(number));
        });
        number
    }

    pub(super) fn on_leg(&self, connection: usize, leg: usize, change: impl FnOnce(&mut Leg)) {
        self.on_connection(connection, |connection| {
            change(connection.legs.get_mut(leg - 1).expect("numbers are given out by `began`"));
        });
    }

    fn on_connection(&self, number: usize, change: impl FnOnce(&mut Connection)) {
        self.0.send_modify(|report| {
            let connection = report.connections.get_mut(number - 1);
            change(connection.expect("numbers are given out by `opened`"));
        });
    }
}
