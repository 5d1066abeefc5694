//! What a request says of who it acts as.

use http::Request;

use crate::credentials::{Anonymous, Credentials, ProxyCredentials};
use crate::handshake::authenticator::Authenticator;
use crate::handshake::identity::Identity;
use crate::protection_space::Challenger;

impl Identity {
    /// Finds who a request acts as: the caller's own field, else the [`Credentials`] in its extensions,
    /// which are taken out, else whoever the authenticator's provider names.
    pub fn of<B>(request: &mut Request<B>, challenger: Challenger, authenticator: &Authenticator) -> Self {
        if let Some(value) = request.headers().get(challenger.authorization_field()) {
            return Self::CallersOwn(value.clone());
        }
        let extensions = request.extensions_mut();
        if extensions.is_empty() {
            return authenticator.identity();
        }
        let own = match challenger {
            Challenger::Origin => extensions.remove::<Credentials>(),
            Challenger::Proxy => extensions.remove::<ProxyCredentials>().map(|proxy| proxy.0),
        };
        match own {
            Some(credentials) => Self::Credentials(credentials),
            None if challenger == Challenger::Origin && extensions.get::<Anonymous>().is_some() => Self::None,
            None => authenticator.identity(),
        }
    }
}
