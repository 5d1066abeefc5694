//! What is wrong with the way, and with what is offered.

use crate::advice::AS_A_PROXY;
use crate::doctor::diagnosis::case::Case;
use crate::doctor::facts::{Failure, FailureKind, Hop, Role};
use crate::doctor::finding::Finding;
use crate::trust::NO_AUTHORITIES;

impl Case<'_> {
    /// What keeps an answer away, or a login from being sent.
    pub(super) fn on_the_way(&self, hop: &Hop) -> Vec<Finding> {
        let no_answer = hop.error.as_ref().map(|failure| no_answer(hop, failure));
        no_answer.into_iter().chain(tls(hop)).collect()
    }

    /// What is wrong with what is offered.
    pub(super) fn offer(&self, hop: &Hop) -> Vec<Finding> {
        let mut found = Vec::new();
        let name = hop.name();
        match hop.status {
            Some(407) if hop.role == Role::Origin && self.hops.iter().all(|hop| hop.role == Role::Origin) => {
                let says = format!("{name} answers as a proxy does (407), and was not asked as one");
                found.push(Finding::failure("answers-as-a-proxy", &name, says).next(AS_A_PROXY));
                return found;
            }
            Some(401 | 407) => {}
            Some(status) if hop.role == Role::Origin => {
                let says = format!("{name} asks for no login at this URL: it answers {status}");
                found.push(
                    Finding::note("no-login-asked-for", &name, says).next("give the URL that answered 401"),
                );
                return found;
            }
            _ => return found,
        }
        if hop.challenges.is_empty() && hop.malformed.is_empty() {
            found.push(
                Finding::failure(
                    "no-challenge",
                    &name,
                    format!("{name} wants a login, but its answer has no challenge that says which"),
                )
                .next(
                    "that is an application with a login of its own (a form, a cookie), or a proxy that \
                     drops the challenge: ask whoever runs it",
                ),
            );
            return found;
        }
        if let Some(wrong) = hop.malformed.first() {
            let says = format!("{name} sends a challenge that cannot be read: {wrong}");
            let finding = Finding::note("challenge-unreadable", &name, says).next(
                "that is the server's mistake, or that of something in between: show whoever runs it the \
                 line above",
            );
            found.push(Finding { fails: !hop.challenges.iter().any(|challenge| challenge.known), ..finding });
        } else if !hop.challenges.iter().any(|challenge| challenge.known || challenge.is("Digest")) {
            let says = format!("{name} offers {}, which is not known here", hop.schemes().join(", "));
            found.push(
                Finding::failure("schemes-unknown", &name, says)
                    .next("have another scheme turned on at the server as well"),
            );
        }
        found.extend(digest(hop));
        found.extend(self.basic(hop));
        found
    }

    /// Basic where everybody can read it, and nothing else.
    pub(super) fn basic(&self, hop: &Hop) -> Option<Finding> {
        let is_open = !hop.is_secure() && hop.offers("Basic") && !self.policy.reveals_secrets();
        let has_other = hop
            .challenges
            .iter()
            .any(|challenge| challenge.known && !challenge.is("Basic") && !challenge.is("Bearer"));
        if !is_open || has_other {
            return None;
        }
        let (name, instead) = (hop.name(), hop.origin.replacen("http:", "https:", 1));
        let says = format!(
            "{name} takes only Basic, which shows the password to whoever reads this connection (there is \
             no TLS), so it was not sent"
        );
        let next = match hop.role {
            Role::Origin => format!(
                "use https ({instead}, or another port), or --insecure-basic on a network that you trust"
            ),
            Role::Proxy => {
                "use an https:// proxy, or --insecure-basic on a network that you trust".to_owned()
            }
        };
        Some(Finding::failure("basic-over-http", &name, says).next(next))
    }
}

fn tls(hop: &Hop) -> Option<Finding> {
    let tls = hop.tls.as_ref()?;
    let name = hop.name();
    if let Some(why) = &tls.distrust {
        let issuer = tls.certificate.as_ref().map(|it| format!(" (from {})", it.issuer)).unwrap_or_default();
        let says = format!("the certificate of {name}{issuer} is not trusted: {why}");
        return Some(Finding::failure("certificate", &name, says).next(match why.contains(NO_AUTHORITIES) {
            true => {
                "install them (Debian: ca-certificates), or name a file that has the server's authority: \
                 --ca FILE.pem"
            }
            false => {
                "is the host's name the one in the certificate? Where the company signs its own, give its \
                 authority's certificate: --ca FILE.pem"
            }
        }));
    }
    let why = tls.no_channel_bindings.as_ref()?;
    let says = format!(
        "the certificate of {name} gives no channel bindings ({why}): a server that demands them (Extended \
         Protection) lets nobody in"
    );
    Some(
        Finding::note("no-channel-bindings", &name, says)
            .next("give the server a certificate signed by RSA or ECDSA with SHA-256"),
    )
}

/// Digest by algorithms that not everybody has.
fn digest(hop: &Hop) -> Option<Finding> {
    let name = hop.name();
    let algorithms: Vec<_> =
        hop.of_scheme("Digest").map(|challenge| challenge.algorithm.as_deref().unwrap_or("MD5")).collect();
    if algorithms.is_empty() || algorithms.iter().any(|algorithm| algorithm.eq_ignore_ascii_case("MD5")) {
        return None;
    }
    let all = algorithms.join(", ");
    if !hop.offers("Digest") {
        let says = format!("{name} takes Digest by {all}, which is not known here");
        let finding = Finding::failure("digest-algorithm-unknown", &name, says)
            .next("have SHA-256 or MD5 turned on at the server");
        let fails = !hop.challenges.iter().any(|challenge| challenge.known);
        return Some(Finding { fails, ..finding });
    }
    let says = format!(
        "{name} takes Digest only by {all}, which older clients do not know and answer with another 401"
    );
    Some(Finding::note("digest-without-md5", &name, says).next(
        "update the client that fails (curl before 7.57, and Windows' own Digest, know only MD5; this \
         program knows both), or have MD5 turned on at the server as well",
    ))
}

/// Nothing came.
fn no_answer(hop: &Hop, failure: &Failure) -> Finding {
    let Failure { kind, says } = failure;
    let name = hop.name();
    let is_proxy = hop.role == Role::Proxy;
    let without = "check the proxy's address (--proxy, or the variables http_proxy, https_proxy and \
                   all_proxy), or go without it: --noproxy HOST";
    match kind {
        FailureKind::UnknownHost if is_proxy => {
            Finding::failure("proxy-unknown-host", &name, format!("{name} cannot be found: {says}"))
                .next(without)
        }
        FailureKind::Unreachable if is_proxy => {
            Finding::failure("proxy-unreachable", &name, format!("nobody answers at {name}: {says}"))
                .next(without)
        }
        FailureKind::Timeout if is_proxy => {
            Finding::failure("proxy-timeout", &name, format!("{name} does not answer in time: {says}"))
                .next(without)
        }
        FailureKind::UnknownHost => {
            Finding::failure("unknown-host", &name, format!("{name} cannot be found: {says}"))
                .next("check the host's name, and the VPN or the --proxy if it needs one")
        }
        FailureKind::Unreachable => {
            Finding::failure("unreachable", &name, format!("nobody answers at {name}: {says}"))
                .next("check the host and the port, and whether the server runs or a --proxy is needed")
        }
        FailureKind::Timeout => {
            Finding::failure("timeout", &name, format!("{name} does not answer in time: {says}")).next(
                "check the network, the VPN and firewalls on the way, and whether the server is overloaded",
            )
        }
        FailureKind::Tls => Finding::failure("tls", &name, format!("there is no TLS with {name}: {says}"))
            .next("check the port, and that the server has TLS 1.2 or 1.3"),
        FailureKind::Tunnel => Finding::failure(
            "proxy-opens-no-tunnel",
            &name,
            format!("{name} lets this request through to nobody: {says}"),
        )
        .next(
            "ask whoever runs the proxy whether it may reach this host and port, or go without it: \
             --noproxy HOST",
        ),
        FailureKind::Answer => {
            Finding::failure("no-http", &name, format!("{name} does not answer in HTTP: {says}"))
                .next("check the port, and whether the URL should begin with https")
        }
    }
}
