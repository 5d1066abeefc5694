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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_field_goes_first_then_what_is_in_the_extensions_then_the_authenticator() {
        let (carol, dave) = (Credentials::password("carol", "pw"), Credentials::password("dave", "pw"));
        let origin = "http://host.example".parse().expect("an origin");
        let authenticator = Authenticator::builder().credentials(origin, carol.clone()).build();
        let of = |challenger, request: &mut Request<()>| Identity::of(request, challenger, &authenticator);
        let both = |request: &mut Request<()>| {
            [Challenger::Origin, Challenger::Proxy].map(|challenger| of(challenger, request))
        };
        let by_authenticator = authenticator.identity();
        assert_eq!(both(&mut Request::new(())), [by_authenticator.clone(), by_authenticator.clone()]);

        let mut request = Request::new(());
        request.extensions_mut().insert(Anonymous);
        assert_eq!(both(&mut request), [Identity::None, by_authenticator.clone()]);

        request.extensions_mut().insert(carol.clone());
        request.extensions_mut().insert(ProxyCredentials(dave.clone()));
        assert_eq!(both(&mut request), [Identity::Credentials(carol), Identity::Credentials(dave)]);
        assert_eq!(both(&mut request), [Identity::None, by_authenticator], "they were taken out");

        let own = http::HeaderValue::from_static("Bearer own");
        request.headers_mut().insert("authorization", own.clone());
        request.headers_mut().insert("proxy-authorization", own.clone());
        assert_eq!(both(&mut request), [(); 2].map(|()| Identity::CallersOwn(own.clone())));
    }
}
