//! How the program ends.

use crate::doctor::facts::Hop;
use crate::doctor::finding::Finding;
use crate::exit::Exit;

/// The exit code for what fails.
pub(crate) fn exit(fails: Option<&Finding>, hops: &[Hop]) -> Exit {
    match fails.map(|finding| finding.code) {
        None => Exit::Done,
        Some("proxy-unknown-host") => Exit::ProxyName,
        Some("unknown-host") => Exit::HostName,
        Some("proxy-unreachable" | "unreachable") => Exit::Connect,
        Some("proxy-timeout" | "timeout") => Exit::Timeout,
        Some("tls") => Exit::Handshake,
        Some("certificate") => Exit::Tls,
        Some("no-http" | "proxy-opens-no-tunnel") => Exit::Answer,
        Some(_) if hops.is_empty() => Exit::Answer,
        Some(_) => Exit::Refused,
    }
}
