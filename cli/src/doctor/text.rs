//! The report for a reader at a terminal. Servers have written parts of it: what could be more than text is shown.

use std::fmt::{self, Display, Write};

use crate::doctor::clock;
use crate::doctor::facts::Report;
use crate::doctor::facts::{Attempt, AttemptResult, Choice, Hop, Kerberos, Legs, Role, Tls, With};
use crate::doctor::finding::Certainty;
use crate::output::visible;

/// Writes lines of a name and what there is to say.
struct Lines(String);

impl Lines {
    fn heading(&mut self, text: impl Display) {
        let _ = writeln!(self.0, "{}", visible(&text.to_string()));
    }

    fn line(&mut self, name: &str, text: impl Display) {
        let _ = writeln!(self.0, "  {name:<11} {}", visible(&text.to_string()));
    }
}

/// The whole report.
pub(crate) fn show(report: &Report) -> String {
    let mut lines = Lines(String::new());
    report.hops.iter().for_each(|hop| show_hop(&mut lines, hop));
    if let Some(kerberos) = &report.kerberos {
        show_kerberos(&mut lines, kerberos);
    }
    if let Some(choice) = &report.choice {
        lines.heading("Login");
        lines.line("would be", Described(choice));
        lines.line("because", &choice.why);
    }
    if let Some(attempt) = &report.attempt {
        if report.choice.is_none() {
            lines.heading("Login");
        }
        let is_tried = attempt.result != AttemptResult::CannotStart;
        lines.line(if is_tried { "tried" } else { "not tried" }, attempted(attempt));
    }
    lines.heading("");
    let (failing, notes): (Vec<_>, Vec<_>) = report.findings.iter().partition(|finding| finding.fails);
    for finding in failing.iter().skip(1).chain(&notes) {
        lines.heading(format_args!("Note:  {}", sentence(&finding.says)));
        if let Some(next) = finding.next.as_deref().filter(|_| !finding.fails) {
            lines.heading(format_args!("       {}", sentence(next)));
        }
    }
    match failing.first() {
        Some(finding) => {
            let how = match finding.certainty {
                Certainty::Certain => "",
                Certainty::Likely => "probably: ",
                Certainty::Possible => "perhaps: ",
            };
            lines.heading(format_args!("Fails: {how}{}", sentence(&finding.says)));
        }
        None => {
            lines.heading(match &report.attempt {
                Some(Attempt { result: AttemptResult::LoggedIn, .. }) => "No fault was found.",
                _ => "No fault can be seen without a login.",
            });
        }
    }
    lines.heading(format_args!("Next:  {}", sentence(&report.next)));
    lines.0
}

/// With a full stop.
fn sentence(text: &str) -> String {
    match text.ends_with(['.', '?', '!']) {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}

fn show_hop(lines: &mut Lines, hop: &Hop) {
    let role = match hop.role {
        Role::Proxy => "the proxy",
        Role::Origin => "the server",
    };
    lines.heading(format_args!("{} ({role})", hop.origin));
    if let Some(reached) = &hop.reached {
        lines.line("reached at", reached);
    } else if !hop.addresses.is_empty() {
        lines.line("addresses", hop.addresses.join(", "));
    }
    if let Some(tls) = &hop.tls {
        show_tls(lines, tls);
    }
    if let Some(error) = &hop.error {
        lines.line("no answer", &error.says);
    }
    if let (Some(status), Some(protocol)) = (hop.status, &hop.protocol) {
        let kept = match hop.kept {
            Some(true) => ", and the connection stays open",
            Some(false) => ", and the connection is closed",
            None => "",
        };
        lines.line("answer", format_args!("{status} over {protocol}{kept}"));
    }
    let program = match (&hop.server, &hop.via) {
        (Some(server), Some(via)) => Some(format!("{server}, via {via}")),
        (Some(server), None) => Some(server.clone()),
        (None, Some(via)) => Some(format!("via {via}")),
        (None, None) => None,
    };
    if let Some(program) = program {
        lines.line("program", program);
    }
    if let Some(ahead) = hop.clock_ahead_seconds {
        lines.line("clock", offset(ahead));
    }
    for (i, field) in hop.challenge_fields.iter().enumerate() {
        let field: String = field.chars().take(300).collect();
        lines.line(if i == 0 { "offers" } else { "" }, field);
    }
    hop.malformed.iter().for_each(|wrong| lines.line("unreadable", wrong));
    if let Some(ntlm) = &hop.ntlm {
        let names = [
            ("domain", &ntlm.domain),
            ("server", &ntlm.computer),
            ("DNS domain", &ntlm.dns_domain),
            ("DNS name", &ntlm.dns_computer),
        ];
        let names: Vec<_> = names
            .iter()
            .filter_map(|(what, name)| name.as_ref().map(|name| format!("{what} {name}")))
            .collect();
        lines.line("NTLM", names.join(", "));
        lines.line(
            "",
            match ntlm.legs {
                Legs::Together => "the messages of one login stay on one connection",
                Legs::Apart => "the messages of one login end up on different connections",
                Legs::PerhapsApart => {
                    "whether the messages of one login stay on one connection cannot be told without a \
                     password"
                }
                Legs::Closed => "the connection is closed after the first message",
            },
        );
    }
}

fn show_tls(lines: &mut Lines, tls: &Tls) {
    let protocols = match (tls.http1, tls.http2) {
        (true, true) => "HTTP/1.1 and HTTP/2",
        (true, false) => "HTTP/1.1",
        (false, true) => "only HTTP/2",
        (false, false) => "no protocol that is known here",
    };
    lines.line("TLS", format_args!("{}, with {protocols}", tls.version.as_deref().unwrap_or("?")));
    if let Some(certificate) = &tls.certificate {
        lines.line(
            "certificate",
            format_args!(
                "{} from {}, {} to {}",
                certificate.subject, certificate.issuer, certificate.not_before, certificate.not_after
            ),
        );
    }
    lines.line(
        "",
        match &tls.distrust {
            None => "trusted".to_owned(),
            Some(why) => format!("not trusted: {why}"),
        },
    );
    lines.line(
        "bindings",
        match (tls.channel_bindings, &tls.no_channel_bindings) {
            (Some(kind), _) => kind.to_owned(),
            (None, Some(why)) => format!("none: {why}"),
            (None, None) => "none: there is no certificate".to_owned(),
        },
    );
}

fn offset(ahead: i64) -> String {
    match ahead {
        -2..=2 => "as this machine's".to_owned(),
        3.. => format!("{} ahead of this machine's", clock::span(ahead)),
        _ => format!("{} behind this machine's", clock::span(ahead)),
    }
}

fn show_kerberos(lines: &mut Lines, kerberos: &Kerberos) {
    lines.heading("Kerberos");
    let library = kerberos.library.as_deref().or(kerberos.no_library.as_deref());
    lines.line("library", library.unwrap_or("none"));
    if let Some(cache) = &kerberos.cache {
        let what = match (&cache.principal, &cache.expires, &cache.unread) {
            (Some(principal), Some(until), _) => {
                let has_ended = if cache.expired == Some(true) { "ended on" } else { "until" };
                format!("of {principal}, {has_ended} {until}")
            }
            (Some(principal), None, _) => format!("of {principal}, without a ticket for getting tickets"),
            (None, _, Some(why)) => why.clone(),
            (None, _, None) => "not there".to_owned(),
        };
        lines.line("tickets", format_args!("{}: {what}", cache.name));
    }
    let realm = match &kerberos.host_realm {
        Some(realm) => format!(", in {realm} by krb5.conf"),
        None => String::new(),
    };
    lines.line("server", format_args!("{}{realm}", kerberos.target_name));
    if let Some(canonical) = &kerberos.canonical_host {
        lines.line("", format_args!("the host is an alias of {canonical}"));
    }
    if let Some(reverse) = &kerberos.reverse_host {
        lines.line("", format_args!("its address is called {reverse}"));
    }
    if let Some(realm) = &kerberos.user_realm {
        let kdcs: Vec<_> = kerberos
            .kdcs
            .iter()
            .map(|kdc| {
                format!("{} ({})", kdc.address, if kdc.answers { "answers" } else { "no answer by TCP" })
            })
            .collect();
        let kdcs = match kdcs.as_slice() {
            [] if kerberos.kdcs_by_dns => "not named in krb5.conf: the library looks in DNS".to_owned(),
            [] => "not named in krb5.conf".to_owned(),
            kdcs => kdcs.join(", "),
        };
        lines.line("KDC", format_args!("of {realm}: {kdcs}"));
    }
    for ticket in [&kerberos.ticket, &kerberos.ticket_for_canonical].into_iter().flatten() {
        lines.line(
            "ticket",
            match &ticket.error {
                None => format!("granted for {}", ticket.target_name),
                Some(error) => format!("none for {}: {error}", ticket.target_name),
            },
        );
    }
}

struct Described<'a>(&'a Choice);

impl Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Choice { role, scheme, mechanism, with, .. } = self.0;
        f.write_str("by ")?;
        f.write_str(scheme)?;
        if let Some(mechanism) = mechanism.filter(|mechanism| mechanism != scheme) {
            write!(f, " ({mechanism})")?;
        }
        f.write_str(match with {
            With::Ticket => " with the ticket",
            With::Password if scheme == "Bearer" => " with a token",
            With::Password => " with a password",
        })?;
        match role {
            Role::Proxy => f.write_str(", at the proxy"),
            Role::Origin => Ok(()),
        }
    }
}

fn attempted(attempt: &Attempt) -> String {
    let with = match (attempt.with, &attempt.user) {
        (With::Ticket, _) => "the ticket".to_owned(),
        (With::Password, _) if attempt.is_by_token() => "the token".to_owned(),
        (With::Password, Some(user)) => format!("the password of {user}"),
        (With::Password, None) => "the password".to_owned(),
    };
    let with = match (attempt.with, attempt.result) {
        (With::Ticket, _) | (_, AttemptResult::CannotStart) => with,
        (With::Password, _) => format!("{with}, once"),
    };
    let what = match attempt.result {
        AttemptResult::LoggedIn => "logged in",
        AttemptResult::NotAsked => "no login was asked for",
        AttemptResult::Refused => "refused",
        AttemptResult::Denied => "refused without a reason",
        AttemptResult::CannotStart => "not sent",
        AttemptResult::Expired => "expired",
        AttemptResult::Locked => "locked",
        AttemptResult::Undecided => "sent, and no answer tells whether it is right",
    };
    // The line's name says it already.
    let mut text = match attempt.result {
        AttemptResult::CannotStart => with,
        _ => format!("{with}: {what}"),
    };
    if let (AttemptResult::LoggedIn, Some(scheme)) = (attempt.result, &attempt.scheme) {
        let _ = write!(text, " by {scheme}");
        if let Some(mechanism) = attempt.mechanism.filter(|mechanism| mechanism != scheme) {
            let _ = write!(text, " ({mechanism})");
        }
        if let Some(principal) = &attempt.principal {
            let _ = write!(text, " as {principal}");
        }
        if let Some(legs) = attempt.legs {
            let _ = write!(text, " in {legs} legs");
        }
        if let Some(status) = attempt.status {
            let _ = write!(text, "; the answer is {status}");
        }
    } else if let Some(says) = attempt.says.as_ref().filter(|_| attempt.result != AttemptResult::Denied) {
        let _ = write!(text, " ({says})");
    }
    match attempt.without_channel_bindings {
        Some(true) => text.push_str("; accepted without channel bindings"),
        Some(false) => text.push_str("; refused without channel bindings, too"),
        None => {}
    }
    text
}
