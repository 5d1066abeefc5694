//! Where an authenticator's credentials come from.

use std::sync::Arc;

use crate::credentials::{
    Credentials, CredentialsFuture, CredentialsProvider, CredentialsQuery, FixedCredentials, OriginPatterns,
};
use crate::protection_space::{Challenger, Origin};

/// Fixed credentials first, then a provider, then the system's own.
pub(super) struct Sources {
    pub(super) fixed: FixedCredentials,
    pub(super) provider: Option<Arc<dyn CredentialsProvider>>,
    pub(super) ambient: Option<(Credentials, OriginPatterns)>,
}

/// What is known of an origin's credentials without asking a provider.
pub(super) enum LookUp {
    Found(Credentials),
    Nothing,
    /// There is a provider, which has to be asked.
    Ask,
}

impl Sources {
    pub(super) fn look_up(&self, challenger: Challenger, origin: &Origin) -> LookUp {
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
