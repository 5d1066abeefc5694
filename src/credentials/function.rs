//! Credentials from a closure.

use std::fmt;
use std::future::Future;

use crate::credentials::{Credentials, CredentialsFuture, CredentialsProvider, CredentialsQuery};

/// A [`CredentialsProvider`] that is a closure.
#[derive(Clone, Copy)]
struct CredentialsFn<F>(F);

/// Makes a provider of a closure, which takes what it needs out of the query and returns a future.
///
/// ```
/// use legwork::credentials::{Credentials, CredentialsQuery, credentials_fn};
///
/// let vault = credentials_fn(|query: CredentialsQuery<'_>| {
///     let ours = query.origin.is_secure() && query.origin.host() == "wiki.example";
///     async move { Ok(ours.then(|| Credentials::password("carol", "carol-pw"))) }
/// });
/// # fn provider(_: impl legwork::credentials::CredentialsProvider) {}
/// # provider(vault);
/// ```
pub fn credentials_fn<F, R>(function: F) -> impl CredentialsProvider + fmt::Debug
where
    F: Fn(CredentialsQuery<'_>) -> R + Send + Sync,
    R: Future<Output = Result<Option<Credentials>, Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + 'static,
{
    CredentialsFn(function)
}

impl<F, R> CredentialsProvider for CredentialsFn<F>
where
    F: Fn(CredentialsQuery<'_>) -> R + Send + Sync,
    R: Future<Output = Result<Option<Credentials>, Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + 'static,
{
    fn credentials(&self, query: CredentialsQuery<'_>) -> CredentialsFuture {
        Box::pin((self.0)(query))
    }
}

impl<F> fmt::Debug for CredentialsFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialsFn(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_what_the_closure_holds() {
        let password = "carol-pw";
        let provider = credentials_fn(move |_: CredentialsQuery<'_>| async move {
            Ok(Some(Credentials::password("carol", password)))
        });
        assert_eq!(format!("{provider:?}"), "CredentialsFn(..)");
    }
}
