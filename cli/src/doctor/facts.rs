//! What was found. Serialized it is the report of `--json`: its names are part of the interface.

use serde::Serialize;

use crate::doctor::finding::Finding;

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The version of this format: names are added, and none is changed, while it stays the same.
    pub(crate) version: u8,
    /// What was asked for, without a user and without the query.
    pub(crate) url: String,
    /// The proxy, if there is one, and the origin: as far as they were reached.
    pub(crate) hops: Vec<Hop>,
    /// Where Negotiate is offered, or a ticket is to be used.
    pub(crate) kerberos: Option<Kerberos>,
    pub(crate) choice: Option<Choice>,
    pub(crate) attempt: Option<Attempt>,
    /// In the order of the way; those that make a login fail first.
    pub(crate) findings: Vec<Finding>,
    /// What to try next.
    pub(crate) next: String,
    /// The code of the finding that makes the login fail.
    pub(crate) fails: Option<&'static str>,
    /// The program's exit code.
    pub(crate) exit: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Proxy,
    Origin,
}

/// A proxy or the origin.
#[derive(Debug, Serialize)]
pub(crate) struct Hop {
    pub(crate) role: Role,
    pub(crate) origin: String,
    /// What its name stands for, as far as this machine has asked.
    pub(crate) addresses: Vec<String>,
    /// Which of them answered.
    pub(crate) reached: Option<String>,
    /// Why there is no answer.
    pub(crate) error: Option<Failure>,
    pub(crate) tls: Option<Tls>,
    /// What the answer came by: `HTTP/1.1`, `HTTP/2.0`.
    pub(crate) protocol: Option<String>,
    pub(crate) status: Option<u16>,
    /// Where a redirect leads, without the query.
    pub(crate) location: Option<String>,
    /// What kind of program it says it is.
    pub(crate) server: Option<String>,
    pub(crate) via: Option<String>,
    /// How far its clock is ahead of this machine's, by the field `Date`.
    pub(crate) clock_ahead_seconds: Option<i64>,
    /// Whether the connection stayed open behind the answer. `None` for HTTP/2, where it does.
    pub(crate) kept: Option<bool>,
    /// The challenges' field values, as sent.
    pub(crate) challenge_fields: Vec<String>,
    pub(crate) challenges: Vec<Challenge>,
    /// What is wrong with those that cannot be read.
    pub(crate) malformed: Vec<String>,
    /// Whether a proxy says that it ties connections together (RFC 4559, section 6).
    pub(crate) proxy_support: bool,
    pub(crate) ntlm: Option<Ntlm>,
}

/// Why there is no answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) says: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FailureKind {
    /// The name is not known.
    UnknownHost,
    /// Nobody listens there, or the network does not lead there.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The other side does not speak TLS, or none that is understood.
    Tls,
    /// What came is no answer by HTTP.
    Answer,
    /// The proxy opens no tunnel.
    Tunnel,
}

#[derive(Debug, Serialize)]
pub(crate) struct Tls {
    pub(crate) version: Option<String>,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) trusted: bool,
    /// Why the certificate is not trusted.
    pub(crate) distrust: Option<String>,
    /// What the server takes by ALPN.
    pub(crate) http1: bool,
    pub(crate) http2: bool,
    /// `tls-server-end-point`, where the certificate has them.
    pub(crate) channel_bindings: Option<&'static str>,
    /// Why it has none.
    pub(crate) no_channel_bindings: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Certificate {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) not_before: String,
    pub(crate) not_after: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Challenge {
    pub(crate) scheme: String,
    pub(crate) realm: Option<String>,
    /// Digest's.
    pub(crate) algorithm: Option<String>,
    pub(crate) qop: Option<String>,
    pub(crate) charset: Option<String>,
    pub(crate) stale: bool,
    /// Whether this program can answer it.
    pub(crate) known: bool,
}

/// What an NTLM message without a password brought to light.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Ntlm {
    /// The scheme that it was sent by.
    pub(crate) scheme: &'static str,
    /// The domain whose users the server knows.
    pub(crate) domain: Option<String>,
    pub(crate) computer: Option<String>,
    pub(crate) dns_domain: Option<String>,
    pub(crate) dns_computer: Option<String>,
    /// How far its clock is ahead, by the challenge.
    pub(crate) clock_ahead_seconds: Option<i64>,
    pub(crate) legs: Legs,
}

/// Whether the messages of one login reach one server by one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Legs {
    /// The second message found what the first had left.
    Together,
    /// It did not.
    Apart,
    /// It did not, as far as can be told: a server that begins again at any time looks the same.
    PerhapsApart,
    /// The connection was closed behind the first.
    Closed,
}

#[derive(Debug, Serialize)]
pub(crate) struct Kerberos {
    /// The system's library, and why there is none.
    pub(crate) library: Option<String>,
    pub(crate) no_library: Option<String>,
    pub(crate) cache: Option<Cache>,
    /// Who the server is to a KDC.
    pub(crate) target_name: String,
    /// The host's name behind an alias, where it is another.
    pub(crate) canonical_host: Option<String>,
    /// What the address stands for.
    pub(crate) reverse_host: Option<String>,
    /// The files that were read.
    pub(crate) configuration: Vec<String>,
    pub(crate) default_realm: Option<String>,
    /// The realm that the configuration puts the host into.
    pub(crate) host_realm: Option<String>,
    /// The user's.
    pub(crate) user_realm: Option<String>,
    /// Of the user's realm.
    pub(crate) kdcs: Vec<Kdc>,
    /// Whether KDCs are looked for in DNS where none is named.
    pub(crate) kdcs_by_dns: bool,
    /// By how much clocks may differ.
    pub(crate) clock_skew_allowed_seconds: u64,
    /// What came of asking the KDC for a ticket for the server, with the ticket at hand.
    pub(crate) ticket: Option<Ticket>,
    /// The same for the canonical name, where the KDC does not know the host's.
    pub(crate) ticket_for_canonical: Option<Ticket>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cache {
    pub(crate) name: String,
    pub(crate) found: bool,
    pub(crate) principal: Option<String>,
    /// When the ticket for getting tickets ends.
    pub(crate) expires: Option<String>,
    pub(crate) expired: Option<bool>,
    /// Why it could not be read.
    pub(crate) unread: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Kdc {
    pub(crate) address: String,
    /// By TCP.
    pub(crate) answers: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ticket {
    pub(crate) target_name: String,
    pub(crate) granted: bool,
    pub(crate) principal: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) reason: Option<NoTicket>,
}

/// Why there is no ticket for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NoTicket {
    NoLibrary,
    /// Nobody has logged in to Kerberos here.
    NoCredentials,
    Expired,
    UnknownService,
    UnknownRealm,
    NoKdc,
    ClockSkew,
    Timeout,
    Other,
}

/// Which scheme would log in.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Choice {
    pub(crate) role: Role,
    pub(crate) scheme: String,
    pub(crate) mechanism: Option<&'static str>,
    /// What it would log in with: `ticket` or `password`.
    pub(crate) with: With,
    pub(crate) why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum With {
    Ticket,
    Password,
}

/// What came of a login.
#[derive(Debug, Serialize)]
pub(crate) struct Attempt {
    pub(crate) with: With,
    pub(crate) user: Option<String>,
    pub(crate) result: AttemptResult,
    /// Who accepted or refused it.
    pub(crate) role: Option<Role>,
    pub(crate) status: Option<u16>,
    pub(crate) scheme: Option<String>,
    pub(crate) mechanism: Option<&'static str>,
    pub(crate) principal: Option<String>,
    /// Whether the server has proven who it is.
    pub(crate) mutual: bool,
    pub(crate) legs: Option<u32>,
    /// The library's words for what went wrong.
    pub(crate) says: Option<String>,
    /// Of a ticket that was refused: whether the same was accepted without channel bindings.
    pub(crate) without_channel_bindings: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AttemptResult {
    LoggedIn,
    /// No login was asked for.
    NotAsked,
    Refused,
    /// A ticket is valid, and the server's challenge stands.
    Denied,
    /// Nothing was sent that shows a password to the server.
    CannotStart,
    /// The KDC says that the password, or the account, has expired.
    Expired,
    /// The KDC says that the account is locked or disabled.
    Locked,
    /// No answer tells.
    Undecided,
}
