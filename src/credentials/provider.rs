use std::future::Future;
use std::pin::Pin;

use crate::credentials::user::Credentials;
use crate::protection_space::{Challenger, Origin};

/// What a challenge asks for credentials for.
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
    /// Creates a query, such as a handshake asks: for tests.
    pub fn new(challenger: Challenger, origin: &'a Origin, scheme: &'a str, realm: Option<&'a str>) -> Self {
        Self { challenger, origin, scheme, realm, refused: None }
    }

    /// Adds the credentials that were refused.
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

/// Where credentials come from: a prompt, a vault, a file. There are
/// [`Netrc`](crate::credentials::Netrc), [`EnvironmentCredentials`](crate::credentials::EnvironmentCredentials),
/// [`BearerTokens`](crate::credentials::BearerTokens), closures ([`credentials_fn`](crate::credentials::credentials_fn)),
/// and [`CredentialsChain`](crate::credentials::CredentialsChain) to ask several of them in turn.
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
