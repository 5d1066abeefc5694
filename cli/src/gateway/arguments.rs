//! The command line.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{StringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Args, Command};
use http::Uri;
use legwork::credentials::{Ambient, OriginPatterns};
use legwork::{Credentials, Origin};
use zeroize::Zeroizing;

use crate::account::Account;
use crate::chain::chain;
use crate::way::Way;

use super::access::{Access, Token, Users};
use super::listener::Address;
use super::server::Limits;

/// Logs in for programs that cannot, at proxies and at origins
///
/// For programs such as cargo, uv, pip, apt, git, npm and curl it is a proxy on this machine that wants no login, and logs
/// in at the proxy that does: set http_proxy and https_proxy to the address that it prints. For an origin that wants a
/// login, --serve makes a server on this machine that wants none.
///
/// On SIGHUP it reads passwords, tokens, certificates and PAC files again; Windows has no such signal. Ctrl-C or SIGTERM stops it, when what is under way has
/// ended; a second one stops it at once, and so does closing the terminal that it writes to.
#[derive(Args, Debug)]
#[allow(rustdoc::bare_urls, reason = "it is the text of --help")]
pub(crate) struct Arguments {
    /// Be a proxy at this address: 127.0.0.1:3128 unless something else is said. Port 0 is any free one, and unix: with
    /// a path is a socket that only you can use, but for Windows. It says what it does at / and, for Prometheus, at /metrics
    #[arg(long, value_name = "ADDRESS", help_heading = "Where it listens")]
    listen: Vec<Address>,
    /// Stand for the origin of this URL at this address, as in 127.0.0.1:8081=https://devops.corp.example, and log in
    /// there. Put right are Host, Location, Origin, Referer and cookies; the contents of pages are not, so that an
    /// absolute link in one leads past the gateway. What Origin, Referer or Sec-Fetch-Site tell to come from a page of
    /// another site is refused. Cookies whose names begin with __Host- or __Secure- stay in the
    /// gateway: all who use the address share them. Other cookies are those of all servers at the same host, whatever
    /// the port: give each origin an address of its own (127.0.0.2)
    #[arg(long, value_name = "ADDRESS=URL", value_parser = Discreet(served), help_heading = "Where it listens")]
    pub(super) serve: Vec<Served>,
    /// For programs that take it for their proxy, log in at this origin too, which is spoken to without TLS. Of any other,
    /// they get the 401 themselves. So do browsers (User-Agent: Mozilla/...), which can log in themselves, and what Origin,
    /// Referer or Sec-Fetch-Site tell to come from a page of another site
    #[arg(long, value_name = "ORIGIN", value_parser = Discreet(without_tls), help_heading = "Where it listens")]
    pub(super) login_at: Vec<Origin>,
    /// Listen at an address that is not this machine's alone: whoever reaches it uses your login
    #[arg(long, help_heading = "Who may use it")]
    dangerous_listen_on_network: bool,
    /// Let all users of this machine in. Otherwise, on Linux, only programs of your own and of root may connect
    #[arg(long, help_heading = "Who may use it")]
    any_user: bool,
    /// Let in who shows the first line of this file: as the password of Basic, by any name, or by Bearer; as in
    /// http_proxy=http://x:TOKEN@127.0.0.1:3128
    #[arg(long, value_name = "FILE", help_heading = "Who may use it")]
    token_file: Option<PathBuf>,
    /// Be called by this name, too, in a request's Host. Browsers do not always say there whose page sends a request
    #[arg(long, value_name = "HOST[:PORT]", help_heading = "Who may use it")]
    allow_host: Vec<String>,
    #[command(flatten)]
    pub(super) account: Account,
    /// Log in as another user for those who connect at this address, one of --listen or --serve; as in
    /// 127.0.0.1:3129=DOMAIN\name. A : in place of the user is --ticket. Who is named with a proxy, there, stays
    #[arg(long, value_name = "ADDRESS=USER", value_parser = Discreet(at::<String>), help_heading = "Who logs in")]
    user_at: Vec<(Address, String)>,
    /// Take the password of that user from the first line of this file
    #[arg(long, value_name = "ADDRESS=FILE", value_parser = Discreet(at::<PathBuf>), help_heading = "Who logs in")]
    password_file_at: Vec<(Address, PathBuf)>,
    /// Send Basic's password to a proxy or an origin that is spoken to without TLS, where whoever listens on the network
    /// can read it
    #[arg(long, help_heading = "Who logs in")]
    pub(super) insecure_basic: bool,
    #[command(flatten)]
    pub(super) way: Way,
    /// Go through the proxies that this PAC file names for each request: a path, or a URL of http, https or file. It is asked
    /// for the program's URLs, of https without path and query, and may take 1 second and 16 MiB for each. Where it fails, so
    /// does the request. One of the network is fetched straight and without a login, when the gateway starts and each hour; both
    /// are read again on SIGHUP, and one that cannot be read leaves the last one in use. Only in programs built with the
    /// feature pac
    #[arg(long, value_name = "FILE|URL", conflicts_with = "proxy", help_heading = "The way")]
    pub(super) pac: Option<String>,
    /// Go through the proxies of the system's settings: GNOME's, KDE's, Windows' or macOS'. They may name a PAC file. Without
    /// this, and without --proxy, the variables hold
    #[arg(long, conflicts_with_all = ["proxy", "pac"], help_heading = "The way")]
    pub(super) system_proxies: bool,
    /// Log in at these of the proxies that a PAC file names, as in proxy.corp.example or *.corp.example or
    /// https://proxy.corp.example:8443. At any other nobody is logged in, whatever it asks for: whoever changes the file would
    /// choose who gets your login
    #[arg(long, value_name = "PROXIES", value_parser = named_proxies, help_heading = "Who logs in")]
    pac_login_at: Vec<OriginPatterns>,
    /// Log in at whichever proxy a PAC file names
    #[arg(long, conflicts_with = "pac_login_at", help_heading = "Who logs in")]
    dangerous_pac_login_anywhere: bool,
    /// How many connections of programs there may be; more of them wait
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().connections as u32, value_parser = positive(), help_heading = "Limits")]
    max_connections: u32,
    /// Seconds for the head of a request
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = positive(), help_heading = "Limits")]
    head_timeout: u32,
    /// Seconds for opening a tunnel, with the login
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = positive(), help_heading = "Limits")]
    tunnel_timeout: u32,
    /// Seconds for which a tunnel, or a WebSocket, may carry nothing, and for an answer to a program that has ended its side
    #[arg(long, value_name = "SECONDS", default_value = "900", value_parser = positive(), help_heading = "Limits")]
    idle_timeout: u32,
    /// Seconds for what is under way when the gateway is told to stop
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = positive(), help_heading = "Limits")]
    grace: u32,
}

/// An origin, and where the gateway stands for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) address: Address,
    pub(super) origin: Origin,
}

fn served(text: &str) -> Result<Served, String> {
    let both = text
        .split_once('=')
        .ok_or("it is ADDRESS=URL, such as 127.0.0.1:8081=https://devops.corp.example")?;
    Ok(Served { address: both.0.parse()?, origin: origin(both.1)? })
}

/// Something that is for one listener.
fn at<T: From<String>>(text: &str) -> Result<(Address, T), String> {
    let both = text.split_once('=').filter(|(_, what)| !what.is_empty());
    let (address, what) = both.ok_or("an address comes first, and = behind it, as in 127.0.0.1:3129=…")?;
    Ok((address.parse()?, what.to_owned().into()))
}

/// Takes what a function does, and repeats nothing of what it does not take: there may be a password in it.
#[derive(Clone)]
struct Discreet<T>(fn(&str) -> Result<T, String>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Discreet<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let text = StringValueParser::new().parse_ref(command, argument, value)?;
        (self.0)(&text).map_err(|why| {
            let option = argument.map(ToString::to_string).unwrap_or_default();
            clap::Error::raw(ErrorKind::ValueValidation, format!("{option}: {why}\n")).with_cmd(command)
        })
    }
}

/// A URL that has nothing but an origin.
fn origin(url: &str) -> Result<Origin, String> {
    let uri: Uri = url.parse().map_err(|_| "it is no URL")?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("the URL has a user in it: --user is for that".to_owned());
    }
    if uri.path_and_query().is_some_and(|path| path != "/") {
        return Err(
            "the URL has a path: a whole origin is served, since its pages lead everywhere in it".to_owned()
        );
    }
    Origin::from_uri(&uri).map_err(|error| chain(&error))
}

fn without_tls(url: &str) -> Result<Origin, String> {
    let origin = origin(url)?;
    match origin.is_secure() {
        true => {
            Err("what is https goes through tunnels, in which nobody can be logged in: --serve is for that"
                .to_owned())
        }
        false => Ok(origin),
    }
}

/// Proxies that are named, and not just any.
fn named_proxies(text: &str) -> Result<OriginPatterns, String> {
    let patterns: OriginPatterns = text.parse().map_err(|error| chain(&error))?;
    let any = "http://any.invalid".parse::<Origin>().map_err(|error| chain(&error))?;
    match patterns.matches(&any) {
        true => Err("it names every proxy: --dangerous-pac-login-anywhere says that".to_owned()),
        false => Ok(patterns),
    }
}

fn positive() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

impl Arguments {
    /// Says what is dangerous and was not asked for by name.
    pub(super) fn check(&self) -> Result<(), String> {
        let proxies = self.proxies();
        let served = self.serve.iter().map(|served| &served.address);
        let on_network = proxies.iter().chain(served).find(|address| !address.is_this_machines());
        self.check_users(&proxies)?;
        let has_pac = self.pac.is_some() || self.system_proxies;
        if !has_pac && (self.dangerous_pac_login_anywhere || !self.pac_login_at.is_empty()) {
            return Err(
                "--pac-login-at and --dangerous-pac-login-anywhere are for --pac and --system-proxies"
                    .to_owned(),
            );
        }
        match on_network {
            Some(address) if !self.dangerous_listen_on_network => Err(format!(
                "{address} can be reached from the network, and whoever reaches it would use your login: listen on \
                 127.0.0.1, or say --dangerous-listen-on-network"
            )),
            _ => Ok(()),
        }
    }

    /// Origins that a browser takes for one where cookies are concerned: a sentence for each.
    pub(super) fn shared_cookies(&self) -> Vec<String> {
        let mut said = Vec::new();
        for (number, served) in self.serve.iter().enumerate() {
            let before = self.serve[..number].iter();
            let shares = |other: &&Served| {
                other.address.host() == served.address.host() && other.origin != served.origin
            };
            if let Some(other) = before.filter(|other| other.address.host().is_some()).find(shares) {
                said.push(format!(
                    "{} and {} have the same host: browsers send the cookies of {} to {} too, and the other way round; \
                     give each a host of its own, such as 127.0.0.2",
                    other.address, served.address, other.origin, served.origin
                ));
            }
        }
        said
    }

    /// Where a browser does not say whose page it is that sends a request: a sentence for each.
    pub(super) fn unknown_pages(&self) -> Vec<String> {
        let on_network = self.serve.iter().map(|served| &served.address);
        let on_network = on_network.filter(|address| !address.is_this_machines()).map(ToString::to_string);
        let hosts = self.allow_host.iter().filter(|_| !self.serve.is_empty()).cloned();
        let said = |host| {
            format!(
                "{host}: browsers do not always say there whose page sends a request, so that what pages of other sites \
                 ask for cannot be told from the user's own"
            )
        };
        on_network.chain(hosts).map(said).collect()
    }

    /// Each user of a listener has one, and is its only one.
    fn check_users(&self, proxies: &[Address]) -> Result<(), String> {
        let files = self.password_file_at.iter().map(|(address, _)| (address, "--password-file-at"));
        let users = self.user_at.iter().map(|(address, _)| (address, "--user-at"));
        for (address, option) in users.chain(files) {
            let is_served = self.serve.iter().any(|served| served.address == *address);
            if !is_served && !proxies.contains(address) {
                return Err(format!("{option} {address}: neither --listen nor --serve names this address"));
            }
            let users = self.user_at.iter().filter(|(other, _)| other == address).count();
            let files = self.password_file_at.iter().filter(|(other, _)| other == address).count();
            if users != 1 || files > 1 {
                return Err(format!(
                    "{option} {address}: there is one --user-at, and one --password-file-at, for an address"
                ));
            }
        }
        Ok(())
    }

    /// Who logs in for those who connect at this address.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(super) fn who_at(&self, address: &Address) -> Result<Option<Credentials>, String> {
        let Some((_, user)) = self.user_at.iter().find(|(other, _)| other == address) else {
            return Ok(None);
        };
        let file = self.password_file_at.iter().find(|(other, _)| other == address);
        if user == ":" {
            return Ok(Some(Credentials::ambient(Ambient::new())));
        }
        let Some((_, file)) = file else {
            return Err(format!("--user-at {address}: there is no --password-file-at for it"));
        };
        let text = std::fs::read_to_string(file).map(Zeroizing::new);
        let text = text.map_err(|error| {
            format!("--password-file-at {address}: {}: {}", file.display(), chain(&error))
        })?;
        match text.lines().next() {
            None | Some("") => {
                Err(format!("--password-file-at {address}: {} has no password", file.display()))
            }
            Some(password) => Ok(Some(Credentials::password(user.as_str(), password))),
        }
    }

    /// At which of the proxies that a PAC file names the user is logged in.
    pub(super) fn pac_login_at(&self) -> Vec<OriginPatterns> {
        match self.dangerous_pac_login_anywhere {
            true => "*".parse().into_iter().collect(),
            false => self.pac_login_at.clone(),
        }
    }

    /// Where it is a proxy.
    pub(super) fn proxies(&self) -> Vec<Address> {
        if self.listen.is_empty() && self.serve.is_empty() {
            return vec![Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 3128)))];
        }
        self.listen.clone()
    }

    /// Which users of this machine may use the listener at this address, as far as the system can tell them now.
    pub(super) fn users(&self, address: &Address) -> Users {
        let is_asked_for = !self.any_user && self.token_file.is_none();
        if is_asked_for && Access::can_tell_users(address) { Users::Own } else { Users::All }
    }

    /// What else is wanted of those users.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(super) fn access(&self, users: Users) -> Result<Access, String> {
        let token = self.token_file.as_deref().map(Token::read).transpose()?;
        Ok(Access::new(users).token(token).hosts(self.allow_host.clone()))
    }

    pub(super) fn limits(&self) -> Limits {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        Limits {
            connections: self.max_connections as usize,
            head_timeout: seconds(self.head_timeout),
            tunnel_timeout: seconds(self.tunnel_timeout),
            idle_timeout: seconds(self.idle_timeout),
            grace: seconds(self.grace),
        }
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

    fn parse(line: &str) -> Result<Arguments, String> {
        let words = std::iter::once("gateway").chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.arguments.check()?;
        Ok(line.arguments)
    }

    #[test]
    fn an_address_of_the_network_must_be_asked_for_by_name() {
        for address in ["0.0.0.0:3128", "[::]:3128", "192.0.2.7:3128", "[::ffff:192.0.2.7]:3128"] {
            let line = format!("--listen {address} -x http://proxy.example:3128");
            let why = parse(&line).expect_err("dangerous");
            assert!(why.contains("your login") && why.contains("--dangerous-listen-on-network"), "{why}");
            parse(&format!("--dangerous-listen-on-network {line}")).expect("asked for");
        }
        for address in ["127.0.0.1:0", "127.8.9.10:3128", "[::1]:3128", "[::ffff:127.0.0.1]:3128"] {
            parse(&format!("--listen {address} -x http://proxy.example:3128")).expect(address);
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, named) in [
            ("--listen", "--listen"),
            ("--listen 3128", "127.0.0.1:3128"),
            ("--listen unix:", "no path"),
            ("--serve 127.0.0.1:8081", "ADDRESS=URL"),
            ("--serve 127.0.0.1:8081=devops.corp.example", "relative"),
            ("--serve 127.0.0.1:8081=https://devops.corp.example/tfs", "path"),
            ("--serve 127.0.0.1:8081=https://devops.corp.example/?a", "path"),
            ("--serve 127.0.0.1:8081=https://carol:s3cret@devops.corp.example", "--user"),
            ("--serve 0.0.0.0:8081=https://devops.corp.example", "--dangerous-listen-on-network"),
            ("--login-at https://devops.corp.example", "--serve"),
            ("--login-at devops.corp.example/a", "no URL"),
            ("--login-at ftp://devops.corp.example", "http"),
            ("--idle-timeout 0", "--idle-timeout"),
            ("--max-connections -1", "-1"),
            ("--password secret", "--password"),
            ("--pac p.pac --proxy http://p", "--pac"),
            ("--pac p.pac --system-proxies", "--pac"),
            ("--pac p.pac --pac-login-at *", "--dangerous-pac-login-anywhere"),
            ("--pac p.pac --pac-login-at p.example,*", "--dangerous-pac-login-anywhere"),
            ("--pac p.pac --pac-login-at p.example --dangerous-pac-login-anywhere", "--pac-login-at"),
            ("--pac-login-at p.example", "--pac"),
        ] {
            let why = parse(line).expect_err(line);
            assert!(why.contains(named), "{line}: {why}");
        }
    }

    #[test]
    fn a_password_in_the_wrong_place_is_not_repeated() {
        for line in [
            "--serve 127.0.0.1:8081=https://carol:s3cret@devops.corp.example",
            "--serve https://carol:s3cret@devops.corp.example",
            "--serve s3cret=https://devops.corp.example",
            "--serve 127.0.0.1:8081=https://carol:s3cret@devops.corp.example:port/",
            "--login-at http://carol:s3cret@devops.corp.example",
            "--login-at carol:s3cret@devops.corp.example/a",
            "--login-at ftp://carol:s3cret@devops.corp.example",
            "--user-at carol:s3cret",
            "--user-at s3cret=carol",
            "--password-file-at s3cret",
            "--password-file-at carol:s3cret=/run/password",
        ] {
            let why = parse(line).expect_err(line);
            assert!(why.contains(&line[..7]) && !why.contains("s3cret"), "{line}: {why}");
        }
    }

    #[test]
    fn origins_that_would_share_cookies_are_named() {
        let said = |line: &str| parse(line).expect(line).shared_cookies();
        let both = said("--serve 127.0.0.1:1=https://a.example --serve 127.0.0.1:2=https://b.example");
        assert!(both[0].contains("https://a.example") && both[0].contains("127.0.0.1:2"), "{both:?}");
        for apart in [
            "--serve 127.0.0.1:1=https://a.example --serve 127.0.0.2:1=https://b.example",
            "--serve 127.0.0.1:1=https://a.example --serve 127.0.0.1:2=https://a.example",
            "--serve unix:/a=https://a.example --serve unix:/b=https://b.example",
        ] {
            assert_eq!(said(apart), [""; 0], "{apart}");
        }
    }

    #[test]
    fn where_browsers_do_not_say_whose_page_it_is_is_named() {
        let said = |line: &str| parse(line).expect(line).unknown_pages();
        let serve = "--serve 127.0.0.1:1=https://a.example";
        assert_eq!(said(serve), [""; 0]);
        assert_eq!(said("--listen 127.0.0.1:1 --allow-host box"), [""; 0]);
        let named = said(&format!("{serve} --allow-host box --allow-host devops:80"));
        assert!(named[0].starts_with("box: ") && named[1].starts_with("devops:80: "), "{named:?}");
        let network = said("--dangerous-listen-on-network --serve 192.0.2.7:1=https://a.example");
        assert!(network[0].starts_with("192.0.2.7:1: ") && network.len() == 1, "{network:?}");
    }

    #[test]
    fn a_listeners_own_user_is_one() {
        let two = "--listen 127.0.0.1:1 --listen 127.0.0.1:2";
        let file = concat!("--password-file-at 127.0.0.1:2=", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for (line, why) in [
            ("--user-at 127.0.0.1:3=dave", "neither"),
            ("--user-at 127.0.0.1:2=dave --user-at 127.0.0.1:2=erin", "one --user-at"),
            (file, "one --user-at"),
            ("--user-at 127.0.0.1:2=", "="),
            ("--user-at dave", "="),
        ] {
            let error = parse(&format!("{two} {line}")).expect_err(line);
            assert!(error.contains(why), "{line}: {error}");
        }
        let of = |line: &str, address: &str| {
            let arguments = parse(&format!("{two} {line}")).expect(line);
            arguments.who_at(&address.parse().expect("an address"))
        };
        let dave = format!("--user-at 127.0.0.1:2=LAB\\dave {file}");
        assert!(of(&dave, "127.0.0.1:1").expect("nobody").is_none());
        let found = of(&dave, "127.0.0.1:2").expect("a user").expect("a user");
        assert_eq!(found.username(), Some("LAB\\dave"));
        of("--user-at 127.0.0.1:2=dave", "127.0.0.1:2").expect_err("there is no password");
        let none = "--user-at 127.0.0.1:2=dave --password-file-at 127.0.0.1:2=/nowhere";
        assert!(of(none, "127.0.0.1:2").expect_err("no file").contains("/nowhere"));
    }

    #[test]
    fn there_is_a_proxy_unless_only_origins_are_served() {
        let serves = "--serve 127.0.0.1:8081=https://devops.corp.example/";
        assert_eq!(parse(serves).expect("arguments").proxies(), []);
        let both = parse(&format!("{serves} --listen [::1]:0")).expect("arguments");
        assert_eq!((both.proxies().len(), both.serve.len()), (1, 1));
        assert_eq!(both.serve[0].origin.to_string(), "https://devops.corp.example");
    }

    #[test]
    fn the_defaults_hold_more_than_2000_connections_on_this_machine_alone() {
        let arguments = parse("").expect("arguments");
        assert_eq!(arguments.proxies(), ["127.0.0.1:3128".parse::<Address>().expect("an address")]);
        assert_eq!(arguments.limits(), Limits::default());
        assert!(arguments.limits().connections >= 2_000);
    }
}
