//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use crate::account::Account;
use crate::way::Way;

use super::proxy::Limits;

/// Logs in at a proxy for programs that cannot, such as cargo, uv, pip, apt, git, npm and curl
///
/// It is a proxy on this machine that wants no login, and logs in at the proxy that does: set http_proxy and https_proxy
/// to the address that it prints. Ctrl-C or SIGTERM stops it, when what is under way has ended; a second one stops it at
/// once.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Listen at this address; port 0 is any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3128", help_heading = "Where it listens")]
    pub(super) listen: SocketAddr,
    /// Listen at an address that is not this machine's alone: whoever reaches it uses your login
    #[arg(long, help_heading = "Where it listens")]
    dangerous_listen_on_network: bool,
    #[command(flatten)]
    pub(super) account: Account,
    /// Send Basic's password to a proxy that is spoken to without TLS, where whoever listens on the network can read it
    #[arg(long, help_heading = "Who logs in")]
    pub(super) insecure_basic: bool,
    #[command(flatten)]
    pub(super) way: Way,
    /// How many connections of programs there may be; more of them wait
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().connections as u32, value_parser = positive(), help_heading = "Limits")]
    max_connections: u32,
    /// Seconds for the head of a request
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = positive(), help_heading = "Limits")]
    head_timeout: u32,
    /// Seconds for opening a tunnel, with the login
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = positive(), help_heading = "Limits")]
    tunnel_timeout: u32,
    /// Seconds for which a tunnel may carry nothing
    #[arg(long, value_name = "SECONDS", default_value = "900", value_parser = positive(), help_heading = "Limits")]
    idle_timeout: u32,
    /// Seconds for what is under way when the gateway is told to stop
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = positive(), help_heading = "Limits")]
    grace: u32,
}

fn positive() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

impl Arguments {
    /// Says what is dangerous and was not asked for by name.
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.listen.ip().to_canonical().is_loopback() && !self.dangerous_listen_on_network {
            return Err(format!(
                "{} can be reached from the network, and whoever reaches it would use your login: listen on \
                 127.0.0.1, or say --dangerous-listen-on-network",
                self.listen
            ));
        }
        Ok(())
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
            ("--listen 3128", "3128"),
            ("--idle-timeout 0", "--idle-timeout"),
            ("--max-connections -1", "-1"),
            ("--password secret", "--password"),
        ] {
            let why = parse(line).expect_err(line);
            assert!(why.contains(named), "{line}: {why}");
        }
    }

    #[test]
    fn the_defaults_hold_more_than_2000_connections_on_this_machine_alone() {
        let arguments = parse("").expect("arguments");
        assert!(arguments.listen.ip().is_loopback());
        assert_eq!(arguments.limits(), Limits::default());
        assert!(arguments.limits().connections >= 2_000);
    }
}
