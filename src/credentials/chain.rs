//! Several providers, one after the other.

use std::fmt;
use std::sync::Arc;

use crate::credentials::{CredentialsFuture, CredentialsProvider, CredentialsQuery};

/// Providers that are asked in order until one has credentials.
///
/// A provider is asked only if those before it have none, so that a prompt at the end is seen only
/// then. An error ends the search: whoever is next might have somebody else's.
///
/// ```
/// use legwork::credentials::{CredentialsChain, EnvironmentCredentials, Netrc};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let wiki = EnvironmentCredentials::new("https://wiki.example".parse()?, "WIKI_USER", "WIKI_PASSWORD");
/// let netrc = Netrc::parse(b"machine mail.example login carol password carol-pw")?;
/// let authenticator = legwork::Authenticator::builder()
///     .provider(CredentialsChain::new().then(wiki).then(netrc))
///     .build();
/// # let _ = authenticator; Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct CredentialsChain {
    providers: Vec<Arc<dyn CredentialsProvider>>,
}

impl CredentialsChain {
    /// Creates a chain that asks nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a provider, which is asked after the others.
    #[must_use]
    pub fn then(mut self, provider: impl CredentialsProvider + 'static) -> Self {
        self.providers.push(Arc::new(provider));
        self
    }
}

impl CredentialsProvider for CredentialsChain {
    fn credentials(&self, query: CredentialsQuery<'_>) -> CredentialsFuture {
        let providers = self.providers.clone();
        let (challenger, origin) = (query.challenger, query.origin.clone());
        let (scheme, realm) = (query.scheme.to_owned(), query.realm.map(str::to_owned));
        let refused = query.refused.cloned();
        Box::pin(async move {
            for provider in providers {
                let query = CredentialsQuery::new(challenger, &origin, &scheme, realm.as_deref())
                    .with_refused(refused.as_ref());
                if let Some(credentials) = provider.credentials(query).await? {
                    return Ok(Some(credentials));
                }
            }
            Ok(None)
        })
    }
}

impl fmt::Debug for CredentialsChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialsChain").field("providers", &self.providers.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::credentials::{Credentials, credentials_fn};
    use crate::protection_space::Challenger;

    /// None of these providers waits for anything.
    fn ask(chain: &CredentialsChain) -> Result<Option<Credentials>, String> {
        let (origin, refused) = ("https://wiki.example".parse().expect("an origin"), refused());
        let query = CredentialsQuery::new(Challenger::Origin, &origin, "Basic", Some("lab"))
            .with_refused(Some(&refused));
        let mut future = chain.credentials(query);
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result.map_err(|error| error.to_string()),
            Poll::Pending => panic!("nothing to wait for"),
        }
    }

    fn refused() -> Credentials {
        Credentials::password("mallory", "pw")
    }

    #[test]
    fn the_first_that_has_some_ends_the_search_and_so_does_an_error() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counting = |answer: Result<Option<&'static str>, &'static str>| {
            let asked = Arc::clone(&asked);
            credentials_fn(move |query: CredentialsQuery<'_>| {
                assert_eq!((query.scheme, query.realm), ("Basic", Some("lab")));
                assert_eq!(query.refused, Some(&refused()));
                let asked = Arc::clone(&asked);
                async move {
                    asked.fetch_add(1, Ordering::Relaxed);
                    Ok(answer?.map(|name| Credentials::password(name, "pw")))
                }
            })
        };
        let (none, alice, bob) =
            (|| counting(Ok(None)), || counting(Ok(Some("alice"))), counting(Ok(Some("bob"))));
        assert_eq!(ask(&CredentialsChain::new()), Ok(None));
        let chain = CredentialsChain::new().then(none()).then(alice()).then(bob);
        assert_eq!(ask(&chain), Ok(Some(Credentials::password("alice", "pw"))));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        let chain =
            CredentialsChain::new().then(none()).then(counting(Err("the vault is shut"))).then(alice());
        assert_eq!(ask(&chain), Err("the vault is shut".to_owned()));
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }
}
