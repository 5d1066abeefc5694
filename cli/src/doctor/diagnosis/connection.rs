//! What is wrong with the connection, for logins that are tied to it, and with the clock.

use crate::doctor::clock;
use crate::doctor::diagnosis::case::{Case, NTP};
use crate::doctor::facts::{Attempt, Choice, Hop, Legs, Role};
use crate::doctor::finding::{Certainty, Finding};

impl Case<'_> {
    /// What a login of the connection needs of the connection.
    pub(super) fn connection(&self, hop: &Hop, choice: Option<&Choice>) -> Vec<Finding> {
        let mut found = Vec::new();
        let name = hop.name();
        let by_kerberos = choice.is_some_and(|choice| choice.mechanism == Some("Kerberos"));
        let offers_ntlm = hop.offers("NTLM") || (hop.offers("Negotiate") && hop.ntlm.is_some());
        let mut add = |finding: Finding| {
            let fails = finding.fails && !by_kerberos;
            found.push(Finding { fails, ..finding });
        };
        let http2 = http2_only(hop, choice);
        let legs = hop.ntlm.as_ref().map(|ntlm| ntlm.legs);
        let between = self.between(hop);
        match legs.filter(|_| offers_ntlm) {
            Some(Legs::Apart) => {
                let says = format!(
                    "the messages of one NTLM login to {name} end up on different connections{between}: \
                     every password gets a 401, even the right one"
                );
                add(Finding::failure("ntlm-legs-apart", &name, says).next(KEEP_TOGETHER));
            }
            Some(Legs::PerhapsApart) if !between.is_empty() => {
                let says = format!(
                    "the messages of one NTLM login to {name} seem to end up on different \
                     connections{between}: every password would get a 401, even the right one"
                );
                add(Finding::failure("ntlm-legs-apart", &name, says)
                    .certainty(Certainty::Likely)
                    .next(KEEP_TOGETHER));
            }
            Some(Legs::Closed) => {
                let says = format!(
                    "{name} closes the connection in the middle of an NTLM login, which has to stay on one \
                     connection: no password gets in"
                );
                add(Finding::failure("ntlm-connection-closed", &name, says)
                    .next("have keep-alive turned on at the server and at every proxy before it"));
            }
            _ => {}
        }
        let forwarded = hop.role == Role::Origin
            && !hop.is_secure()
            && self.hops.iter().any(|hop| hop.role == Role::Proxy);
        if forwarded
            && !hop.proxy_support
            && (hop.offers("NTLM") || hop.offers("Negotiate"))
            && !hop.offers("Digest")
            && !hop.offers("Basic")
        {
            let says = format!(
                "{name} logs a connection in, and the proxy on the way does not say that it keeps clients' \
                 connections apart (Proxy-Support)"
            );
            found.push(Finding::failure("proxy-support", &name, says).next(
                "use https, which goes through the proxy in a tunnel, or go without the proxy: --noproxy \
                 HOST",
            ));
        }
        found.extend(http2);
        found
    }

    /// What shows that something stands before the server.
    pub(super) fn between(&self, hop: &Hop) -> String {
        const PROXIES: [&str; 9] = [
            "nginx",
            "haproxy",
            "envoy",
            "nghttpx",
            "openresty",
            "cloudflare",
            "awselb",
            "traefik",
            "varnish",
        ];
        let server = hop.server.as_deref().unwrap_or_default();
        let is_proxy = PROXIES.iter().any(|name| server.to_ascii_lowercase().starts_with(name));
        match (&hop.via, is_proxy) {
            (_, true) => format!(" behind what calls itself {server}"),
            (Some(via), false) => format!(" behind {via}"),
            (None, false) => String::new(),
        }
    }

    /// Only Kerberos minds.
    pub(super) fn clock(&self, hop: &Hop) -> Option<Finding> {
        let allowed = self.kerberos?.clock_skew_allowed_seconds;
        let of_ntlm = hop.ntlm.as_ref().and_then(|ntlm| ntlm.clock_ahead_seconds);
        let ahead = hop.clock_ahead_seconds.or(of_ntlm)?;
        if !hop.offers("Negotiate") || ahead.unsigned_abs() <= allowed || self.is_by_ntlm() {
            return None;
        }
        let direction = if ahead > 0 { "ahead of" } else { "behind" };
        let says = format!(
            "the clock of {} is {} {direction} this machine's, and Kerberos takes no more than {}",
            hop.name(),
            clock::span(ahead),
            clock::span(i64::try_from(allowed).unwrap_or(i64::MAX)),
        );
        // By a cache on the way, Date may be another's.
        let certainty = match self.attempt {
            Some(Attempt { says: Some(words), .. }) if words.contains("clock skew") => Certainty::Certain,
            _ => Certainty::Likely,
        };
        Some(Finding::failure("clock-skew", hop.name(), says).certainty(certainty).next(NTP))
    }
}

/// Logins by these schemes need HTTP/1.1.
fn http2_only(hop: &Hop, choice: Option<&Choice>) -> Option<Finding> {
    let is_chosen = |scheme: &str| match choice {
        Some(choice) => choice.scheme == scheme,
        None => hop.offers(scheme),
    };
    if !hop.is_only_http2() || !(is_chosen("NTLM") || is_chosen("Negotiate")) {
        return None;
    }
    let name = hop.name();
    let says = match choice.and_then(|choice| choice.mechanism) {
        Some("Kerberos") => {
            format!("{name} speaks only HTTP/2, and this program logs in by Negotiate only over HTTP/1.1")
        }
        _ => format!(
            "{name} speaks only HTTP/2, and a login by NTLM is a connection's, which all requests share \
             there: no password gets in"
        ),
    };
    Some(Finding::failure("http2-only", &name, says).next(
        "have the server, or what ends TLS before it, speak HTTP/1.1 too (ALPN http/1.1). Only Kerberos \
         can do without, in programs such as curl (kinit, then curl --negotiate -u :)",
    ))
}

const KEEP_TOGETHER: &str = "have it keep a client's requests on one connection to the server: pass TCP \
                             through (nginx: stream), or use what knows NTLM (HAProxy does; nginx with \
                             `ntlm` in `upstream`, a commercial module); or log in by Kerberos, whose \
                             requests stand alone";
