//! How to log in: by which schemes, and with what.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use legwork::handshake::AuthenticatorBuilder;
use legwork::mechanism::Delegation;
use legwork::mechanism::kerberos::Kerberos;
use legwork::scheme::{Basic, Bearer, Digest, Negotiate, NtlmScheme, Schemes, Scram};
use legwork::{Authenticator, Origin};

const HEADING: &str = "How to log in";

/// How to log in.
#[derive(Args, Clone, Debug)]
pub(crate) struct Policy {
    /// Log in by this scheme and by no other, or, given again, by the first of them that the server offers
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = HEADING)]
    scheme: Vec<Scheme>,
    /// The same at proxies, which otherwise go by --scheme
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = HEADING)]
    proxy_scheme: Vec<Scheme>,
    /// Never use NTLM, neither by itself nor inside Negotiate
    #[arg(long, help_heading = HEADING)]
    no_ntlm: bool,
    /// Send a password or a token by Basic and Bearer over plain http too: whoever reads the network has it
    #[arg(long, help_heading = HEADING)]
    insecure_basic: bool,
    /// With --user: ask this KDC for tickets, rather than those that the system's Kerberos knows; given again, another
    /// one. The realm is that of users without one, too
    #[arg(long, value_name = "REALM=HOST[:PORT]", value_parser = kdc, help_heading = HEADING)]
    kdc: Vec<(String, String)>,
    /// With --user: have the server ask a KDC (IAKERB), for one that cannot be reached from here
    #[arg(long, help_heading = HEADING)]
    iakerb: bool,
    /// The server's name in Kerberos, in place of HTTP/host
    #[arg(long, value_name = "NAME", help_heading = HEADING)]
    target_name: Option<String>,
    /// Whether the server may act as you elsewhere, by Kerberos
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = MayAct::None, help_heading = HEADING)]
    delegation: MayAct,
    /// curl's word for --scheme negotiate
    #[arg(long, hide = true)]
    negotiate: bool,
    /// curl's word for --scheme ntlm
    #[arg(long, hide = true)]
    ntlm: bool,
    /// curl's word for --scheme digest
    #[arg(long, hide = true)]
    digest: bool,
    /// curl's word for --scheme basic
    #[arg(long, hide = true)]
    basic: bool,
    /// curl's word for what is the case without --scheme
    #[arg(long, hide = true)]
    anyauth: bool,
}

/// Schemes, from the strongest to the weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scheme {
    /// A token, such as OAuth's
    Bearer,
    /// Kerberos, or NTLM where there is no ticket
    Negotiate,
    /// SCRAM-SHA-256
    Scram,
    /// NTLM without Negotiate around it
    Ntlm,
    /// Digest by MD5, SHA-256 or SHA-512-256
    Digest,
    /// The password itself
    Basic,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MayAct {
    /// It may not
    None,
    /// Where the realm's policy trusts it
    Policy,
    /// In any case
    Always,
}

impl Policy {
    /// An authenticator for requests to `origin` that nobody logs in with yet.
    pub(crate) fn authenticator(&self, origin: &Origin) -> AuthenticatorBuilder {
        let negotiate = self.negotiate_with();
        let mut builder = Authenticator::builder()
            .negotiate(negotiate.clone())
            .dangerous_secrets_over_plain_http(self.insecure_basic)
            .dangerous_secrets_to_plain_http_proxies(self.insecure_basic)
            .delegation(origin.clone(), self.delegation.into());
        let chosen = self.schemes();
        if !chosen.is_empty() {
            builder = builder.schemes(these(&chosen, &negotiate));
        }
        if !self.proxy_scheme.is_empty() {
            builder = builder.proxy_schemes(these(&self.proxy_scheme, &negotiate));
        }
        if self.no_ntlm {
            builder = builder.without_ntlm();
        }
        match &self.target_name {
            Some(name) => builder.target_name(origin.clone(), name.as_str()),
            None => builder,
        }
    }

    /// Whether anything is given.
    pub(crate) fn has_options(&self) -> bool {
        let may_act = !matches!(self.delegation, MayAct::None);
        let is_rule = self.no_ntlm || self.insecure_basic || self.iakerb || may_act;
        let is_at_proxy = !self.proxy_scheme.is_empty();
        is_rule
            || is_at_proxy
            || !self.schemes().is_empty()
            || self.names_kdcs()
            || self.target_name.is_some()
    }

    /// The schemes that were asked for; all of them where none was.
    pub(crate) fn schemes(&self) -> Vec<Scheme> {
        let curls = [
            (self.negotiate, Scheme::Negotiate),
            (self.ntlm, Scheme::Ntlm),
            (self.digest, Scheme::Digest),
            (self.basic, Scheme::Basic),
        ];
        let curls = curls.into_iter().filter_map(|(is_given, scheme)| is_given.then_some(scheme));
        self.scheme.iter().copied().chain(curls).collect()
    }

    /// Whether this scheme may be used.
    pub(crate) fn allows(&self, scheme: Scheme) -> bool {
        let chosen = self.schemes();
        let is_shut_out = self.no_ntlm && scheme == Scheme::Ntlm;
        !is_shut_out && (chosen.is_empty() || chosen.contains(&scheme))
    }

    /// Whether NTLM is not to be used, whatever is around it.
    pub(crate) fn shuts_ntlm_out(&self) -> bool {
        self.no_ntlm
    }

    /// Whether Basic and Bearer may go over plain http.
    pub(crate) fn reveals_secrets(&self) -> bool {
        self.insecure_basic
    }

    /// The server's name in Kerberos, where it was given.
    pub(crate) fn target_name(&self) -> Option<&str> {
        self.target_name.as_deref()
    }

    /// Whether KDCs were named.
    pub(crate) fn names_kdcs(&self) -> bool {
        !self.kdc.is_empty()
    }

    /// Negotiate with the system's Kerberos, which has tickets, knows KDCs and takes passwords too; with our own where
    /// a KDC is named, or the server is to ask one, or where the system has none. NTLM stands behind either.
    fn negotiate_with(&self) -> Negotiate {
        let mut realms: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (realm, host) in &self.kdc {
            realms.entry(realm).or_default().push(host);
        }
        let own = match self.kdc.first() {
            Some((realm, _)) => Kerberos::new().default_realm(realm),
            None if self.iakerb => Kerberos::new(),
            None => return negotiate_of_the_system(),
        };
        let own = realms.into_iter().fold(own, |own, (realm, hosts)| own.kdc(realm, hosts));
        Negotiate::kerberos_or_iakerb_or_ntlm(own)
    }
}

fn these(schemes: &[Scheme], negotiate: &Negotiate) -> Schemes {
    schemes.iter().fold(Schemes::new(), |all, scheme| match scheme {
        Scheme::Bearer => all.with(Bearer::default()),
        Scheme::Negotiate => all.with(negotiate.clone()),
        Scheme::Scram => all.with(Scram::new()),
        Scheme::Ntlm => all.with(NtlmScheme::default()),
        Scheme::Digest => all.with(Digest::default()),
        Scheme::Basic => all.with(Basic::default()),
    })
}

/// With the system's Kerberos, or our own where it has none, and NTLM behind it.
#[cfg(unix)]
pub(crate) fn negotiate_of_the_system() -> Negotiate {
    let gssapi = legwork::mechanism::gssapi::Gssapi::kerberos();
    match gssapi.open() {
        Ok(_) => Negotiate::kerberos_or_ntlm(gssapi),
        Err(_) => Negotiate::kerberos_or_iakerb_or_ntlm(Kerberos::new()),
    }
}

#[cfg(not(unix))]
pub(crate) fn negotiate_of_the_system() -> Negotiate {
    Negotiate::default()
}

fn kdc(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((realm, host)) if !realm.is_empty() && !host.is_empty() => {
            Ok((realm.to_owned(), host.to_owned()))
        }
        _ => Err("it is REALM=HOST or REALM=HOST:PORT, such as CORP.EXAMPLE=dc1.corp.example"),
    }
}

impl From<MayAct> for Delegation {
    fn from(when: MayAct) -> Self {
        match when {
            MayAct::None => Self::Off,
            MayAct::Policy => Self::ByPolicy,
            MayAct::Always => Self::On,
        }
    }
}
