//! `legwork doctor`: why a login fails, in one command.

mod attempt;
mod certificate;
mod clock;
mod diagnosis;
mod examination;
mod facts;
mod finding;
mod kerberos;
mod lane;
mod ntlm;
mod offer;
mod text;
mod wire;

use std::time::Duration;

use clap::Args;
use http::Uri;
use legwork::Credentials;
use legwork::Origin;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::credentials::Ambient;
use legwork::service::Limits;

use crate::account::{Account, Named, Who};
use crate::advice::{self, Advice};
use crate::doctor::attempt::{Trial, Tried};
use crate::doctor::diagnosis::{Case, Subject};
use crate::doctor::examination::Examination;
use crate::doctor::facts::{Choice, Hop, Legs, Report, Role};
use crate::doctor::lane::Settings;
use crate::exit::Exit;
use crate::output::{complain, print};
use crate::policy::Policy;
use crate::way::Way;

/// Tells why a login fails: where, and what to try next
///
/// Looks at the proxy and the server on the way, at what they offer, at tickets, names and clocks, and says which login
/// would be made. It shows no password and no ticket to anybody unless it is told to: --try, or --ticket.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The URL that answers 401 or 407
    url: String,
    /// Try the password (of --user, netrc or the proxy) or the token, once at most and by one scheme: a refusal may count
    /// towards a lockout. With two passwords, the server's goes out only if the proxy has taken its own
    #[arg(long = "try", help_heading = "What to do")]
    tries: bool,
    /// Print the report as JSON
    #[arg(long, help_heading = "What to do")]
    json: bool,
    /// How long each step may take
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u16).range(1..),
        help_heading = "What to do"
    )]
    timeout: u16,
    #[command(flatten)]
    account: Account,
    #[command(flatten)]
    policy: Policy,
    #[command(flatten)]
    way: Way,
}

pub(crate) async fn run(arguments: Arguments) -> Exit {
    match examine(&arguments).await {
        Ok((report, exit)) => {
            let printed = match arguments.json {
                true => print(json(&report)),
                false => print(text::show(&report)),
            };
            match printed {
                Exit::Done => exit,
                failed => failed,
            }
        }
        Err(advice) => {
            complain(format_args!("legwork: {advice}"));
            advice.exit
        }
    }
}

async fn examine(arguments: &Arguments) -> Result<(Report, Exit), Advice> {
    let Arguments { account, policy, way, .. } = arguments;
    let uri: Uri = arguments.url.parse().map_err(|_| advice::on_no_url(&arguments.url))?;
    let origin = Origin::from_uri(&uri).map_err(|_| advice::on_no_url(&arguments.url))?;
    let misuse = |why: String| Advice::new(Exit::Usage, why, "");
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(misuse("leave the user out of the URL, and give it with -u".to_owned()));
    }
    let timeout = Duration::from_secs(arguments.timeout.into());
    let proxy = way.proxy_of(&uri).map_err(misuse)?;
    // Before anything is done: a prompt.
    let login = Login::of(arguments, proxy.as_ref())?;
    let settings = Settings {
        strict: way.tls().map_err(|why| Advice::new(Exit::Tls, why, ""))?,
        lax: Way::tls_with_anybody().map_err(|why| Advice::new(Exit::Tls, why, ""))?,
        timeout,
    };
    let hops =
        Examination { uri: &uri, origin: &origin, proxy: proxy.as_ref(), settings: &settings }.run().await;
    let subject = match hops.iter().rev().find(|hop| hop.is_challenge()).map(|hop| hop.role) {
        Some(Role::Proxy) => way.named_at_proxy(),
        _ => account.named(),
    };
    let subject = Subject::from(subject);
    let url = shown(&uri);
    let kerberos = match kerberos_host(&hops, &subject, &origin, proxy.as_ref()) {
        Some(host) => {
            let address = hops.last().and_then(Hop::address);
            Some(kerberos::look(host, policy.target_name(), address, &subject, timeout).await)
        }
        None => None,
    };
    let case = |attempt, advice| Case {
        url: &url,
        hops: &hops,
        kerberos: kerberos.as_ref(),
        attempt,
        advice,
        subject: &subject,
        policy,
        has_options: account.has_options() || policy.has_options() || way.has_options(),
    };
    let choice = case(None, None).choice();
    let tried = match login {
        Some(login) if can_try(&hops, choice.as_ref()) => {
            let seen = Seen { hops: &hops, choice: choice.as_ref() };
            Some(login.run(arguments, &uri, &origin, &settings, seen).await)
        }
        _ => None,
    };
    let (attempt, advice) = match tried {
        Some(Tried { attempt, advice }) => (Some(attempt), advice),
        None => (None, None),
    };
    let case = case(attempt.as_ref(), advice.as_ref());
    let findings = case.findings(choice.as_ref());
    let fails = findings.first().filter(|finding| finding.fails);
    let next = match fails {
        Some(finding) => {
            finding.next.clone().unwrap_or_else(|| "`legwork get -v` shows what is said".to_owned())
        }
        None => finding::capital(&case.next(choice.as_ref())),
    };
    let (exit, fails) = (diagnosis::exit(fails, &hops), fails.map(|finding| finding.code));
    let report =
        Report { version: 1, url, kerberos, choice, attempt, findings, fails, next, exit: exit as u8, hops };
    Ok((report, exit))
}

/// Who logs in where, if somebody is to.
struct Login {
    who: Who,
    /// `None` for a direct connection.
    proxies: Option<Proxies>,
}

impl Login {
    fn of(arguments: &Arguments, proxy: Option<&Origin>) -> Result<Option<Self>, Advice> {
        let Arguments { account, way, tries, .. } = arguments;
        let misuse = |why: String| Advice::new(Exit::Usage, why, "");
        if *tries {
            let who = account.who().map_err(|why| Advice::new(Exit::Secret, why, ""))?;
            let proxies = Some(way.proxies().map_err(misuse)?);
            if matches!(who, Who::Nobody) && proxy.is_none() {
                return Err(misuse(
                    "--try needs to know who logs in: give -u NAME, --ticket, --netrc or a token".to_owned(),
                ));
            }
            return Ok(Some(Self { who, proxies }));
        }
        let by_ticket = account.named() == Named::Ticket;
        if !by_ticket && way.named_at_proxy() != Named::Ticket {
            return Ok(None);
        }
        let ticket = Credentials::ambient(Ambient::new());
        // Without a password that the proxy's URL may have.
        let proxies = proxy.map(|proxy| {
            let proxy = Proxy::new(proxy.clone());
            if way.named_at_proxy() == Named::Ticket { proxy.credentials(ticket.clone()) } else { proxy }
        });
        let proxies = proxies.map(Proxies::all);
        let who = if by_ticket { Who::Known(ticket) } else { Who::Nobody };
        Ok(Some(Self { who, proxies }))
    }

    async fn run(
        self,
        arguments: &Arguments,
        uri: &Uri,
        origin: &Origin,
        settings: &Settings,
        Seen { hops, choice }: Seen<'_>,
    ) -> Tried {
        let Arguments { account, policy, way, .. } = arguments;
        let by_kerberos = choice.is_some_and(|choice| choice.mechanism == Some("Kerberos"));
        let by_digest = choice.is_some_and(|choice| choice.scheme == "Digest");
        let trial = Trial {
            uri,
            origin,
            policy,
            proxies: self.proxies,
            tls: settings.strict.clone(),
            http2: hops.iter().any(Hop::is_only_http2),
            without_ntlm: by_kerberos && hops.last().is_some_and(|hop| hop.ntlm.is_none()),
            restarts: if stays_open(hops) { 0 } else { Limits::default().restarts },
            // A nonce that is called stale at once would have the password sent again.
            max_legs: (by_digest && hops.len() == 1).then_some(2),
            timeout: settings.timeout,
        };
        let mut tried = trial.run(&self.who).await;
        let role = tried.attempt.role.or(hops.last().map(|hop| hop.role));
        let named = match role {
            Some(Role::Proxy) => way.named_at_proxy(),
            _ => account.named(),
        };
        if let Named::User(user) = named {
            tried.attempt.user = Some(user.to_owned());
        }
        tried
    }
}

/// What was found before a login.
struct Seen<'a> {
    hops: &'a [Hop],
    choice: Option<&'a Choice>,
}

/// Whether a login has somewhere to go: everybody is there, is trusted, and speaks what it needs.
fn can_try(hops: &[Hop], choice: Option<&Choice>) -> bool {
    let needs_http1 = choice.is_some_and(|choice| matches!(choice.scheme.as_str(), "Negotiate" | "NTLM"));
    if needs_http1 && hops.iter().any(Hop::is_only_http2) {
        return false;
    }
    // No password gets in there, so that each would only count as a wrong one.
    let is_ntlm = choice.is_some_and(|choice| choice.mechanism == Some("NTLM"));
    let loses =
        |hop: &Hop| hop.ntlm.as_ref().is_some_and(|ntlm| matches!(ntlm.legs, Legs::Apart | Legs::Closed));
    if is_ntlm && hops.iter().rev().find(|hop| hop.is_challenge()).is_some_and(loses) {
        return false;
    }
    hops.iter().all(|hop| hop.error.is_none() && hop.tls.as_ref().is_none_or(|tls| tls.trusted))
        && hops.iter().any(Hop::is_challenge)
}

/// Whether the origin was reached, and no challenge on the way ended its connection.
fn stays_open(hops: &[Hop]) -> bool {
    hops.iter().all(|hop| hop.kept != Some(false)) && hops.last().is_some_and(|hop| hop.role == Role::Origin)
}

/// The one that wants Kerberos, or would be asked for it.
fn kerberos_host<'a>(
    hops: &[Hop],
    subject: &Subject,
    origin: &'a Origin,
    proxy: Option<&'a Origin>,
) -> Option<&'a Origin> {
    let hop = hops.iter().rev().find(|hop| hop.is_challenge())?;
    let wants = hop.offers("Negotiate") || *subject == Subject::Ticket;
    let host = match hop.role {
        Role::Origin => Some(origin),
        Role::Proxy => proxy,
    };
    host.filter(|_| wants)
}

/// A URL without its query.
fn shown(uri: &Uri) -> String {
    let whole = uri.to_string();
    whole.split('?').next().unwrap_or_default().to_owned()
}

/// As text that does nothing to a terminal either.
fn json(report: &Report) -> String {
    let plain = match serde_json::to_string_pretty(report) {
        Ok(plain) => plain,
        Err(error) => return format!("{{\"error\": \"{error}\"}}\n"),
    };
    let mut text = String::with_capacity(plain.len() + 1);
    for c in plain.chars() {
        // What serde_json leaves as it is: all but quotes, backslashes and the first control characters.
        if c != '\n' && c != '\'' && c != '"' && c != '\\' && c.escape_debug().len() > 1 {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(c);
        }
    }
    text.push('\n');
    text
}
