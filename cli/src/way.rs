//! The way to the server: proxies and TLS.

use std::path::PathBuf;

use clap::Args;
use legwork::client::proxy::{Proxies, Proxy};
use rustls::ClientConfig;

use crate::chain::chain;
use crate::trust;

/// How a server is reached.
#[derive(Args, Clone, Debug)]
pub(crate) struct Way {
    /// Go through this proxy, as the user that the URL may name (http://DOMAIN%5Cuser:password@host:port). Without it
    /// the variables http_proxy, https_proxy, all_proxy and no_proxy hold
    #[arg(short = 'x', long, value_name = "URL", help_heading = "The way")]
    proxy: Option<String>,
    /// Go to these hosts without a proxy; `*` is all of them
    #[arg(long, value_name = "HOSTS", help_heading = "The way")]
    noproxy: Option<String>,
    /// Trust the certificate authorities in this PEM file, and not those of the system
    #[arg(long, visible_alias = "cacert", value_name = "FILE", help_heading = "The way")]
    ca: Option<PathBuf>,
    /// Trust any certificate: whoever is in between can read everything, and can log in as you
    #[arg(short = 'k', long, conflicts_with = "ca", help_heading = "The way")]
    insecure: bool,
}

impl Way {
    /// The proxies of the command line or of the environment.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(crate) fn proxies(&self) -> Result<Proxies, String> {
        let proxies = match &self.proxy {
            Some(url) => {
                // Without the URL, which may have a password in it.
                let proxy: Proxy = url.parse().map_err(|error| format!("--proxy: {}", chain(&error)))?;
                Proxies::all(proxy)
            }
            None => Proxies::from_env()
                .map_err(|error| format!("the variable {}: {}", error.name(), error.reason()))?,
        };
        Ok(match &self.noproxy {
            Some(hosts) => proxies.except(hosts),
            None => proxies,
        })
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
