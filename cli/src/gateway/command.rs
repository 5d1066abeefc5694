//! The command: from its arguments to its end.

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::Uri;
use legwork::client::proxy::Proxies;
#[cfg(unix)]
use legwork::mechanism::gssapi::Gssapi;
#[cfg(unix)]
use legwork::scheme::Negotiate;
use legwork::{Authenticator, Origin};
use tokio::sync::watch;

use crate::account::Who;
use crate::chain::chain;
use crate::exit::Exit;
use crate::output::complain;
#[cfg(unix)]
use crate::policy::negotiate_of_the_system;
use crate::system::{self, Choice, Settings};

use super::access::Users;
use super::arguments::{Arguments, Served};
use super::counts::Counts;
use super::files;
use super::listener::{Address, Listener};
use super::origin::{Jar, ServedOrigin};
use super::pac::Pac;
use super::proxy::{Chosen, ForwardProxy, Upstream};
use super::readiness;
use super::server::{Gateway, Limits, Role, Service};
use super::signals::{Hangups, Signals};

/// Serves until it is told to stop.
pub(crate) async fn run(arguments: Arguments) -> Exit {
    match serve(arguments).await {
        Ok(()) => Exit::Done,
        Err((exit, why)) => {
            complain(format_args!("legwork: {why}"));
            exit
        }
    }
}

async fn serve(arguments: Arguments) -> Result<(), (Exit, String)> {
    let arguments = Arc::new(arguments);
    arguments.check().map_err(|why| (Exit::Usage, why))?;
    let mut limits = arguments.limits();
    keep_to_the_files(&mut limits);
    let counts = Arc::<Counts>::default();
    let plan = Arc::new(Plan {
        limits,
        counts: Arc::clone(&counts),
        jars: arguments.serve.iter().map(|_| Arc::default()).collect(),
        proxies: arguments
            .proxies()
            .into_iter()
            .map(|address| (arguments.users(&address), address))
            .collect(),
        served: arguments.serve.iter().map(|served| arguments.users(&served.address)).collect(),
        pac: Mutex::default(),
    });
    let (routing, notes) = plan.routing(&arguments).await?;
    let (services, upstreams) = plan.services(&arguments, &routing)?;
    let mut server = Gateway::new(limits, Arc::clone(&counts));
    let (mut said, mut unchecked, mut senders) = (String::new(), Vec::new(), Vec::new());
    for (asked, origin, service) in services {
        let cannot_listen =
            |error: io::Error| (Exit::Connect, format!("cannot listen on {asked}: {}", chain(&error)));
        let listener = Listener::bind(&asked).await.map_err(cannot_listen)?;
        let address = listener.address().map_err(cannot_listen)?;
        if let Some(own) = upstreams.iter().find(|proxy| is_at(proxy, &address)) {
            let why = format!("the proxy {own} is this gateway itself: --proxy names the one behind it");
            return Err((Exit::Usage, why));
        }
        said += &announced(&address, origin.as_ref());
        unchecked.extend(service.access.unchecked(&address));
        let (sender, service) = watch::channel(Arc::new(service));
        senders.push(sender);
        server.listen(listener, service);
    }
    let no_signals = |error: io::Error| (Exit::File, format!("cannot wait for signals: {}", chain(&error)));
    let (mut first, mut again) = (Signals::new().map_err(no_signals)?, Signals::new().map_err(no_signals)?);
    let mut hangups = Hangups::new().map_err(no_signals)?;

    // Before anybody is told: who has read it may close the terminal at once.
    let had_terminal = io::stderr().is_terminal();
    // Nobody may want to read it.
    let _ = io::stdout().write_all(said.as_bytes());
    readiness::tell();
    unchecked.iter().chain(&notes).for_each(complain);
    arguments.shared_cookies().iter().for_each(complain);
    arguments.unknown_pages().iter().for_each(complain);
    let reloading = async {
        loop {
            hangups.next().await;
            // The same signal says that the terminal has been closed.
            if had_terminal && !io::stderr().is_terminal() {
                break;
            }
            reload(&plan, &arguments, &senders).await;
        }
    };
    tokio::select! {
        () = server.serve(first.stop()) => {}
        () = async { again.stop().await; again.stop().await } => {}
        () = show(&counts) => {}
        () = reloading => {}
        () = refresh(&plan) => {}
    }
    tell(&counts);
    complain(&*counts);
    Ok(())
}

/// A listener: where it is to listen, which origin it stands for, and what it does.
type Planned = (Address, Option<Origin>, Service);

/// What of the gateway stays as it is when it is reloaded.
struct Plan {
    limits: Limits,
    counts: Arc<Counts>,
    /// Of the origins that are served.
    jars: Vec<Arc<Jar>>,
    /// Who may use each proxy. It is not asked again: for a moment the system may not tell, and then all would be let in.
    proxies: Vec<(Users, Address)>,
    /// And each origin that is served.
    served: Vec<Users>,
    /// The PAC file that is in use, and where it came from.
    pac: Mutex<Option<(String, Arc<Pac>)>>,
}

/// Where requests go out.
enum Routing {
    Settled(Proxies),
    Chosen(Chosen),
}

/// How often a PAC file of the network is read again.
const REFRESH: Duration = Duration::from_secs(60 * 60);

impl Plan {
    /// Which proxies there are, or which PAC file says it, by what the arguments and the system say at this moment; and what
    /// there is to tell of them.
    async fn routing(&self, arguments: &Arguments) -> Result<(Routing, Vec<String>), (Exit, String)> {
        let unusable = |why| (Exit::Url, why);
        let system = match &arguments.pac {
            Some(source) => Settings { choice: Choice::Pac(source.clone()), left_out: Vec::new() },
            None if arguments.system_proxies => {
                let reading = tokio::task::spawn_blocking(system::settings);
                reading.await.expect("no panic").map_err(unusable)?
            }
            None => {
                return Ok((Routing::Settled(arguments.way.proxies().map_err(unusable)?), Vec::new()));
            }
        };
        let mut notes = system.left_out;
        let routing = match system.choice {
            Choice::Proxies(proxies) => {
                Routing::Settled(arguments.way.completed(*proxies).map_err(unusable)?)
            }
            Choice::Pac(source) => {
                let pac = self.pac(source, arguments, &mut notes).await?;
                let (exceptions, login_at) = (arguments.way.exceptions(), arguments.pac_login_at());
                Routing::Chosen(Chosen { pac, exceptions, login_at })
            }
        };
        Ok((routing, notes))
    }

    /// The PAC file from there, read again; as it was if that fails.
    async fn pac(
        &self,
        source: String,
        arguments: &Arguments,
        notes: &mut Vec<String>,
    ) -> Result<Arc<Pac>, (Exit, String)> {
        let known = self.known_pac().filter(|(known, _)| *known == source).map(|(_, pac)| pac);
        let pac = match known {
            Some(pac) => {
                match pac.reload().await {
                    Ok(()) => self.counts.has_pac(announced_pac(&pac)),
                    Err(why) => notes.push(format!("the PAC file stays as it was: {why}")),
                }
                pac
            }
            None => {
                let tls = arguments.way.tls().map_err(|why| (Exit::Tls, why))?;
                let pac = Pac::load(&source, &tls).await.map_err(|why| (Exit::Read, why))?;
                self.counts.has_pac(announced_pac(&pac));
                notes.extend(pac.unchecked());
                Arc::new(pac)
            }
        };
        *self.pac.lock().unwrap_or_else(PoisonError::into_inner) = Some((source, Arc::clone(&pac)));
        Ok(pac)
    }

    fn known_pac(&self) -> Option<(String, Arc<Pac>)> {
        self.pac.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What each listener does, and the proxies behind them: passwords, tokens and certificates are read, or asked for, at
    /// this moment.
    fn services(
        &self,
        arguments: &Arguments,
        routing: &Routing,
    ) -> Result<(Vec<Planned>, Vec<Origin>), (Exit, String)> {
        let misuse = |why| (Exit::Usage, why);
        let tls = arguments.way.tls().map_err(|why| (Exit::Tls, why))?;
        let (proxies, at_proxies) = match routing {
            Routing::Settled(proxies) => (proxies.clone(), None),
            Routing::Chosen(_) => {
                (Proxies::none(), arguments.way.proxy_credentials().map_err(|why| (Exit::Url, why))?)
            }
        };
        let upstream = |who: Who| {
            let known = who.credentials().cloned();
            let authenticator = authenticator(arguments, &proxies, who);
            match routing {
                Routing::Settled(proxies) => {
                    Upstream::new(proxies.clone(), authenticator, tls.clone(), &self.limits, &self.counts)
                }
                Routing::Chosen(chosen) => Upstream::chosen(
                    chosen.clone(),
                    at_proxies.clone().or(known),
                    authenticator,
                    tls.clone(),
                    &self.limits,
                    &self.counts,
                ),
            }
        };
        let everybodys = Arc::new(upstream(arguments.account.who().map_err(misuse)?));
        let upstream_at = |address: &Address| match arguments.who_at(address).map_err(misuse)? {
            Some(credentials) => Ok(Arc::new(upstream(Who::Known(credentials)))),
            None => Ok(Arc::clone(&everybodys)),
        };
        let access = |users| arguments.access(users).map_err(misuse);
        let mut services = Vec::new();
        for (users, address) in &self.proxies {
            let role = Role::Proxy(ForwardProxy::new(upstream_at(address)?, arguments.login_at.clone()));
            let service = Service { access: access(*users)?, role };
            services.push((address.clone(), None, service));
        }
        for ((Served { address, origin }, users), jar) in
            arguments.serve.iter().zip(&self.served).zip(&self.jars)
        {
            let upstream = upstream_at(address)?;
            let role = Role::Origin(ServedOrigin::new(origin.clone(), upstream, Arc::clone(jar)));
            let service = Service { access: access(*users)?, role };
            services.push((address.clone(), Some(origin.clone()), service));
        }
        Ok((services, upstreams(&proxies)))
    }
}

/// What is under way goes on as it has begun.
async fn reload(plan: &Arc<Plan>, arguments: &Arc<Arguments>, senders: &[watch::Sender<Arc<Service>>]) {
    let routing = match plan.routing(arguments).await {
        Ok((routing, notes)) => {
            notes.iter().for_each(complain);
            routing
        }
        Err((_, why)) => return complain(format_args!("not reloaded, all stays as it is: {why}")),
    };
    let (plan, arguments) = (Arc::clone(plan), Arc::clone(arguments));
    // A password may have to be asked for; who tells the gateway to stop does not wait for that.
    let reading = tokio::task::spawn_blocking(move || plan.services(&arguments, &routing));
    match reading.await.expect("no panic") {
        Ok((services, _)) => {
            for ((_, _, service), sender) in services.into_iter().zip(senders) {
                sender.send_replace(Arc::new(service));
            }
            complain("reloaded");
        }
        Err((_, why)) => complain(format_args!("not reloaded, all stays as it is: {why}")),
    }
}

/// Reads a PAC file of the network again, now and then.
async fn refresh(plan: &Plan) {
    loop {
        tokio::time::sleep(REFRESH).await;
        let Some((_, pac)) = plan.known_pac().filter(|(_, pac)| pac.is_remote()) else { continue };
        match pac.reload().await {
            Ok(()) => plan.counts.has_pac(announced_pac(&pac)),
            Err(why) => complain(format_args!("the PAC file stays as it was: {why}")),
        }
    }
}

fn announced_pac(pac: &Pac) -> String {
    let now = httpdate::fmt_http_date(SystemTime::now());
    format!("The PAC file {} says which proxies requests go through; it was read at {now}", pac.name())
}

/// What a user does with a listener.
fn announced(address: &Address, origin: Option<&Origin>) -> String {
    match (origin, address) {
        (None, Address::Tcp(address)) => format!(
            "listening on {address}\nexport http_proxy=http://{address}\nexport https_proxy=http://{address}\n"
        ),
        (Some(origin), Address::Tcp(address)) => {
            // By an address that is mapped into IPv6 it is not to be called.
            let called = SocketAddr::new(address.ip().to_canonical(), address.port());
            format!("listening on {address} for {origin}\nhttp://{called}/\n")
        }
        #[cfg(unix)]
        (None, address) => format!("listening on {address}\n"),
        #[cfg(unix)]
        (Some(origin), address) => format!("listening on {address} for {origin}\n"),
    }
}

/// A connection that there is no descriptor for would be refused; one past the limit waits.
fn keep_to_the_files(limits: &mut Limits) {
    let Some(files) = files::limit() else { return };
    let allowed = (files.saturating_sub(files::OWN) / 2).max(1);
    if allowed < limits.connections {
        complain(format_args!(
            "{allowed} connections at a time, since there may be {files} open files: ulimit -n {} for {}",
            2 * limits.connections + files::OWN,
            limits.connections
        ));
        limits.connections = allowed;
    }
}

/// The proxies that there are, each once.
fn upstreams(proxies: &Proxies) -> Vec<Origin> {
    let mut found = Vec::new();
    for uri in ["http://upstream.invalid/", "https://upstream.invalid/"] {
        // One that speaks SOCKS is no proxy for anybody; its requests say so.
        let Ok(Some(proxy)) = proxies.of(&Uri::from_static(uri)) else { continue };
        if !found.contains(proxy.origin()) {
            found.push(proxy.origin().clone());
        }
    }
    found
}

/// Whether requests to the proxy would come back.
fn is_at(proxy: &Origin, address: &Address) -> bool {
    #[cfg_attr(not(unix), expect(irrefutable_let_patterns, reason = "there are unix sockets elsewhere"))]
    let Address::Tcp(address) = address else { return false };
    let host = proxy.host().trim_matches(['[', ']']);
    let is_here = match host.parse::<IpAddr>() {
        Ok(ip) => {
            // Who connects to no address in particular reaches this machine.
            let ip = match ip.to_canonical() {
                IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                ip => ip,
            };
            let own = address.ip().to_canonical();
            ip == own || own.is_unspecified() && ip.is_loopback()
        }
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    is_here && proxy.port() == address.port()
}

/// Logs this user in at the proxies and at the origins that were named, and nowhere else.
fn authenticator(arguments: &Arguments, proxies: &Proxies, who: Who) -> Authenticator {
    let builder = Authenticator::builder()
        .dangerous_secrets_to_plain_http_proxies(arguments.insecure_basic)
        .dangerous_secrets_over_plain_http(arguments.insecure_basic);
    let credentials = match who {
        Who::Nobody => return builder.build(),
        Who::Netrc(netrc) => return builder.provider(netrc).build(),
        Who::Known(credentials) => credentials,
    };
    // Elsewhere the system's own tickets are for Negotiate as it is.
    #[cfg(unix)]
    let builder = match credentials.username() {
        // A name of a realm: its KDC takes the password.
        Some(name) if name.contains('@') => builder.negotiate(negotiate_of_the_system()),
        Some(_) => builder,
        None => builder.negotiate(Negotiate::kerberos(Gssapi::kerberos())),
    };
    let builder = upstreams(proxies)
        .into_iter()
        .fold(builder, |builder, proxy| builder.proxy_credentials(proxy, credentials.clone()));
    let served = arguments.serve.iter().map(|served| &served.origin);
    let origins = served.chain(&arguments.login_at);
    origins.fold(builder, |builder, origin| builder.credentials(origin.clone(), credentials.clone())).build()
}

/// Keeps one line on a terminal up to date.
async fn show(counts: &Counts) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        tell(counts);
        if io::stderr().is_terminal() {
            let _ = write!(io::stderr(), "{counts}");
        }
    }
}

/// Clears a terminal's line, and says what is new, such as why something was refused: each reason once, since programs
/// seldom show what a proxy says. There may be nobody to hear it.
fn tell(counts: &Counts) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K");
    }
    for line in counts.news() {
        let _ = writeln!(stderr, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(line: &str) -> Arguments {
        let words = std::iter::once("gateway").chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).arguments
    }

    #[test]
    fn an_origins_address_is_one_that_the_listener_answers_to() {
        let origin: Origin = "https://a.example".parse().expect("an origin");
        let said = announced(&"[::ffff:127.0.0.1]:8081".parse().expect("an address"), Some(&origin));
        assert!(said.ends_with("\nhttp://127.0.0.1:8081/\n"), "{said}");
    }

    #[test]
    fn a_proxy_that_is_the_gateway_is_known_by_each_of_its_addresses() {
        let is_at = |proxy: &str, address: &str| {
            let proxy = format!("http://{proxy}").parse().expect("an origin");
            is_at(&proxy, &address.parse().expect("an address"))
        };
        for (proxy, own) in [
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1"),
            ("127.0.0.1:1", "[::ffff:127.0.0.1]:1"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("[::ffff:0.0.0.0]:1", "127.0.0.1:1"),
            ("127.0.0.9:1", "0.0.0.0:1"),
            ("127.0.0.1:1", "[::]:1"),
            ("localhost:1", "127.0.0.1:1"),
        ] {
            assert!(is_at(proxy, own), "{proxy} {own}");
        }
        for (proxy, own) in [
            ("127.0.0.1:2", "127.0.0.1:1"),
            ("127.0.0.2:1", "127.0.0.1:1"),
            ("192.0.2.7:1", "0.0.0.0:1"),
            ("proxy.example:1", "127.0.0.1:1"),
        ] {
            assert!(!is_at(proxy, own), "{proxy} {own}");
        }
    }

    // Whatever the system tells by then.
    #[test]
    fn who_may_connect_is_not_decided_again_when_it_is_reloaded() {
        let arguments =
            parse("--listen 127.0.0.1:1 --serve 127.0.0.1:2=http://a.example -x http://proxy.example:3128");
        for users in [Users::All, Users::Own] {
            let plan = Plan {
                limits: Limits::default(),
                counts: Arc::default(),
                jars: vec![Arc::default()],
                proxies: arguments.proxies().into_iter().map(|address| (users, address)).collect(),
                served: vec![users],
                pac: Mutex::default(),
            };
            let routing = Routing::Settled(arguments.way.proxies().expect("a proxy"));
            let (services, _) =
                plan.services(&arguments, &routing).map_err(|(_, why)| why).expect("services");
            assert_eq!(services.len(), 2);
            for (address, _, service) in services {
                assert_eq!(service.access.unchecked(&address).is_some(), users == Users::All, "{address}");
            }
        }
    }
}
