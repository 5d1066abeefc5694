//! The way to the server: proxies and TLS.

use std::path::PathBuf;

use clap::Args;
use http::Uri;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::credentials::Ambient;
use legwork::{Credentials, Origin};
use rustls::ClientConfig;

use crate::account::{Named, TICKET, UserName};
use crate::chain::chain;
use crate::secret::Source;
use crate::trust;

const HEADING: &str = "The way";

/// The variable that a proxy's password is looked for in.
const VARIABLE: &str = "LEGWORK_PROXY_PASSWORD";

/// How a server is reached.
#[derive(Args, Clone, Debug)]
pub(crate) struct Way {
    /// Go through this proxy, as the user that the URL may name (http://DOMAIN%5Cuser:password@host:port). Without it
    /// the variables http_proxy, https_proxy, all_proxy and no_proxy hold
    #[arg(short = 'x', long, value_name = "URL", help_heading = HEADING)]
    proxy: Option<String>,
    /// Log in at the proxy as this user; the password is asked for, or comes from one of the options below or the
    /// variable LEGWORK_PROXY_PASSWORD. `-U :` is whoever has a ticket
    #[arg(short = 'U', long, value_name = "USER", value_parser = UserName, help_heading = HEADING)]
    proxy_user: Option<String>,
    /// Take the proxy's password from the first line of this file
    #[arg(long, value_name = "FILE", requires = "proxy_user", help_heading = HEADING)]
    proxy_password_file: Option<PathBuf>,
    /// Take the proxy's password from the first line that this command prints; the shell runs it
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "proxy_user",
        conflicts_with = "proxy_password_file",
        help_heading = HEADING
    )]
    proxy_password_command: Option<String>,
    /// Go to these hosts without a proxy; `*` is all of them
    #[arg(long, value_name = "HOSTS", help_heading = HEADING)]
    noproxy: Option<String>,
    /// Trust the certificate authorities in this PEM file, and not those of the system
    #[arg(long, visible_alias = "cacert", value_name = "FILE", help_heading = HEADING)]
    ca: Option<PathBuf>,
    /// Trust any certificate: whoever is in between can read everything, and can log in as you
    #[arg(short = 'k', long, conflicts_with = "ca", help_heading = HEADING)]
    insecure: bool,
}

impl Way {
    /// The proxies of the command line or of the environment, with who logs in there.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(crate) fn proxies(&self) -> Result<Proxies, String> {
        self.completed(self.proxies_as_named()?)
    }

    /// Proxies that come from elsewhere, with who logs in there and the hosts that need none.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(crate) fn completed(&self, proxies: Proxies) -> Result<Proxies, String> {
        let proxies = match &self.proxy_user {
            Some(user) => self.logged_in(proxies, user)?,
            None => proxies,
        };
        Ok(self.with_exceptions(proxies))
    }

    /// Whether more is given than who logs in at the proxy.
    pub(crate) fn has_options(&self) -> bool {
        let secret = self.proxy_password_file.is_some() || self.proxy_password_command.is_some();
        secret || self.insecure || self.ca.is_some() || self.proxy.is_some() || self.noproxy.is_some()
    }

    /// The proxy for a request, without who logs in there: no secret is read or asked for.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(crate) fn proxy_of(&self, uri: &Uri) -> Result<Option<Origin>, String> {
        let proxies = self.with_exceptions(self.proxies_as_named()?);
        let proxy = proxies.of(uri).map_err(|error| chain(&error))?;
        Ok(proxy.map(|proxy| proxy.origin().clone()))
    }

    /// Whom the arguments name at the proxy.
    pub(crate) fn named_at_proxy(&self) -> Named<'_> {
        match self.proxy_user.as_deref() {
            Some(TICKET) => Named::Ticket,
            Some(user) => Named::User(user),
            None => Named::Nobody,
        }
    }

    fn proxies_as_named(&self) -> Result<Proxies, String> {
        match &self.proxy {
            Some(url) => {
                // Without the URL, which may have a password in it.
                let proxy: Proxy = url.parse().map_err(|error| format!("--proxy: {}", chain(&error)))?;
                Ok(Proxies::all(proxy))
            }
            None => Proxies::from_env().map_err(|error| chain(&error)),
        }
    }

    /// A proxy for all hosts but those that need none.
    pub(crate) fn exceptions(&self) -> Proxies {
        let any = "http://proxy.invalid".parse::<Proxy>().map_or_else(|_| Proxies::none(), Proxies::all);
        self.with_exceptions(any)
    }

    fn with_exceptions(&self, proxies: Proxies) -> Proxies {
        match &self.noproxy {
            Some(hosts) => proxies.except(hosts),
            None => proxies,
        }
    }

    fn logged_in(&self, proxies: Proxies, user: &str) -> Result<Proxies, String> {
        let proxy_of = |uri| proxies.of(&Uri::from_static(uri)).ok().flatten().cloned();
        let (http, https) = (proxy_of("http://host.invalid/"), proxy_of("https://host.invalid/"));
        if http.is_none() && https.is_none() {
            return Err(format!(
                "there is no proxy for --proxy-user {user}: name one by --proxy, or by the variables http_proxy and \
                 https_proxy"
            ));
        }
        let credentials = self.credentials_of(user)?;
        let with = |proxy: Option<Proxy>| proxy.map(|proxy| proxy.credentials(credentials.clone()));
        Ok(proxies.with_http(with(http)).with_https(with(https)))
    }

    /// Whom the arguments name at proxies. The password is read, or asked for.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(crate) fn proxy_credentials(&self) -> Result<Option<Credentials>, String> {
        self.proxy_user.as_deref().map(|user| self.credentials_of(user)).transpose()
    }

    fn credentials_of(&self, user: &str) -> Result<Credentials, String> {
        if user == TICKET {
            return Ok(Credentials::ambient(Ambient::new()));
        }
        let password = Source {
            what: format!("password for {user} at the proxy"),
            file: ("--proxy-password-file", self.proxy_password_file.as_deref()),
            command: ("--proxy-password-command", self.proxy_password_command.as_deref()),
            variable: VARIABLE,
        };
        Ok(Credentials::password(user, password.read()?.as_str()))
    }

    /// Whether the proxy's password comes from stdin.
    pub(crate) fn takes_stdin(&self) -> bool {
        self.proxy_password_file.as_ref().is_some_and(|file| file.as_os_str() == "-")
    }

    /// TLS with whoever answers.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(crate) fn tls_with_anybody() -> Result<ClientConfig, String> {
        trust::trusting(None, true).map_err(|error| format!("TLS cannot be set up: {}", chain(&*error)))
    }

    /// TLS for servers and for proxies.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(crate) fn tls(&self) -> Result<ClientConfig, String> {
        trust::trusting(self.ca.as_deref(), self.insecure)
            .map_err(|error| format!("TLS cannot be set up: {}", chain(&*error)))
    }
}
