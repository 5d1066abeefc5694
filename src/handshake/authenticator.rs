//! What all connections share: schemes, credentials, memories, the guard.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::authorization::Authorization;
use crate::channel_bindings::{AbsentChannelBindings, ChannelBindings, ChannelBindingsUse};
use crate::credentials::{Credentials, CredentialsProvider};
use crate::handshake::declared::Declared;
use crate::handshake::guard::LockoutGuard;
use crate::handshake::identity::{Identity, ProviderId};
use crate::handshake::memory::{Memories, OriginMemory};
use crate::handshake::outcome::Why;
use crate::handshake::sources::{LookUp, Sources};
#[cfg(feature = "client")]
use crate::handshake::version::HttpVersion;
#[cfg(feature = "client")]
use crate::mechanism::Binding;
use crate::mechanism::{Delegation, MutualAuthentication, ntlm_message};
use crate::protection_space::{Challenger, Origin};
use crate::scheme::Scheme;

/// How a program logs in: which schemes, whose credentials, what is known of each origin.
///
/// Cheap to clone; all clones share what they learn.
///
/// ```
/// use legwork::credentials::Credentials;
/// use legwork::handshake::Authenticator;
/// use legwork::scheme::{NtlmScheme, SchemeName};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let wiki: legwork::protection_space::Origin = "http://wiki.example".parse()?;
/// let authenticator = Authenticator::builder()
///     .credentials(wiki.clone(), Credentials::password("LAB\\carol", "carol-pw"))
///     .schemes(NtlmScheme::default())
///     .declare(wiki, SchemeName::NTLM)?
///     .build();
/// # let _ = authenticator; Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Authenticator(Arc<AuthenticatorInner>);

struct AuthenticatorInner {
    options: Options,
    sources: Option<(ProviderId, Sources)>,
    guard: Option<LockoutGuard>,
    memories: Memories,
}

/// What is chosen once, when the authenticator is built.
pub(super) struct Options {
    /// The strongest first.
    pub(super) schemes: Vec<Arc<dyn Scheme>>,
    /// Where proxies have others.
    pub(super) proxy_schemes: Option<Vec<Arc<dyn Scheme>>>,
    /// The names of those of which nothing is left without NTLM.
    pub(super) shut_out: Vec<&'static str>,
    pub(super) shuts_ntlm_out: bool,
    pub(super) declared: Declared,
    pub(super) target_names: HashMap<Origin, Arc<str>>,
    pub(super) target_name_with_port: bool,
    pub(super) delegation: HashMap<Origin, Delegation>,
    pub(super) mutual_authentication: MutualAuthentication,
    pub(super) reveal_secrets_at: HashSet<Challenger>,
    pub(super) channel_bindings: ChannelBindingsUse,
    pub(super) absent_channel_bindings: AbsentChannelBindings,
    pub(super) report_established: bool,
    pub(super) assume_proxy_support: bool,
    pub(super) max_legs: u32,
}

impl Authenticator {
    /// Of what was built.
    pub(super) fn new(
        options: Options,
        sources: Option<Sources>,
        guard: Option<LockoutGuard>,
        memories: Memories,
    ) -> Self {
        let sources = sources.map(|sources| (ProviderId::unique(), sources));
        Self(Arc::new(AuthenticatorInner { options, sources, guard, memories }))
    }

    /// Forgets which credentials were refused, so that they are tried again: after an
    /// account was unlocked, say. Credentials that changed need no such call.
    pub fn forget_refusals(&self) {
        if let Some(guard) = &self.0.guard {
            guard.forget_refusals();
        }
        let Options { schemes, proxy_schemes, .. } = &self.0.options;
        schemes.iter().chain(proxy_schemes.iter().flatten()).for_each(|scheme| scheme.forget_refusals());
    }

    /// Returns what is known of an origin or a proxy. What it tells is for tests and diagnosis, and
    /// [not promised](crate::unversioned).
    pub fn memory(&self, challenger: Challenger, origin: &Origin) -> Arc<OriginMemory> {
        self.0.memories.of(challenger, origin)
    }

    /// Returns who a request acts as if it names nobody itself.
    pub fn identity(&self) -> Identity {
        match &self.0.sources {
            Some((id, _)) => Identity::Provider(*id),
            None => Identity::None,
        }
    }

    /// Returns the provider that is asked for credentials that are not set for an origin or proxy.
    pub fn provider(&self) -> Option<&dyn CredentialsProvider> {
        self.0.sources.as_ref().map(|(_, sources)| sources as _)
    }

    /// The credentials for an origin or a proxy, as far as they need no provider to be asked.
    pub(super) fn look_up(&self, provider: ProviderId, challenger: Challenger, origin: &Origin) -> LookUp {
        match &self.0.sources {
            Some((own, sources)) if *own == provider => sources.look_up(challenger, origin),
            _ => LookUp::Ask,
        }
    }

    pub(super) fn schemes(&self, challenger: Challenger) -> &[Arc<dyn Scheme>] {
        self.0.options.schemes(challenger)
    }

    /// Whether this must not be sent: it is NTLM, which is shut out, by a scheme that has not said that it uses it.
    pub(super) fn shuts_out(&self, authorization: &Authorization) -> bool {
        self.0.options.shuts_ntlm_out && {
            let value = authorization.value().as_bytes();
            let token68 = value.rsplit(|octet| *octet == b' ').next().unwrap_or_default();
            BASE64_STANDARD.decode(token68).is_ok_and(|token| ntlm_message(&token).is_some())
        }
    }

    /// Why a scheme is none of those that are used here.
    pub(super) fn why_unknown(&self, challenger: Challenger, scheme: &str) -> Why {
        let is_it = |name: &&&str| name.eq_ignore_ascii_case(scheme);
        match self.0.options.shut_out.iter().find(is_it) {
            Some(_) => {
                let left = self.schemes(challenger).iter().map(|scheme| scheme.name()).collect();
                Why::NtlmShutOut { left }
            }
            None => Why::Unsupported,
        }
    }

    pub(super) fn declared(&self, challenger: Challenger, origin: &Origin) -> Option<&'static str> {
        self.0.options.declared.find(challenger, origin)
    }

    /// The highest HTTP version for connections to `origin`, by what is declared or remembered of it.
    #[cfg(feature = "client")]
    pub(crate) fn version(&self, origin: &Origin) -> HttpVersion {
        let is_bound = |name| {
            let mut bound = self
                .schemes(Challenger::Origin)
                .iter()
                .filter(|scheme| scheme.binding() == Binding::Connection);
            bound.any(|scheme| scheme.name().eq_ignore_ascii_case(name))
        };
        match self.declared(Challenger::Origin, origin) {
            Some(name) if is_bound(name) => HttpVersion::Http1,
            _ => self.memory(Challenger::Origin, origin).version(),
        }
    }

    /// Returns the service principal name for `origin`: the one set for it, else `HTTP/host` without the
    /// port (RFC 4559, section 4.1), unless the port was asked for.
    ///
    /// The host is the URI's, an address literal included; a `Host` field that the caller sets
    /// changes nothing, since it says nothing about who answers.
    pub fn target_name(&self, origin: &Origin) -> Arc<str> {
        let options = &self.0.options;
        match options.target_names.get(origin) {
            Some(name) => Arc::clone(name),
            None if options.target_name_with_port && !origin.has_default_port() => {
                format!("HTTP/{}:{}", origin.host(), origin.port()).into()
            }
            None => ["HTTP/", origin.host()].concat().into(),
        }
    }

    pub(super) fn delegation(&self, origin: &Origin) -> Delegation {
        self.0.options.delegation.get(origin).copied().unwrap_or_default()
    }

    pub(super) fn mutual_authentication(&self) -> MutualAuthentication {
        self.0.options.mutual_authentication
    }

    /// Why the policy keeps `scheme` from being used at `origin`, a server or a proxy, if it does.
    pub(super) fn bars(&self, scheme: &dyn Scheme, challenger: Challenger, origin: &Origin) -> Option<Why> {
        let options = &self.0.options;
        let required = options.mutual_authentication == MutualAuthentication::Required;
        if required && !scheme.authenticates_server() {
            return Some(Why::NoMutualAuthentication);
        }
        let in_the_open = !origin.is_secure() && scheme.reveals_secret();
        (in_the_open && !options.reveal_secrets_at.contains(&challenger)).then_some(Why::RevealsSecret)
    }

    /// What a login says of the bindings of its connection.
    pub(super) fn channel_bindings(&self, known: Option<&ChannelBindings>) -> Option<ChannelBindings> {
        match self.0.options.channel_bindings {
            ChannelBindingsUse::WhereKnown => known.cloned(),
            ChannelBindingsUse::Off => None,
        }
    }

    pub(super) fn absent_channel_bindings(&self) -> AbsentChannelBindings {
        self.0.options.absent_channel_bindings
    }

    pub(super) fn assumes_proxy_support(&self) -> bool {
        self.0.options.assume_proxy_support
    }

    pub(super) fn reports_established(&self) -> bool {
        self.0.options.report_established
    }

    pub(super) fn max_legs(&self) -> u32 {
        self.0.options.max_legs
    }

    pub(super) fn guard(&self) -> Option<&LockoutGuard> {
        self.0.guard.as_ref()
    }

    /// The guard over these credentials. The system's own have none: nobody can be locked out of what
    /// holds no password.
    pub(super) fn guard_for(&self, credentials: &Credentials) -> Option<&LockoutGuard> {
        self.guard().filter(|_| credentials.as_ambient().is_none())
    }
}

impl Options {
    pub(super) fn schemes(&self, challenger: Challenger) -> &[Arc<dyn Scheme>] {
        match (challenger, &self.proxy_schemes) {
            (Challenger::Proxy, Some(schemes)) => schemes,
            (Challenger::Proxy, None) | (Challenger::Origin, _) => &self.schemes,
        }
    }

    /// Takes NTLM out of all schemes, and out with it those of which nothing is left.
    pub(super) fn shut_ntlm_out(&mut self) {
        let Self { schemes, proxy_schemes, shut_out, .. } = self;
        for schemes in std::iter::once(schemes).chain(proxy_schemes) {
            schemes.retain_mut(|scheme| {
                let left = scheme.without_ntlm().of(scheme);
                match left {
                    Some(left) => *scheme = left,
                    None => {
                        shut_out.push(scheme.name());
                        return false;
                    }
                }
                true
            });
        }
    }

    pub(super) fn show(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let Self { schemes, proxy_schemes, .. } = self;
        let mut shown = f.debug_struct(name);
        shown.field("schemes", schemes);
        if let Some(schemes) = proxy_schemes {
            shown.field("proxy_schemes", schemes);
        }
        shown.finish_non_exhaustive()
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.options.show(f, "Authenticator")
    }
}
