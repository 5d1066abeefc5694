//! How an authenticator is set up.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::channel_bindings::{AbsentChannelBindings, ChannelBindingsUse};
use crate::credentials::{Ambient, Credentials, CredentialsProvider, FixedCredentials, OriginPatterns};
use crate::handshake::authenticator::{Authenticator, Options};
use crate::handshake::declared::Declared;
use crate::handshake::guard::LockoutGuard;
use crate::handshake::memory::Memories;
use crate::handshake::sources::Sources;
use crate::handshake::verdicts::LockoutBounds;
use crate::mechanism::{Delegation, MutualAuthentication};
use crate::protection_space::{Challenger, Origin};
use crate::scheme::{Basic, Bearer, Digest, Negotiate, NtlmScheme, Scheme, SchemeName, Schemes, Scram};

impl Authenticator {
    /// Starts from Bearer, Negotiate, SCRAM-SHA-256, NTLM, Digest and Basic, no credentials, and the lockout guard on.
    pub fn builder() -> AuthenticatorBuilder {
        AuthenticatorBuilder::new()
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
    /// where a server wants it, [`Why::NtlmShutOut`](crate::handshake::Why::NtlmShutOut) says so, and what is left.
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
    /// | [`Why`](crate::handshake::Why) | means | what helps |
    /// |---|---|---|
    /// | [`Refused`](crate::handshake::Why::Refused) | tried now, and refused | the right password |
    /// | [`RefusedBefore`](crate::handshake::Why::RefusedBefore) | not tried: refused earlier, never accepted | the right password; `forget_refusals`, after an account was unlocked |
    /// | [`Denied`](crate::handshake::Why::Denied) | tried now; right elsewhere, but not for this resource | access to it |
    /// | [`Undecided`](crate::handshake::Why::Undecided) | tried now, and nobody said whether it is right | to ask again |
    /// | [`Paused`](crate::handshake::Why::Paused) | not tried until the pause's end | time; the right password |
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
    /// there; for the last eight users of Digest in a realm up to 40 KiB, if each challenge brings another nonce. Of
    /// one origin 16 realms are kept, and of a realm 64 users' logins by Digest and 16 by SCRAM.
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
        Authenticator::new(
            self.options,
            (!none).then_some(sources),
            self.guard.then(|| LockoutGuard::new(self.bounds)),
            Memories::new(self.origins),
        )
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
