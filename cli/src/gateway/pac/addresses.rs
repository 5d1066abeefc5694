//! What the helper functions know of addresses.

use std::net::IpAddr;

/// Whether it is an address, an IPv6 one without brackets.
pub(super) fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// Whether an address is in a network such as `198.95.0.0/16` or `3ffe:8311::/48`. IPv4 is the same as itself within IPv6, and
/// an IPv4 address is in a network of IPv6 as `::ffff:198.95.0.1`.
pub(super) fn is_in(address: &str, network: &str) -> bool {
    let parsed = network.split_once('/').and_then(|(start, length)| {
        let digits = length.bytes().all(|octet| octet.is_ascii_digit());
        let length: u32 = digits.then(|| length.parse().ok())??;
        Some((address.parse::<IpAddr>().ok()?, start.parse::<IpAddr>().ok()?, length))
    });
    let Some((address, start, length)) = parsed else { return false };
    // As an IPv6 one, the length counts from there.
    let length = match start {
        IpAddr::V4(_) if length <= 32 => length + 96,
        IpAddr::V6(_) if length <= 128 => length,
        IpAddr::V4(_) | IpAddr::V6(_) => return false,
    };
    let differ = bits(address) ^ bits(start);
    differ.checked_shr(128 - length).is_none_or(|first| first == 0)
}

/// A list with `;` in between, IPv6 first and otherwise by their numbers, each as it was written. `None` if one of them is no
/// address, or there is none.
pub(super) fn sorted(list: &str) -> Option<String> {
    let addresses = list.split(';').map(|entry| entry.trim_matches([' ', '\t'])).filter(|e| !e.is_empty());
    let mut addresses = addresses
        .map(|text| Some((text.parse::<IpAddr>().ok()?, text)))
        .collect::<Option<Vec<_>>>()
        .filter(|addresses| !addresses.is_empty())?;
    addresses.sort_by_key(|(address, _)| (address.is_ipv4(), bits(*address)));
    Some(addresses.iter().map(|(_, text)| *text).collect::<Vec<_>>().join(";"))
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}
