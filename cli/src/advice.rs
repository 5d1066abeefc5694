//! Why there is no login, or no answer, and what to try next.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::iter;

use http::HeaderMap;
use legwork::challenge::Challenges;
use legwork::client::tunnel::{TunnelError, TunnelErrorKind};
use legwork::handshake::{HandshakeError, Refusal, Renewal, Tried, Why};
use legwork::protection_space::Challenger;
use legwork::service::{BoxError, Error, ErrorKind};

use crate::chain::{causes, chain};
use crate::exit::Exit;
use crate::output::visible;
use crate::trust::NO_AUTHORITIES;

/// What is wrong, and the next thing to try. A server or a proxy may have written a part of either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    /// How a program ends that meets with it.
    pub(crate) exit: Exit,
    /// What is wrong, without a full stop.
    pub(crate) wrong: String,
    /// A sentence or two: what to try. Empty where what is wrong says it all.
    pub(crate) next: String,
}

impl Advice {
    pub(crate) fn new(exit: Exit, wrong: impl Into<String>, next: impl Into<String>) -> Self {
        Self { exit, wrong: plain(wrong.into()), next: next.into() }
    }

    /// Without a word of NTLM that is left out, where nobody has asked for that.
    pub(crate) fn without_ntlm(mut self) -> Self {
        self.wrong = self.wrong.replace("; NTLM: shut out (--no-ntlm)", "");
        self
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.next.as_str() {
            "" => write!(f, "{}.", self.wrong),
            next => write!(f, "{}. {next}", self.wrong),
        }
    }
}

/// On a challenge that stands.
pub(crate) fn on_refusal(refusal: &Refusal) -> Advice {
    let who = challenger(refusal);
    let advice = |wrong, next: &str| Advice::new(Exit::Refused, wrong, next);
    let Some(Tried { scheme, why, passed_over, .. }) = telling(refusal) else {
        return advice(
            format!("{who} wants a login, and does not say which: it sent no challenge"),
            "That is an application with a login of its own (a form, a cookie), or a broken proxy in between. Its page \
             may say more: look at it with `legwork get -i`.",
        );
    };
    let passed_over = passed_over.as_deref();
    let offered = offered(refusal);
    let option = option_for(refusal.challenger);
    let reveals = |tried: &&Tried| tried.why == Why::RevealsSecret;
    let revealing: Vec<_> = refusal.tried.iter().filter(reveals).map(|tried| tried.scheme.as_str()).collect();
    match why {
        Why::Refused(_) if scheme.eq_ignore_ascii_case("Bearer") => advice(
            format!("{who} refused the token (Bearer)"),
            "Get a new one: it may have expired, be for another server, or not give these rights.",
        ),
        Why::Refused(Some(words)) if words.contains(FOR_ANOTHER_SERVER) => advice(
            format!("{who} refuses the ticket, which is for another server ({scheme})"),
            "Leave out --target-name, or name the host itself: --target-name HTTP/name.example. Where that is right, \
             the server's keytab is not.",
        ),
        Why::Refused(Some(words)) => match remedy(words) {
            // A KDC's words, or the server's about a ticket: the password is not in doubt, or certainly wrong.
            Some(next) => advice(format!("not logged in at {who} ({scheme}): {words}"), next),
            None => refused(&who, scheme, Some(words), passed_over),
        },
        Why::Refused(None) => refused(&who, scheme, None, passed_over),
        Why::RefusedBefore => advice(
            format!(
                "{who} has refused this user name or password before ({scheme}), so it was not sent again"
            ),
            "Check both, and the domain (DOMAIN\\name or name@domain): many servers lock an account after a few wrong \
             passwords.",
        ),
        Why::Denied => advice(
            format!("{who} accepts the login ({scheme}), but this user has no access to this page"),
            "Try another page or another user, or ask for access.",
        ),
        Why::Undecided(reason)
            if scheme.eq_ignore_ascii_case("Digest") && reason.contains(STILL_CHALLENGES) =>
        {
            advice(
                format!(
                    "{who} calls each answer stale ({scheme}), and never says whether the login is right"
                ),
                "Trying again does not help. Several servers behind one name may not know each other's nonces, or \
                 the server's nonces end at once: show whoever runs it.",
            )
        }
        Why::Undecided(reason) => advice(
            format!("{who} was sent the login ({scheme}), and did not say whether it is right: {reason}"),
            "Try once more, and no more than that before somebody has looked at the server: each try may count as a \
             wrong password.",
        ),
        Why::Paused(pause) => advice(
            format!("{who} was not sent the login ({scheme}): {pause}"),
            remedy(&pause.to_string()).unwrap_or("Check the password, and wait before you try again."),
        ),
        Why::NoCredentials => {
            let all = match offered.is_empty() {
                true => String::new(),
                false => format!(" by {offered}"),
            };
            let ticket = if offered.split(", ").any(|name| name.eq_ignore_ascii_case("Negotiate")) {
                format!(", or with {} if you have a ticket (kinit)", option.ticket)
            } else {
                String::new()
            };
            let bearer = if offered == "Bearer" {
                "Give it a token with --bearer-file, --bearer-command or the variable LEGWORK_TOKEN."
                    .to_owned()
            } else {
                format!("Log in with {} NAME{ticket}.", option.user)
            };
            advice(
                format!("{who} wants a login{all}, and nothing that was given can be used for it"),
                &bearer,
            )
        }
        Why::RevealsSecret => advice(
            format!(
                "{who} takes {}, which would show the {} to whoever reads this connection without TLS",
                revealing.join(" and "),
                match revealing.as_slice() {
                    [one] if one.eq_ignore_ascii_case("Bearer") => "token",
                    [_] => "password",
                    _ => "password or the token",
                }
            ),
            match refusal.challenger {
                Challenger::Origin => "Try https://, or --insecure-basic on a network that you trust.",
                Challenger::Proxy => {
                    "Try an https:// proxy, or --insecure-basic on a network that you trust."
                }
            },
        ),
        Why::NoMutualAuthentication => advice(
            format!("{who} takes {scheme}, by which it cannot prove who it is"),
            "Leave out the option that has it do so, or ask for Kerberos there.",
        ),
        Why::NoProxySupport => advice(
            format!(
                "{who} takes {scheme}, which logs a connection in, and the proxy in between does not say that it keeps \
                 connections apart"
            ),
            "Try https://, which goes through the proxy in a tunnel, or go without the proxy: --noproxy HOST.",
        ),
        Why::Http2 => advice(
            format!(
                "{who} takes {scheme}, which logs a connection in, and the connection is HTTP/2, which others share"
            ),
            "Try --http1.1.",
        ),
        Why::ContentNotKept => advice(
            format!(
                "{who} wants a login that covers all of the content ({scheme}, auth-int), and it is not kept"
            ),
            "Send it with --data-binary @FILE, which keeps it in memory.",
        ),
        Why::CannotStart(reason) => {
            let others = || match offered.contains(", ") {
                true => format!("Try another --scheme. The server offers {offered}."),
                false => "`legwork get -v` shows what was said.".to_owned(),
            };
            let next = remedy(reason).map_or_else(others, str::to_owned);
            advice(format!("{who} was not sent a login, since {scheme} could not start: {reason}"), &next)
        }
        Why::NtlmShutOut { left } => advice(
            format!("{who} offers {offered}: it wants NTLM, which --no-ntlm shuts out"),
            &match left.as_slice() {
                [] => "Get a ticket (kinit) for Kerberos, or leave out --no-ntlm.".to_owned(),
                left => format!(
                    "What is left is {}: ask for it at the server, or leave out --no-ntlm.",
                    left.join(", ")
                ),
            },
        ),
        Why::Unsupported => advice(
            format!("{who} offers {offered}, and none of that can be used"),
            "Leave out --scheme, or name one of those. Known here are negotiate, ntlm, scram, digest, bearer and basic.",
        ),
        Why::Unreadable(_) => advice(
            format!("{who} sent a challenge that cannot be read: {why}"),
            "That is the server's mistake, or a proxy's in between. `legwork get --trace text -` shows the challenge's \
             place.",
        ),
        _ => advice(refusal.to_string(), "`legwork get -v` shows what was said."),
    }
}

/// The password may be right, and no good without a mechanism that was wanted more.
fn refused(who: &str, scheme: &str, words: Option<&str>, passed_over: Option<&str>) -> Advice {
    let said = words.map(|words| format!(": {words}")).unwrap_or_default();
    let without = passed_over.map(|passed_over| format!(", without {passed_over}")).unwrap_or_default();
    let next: Vec<_> = iter::once(CHECK_PASSWORD).chain(passed_over.and_then(remedy)).collect();
    let wrong = format!("{who} refused the user name or the password ({scheme}{said}{without})");
    Advice::new(Exit::Refused, wrong, next.join(" "))
}

/// The same, with what the server says of it in its answer.
pub(crate) fn on_refused_answer(refusal: &Refusal, headers: &HeaderMap) -> Advice {
    let mut advice = on_refusal(refusal);
    let is_bearers =
        |tried: &Tried| tried.scheme.eq_ignore_ascii_case("Bearer") && matches!(tried.why, Why::Refused(_));
    if telling(refusal).is_some_and(is_bearers) {
        let challenges = Challenges::parse(headers, refusal.challenger.challenge_field());
        let said = challenges.iter().find(|challenge| challenge.is("Bearer")).and_then(|challenge| {
            let said = challenge.param_str("error_description").or_else(|| challenge.param_str("error"))?;
            Some(said.chars().take(MAX_SAID).collect::<String>())
        });
        if let Some(said) = said {
            advice.wrong = format!("{}: {}", advice.wrong, visible(&said).trim_end_matches('.'));
        }
    }
    advice
}

/// How many of a server's characters are quoted.
const MAX_SAID: usize = 300;
/// The library's words where a challenge follows each login.
const STILL_CHALLENGES: &str = "the server still challenges after";
/// The library's words for a ticket whose name is not the server's.
const FOR_ANOTHER_SERVER: &str = "ticket is for another server";

/// The challenge that stands behind a request without an answer: a proxy's, which opens no tunnel.
pub(crate) fn refusal_behind(error: &Error) -> Option<&Refusal> {
    if let ErrorKind::Refused(refusal) = error.kind() {
        return Some(refusal);
    }
    let tunnel = causes(error).find_map(|cause| cause.downcast_ref::<TunnelError>())?;
    match tunnel.kind() {
        TunnelErrorKind::Answered { refusal, .. } => refusal.as_ref(),
        _ => None,
    }
}

/// On a request without an answer.
pub(crate) fn on_error(error: &Error) -> Advice {
    if let Some(tunnel) = causes(error).find_map(|cause| cause.downcast_ref::<TunnelError>()) {
        if let Some(advice) = on_tunnel(tunnel, error) {
            return advice;
        }
    }
    let text = chain(error);
    match error.kind() {
        ErrorKind::Refused(refusal) => on_refusal(refusal),
        _ if error.is_timeout() => Advice::new(
            Exit::Timeout,
            text,
            "The host, or a firewall on the way, does not answer in time: check the address and the port, the VPN, \
             and whether a proxy is needed (--proxy).",
        ),
        ErrorKind::Connect(cause) | ErrorKind::Connection(cause) => on_connection(error, cause, text),
        ErrorKind::NewConnectionNeeded(Renewal::ClosedAfterChallenge | Renewal::ClosedInHandshake) => {
            Advice::new(
                Exit::Answer,
                text,
                "NTLM and Negotiate log a connection in, so that it must stay open: have keep-alive turned on at the server \
             and at every reverse proxy before it (nginx: `keepalive` in `upstream`), or try another --scheme.",
            )
        }
        ErrorKind::NewConnectionNeeded(Renewal::Http1Needed) => {
            Advice::new(Exit::Answer, text, "Try --http1.1.")
        }
        ErrorKind::NewConnectionNeeded(_) => Advice::new(Exit::Answer, text, "Try once more."),
        ErrorKind::BodyNotReplayable { .. } => Advice::new(
            Exit::Answer,
            text,
            "Try once more with --authenticate-first, which logs in by a HEAD before the content is sent.",
        ),
        ErrorKind::Handshake(HandshakeError::FinalToken(_) | HandshakeError::Unproven) => Advice::new(
            Exit::Refused,
            text,
            "Somebody may stand in between: do not type the password again before you know who answers there.",
        ),
        ErrorKind::Handshake(_) => Advice::new(
            Exit::Refused,
            text.clone(),
            remedy(&text).unwrap_or("Try another --scheme; `legwork get -v` shows what was said."),
        ),
        ErrorKind::Credentials(_) => {
            Advice::new(Exit::Secret, text, "Check where the name and the password come from.")
        }
        ErrorKind::Origin(_) => Advice::new(Exit::Url, text, URL),
        ErrorKind::Proxy(_) => Advice::new(
            Exit::Url,
            text,
            "Check --proxy, and the variables http_proxy, https_proxy and all_proxy.",
        ),
        ErrorKind::Request(_) => Advice::new(
            Exit::Url,
            text,
            "Check the URL and the fields; in a URL, write %20 for a blank, and the like for what is not ASCII.",
        ),
        _ => Advice::new(Exit::Answer, text, "Try once more; `legwork get -v` shows what was said."),
    }
}

/// On an answer whose head is there, and whose content broke off.
pub(crate) fn on_broken_content(error: &(dyn StdError + 'static)) -> Advice {
    Advice::new(
        Exit::Partial,
        format!("the answer broke off: {}", chain(error)),
        "What came until then is not all of it. Try once more.",
    )
}

/// On what is no URL.
pub(crate) fn on_no_url(url: &str) -> Advice {
    let wrong = "that is no http or https URL";
    // Nothing of it is shown: there may be a password in it.
    let Some((_, rest)) = url.split_once("://") else { return Advice::new(Exit::Url, wrong, URL) };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let port = host.rsplit(']').next().unwrap_or_default().split_once(':').map(|(_, port)| port);
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let (wrong, next) = match port {
        _ if !host.is_ascii() => {
            ("the URL's host is not in ASCII", "Write the host as xn--..., which is its form in DNS.")
        }
        _ if url.contains(char::is_whitespace) => ("there is a blank in the URL", "Write %20 for it."),
        Some(port) if !is_port(port) => {
            ("the URL's port is none", "Write a port from 1 to 65535, or leave out the colon.")
        }
        _ => (wrong, URL),
    };
    Advice::new(Exit::Url, wrong, next)
}

/// What to do about a 407 where no proxy was asked.
pub(crate) const AS_A_PROXY: &str = "If it is a proxy, give it by -x. Else a proxy in between intercepts the request: ask \
                                     whoever runs the network.";

const CHECK_PASSWORD: &str = "Check both, and the domain (DOMAIN\\name or name@domain). It was tried once. The answer \
                              does not tell whether the account is locked or its password has expired; many servers \
                              lock it after a few wrong passwords.";

const URL: &str = "Write it in full, such as https://mail.example/ews/.";

fn challenger(refusal: &Refusal) -> String {
    match refusal.challenger {
        Challenger::Origin => refusal.origin.to_string(),
        Challenger::Proxy => format!("the proxy {}", refusal.origin),
    }
}

struct Options {
    user: &'static str,
    ticket: &'static str,
}

fn option_for(challenger: Challenger) -> Options {
    match challenger {
        Challenger::Origin => Options { user: "-u", ticket: "--ticket" },
        Challenger::Proxy => Options { user: "--proxy-user", ticket: "--proxy-user :" },
    }
}

/// What is on offer, in the order in which it was considered.
fn offered(refusal: &Refusal) -> String {
    let mut names: Vec<&str> = Vec::new();
    for Tried { scheme, .. } in &refusal.tried {
        if !scheme.is_empty() && !names.iter().any(|name| name.eq_ignore_ascii_case(scheme)) {
            names.push(scheme);
        }
    }
    names.join(", ")
}

/// The reason that tells the most: what was said of the credentials, then what the user can do something about.
pub(crate) fn telling(refusal: &Refusal) -> Option<&Tried> {
    let evidence = refusal.evidence()?;
    match weight(evidence) {
        0 => Some(evidence),
        _ => refusal.tried.iter().max_by_key(|tried| weight(tried)),
    }
}

/// How much a rule tells that keeps a scheme from being used. Without a password there is none that Basic could show.
fn weight(tried: &Tried) -> u8 {
    match &tried.why {
        Why::NoProxySupport | Why::Http2 | Why::ContentNotKept => 5,
        Why::NtlmShutOut { .. } => 4,
        Why::RevealsSecret if !tried.scheme.eq_ignore_ascii_case("Basic") => 3,
        Why::NoCredentials if !tried.scheme.eq_ignore_ascii_case("Bearer") => 3,
        Why::RevealsSecret => 2,
        Why::NoCredentials | Why::NoMutualAuthentication => 1,
        _ => 0,
    }
}

/// On an answer to a login that is neither a challenge nor an acceptance.
pub(crate) fn without_verdict(who: &str, status: u16) -> Advice {
    Advice::new(
        Exit::Refused,
        format!("{who} was sent the login; the answer was {status}, which does not tell whether it is right"),
        "Look at the server's log before anything is tried again: each try may count as a wrong password.",
    )
}

/// What helps, by what the library, a KDC or the server says. What names an option of the library's names this
/// program's.
const REMEDIES: [(&str, &str); 20] = [
    (
        "no ticket: run kinit",
        "Get a ticket: `kinit NAME@REALM`, then `klist` shows it. Or log in with -u NAME@REALM.",
    ),
    (
        "the ticket of",
        "Get another ticket: `kinit NAME@REALM`, then `klist` shows it. Or log in with -u NAME@REALM.",
    ),
    (
        "clock skew",
        "Set this machine's clock (`timedatectl` shows whether it is synchronized), or have the server's set: Kerberos \
         takes no more than five minutes of difference.",
    ),
    (
        "not found in the KDC's database",
        "Use the server's full name in the URL, as the realm knows it, not an alias or an address. Or name it: \
         --target-name HTTP/name.example. Whoever runs the realm can add it (`setspn -S HTTP/name account`).",
    ),
    ("has expired", "Change the password first: `kpasswd NAME@REALM`, or at a machine of the domain."),
    (
        "is locked",
        "Have it unlocked by whoever runs the realm, or wait until it is. Trying again keeps it locked.",
    ),
    (
        "refused the password of",
        "Check the password and the realm (NAME@REALM). It was tried once; many realms lock an account after a few \
         wrong passwords.",
    ),
    (
        "does not know",
        "Check the user name and the realm: NAME@REALM, with the realm in capital letters as a rule.",
    ),
    (
        "is in another realm",
        "Give the user with the realm that the KDC names: -u NAME@REALM, in capital letters as a rule.",
    ),
    (
        "give the user as user@REALM",
        "Give the user with the realm: -u NAME@REALM, in capital letters as a rule.",
    ),
    (
        "no KDC is named for",
        "Name one: --kdc REALM=HOST. (Where the system's Kerberos is installed, krb5.conf or DNS names them.)",
    ),
    (
        "no KDC is known for",
        "Check the realm after the @ (it is the Kerberos realm, in capital letters as a rule, not the domain of the \
         mail address), and krb5.conf. Or name a KDC: --kdc REALM=HOST.",
    ),
    (
        "no KDC",
        "Check the network, the VPN and krb5.conf: KDCs answer at port 88. Or name another one: --kdc REALM=HOST.",
    ),
    (
        "no tickets for an address",
        "Use the server's name in the URL rather than its address, or name it: --target-name HTTP/name.example.",
    ),
    (
        "cannot decrypt the ticket",
        "Nothing can be done about that here: whoever runs the server has to make its keytab anew. Where another service has the key of \
         this name, name the right one: --target-name HTTP/name.example.",
    ),
    (
        "the keytab",
        "Make the keytab anew (`ktutil`, `ktpass`): it must have been made after the last change of the password.",
    ),
    (
        "library",
        "Install the system's Kerberos (Debian: libgssapi-krb5-2 and krb5-user; Fedora: krb5-workstation). Or log in \
         with -u NAME@REALM --kdc REALM=HOST, which needs none.",
    ),
    (
        "takes IAKERB",
        "Name a KDC that this machine can reach: --kdc REALM=HOST. Else the server's krb5.conf has to name one.",
    ),
    ("accepted before", "Check the password: it may have been changed. Wait before you try again."),
    ("without an answer", "Look at the server first: it did not answer several logins. Then try again."),
];

fn remedy(words: &str) -> Option<&'static str> {
    REMEDIES.iter().find(|(part, _)| words.contains(part)).map(|(_, remedy)| *remedy)
}

/// What the library calls by its own names, and this program by the names of options, or not at all.
const NAMES: [(&str, &str); 6] = [
    (" (Kerberos::kdc)", ""),
    ("AuthenticatorBuilder::target_name", "--target-name"),
    ("AuthenticatorBuilder::without_ntlm", "--no-ntlm"),
    ("Sspi::without_ntlm", "--no-ntlm"),
    (
        ": make the request again, which then waits with its body, or log in ahead of it (Client::authenticate, or \
         AuthenticateFirst in its extensions)",
        "",
    ),
    (" (Authenticator::forget_refusals tries them again)", ""),
];

/// A text of the library's, in this program's names.
pub(crate) fn plain(text: String) -> String {
    NAMES.iter().fold(text, |text, (theirs, ours)| text.replace(theirs, ours))
}

fn on_tunnel(tunnel: &TunnelError, error: &Error) -> Option<Advice> {
    match tunnel.kind() {
        TunnelErrorKind::Answered { refusal: Some(refusal), .. } => Some(on_refusal(refusal)),
        TunnelErrorKind::Answered { status, .. } => {
            let next = match status.as_u16() {
                403 | 405 => {
                    "The proxy does not let this host or port through: ask whoever runs it, or go without it: \
                     --noproxy HOST."
                }
                500..=599 => {
                    "The proxy cannot reach the host: check the host's name, or go without the proxy: --noproxy HOST."
                }
                _ => "Is that a proxy? Check --proxy, and the variables http_proxy and https_proxy.",
            };
            Some(Advice::new(Exit::Answer, chain(error), next))
        }
        _ => None,
    }
}

/// Whether the connection to the proxy is meant, rather than the one to what is behind it.
fn is_at_proxy(error: &Error) -> bool {
    match causes(error).find_map(|cause| cause.downcast_ref::<TunnelError>()) {
        Some(tunnel) => matches!(tunnel.kind(), TunnelErrorKind::Unreachable(_)),
        None => error.proxy().is_some() && error.origin().is_some_and(|origin| !origin.is_secure()),
    }
}

fn on_connection(error: &Error, cause: &BoxError, text: String) -> Advice {
    let tls = causes(&**cause).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    let io = causes(&**cause).find_map(|cause| cause.downcast_ref::<io::Error>());
    let at_proxy = is_at_proxy(error);
    if let Some(tls) = tls {
        return on_tls(tls, text);
    }
    let is_name = text.contains("dns error") || text.contains("failed to lookup address");
    let is_connect = matches!(error.kind(), ErrorKind::Connect(_));
    match (at_proxy, io.map(io::Error::kind)) {
        (true, _) if is_name => Advice::new(Exit::ProxyName, text, PROXY),
        (true, _) if is_connect => Advice::new(Exit::Connect, text, PROXY),
        (false, _) if is_name => Advice::new(
            Exit::HostName,
            text,
            "Check the host's name, and the VPN or the --proxy if it needs one.",
        ),
        (false, Some(io::ErrorKind::ConnectionRefused)) if is_connect => Advice::new(
            Exit::Connect,
            text,
            "Nobody answers at this address: check the host and the port, and whether the server runs.",
        ),
        (false, _) if is_connect => Advice::new(
            Exit::Connect,
            text,
            "Check the host, the port and the network, and whether a proxy is needed (--proxy).",
        ),
        _ => Advice::new(
            Exit::Answer,
            text,
            "The server, or something on the way, closed the connection or answered with what is no HTTP: is it https \
             where you wrote http? Or it speaks only HTTP/2: try --http2. Else try once more.",
        ),
    }
}

const PROXY: &str = "Check the proxy's address (--proxy, or the variables http_proxy, https_proxy and all_proxy), or go \
                     without it: --noproxy HOST.";

fn on_tls(tls: &rustls::Error, text: String) -> Advice {
    match tls {
        rustls::Error::InvalidCertificate(_) => Advice::new(
            Exit::Tls,
            text,
            "Is the host's name the one in the certificate? Where the company signs its own, give its authority's \
             certificate: --ca FILE.pem.",
        ),
        rustls::Error::General(words) if words.contains(NO_AUTHORITIES) => Advice::new(
            Exit::Tls,
            text,
            "Install them (Debian: ca-certificates), or name a file that has the server's authority: --ca FILE.pem.",
        ),
        rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol) => Advice::new(
            Exit::Handshake,
            text,
            "The server may speak only HTTP/2: try --http2. A login by NTLM needs HTTP/1.1 there.",
        ),
        rustls::Error::InvalidMessage(_) => Advice::new(
            Exit::Handshake,
            text,
            "The server does not speak TLS at this port: try http:// or another port.",
        ),
        _ => Advice::new(
            Exit::Handshake,
            text,
            "The server's TLS may be older than 1.2, or want a certificate from the client, which cannot be given here.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The texts of all files below a folder.
    fn texts(folder: &Path) -> io::Result<String> {
        let mut all = String::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match path.is_dir() {
                true => all.push_str(&texts(&path)?),
                false => all.push_str(&fs::read_to_string(path).unwrap_or_default()),
            }
        }
        Ok(all)
    }

    #[test]
    fn there_is_advice_for_what_the_library_says() {
        let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
        // The package has no library beside it.
        let Ok(sources) = texts(&library) else { return };
        // A sentence may go on in the next line.
        let sources: String = sources.split("\\\n").map(str::trim_start).collect();
        for (words, _) in REMEDIES {
            assert!(sources.contains(words), "the library does not say {words:?} any more");
        }
        assert!(sources.contains(FOR_ANOTHER_SERVER) && sources.contains(STILL_CHALLENGES));
        for (name, _) in NAMES {
            assert!(sources.contains(name), "the library does not say {name:?} any more");
        }
    }

    #[test]
    fn a_server_without_http1_is_told_from_one_without_tls() {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol);
        let advice = on_tls(&alert, "no".to_owned());
        assert!(advice.exit == Exit::Handshake && advice.next.contains("--http2"), "{advice}");
    }

    #[test]
    fn the_library_names_are_ours() {
        let advice = Advice::new(
            Exit::Refused,
            "no KDC is named for the realm A (Kerberos::kdc); NTLM: shut out (AuthenticatorBuilder::without_ntlm)",
            remedy("no KDC is named for the realm A (Kerberos::kdc)").expect("advice"),
        );
        assert_eq!(advice.wrong, "no KDC is named for the realm A; NTLM: shut out (--no-ntlm)");
        assert!(advice.next.starts_with("Name one: --kdc REALM=HOST."), "{advice}");
    }
}
