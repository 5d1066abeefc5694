//! A plain reader of `no_proxy`: names as lists of labels, addresses as texts of bits.

use std::net::IpAddr;

/// Whether the list has a host, as an origin spells it.
pub(super) fn contains(list: &str, host: &str, port: u16) -> bool {
    let spaced = list.replace(',', " ");
    spaced.split_whitespace().any(|entry| matches(entry, host, port))
}

fn matches(entry: &str, host: &str, port: u16) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let host_bits = bits(host);
    if let Some(slash) = entry.find('/') {
        let (network, length) = (&entry[..slash], &entry[slash + 1..]);
        // A last dot is for names.
        let Some(network) = bits(network) else { return false };
        let is_written_as_ipv6 = entry.contains(':');
        let Some(length) =
            decimal(length).filter(|length| *length <= if is_written_as_ipv6 { 128 } else { 32 })
        else {
            return false;
        };
        let Some(host_bits) = host_bits else { return false };
        // A short prefix of IPv6 holds no address of IPv4.
        return match (is_written_as_ipv6, is_ipv4(&network), is_ipv4(&host_bits)) {
            (true, true, true) if length < 96 => false,
            (true, true, false) if length >= 96 => false,
            (true, false, true) | (false, _, false) => false,
            (true, ..) => network[..length] == host_bits[..length],
            (false, ..) => network[..96 + length] == host_bits[..96 + length],
        };
    }

    let (entry, only) = match entry.rfind(':') {
        Some(colon) if bits(entry).is_none() => match decimal(&entry[colon + 1..]) {
            Some(only) if only <= 65535 => (&entry[..colon], Some(only)),
            _ => return false,
        },
        _ => (entry, None),
    };
    if only.is_some_and(|only| only != usize::from(port)) {
        return false;
    }
    let entry = entry.strip_suffix('.').unwrap_or(entry);
    if entry == "*" {
        return true;
    }
    match (bits(entry), host_bits) {
        (Some(entry), Some(host)) => return entry == host,
        (Some(_), None) | (None, Some(_)) => return false,
        (None, None) => {}
    }
    let mut labels: Vec<_> = entry.split('.').map(str::to_ascii_lowercase).collect();
    if labels.len() > 1 && matches!(labels[0].as_str(), "" | "*") {
        labels.remove(0);
    }
    let is_name = labels != [""] && !labels.iter().any(|label| label.contains(['*', ':', '[', ']']));
    let host: Vec<_> = host.split('.').map(str::to_ascii_lowercase).collect();
    is_name && host.ends_with(&labels)
}

/// An address as 128 of `0` and `1`, one of IPv4 in the place that it has in IPv6.
fn bits(address: &str) -> Option<String> {
    let inner = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let octets = match inner.unwrap_or(address).parse::<IpAddr>().ok()? {
        IpAddr::V4(_) if inner.is_some() => return None,
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };
    Some(octets.iter().map(|octet| format!("{octet:08b}")).collect())
}

fn is_ipv4(bits: &str) -> bool {
    bits.starts_with(&("0".repeat(80) + &"1".repeat(16)))
}

fn decimal(text: &str) -> Option<usize> {
    let mut number = 0_usize;
    for character in text.chars() {
        number = number.saturating_mul(10).saturating_add(usize::try_from(character.to_digit(10)?).ok()?);
    }
    (!text.is_empty()).then_some(number)
}
