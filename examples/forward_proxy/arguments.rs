//! The command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use legwork::Origin;

use crate::proxy::Limits;

pub(crate) const HELP: &str = "\
A proxy on this machine that wants no login, and logs in at the proxy that does: for programs that
cannot, such as cargo, uv, pip, apt, git, npm and curl.

    forward_proxy [OPTION]... UPSTREAM

UPSTREAM is the proxy that wants the login, such as http://proxy.corp.example:3128.

    --user NAME            user, DOMAIN\\user or user@domain; the password is in the environment
                           variable FORWARD_PROXY_PASSWORD, or is asked for, or is the first line of stdin
    --ticket               log in as whoever has run kinit (Kerberos) or is logged on (Windows)
    --ca FILE.pem          to an https proxy: trust these certificate authorities, not the system's
    --insecure-basic       send Basic's password, which whoever listens on the network can read
    --listen ADDRESS       where to listen (127.0.0.1:3128); port 0 is any free one
    --dangerous-listen-on-network
                           listen on an address that is not this machine's alone: whoever reaches it
                           uses your login
    --max-connections N    how many connections of programs there may be (4096); more of them wait
    --head-timeout S       seconds for the head of a request (30)
    --tunnel-timeout S     seconds for opening a tunnel, with the login (30)
    --idle-timeout S       seconds for which a tunnel may carry nothing (900)
    --grace S              seconds for what is under way when the proxy is told to stop (10)
    --help                 this text

Ctrl-C or SIGTERM stops it; a second one stops it at once.
";

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) upstream: Origin,
    pub(crate) listen: SocketAddr,
    pub(crate) user: Option<String>,
    pub(crate) ticket: bool,
    pub(crate) ca: Option<String>,
    pub(crate) insecure_basic: bool,
    pub(crate) limits: Limits,
}

impl Arguments {
    /// `None` is a call for help; an error says which argument is not understood, and why.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let (mut upstream, mut user, mut ca) = (None, None, None);
        let (mut ticket, mut insecure_basic) = (false, false);
        let mut listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 3128));
        let mut on_network = false;
        let mut limits = Limits::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--user" => user = Some(value()?),
                "--ticket" => ticket = true,
                "--ca" => ca = Some(value()?),
                "--insecure-basic" => insecure_basic = true,
                "--listen" => listen = address(&value()?)?,
                "--dangerous-listen-on-network" => on_network = true,
                "--max-connections" => limits.connections = number(&value()?)?,
                "--head-timeout" => limits.head_timeout = seconds(&value()?)?,
                "--tunnel-timeout" => limits.tunnel_timeout = seconds(&value()?)?,
                "--idle-timeout" => limits.idle_timeout = seconds(&value()?)?,
                "--grace" => limits.grace = seconds(&value()?)?,
                option if option.starts_with('-') => return Err(format!("{option} is not known")),
                _ if upstream.is_some() => return Err("there is more than one UPSTREAM".to_owned()),
                url => upstream = Some(proxy(url)?),
            }
        }
        let upstream = upstream.ok_or("UPSTREAM is missing")?;
        if user.is_some() && ticket {
            return Err("--user and --ticket are two logins".to_owned());
        }
        if !is_this_machines(listen.ip()) && !on_network {
            return Err(format!(
                "{listen} can be reached from the network, and whoever reaches it would use your login: listen \
                 on 127.0.0.1, or say --dangerous-listen-on-network"
            ));
        }
        Ok(Some(Self { upstream, listen, user, ticket, ca, insecure_basic, limits }))
    }
}

fn proxy(url: &str) -> Result<Origin, String> {
    let no_url = || format!("{url} is no proxy's URL, such as http://proxy.corp.example:3128");
    let origin: Origin = url.parse().map_err(|_| no_url())?;
    if url.contains('@') {
        return Err("the URL of UPSTREAM has a user in it: --user is for that".to_owned());
    }
    Ok(origin)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text} is no address with a port, such as 127.0.0.1:3128"))
}

fn is_this_machines(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn number(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{text} is not a number from 1 on")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: u32 = text
        .parse()
        .ok()
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| format!("{text} is not a number of seconds from 1 on"))?;
    Ok(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        let words = line.split(' ').map(str::to_owned);
        Ok(Arguments::parse(words)?.expect("no call for help"))
    }

    #[test]
    fn an_address_of_the_network_must_be_asked_for_by_name() {
        for address in ["0.0.0.0:3128", "[::]:3128", "192.0.2.7:3128", "[::ffff:192.0.2.7]:3128"] {
            let line = format!("--listen {address} http://proxy.example:3128");
            let why = parse(&line).expect_err("dangerous");
            assert!(why.contains("your login") && why.contains("--dangerous-listen-on-network"), "{why}");
            parse(&format!("--dangerous-listen-on-network {line}")).expect("asked for");
        }
        for address in ["127.0.0.1:0", "127.8.9.10:3128", "[::1]:3128", "[::ffff:127.0.0.1]:3128"] {
            parse(&format!("--listen {address} http://proxy.example:3128")).expect(address);
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, named) in [
            ("--user carol", "UPSTREAM"),
            ("proxy.example", "http://"),
            ("http://carol:pw@proxy.example:3128", "--user"),
            ("http://one.example http://two.example", "more than one"),
            ("--listen", "--listen"),
            ("--listen 3128", "127.0.0.1:3128"),
            ("--idle-timeout 0 http://proxy.example", "seconds"),
            ("--max-connections -1 http://proxy.example", "-1"),
            ("--password secret http://proxy.example", "--password"),
        ] {
            let why = parse(line).expect_err(line);
            assert!(why.contains(named), "{line}: {why}");
        }
    }

    #[test]
    fn the_defaults_hold_more_than_2000_connections_on_this_machine_alone() {
        let arguments = parse("http://proxy.example:3128").expect("arguments");
        assert!(arguments.listen.ip().is_loopback());
        assert!(arguments.limits.connections >= 2_000);
    }
}
