//! What a login by Kerberos would come to: tickets, names, realms, KDCs, clocks.

mod cache;
mod ccache;
mod conf;
mod ticket;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use legwork::Origin;

use self::conf::Configuration;
use crate::doctor::diagnosis::Subject;
use crate::doctor::facts::{Kdc, Kerberos, NoTicket};
use crate::doctor::wire;

/// MIT's and Windows' (`clockskew` in `krb5.conf`).
const CLOCK_SKEW: u64 = 300;
const PORT: u16 = 88;
/// How many KDCs are looked for.
const MAX_KDCS: usize = 4;

/// Looks at all that can be looked at without the server.
pub(crate) async fn look(
    origin: &Origin,
    target_name: Option<&str>,
    address: Option<IpAddr>,
    subject: &Subject,
    timeout: Duration,
) -> Kerberos {
    let configuration = Configuration::read();
    let cache = cache::look(&configuration, SystemTime::now());
    let library = ticket::library();
    let host = origin.host().to_owned();
    let (canonical_host, reverse_host) = names(&host, address, timeout).await;
    let of_user = match subject {
        Subject::User(user) => Some(realm_of_user(user)),
        _ => None,
    };
    // `DOMAIN\name` is no name in Kerberos, and whose ticket is here is none of its business.
    let asks = !matches!(of_user, Some(OfUser::Netbios)) && *subject != Subject::Somebody;
    let of_cache =
        || cache.as_ref().and_then(|cache| Some(cache.principal.as_deref()?.rsplit_once('@')?.1.to_owned()));
    let default_realm = configuration.setting("default_realm").map(str::to_owned);
    let user_realm = match of_user {
        Some(OfUser::Realm(realm)) => Some(realm),
        Some(OfUser::Netbios) => None,
        Some(OfUser::Nothing) => default_realm.clone(),
        None => of_cache().or_else(|| default_realm.clone()),
    };
    let kdcs = match &user_realm {
        Some(realm) => kdcs(&configuration, realm, timeout).await,
        None => Vec::new(),
    };
    let mut kerberos = Kerberos {
        target_name: target_name.map_or_else(|| format!("HTTP/{host}"), str::to_owned),
        host_realm: configuration.realm_of(&host).map(str::to_owned),
        kdcs_by_dns: configuration.is_on("dns_lookup_kdc", true),
        clock_skew_allowed_seconds: configuration
            .setting("clockskew")
            .and_then(|seconds| seconds.parse().ok())
            .unwrap_or(CLOCK_SKEW),
        configuration: configuration.files.iter().map(|file| file.display().to_string()).collect(),
        no_library: library.as_ref().err().cloned(),
        library: library.ok(),
        cache,
        canonical_host,
        reverse_host,
        default_realm,
        user_realm,
        kdcs,
        ticket: None,
        ticket_for_canonical: None,
    };
    if kerberos.library.is_some() && asks {
        let ticket = ticket::ask(&kerberos.target_name, timeout).await;
        let other =
            kerberos.canonical_host.as_ref().filter(|_| ticket.reason == Some(NoTicket::UnknownService));
        if let Some(canonical) = other {
            kerberos.ticket_for_canonical = Some(ticket::ask(&format!("HTTP/{canonical}"), timeout).await);
        }
        kerberos.ticket = Some(ticket);
    }
    kerberos
}

/// What a user's name says of the realm.
enum OfUser {
    Realm(String),
    /// `DOMAIN\name`: the domain's short name is no realm.
    Netbios,
    Nothing,
}

fn realm_of_user(user: &str) -> OfUser {
    match (user.split_once('\\'), user.rsplit_once('@')) {
        (Some((domain, _)), _) if domain.contains('.') => OfUser::Realm(domain.to_uppercase()),
        (Some(_), _) => OfUser::Netbios,
        (None, Some((_, realm))) => OfUser::Realm(realm.to_uppercase()),
        (None, None) => OfUser::Nothing,
    }
}

/// Another name of the host, and that of its address; where they are others.
async fn names(host: &str, address: Option<IpAddr>, timeout: Duration) -> (Option<String>, Option<String>) {
    if host.parse::<IpAddr>().is_ok() || host.starts_with('[') {
        return (None, None);
    }
    let (tell, told) = tokio::sync::oneshot::channel();
    let asked = host.to_owned();
    std::thread::spawn(move || {
        // `AI_CANONNAME`, which is 2 on Linux, macOS, the BSDs and Windows.
        let hints = dns_lookup::AddrInfoHints { flags: 2, ..Default::default() };
        let canonical = dns_lookup::getaddrinfo(Some(&asked), None, Some(hints)).ok();
        let canonical = canonical.and_then(|found| found.flatten().find_map(|found| found.canonname));
        let reverse = address.and_then(|address| dns_lookup::lookup_addr(&address).ok());
        tell.send((canonical, reverse))
    });
    let other = |name: String| {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        Some(name).filter(|name| !name.eq_ignore_ascii_case(host) && name.parse::<IpAddr>().is_err())
    };
    match tokio::time::timeout(timeout, told).await {
        Ok(Ok((canonical, reverse))) => (canonical.and_then(other), reverse.and_then(other)),
        _ => (None, None),
    }
}

async fn kdcs(configuration: &Configuration, realm: &str, timeout: Duration) -> Vec<Kdc> {
    let mut found = Vec::new();
    for address in configuration.kdcs(realm).into_iter().take(MAX_KDCS) {
        let answers = match host_and_port(address) {
            Some((host, port)) => answers(&host, port, timeout.min(Duration::from_secs(3))).await,
            None => false,
        };
        found.push(Kdc { address: address.to_owned(), answers });
    }
    found
}

/// `None` for KDCs behind https.
fn host_and_port(address: &str) -> Option<(String, u16)> {
    if address.contains("://") {
        return None;
    }
    let address = address.strip_prefix("tcp/").or(address.strip_prefix("udp/")).unwrap_or(address);
    if let Ok(socket) = address.parse::<SocketAddr>() {
        return Some((socket.ip().to_string(), socket.port()));
    }
    match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => Some((host.to_owned(), port.parse().ok()?)),
        _ => Some((address.to_owned(), PORT)),
    }
}

async fn answers(host: &str, port: u16, timeout: Duration) -> bool {
    match wire::addresses(host, port, timeout).await {
        Ok(addresses) => wire::connect(&addresses, timeout).await.is_ok(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kdc_has_a_port_or_the_usual_one() {
        let at = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(host_and_port("dc1.corp.example"), at("dc1.corp.example", 88));
        assert_eq!(host_and_port("tcp/dc1.corp.example:1088"), at("dc1.corp.example", 1088));
        assert_eq!(host_and_port("[2001:db8::1]:88"), at("2001:db8::1", 88));
        assert_eq!(host_and_port("2001:db8::1"), at("2001:db8::1", 88));
        assert_eq!(host_and_port("https://proxy.corp.example/KdcProxy"), None);
    }

    #[test]
    fn a_user_names_a_realm_or_none() {
        assert!(
            matches!(realm_of_user("carol@corp.example"), OfUser::Realm(realm) if realm == "CORP.EXAMPLE")
        );
        assert!(
            matches!(realm_of_user(r"corp.example\carol"), OfUser::Realm(realm) if realm == "CORP.EXAMPLE")
        );
        assert!(matches!(realm_of_user(r"CORP\carol"), OfUser::Netbios));
        assert!(matches!(realm_of_user("carol"), OfUser::Nothing));
    }
}
