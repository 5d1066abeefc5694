//! What the user holds: names and secrets, and where they come from.

mod ambient;
mod chain;
mod environment;
mod function;
mod invalid_token;
mod netrc;
mod origin_patterns;
mod token;

pub use ambient::Ambient;
pub use chain::CredentialsChain;
pub use environment::{EnvironmentCredentials, EnvironmentError};
pub use function::{CredentialsFn, credentials_fn};
pub use invalid_token::InvalidToken;
pub use netrc::{Netrc, NetrcError, NetrcErrorKind};
pub(crate) use origin_patterns::Pattern;
pub use origin_patterns::{InvalidPattern, OriginPatterns};
pub use token::BearerTokens;

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use hmac::Hmac;
use md5::Md5;
use zeroize::Zeroizing;

use crate::protection_space::{Challenger, Origin};

/// A text that is wiped when it is dropped and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over; the caller's own copies are the caller's to wipe.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that must have it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What a user logs in with, shared by every connection that uses it: a name and a password, or
/// what the system holds for the logged-on user.
///
/// Equality covers the secret: the same user with another password is another identity.
///
/// ```
/// use legwork::credentials::Credentials;
///
/// let carol = Credentials::password("LAB\\carol", "carol-pw");
/// assert_eq!(format!("{carol:?}"), "Credentials { username: \"LAB\\\\carol\", .. }");
/// ```
#[derive(Clone)]
pub struct Credentials(Arc<Held>);

struct Held {
    kind: Kind,
    /// What NTLM makes of them; empty until then.
    ntlm_key: OnceLock<Hmac<Md5>>,
}

#[derive(PartialEq, Eq)]
enum Kind {
    Password { username: String, password: Secret },
    BearerToken(Secret),
    Ambient(Ambient),
}

impl Credentials {
    /// A user name (`user`, `DOMAIN\user` or `user@domain`) and a password.
    pub fn password(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self::new(Kind::Password { username: username.into(), password: Secret::new(password) })
    }

    /// A bearer token (RFC 6750), for the scheme Bearer only. Where tokens expire, there is
    /// [`BearerTokens`].
    ///
    /// One that cannot be sent is refused when a server asks for it, by a
    /// [reason](crate::handshake::Why::CannotStart) that names the character; a token from a file or the
    /// environment is better checked by [`try_bearer_token`](Self::try_bearer_token).
    pub fn bearer_token(token: impl Into<Secret>) -> Self {
        Self::new(Kind::BearerToken(token.into()))
    }

    /// A bearer token, as [`bearer_token`](Self::bearer_token), checked at once.
    ///
    /// ```
    /// use legwork::credentials::Credentials;
    ///
    /// let error = Credentials::try_bearer_token("read-from-a-file\n").expect_err("a line's end");
    /// assert_eq!(error.to_string(), "the token has '\\n' at octet 16, which cannot be sent");
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidToken`] for an empty token, and one with other characters than visible ASCII or with a
    /// comma or a double quote.
    pub fn try_bearer_token(token: impl Into<Secret>) -> Result<Self, InvalidToken> {
        let token = token.into();
        InvalidToken::check(&token)?;
        Ok(Self::bearer_token(token))
    }

    /// The logged-on user's own: a ticket cache or a keytab, on Windows the logon session. Mechanisms
    /// of the system alone can use them, such as Kerberos.
    ///
    /// Given to one origin, or in a request's extensions, they go there; for more origins there is
    /// [`AuthenticatorBuilder::ambient`](crate::handshake::AuthenticatorBuilder::ambient).
    pub fn ambient(ambient: Ambient) -> Self {
        Self::new(Kind::Ambient(ambient))
    }

    /// The name as the caller gave it; `None` where it is left to the system, and for a token.
    pub fn username(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Password { username, .. } => Some(username),
            Kind::BearerToken(_) => None,
            Kind::Ambient(ambient) => ambient.principal_name(),
        }
    }

    /// The name and the password, if that is what they are.
    pub fn as_password(&self) -> Option<(&str, &Secret)> {
        match &self.0.kind {
            Kind::Password { username, password } => Some((username, password)),
            Kind::BearerToken(_) | Kind::Ambient(_) => None,
        }
    }

    /// The token, if that is what they are.
    pub fn as_bearer_token(&self) -> Option<&Secret> {
        match &self.0.kind {
            Kind::BearerToken(token) => Some(token),
            Kind::Password { .. } | Kind::Ambient(_) => None,
        }
    }

    /// Which of the system's, if they are.
    pub fn as_ambient(&self) -> Option<&Ambient> {
        match &self.0.kind {
            Kind::Password { .. } | Kind::BearerToken(_) => None,
            Kind::Ambient(ambient) => Some(ambient),
        }
    }

    /// What NTLM reduces the name and the password to (NTOWFv2, MS-NLMP 3.3.2), as HMAC-MD5 takes it. It is made for the first
    /// login, kept beside the password, and wiped with it.
    pub(crate) fn ntlm_key(&self, make: impl FnOnce() -> Hmac<Md5>) -> &Hmac<Md5> {
        self.0.ntlm_key.get_or_init(make)
    }

    fn new(kind: Kind) -> Self {
        Self(Arc::new(Held { kind, ntlm_key: OnceLock::new() }))
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.kind == other.0.kind
    }
}

impl Eq for Credentials {}

impl Hash for Credentials {
    /// The name alone: a hash of the password has no place in a table.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.username().hash(state);
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            Kind::Password { username, .. } => {
                f.debug_struct("Credentials").field("username", username).finish_non_exhaustive()
            }
            Kind::BearerToken(_) => f.write_str("Credentials(a bearer token)"),
            Kind::Ambient(ambient) => ambient.fmt(f),
        }
    }
}

/// In a request's extensions: this request authenticates as nobody, whatever the client holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct Anonymous;

/// In a request's extensions: the credentials for the proxy, where [`Credentials`] are the
/// origin's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct ProxyCredentials(pub Credentials);

/// What a challenge wants credentials for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CredentialsQuery<'a> {
    /// Who asks.
    pub challenger: Challenger,
    /// The origin server, or the proxy. Credentials belong to exactly this origin.
    pub origin: &'a Origin,
    /// The scheme's name in its registered spelling, such as `NTLM`.
    pub scheme: &'a str,
    /// The realm, where the challenge has one.
    pub realm: Option<&'a str>,
    /// The credentials that the server has just refused: others are wanted, if there are any.
    pub refused: Option<&'a Credentials>,
}

impl<'a> CredentialsQuery<'a> {
    /// A query; what a handshake asks, or a test.
    pub fn new(challenger: Challenger, origin: &'a Origin, scheme: &'a str, realm: Option<&'a str>) -> Self {
        Self { challenger, origin, scheme, realm, refused: None }
    }

    /// The same after a refusal.
    #[must_use]
    pub fn with_refused(mut self, refused: Option<&'a Credentials>) -> Self {
        self.refused = refused;
        self
    }

    /// What a source of passwords answers with, of what it has: nothing where a token is wanted, and
    /// not what was just refused.
    pub(crate) fn password(&self, found: Option<Credentials>) -> Option<Credentials> {
        let wants_token = self.scheme.eq_ignore_ascii_case("Bearer");
        found.filter(|found| !wants_token && self.refused != Some(found))
    }
}

/// What a provider resolves to.
pub type CredentialsFuture = Pin<
    Box<dyn Future<Output = Result<Option<Credentials>, Box<dyn std::error::Error + Send + Sync>>> + Send>,
>;

/// Where credentials come from: a prompt, a vault, a file. There are [`Netrc`],
/// [`EnvironmentCredentials`], [`BearerTokens`], closures ([`CredentialsFn`]), and
/// [`CredentialsChain`] to ask several of them in turn.
///
/// A provider answers with one principal per challenger, origin, scheme and realm; a program
/// that acts for several users puts [`Credentials`] into each request's extensions instead.
/// It is asked when a connection logs in, not for each request.
///
/// ```
/// use legwork::credentials::{Credentials, CredentialsFuture, CredentialsProvider, CredentialsQuery};
///
/// struct FromEnvironment;
///
/// impl CredentialsProvider for FromEnvironment {
///     fn credentials(&self, query: CredentialsQuery<'_>) -> CredentialsFuture {
///         let ours = query.origin.host() == "intranet.example" && query.origin.is_secure();
///         Box::pin(async move {
///             let (Ok(user), Ok(password)) = (std::env::var("SITE_USER"), std::env::var("SITE_PASSWORD")) else {
///                 return Ok(None);
///             };
///             Ok(ours.then(|| Credentials::password(user, password)))
///         })
///     }
/// }
/// ```
pub trait CredentialsProvider: Send + Sync {
    /// The credentials for this query, or `None` if there are none for it.
    ///
    /// # Errors
    ///
    /// Whatever kept the provider from looking; the request then fails with it.
    fn credentials(&self, query: CredentialsQuery<'_>) -> CredentialsFuture;
}

/// Fixed credentials, each bound to one origin or proxy.
#[derive(Clone, Debug, Default)]
pub struct FixedCredentials {
    entries: Vec<(Challenger, Origin, Credentials)>,
}

impl FixedCredentials {
    /// No credentials yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds credentials that go to `origin` and nowhere else; later ones replace earlier ones.
    #[must_use]
    pub fn with(mut self, challenger: Challenger, origin: Origin, credentials: Credentials) -> Self {
        self.entries.retain(|(c, o, _)| (*c, o) != (challenger, &origin));
        self.entries.push((challenger, origin, credentials));
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The credentials for exactly this challenger and origin.
    pub fn find(&self, challenger: Challenger, origin: &Origin) -> Option<&Credentials> {
        self.entries
            .iter()
            .find(|(c, o, _)| *c == challenger && o == origin)
            .map(|(_, _, credentials)| credentials)
    }
}

impl CredentialsProvider for FixedCredentials {
    fn credentials(&self, query: CredentialsQuery<'_>) -> CredentialsFuture {
        let found = self.find(query.challenger, query.origin).cloned();
        Box::pin(std::future::ready(Ok(found)))
    }
}

#[cfg(test)]
mod tests {
    use hmac::{KeyInit, Mac};

    use super::*;

    #[test]
    fn the_password_is_part_of_equality_and_never_printed() {
        let one = Credentials::password("alice", "first-pw");
        let (_, secret) = one.as_password().expect("a password");
        assert_eq!(one, Credentials::password("alice", "first-pw"));
        assert_ne!(one, Credentials::password("alice", "other-pw"));
        assert!(!format!("{one:?} {:?}", secret).contains("first-pw"));
    }

    #[test]
    fn the_key_of_ntlm_is_made_once_and_says_nothing_of_who_it_is() {
        let (one, other) = (Credentials::password("alice", "pw"), Credentials::password("alice", "pw"));
        let key = |octet| move || Hmac::new_from_slice(&[octet; 16]).expect("any key");
        let made = one.ntlm_key(key(1));
        assert!(std::ptr::eq(made, one.clone().ntlm_key(key(2))), "shared by every copy");
        assert_eq!(made.clone().finalize(), key(1)().finalize());
        assert_eq!(one, other);
        assert!(!format!("{one:?}").contains("key"));
    }

    #[test]
    fn fixed_credentials_go_to_their_origin_alone() {
        let origin = |uri: &str| Origin::from_uri(&uri.parse().expect("a URI")).expect("an origin");
        let fixed = FixedCredentials::new().with(
            Challenger::Origin,
            origin("https://mail.example"),
            Credentials::password("alice", "pw"),
        );
        assert!(fixed.find(Challenger::Origin, &origin("https://MAIL.example:443")).is_some());
        for other in ["http://mail.example", "https://mail.example:444", "https://x.mail.example"] {
            assert!(fixed.find(Challenger::Origin, &origin(other)).is_none(), "{other}");
        }
        assert!(fixed.find(Challenger::Proxy, &origin("https://mail.example")).is_none());
    }
}
