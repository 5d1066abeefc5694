//! What all connections share: schemes, credentials, memories, the guard.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::authorization::Authorization;
use crate::channel_bindings::{AbsentChannelBindings, ChannelBindings, ChannelBindingsUse};
use crate::credentials::{
    Ambient, Credentials, CredentialsFuture, CredentialsProvider, CredentialsQuery, FixedCredentials,
    OriginPatterns,
};
use crate::handshake::declared::Declared;
use crate::handshake::guard::LockoutGuard;
use crate::handshake::identity::{Identity, ProviderId};
use crate::handshake::memory::{Memories, OriginMemory};
use crate::handshake::outcome::Why;
use crate::handshake::verdicts::LockoutBounds;
#[cfg(feature = "client")]
use crate::handshake::version::HttpVersion;
#[cfg(feature = "client")]
use crate::mechanism::Binding;
use crate::mechanism::{Delegation, MutualAuthentication, ntlm_message};
use crate::protection_space::{Challenger, Origin};
use crate::scheme::{Basic, Bearer, Digest, Negotiate, NtlmScheme, Scheme, SchemeName, Schemes, Scram};

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
struct Options {
    /// The strongest first.
    schemes: Vec<Arc<dyn Scheme>>,
    /// Where proxies have others.
    proxy_schemes: Option<Vec<Arc<dyn Scheme>>>,
    /// The names of those of which nothing is left without NTLM.
    shut_out: Vec<&'static str>,
    shuts_ntlm_out: bool,
    declared: Declared,
    target_names: HashMap<Origin, Arc<str>>,
    target_name_with_port: bool,
    delegation: HashMap<Origin, Delegation>,
    mutual_authentication: MutualAuthentication,
    reveal_secrets_at: HashSet<Challenger>,
    channel_bindings: ChannelBindingsUse,
    absent_channel_bindings: AbsentChannelBindings,
    report_established: bool,
    assume_proxy_support: bool,
    max_legs: u32,
}

impl Authenticator {
    /// Starts from Bearer, Negotiate, SCRAM-SHA-256, NTLM, Digest and Basic, no credentials, and the lockout guard on.
    pub fn builder() -> AuthenticatorBuilder {
        AuthenticatorBuilder::new()
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
    fn schemes(&self, challenger: Challenger) -> &[Arc<dyn Scheme>] {
        match (challenger, &self.proxy_schemes) {
            (Challenger::Proxy, Some(schemes)) => schemes,
            (Challenger::Proxy, None) | (Challenger::Origin, _) => &self.schemes,
        }
    }

    /// Takes NTLM out of all schemes, and out with it those of which nothing is left.
    fn shut_ntlm_out(&mut self) {
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

    fn show(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
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

/// Builds an [`Authenticator`].
pub struct AuthenticatorBuilder {
    options: Options,
    fixed: FixedCredentials,
    provider: Option<Arc<dyn CredentialsProvider>>,
    ambient: Option<(Credentials, OriginPatterns)>,
    guard: bool,
    bounds: LockoutBounds,
    origins: usize,
}

impl AuthenticatorBuilder {
    fn new() -> Self {
        Self {
            options: Options {
                schemes: vec![
                    Arc::new(Bearer::new()),
                    Arc::new(Negotiate::default()),
                    Arc::new(Scram::new()),
                    Arc::new(NtlmScheme::default()),
                    Arc::new(Digest::default()),
                    Arc::new(Basic::default()),
                ],
                proxy_schemes: None,
                shut_out: Vec::new(),
                shuts_ntlm_out: false,
                declared: Declared::default(),
                target_names: HashMap::new(),
                target_name_with_port: false,
                delegation: HashMap::new(),
                mutual_authentication: MutualAuthentication::default(),
                reveal_secrets_at: HashSet::new(),
                channel_bindings: ChannelBindingsUse::default(),
                absent_channel_bindings: AbsentChannelBindings::default(),
                report_established: false,
                assume_proxy_support: false,
                max_legs: 24,
            },
            fixed: FixedCredentials::new(),
            provider: None,
            ambient: None,
            guard: true,
            bounds: LockoutBounds::default(),
            origins: 1024,
        }
    }

    /// Sets the credentials for one origin; they go nowhere else.
    #[must_use]
    pub fn credentials(mut self, origin: Origin, credentials: Credentials) -> Self {
        self.fixed = self.fixed.with(Challenger::Origin, origin, credentials);
        self
    }

    /// Sets the credentials for one proxy.
    #[must_use]
    pub fn proxy_credentials(mut self, proxy: Origin, credentials: Credentials) -> Self {
        self.fixed = self.fixed.with(Challenger::Proxy, proxy, credentials);
        self
    }

    /// Sets the provider that is asked where no fixed credentials are set.
    #[must_use]
    pub fn provider(mut self, provider: impl CredentialsProvider + 'static) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// Allows the logged-on user's own credentials, for these origins and proxies and no others, where
    /// neither fixed credentials are set nor a provider has any. Default: for none, since a login
    /// tells whoever asks for it who the user is.
    ///
    /// ```
    /// use legwork::credentials::Ambient;
    /// use legwork::handshake::Authenticator;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let intranet = "https://*.corp.example".parse()?;
    /// let authenticator = Authenticator::builder().ambient(Ambient::new().stable(), intranet).build();
    /// # let _ = authenticator; Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn ambient(mut self, ambient: Ambient, allowed: OriginPatterns) -> Self {
        self.ambient = Some((Credentials::ambient(ambient), allowed));
        self
    }

    /// Sets the schemes that may be used, the strongest first. A server's own order does not count. What was
    /// [declared](Self::declare) and is not among them is not used. They are for proxies too, unless those
    /// have [their own](Self::proxy_schemes).
    #[must_use]
    pub fn schemes(mut self, schemes: impl Into<Schemes>) -> Self {
        self.options.schemes = schemes.into().into_vec();
        self
    }

    /// Sets the schemes that may be used at proxies, the strongest first. Default: the
    /// [`schemes`](Self::schemes) for origins.
    ///
    /// ```
    /// use legwork::handshake::Authenticator;
    /// use legwork::scheme::{Negotiate, NtlmScheme};
    ///
    /// let authenticator = Authenticator::builder()
    ///     .schemes(Negotiate::default())
    ///     .proxy_schemes(NtlmScheme::default())
    ///     .build();
    /// # let _ = authenticator;
    /// ```
    #[must_use]
    pub fn proxy_schemes(mut self, schemes: impl Into<Schemes>) -> Self {
        self.options.proxy_schemes = Some(schemes.into().into_vec());
        self
    }

    /// Sets Negotiate over other mechanisms, in the place that Negotiate has among the
    /// [`schemes`](Self::schemes) and [`proxy_schemes`](Self::proxy_schemes). Where neither has it, it comes
    /// before all the `schemes`. Default: the system's on Windows, elsewhere
    /// SPNEGO with NTLM inside ([`Negotiate::default`]).
    #[must_use]
    pub fn negotiate(self, negotiate: Negotiate) -> Self {
        self.in_its_place(negotiate)
    }

    /// Sets the scheme NTLM over another mechanism, in the same way. Default: the system's on Windows,
    /// elsewhere our own ([`NtlmScheme::default`]).
    #[must_use]
    pub fn ntlm(self, ntlm: NtlmScheme) -> Self {
        self.in_its_place(ntlm)
    }

    /// Shuts NTLM out: the scheme NTLM, and NTLM inside Negotiate, by whichever mechanisms and wherever in this
    /// builder they are set; for proxies too. Default: NTLM is used where a server wants it.
    ///
    /// What Negotiate tries then is in [its docs](Negotiate#). A scheme of which nothing is left is not used;
    /// where a server wants it, [`Why::NtlmShutOut`] says so, and what is left.
    ///
    /// ```
    /// use legwork::Authenticator;
    ///
    /// let authenticator = Authenticator::builder().without_ntlm().build();
    /// # let _ = authenticator;
    /// ```
    #[must_use]
    pub fn without_ntlm(mut self) -> Self {
        self.options.shuts_ntlm_out = true;
        self
    }

    fn in_its_place(mut self, scheme: impl Scheme + 'static) -> Self {
        let scheme: Arc<dyn Scheme> = Arc::new(scheme);
        let Options { schemes, proxy_schemes, .. } = &mut self.options;
        let mut has_place = false;
        for other in schemes.iter_mut().chain(proxy_schemes.iter_mut().flatten()) {
            if other.name() == scheme.name() {
                *other = Arc::clone(&scheme);
                has_place = true;
            }
        }
        if !has_place {
            schemes.insert(0, scheme);
        }
        self
    }

    /// Declares that these origins want `scheme` (one of [`schemes`](Self::schemes), by its name): the first request
    /// already carries a token. They are one [`Origin`], or
    /// [`OriginPatterns`] such as all hosts of a domain. Where several declarations cover an origin, the one
    /// that names it most closely counts: the origin itself, its host, what is below the longest name. A
    /// scheme that has nothing to say before a challenge, such as
    /// Digest, holds the request's body back until there is one.
    ///
    /// That saves a leg, and a body going over the wire in vain. Where the server wants no login for a
    /// request after all, it costs that request a leg: the body that was held back follows, whatever
    /// the server answered to the leg without it. The next request for the same target waits to be asked.
    ///
    /// # Errors
    ///
    /// [`UnknownScheme`] if no scheme has this name so far: schemes other than the default ones are to be
    /// set before.
    ///
    /// ```
    /// use legwork::credentials::OriginPatterns;
    /// use legwork::handshake::Authenticator;
    /// use legwork::protection_space::Origin;
    /// use legwork::scheme::SchemeName;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let authenticator = Authenticator::builder()
    ///     .declare("https://*.corp.example".parse::<OriginPatterns>()?, SchemeName::NEGOTIATE)?
    ///     .declare("https://files.corp.example".parse::<Origin>()?, SchemeName::DIGEST)?
    ///     .build();
    /// # let _ = authenticator;
    /// # Ok(())
    /// # }
    /// ```
    pub fn declare(
        self,
        origins: impl Into<OriginPatterns>,
        scheme: impl Into<SchemeName>,
    ) -> Result<Self, UnknownScheme> {
        self.declare_at(Challenger::Origin, origins.into(), scheme.into())
    }

    /// Declares that these proxies want `scheme`, one of those that are used [at proxies](Self::proxy_schemes).
    ///
    /// # Errors
    ///
    /// As [`declare`](Self::declare).
    pub fn declare_proxy(
        self,
        proxies: impl Into<OriginPatterns>,
        scheme: impl Into<SchemeName>,
    ) -> Result<Self, UnknownScheme> {
        self.declare_at(Challenger::Proxy, proxies.into(), scheme.into())
    }

    fn declare_at(
        mut self,
        at: Challenger,
        origins: OriginPatterns,
        scheme: SchemeName,
    ) -> Result<Self, UnknownScheme> {
        let mut names = self.options.schemes(at).iter().map(|known| known.name());
        let Some(name) = names.find(|name| name.eq_ignore_ascii_case(scheme.as_str())) else {
            let known = self.options.schemes(at).iter().map(|known| known.name()).collect();
            return Err(UnknownScheme { scheme, origins, known });
        };
        self.options.declared.insert(at, origins, name);
        Ok(self)
    }

    /// Sets the service principal name of an origin, in place of `HTTP/host`. With Kerberos, one that
    /// names a realm (`HTTP/host@REALM`) is taken as it is.
    #[must_use]
    pub fn target_name(mut self, origin: Origin, name: impl Into<Arc<str>>) -> Self {
        self.options.target_names.insert(origin, name.into());
        self
    }

    /// Sets whether the service principal name has the port where it is not the scheme's default, as in
    /// `HTTP/host:8080`. Default: off, as in every browser.
    #[must_use]
    pub fn target_name_with_port(mut self, on: bool) -> Self {
        self.options.target_name_with_port = on;
        self
    }

    /// Sets whether the server at `origin` may act as the user elsewhere. Default:
    /// [`Off`](Delegation::Off) for every origin. Whoever runs a server that it is
    /// [`On`](Delegation::On) for can be the user everywhere.
    #[must_use]
    pub fn delegation(mut self, origin: Origin, delegation: Delegation) -> Self {
        self.options.delegation.insert(origin, delegation);
        self
    }

    /// Sets whether servers have to prove who they are. Default:
    /// [`Preferred`](MutualAuthentication::Preferred).
    #[must_use]
    pub fn mutual_authentication(mut self, rule: MutualAuthentication) -> Self {
        self.options.mutual_authentication = rule;
        self
    }

    /// Lets schemes that show the secret (Basic and Bearer) go over plain http to origins. Whoever reads the
    /// wire, on any network in between, then has the password. It holds for no proxy.
    #[must_use]
    pub fn dangerous_secrets_over_plain_http(self, allow: bool) -> Self {
        self.reveal_secrets(Challenger::Origin, allow)
    }

    /// Lets schemes that show the secret (Basic and Bearer) go over plain http to proxies. Whoever reads the
    /// wire between this program and the proxy then has the password. It holds for no origin.
    #[must_use]
    pub fn dangerous_secrets_to_plain_http_proxies(self, allow: bool) -> Self {
        self.reveal_secrets(Challenger::Proxy, allow)
    }

    fn reveal_secrets(mut self, at: Challenger, allow: bool) -> Self {
        match allow {
            true => self.options.reveal_secrets_at.insert(at),
            false => self.options.reveal_secrets_at.remove(&at),
        };
        self
    }

    /// Sets whether logins are tied to their TLS connection. Default:
    /// [`WhereKnown`](ChannelBindingsUse::WhereKnown).
    #[must_use]
    pub fn channel_bindings(mut self, bindings: ChannelBindingsUse) -> Self {
        self.options.channel_bindings = bindings;
        self
    }

    /// Sets what NTLM says of channel bindings where there are none, whether because the connection is
    /// plain http or because they are [`Off`](ChannelBindingsUse::Off). Default:
    /// [`LeftOut`](AbsentChannelBindings::LeftOut).
    #[must_use]
    pub fn absent_channel_bindings(mut self, absent: AbsentChannelBindings) -> Self {
        self.options.absent_channel_bindings = absent;
        self
    }

    /// Sets whether responses on an established connection carry an
    /// [`Outcome`](crate::handshake::Outcome) too, at the cost of three allocations each. Default:
    /// those that ended a handshake alone.
    #[must_use]
    pub fn report_established(mut self, on: bool) -> Self {
        self.options.report_established = on;
        self
    }

    /// Takes for granted that every proxy ties a client's connection to the one to the server, though
    /// it does not say so (`Proxy-Support: Session-Based-Authentication`): for one that is known to.
    /// Elsewhere others may come to use a connection that you have logged in. Default: no.
    #[must_use]
    pub fn assume_proxy_support(mut self, on: bool) -> Self {
        self.options.assume_proxy_support = on;
        self
    }

    /// Sets how many legs one request may take on one connection. Default: 24, since two backends that know no
    /// nonces of each other answer one try of two.
    #[must_use]
    pub fn max_legs(mut self, legs: u32) -> Self {
        self.options.max_legs = legs.max(2);
        self
    }

    /// Sets whether the lockout guard is on, which bounds how often credentials that are wrong, or have
    /// become wrong, reach a server. Default: on. Without it every request tries its credentials for
    /// itself, and a wrong password in a busy program locks the account within milliseconds.
    ///
    /// A directory locks an account after a few wrong passwords. A response tells more or less about
    /// them, and what follows is counted per protection space and over all of them, for all clones of
    /// the authenticator:
    ///
    /// | what was seen | what it says |
    /// |---|---|
    /// | the server's proof; a ticket of the KDC; success, `304`, `404` to `406`, `409`, `410`, `412`, `415` or `416` after a challenge | the credentials are right |
    /// | success without a challenge; a redirect; `403` of Basic and Digest; most other statuses | they got past: nobody waits any more, no refusal is lifted |
    /// | `403` or `5xx` to a login of NTLM or Negotiate | the next answer on that connection tells. While others wait for that, a safe request without a body is sent again at once, if the connection stays |
    /// | `400`, `407`, `408`, `413`, `414`, `417`, `421`, `429`, `431`; `5xx` of Basic and Digest | nothing |
    /// | a challenge to the completed login | refused: *strongly* where they were accepted with the same method on the same path before, or nowhere ever; else it may be about the resource |
    /// | the connection was lost, the time was up, or the caller gave up, after something was sent | it counts as an attempt |
    ///
    /// How often they are tried, with the default [bounds](Self::lockout_bounds):
    ///
    /// | credentials | are tried |
    /// |---|---|
    /// | never accepted | once in each protection space, by one request at a time, twice if there is no answer within 5 s; over all origins until two refusals, or lost logins, stand. Then not again until they change, or [`forget_refusals`](Authenticator::forget_refusals) |
    /// | accepted before | until two strong refusals, or three of any kind; then they rest for 5 and 32, or 1, 4, 16 and 32 minutes, and are tried once after each pause. A proof ends it |
    /// | of which two logins in a row were lost (three where they were accepted before) | after 30 s, 5 and 32 minutes, once each |
    ///
    /// After 10 s without a login, or after a refusal, only one request logs in and the others wait;
    /// once it has succeeded, all go. A request waits for others at most 30 s, if there is a
    /// [`Timer`](crate::service::Timer): the clients have one, a layer has the one it is given. A
    /// request whose credentials are not tried gets the server's own `401` at once, and its
    /// [`Refusal`](crate::handshake::Refusal) says so:
    ///
    /// | [`Why`] | means | what helps |
    /// |---|---|---|
    /// | [`Refused`](Why::Refused) | tried now, and refused | the right password |
    /// | [`RefusedBefore`](Why::RefusedBefore) | not tried: refused earlier, never accepted | the right password; `forget_refusals`, after an account was unlocked |
    /// | [`Denied`](Why::Denied) | tried now; right elsewhere, but not for this resource | access to it |
    /// | [`Undecided`](Why::Undecided) | tried now, and nobody said whether it is right | to ask again |
    /// | [`Paused`](Why::Paused) | not tried until the pause's end | time; the right password |
    ///
    /// A request on a connection that is logged in sends no secret, and is never held back.
    #[must_use]
    pub fn lockout_guard(mut self, on: bool) -> Self {
        self.guard = on;
        self
    }

    /// Sets how often credentials are tried, and how long they rest. Default: [`LockoutBounds::default`].
    #[must_use]
    pub fn lockout_bounds(mut self, bounds: LockoutBounds) -> Self {
        self.bounds = bounds;
        self.bounds.unproven = self.bounds.unproven.max(1);
        self
    }

    /// Sets how many origins are remembered; past it the least recently used one is forgotten.
    /// Default: 1024, of about 700 octets each, and about 1 KiB for each user of Digest or SCRAM
    /// there. Of one origin 16 realms are kept, and of a realm 64 users' logins by Digest and 16 by
    /// SCRAM.
    #[must_use]
    pub fn remembered_origins(mut self, origins: usize) -> Self {
        self.origins = origins;
        self
    }

    /// Builds the authenticator.
    pub fn build(mut self) -> Authenticator {
        if self.options.shuts_ntlm_out {
            self.options.shut_ntlm_out();
        }
        let Self { fixed, provider, ambient, .. } = self;
        let none = fixed.is_empty() && provider.is_none() && ambient.is_none();
        let sources = Sources { fixed, provider, ambient };
        Authenticator(Arc::new(AuthenticatorInner {
            options: self.options,
            sources: (!none).then(|| (ProviderId::unique(), sources)),
            guard: self.guard.then(|| LockoutGuard::new(self.bounds)),
            memories: Memories::new(self.origins),
        }))
    }
}

/// Why a scheme cannot be declared: the authenticator does not have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownScheme {
    scheme: SchemeName,
    origins: OriginPatterns,
    known: Vec<&'static str>,
}

impl fmt::Display for UnknownScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, origins, known } = self;
        write!(
            f,
            "cannot declare the scheme {:?} for {origins}: the authenticator has only {}",
            scheme.as_str(),
            known.join(", ")
        )
    }
}

impl std::error::Error for UnknownScheme {}

impl fmt::Debug for AuthenticatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.show(f, "AuthenticatorBuilder")
    }
}

/// Fixed credentials first, then a provider, then the system's own.
struct Sources {
    fixed: FixedCredentials,
    provider: Option<Arc<dyn CredentialsProvider>>,
    ambient: Option<(Credentials, OriginPatterns)>,
}

/// What is known of an origin's credentials without asking a provider.
pub(super) enum LookUp {
    Found(Credentials),
    Nothing,
    /// There is a provider, which has to be asked.
    Ask,
}

impl Sources {
    fn look_up(&self, challenger: Challenger, origin: &Origin) -> LookUp {
        if let Some(fixed) = self.fixed.find(challenger, origin) {
            return LookUp::Found(fixed.clone());
        }
        match self.provider {
            Some(_) => LookUp::Ask,
            None => self.ambient_for(origin).map_or(LookUp::Nothing, LookUp::Found),
        }
    }

    fn ambient_for(&self, origin: &Origin) -> Option<Credentials> {
        let ambient = self.ambient.as_ref().filter(|(_, allowed)| allowed.matches(origin));
        ambient.map(|(credentials, _)| credentials.clone())
    }
}

impl CredentialsProvider for Sources {
    fn credentials(&self, query: CredentialsQuery<'_>) -> CredentialsFuture {
        match (self.look_up(query.challenger, query.origin), &self.provider) {
            (LookUp::Ask, Some(provider)) => {
                let ambient = self.ambient_for(query.origin);
                let provided = provider.credentials(query);
                Box::pin(async move { Ok(provided.await?.or(ambient)) })
            }
            (LookUp::Found(credentials), _) => Box::pin(std::future::ready(Ok(Some(credentials)))),
            (LookUp::Nothing | LookUp::Ask, _) => Box::pin(std::future::ready(Ok(None))),
        }
    }
}
