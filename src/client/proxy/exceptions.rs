//! The hosts that are reached without a proxy, as `no_proxy` lists them.

use std::net::IpAddr;

use http::Uri;

use crate::protection_space::parts;

/// A list of hosts. The table in the module's documentation has what an entry may be.
#[derive(Clone, Debug, Default)]
pub(super) struct Exceptions(Vec<Exception>);

/// One entry, for one port or for all.
#[derive(Clone, Debug)]
struct Exception {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum Hosts {
    All,
    /// Names of one label, as Windows lists them.
    Local,
    /// This one and all below it.
    Name(Box<str>),
    Network(Network),
}

/// The addresses that begin with the first `prefix` bits of this one.
#[derive(Clone, Debug)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Exceptions {
    /// Adds the entries of a list. What is none matches nothing.
    pub(super) fn extend(&mut self, list: &str) {
        let entries = list.split(|character: char| character == ',' || character.is_whitespace());
        self.0.extend(entries.filter_map(Exception::parse));
    }

    /// Whether the list has the host of an absolute `http` or `https` URI; allocates nothing.
    pub(super) fn contain(&self, uri: &Uri) -> bool {
        let Ok((_, host, port)) = parts(uri) else { return false };
        let host = without_last_dot(host);
        let address = address(host);
        self.0.iter().any(|exception| {
            exception.port.is_none_or(|only| only == port) && exception.hosts.contain(host, address)
        })
    }
}

impl Exception {
    fn parse(entry: &str) -> Option<Self> {
        if let Some((address, prefix)) = entry.split_once('/') {
            return Some(Self { hosts: Hosts::Network(Network::parse(address, prefix)?), port: None });
        }
        let (host, port) = match entry.rsplit_once(':') {
            // The colons of an address without brackets are its own.
            Some((host, port)) if address(entry).is_none() => (host, Some(number(port)?)),
            _ => (entry, None),
        };
        Some(Self { hosts: Hosts::parse(without_last_dot(host))?, port })
    }
}

impl Hosts {
    fn parse(host: &str) -> Option<Self> {
        if host == "*" {
            return Some(Self::All);
        }
        if host.eq_ignore_ascii_case("<local>") {
            return Some(Self::Local);
        }
        if let Some(address) = address(host) {
            return Some(Self::Network(Network::of_one(address)));
        }
        let name = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let name = name.strip_prefix('.').unwrap_or(name);
        let is_name = !name.is_empty() && !name.contains(['*', ':', '[', ']']);
        is_name.then(|| Self::Name(name.into()))
    }

    /// Names are those of names only: `2` does not stand for `192.0.2.2`.
    fn contain(&self, host: &str, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::All, _) => true,
            (Self::Local, None) => !host.contains('.'),
            (Self::Name(name), None) => is_at_or_below(host, name),
            (Self::Network(network), Some(address)) => network.contains(address),
            (Self::Local | Self::Name(_), Some(_)) | (Self::Network(_), None) => false,
        }
    }
}

impl Network {
    fn parse(text: &str, prefix: &str) -> Option<Self> {
        let prefix = u32::from(number(prefix)?);
        let written = as_written(text)?;
        match (written.to_canonical(), written) {
            // ::ffff:192.0.2.0/120 is 192.0.2.0/24.
            (IpAddr::V4(address), IpAddr::V6(_)) if (96..=128).contains(&prefix) => {
                Some(Self { address: address.into(), prefix: prefix - 96 })
            }
            (_, address) => {
                let bits = if address.is_ipv4() { 32 } else { 128 };
                (prefix <= bits).then_some(Self { address, prefix })
            }
        }
    }

    fn of_one(address: IpAddr) -> Self {
        Self { address, prefix: if address.is_ipv4() { 32 } else { 128 } }
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                differ.checked_shr(32 - self.prefix).is_none_or(|first| first == 0)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                differ.checked_shr(128 - self.prefix).is_none_or(|first| first == 0)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// An address; one of IPv4 within IPv6 is the one of IPv4.
fn address(host: &str) -> Option<IpAddr> {
    as_written(host).map(|address| address.to_canonical())
}

/// An address, an IPv6 one with or without brackets.
fn as_written(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

/// Digits only: `parse` would take a sign.
fn number(digits: &str) -> Option<u16> {
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn is_at_or_below(host: &str, name: &str) -> bool {
    let (host, name) = (host.as_bytes(), name.as_bytes());
    let Some(length) = host.len().checked_sub(name.len()) else { return false };
    let (before, end) = host.split_at(length);
    end.eq_ignore_ascii_case(name) && matches!(before, [] | [.., b'.'])
}

/// A name that is written from the root on (`example.com.`) is the same name.
fn without_last_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}
