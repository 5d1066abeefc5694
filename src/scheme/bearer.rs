use http::Uri;

use crate::authorization::Authorization;
use crate::challenge::Challenge;
use crate::credentials::Credentials;
use crate::mechanism::{Binding, Expects, Initiate, Proves};
use crate::protection_space::{Paths, ProtectionSpace};
use crate::scheme::{
    Acceptance, Continuation, Exchange, Knowledge, Proof, Reply, RequestContext, Scheme, SchemeError,
};

const NAME: &str = "Bearer";

/// The Bearer scheme (RFC 6750): a token that anyone who holds it can use.
///
/// A token that the server refuses is asked for anew once, of a provider such as
/// [`BearerTokens`](crate::credentials::BearerTokens).
#[derive(Clone, Copy, Debug, Default)]
pub struct Bearer {
    _private: (),
}

impl Bearer {
    /// Creates the scheme Bearer.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Scheme for Bearer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn binding(&self) -> Binding {
        Binding::Request
    }

    fn reveals_secret(&self) -> bool {
        true
    }

    fn needs_parameters(&self) -> bool {
        false
    }

    fn takes(&self, credentials: &Credentials) -> bool {
        credentials.as_bearer_token().is_some()
    }

    fn can_be_refreshed(&self) -> bool {
        true
    }

    /// The whole origin: a token is for a resource server (RFC 6750, section 5.2).
    fn paths(&self, _: &Challenge, _: &ProtectionSpace, _: &Uri) -> Paths {
        Paths::All
    }

    fn begin(&self, arguments: Initiate, _: &Knowledge) -> Box<dyn Exchange> {
        Box::new(BearerExchange { credentials: arguments.credentials })
    }
}

struct BearerExchange {
    credentials: Credentials,
}

impl Exchange for BearerExchange {
    fn continuation(&self, _: &Challenge, _: bool) -> Continuation {
        Continuation::Refuses
    }

    fn respond(&mut self, _: Option<&Challenge>, _: RequestContext<'_>) -> Result<Reply, SchemeError> {
        let Some(token) = self.credentials.as_bearer_token() else {
            return Err(SchemeError::new(NAME, "it needs a token"));
        };
        let authorization =
            Authorization::token(NAME, token).map_err(|error| SchemeError::token(NAME, error))?;
        Ok(Reply::Send { authorization, expects: Expects::Success, proves: Proves::Secret })
    }

    fn conclude(&mut self, _: Acceptance<'_>) -> Result<Reply, SchemeError> {
        Ok(Reply::Done(Proof { mechanism: NAME, principal: None, mutual: false, binding: Binding::Request }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::{HeaderValue, Method};

    use super::*;
    use crate::mechanism::FixedMoment;

    #[test]
    fn only_a_token_that_can_be_sent_serves() {
        let (uri, moments) = (Uri::from_static("/"), FixedMoment(SystemTime::UNIX_EPOCH));
        let request = RequestContext::new(&Method::GET, &uri, false, &moments);
        let respond = |credentials| -> Result<HeaderValue, SchemeError> {
            let mut exchange =
                Bearer::new().begin(Initiate::new("HTTP/host", credentials), &Knowledge::default());
            match exchange.respond(None, request)? {
                Reply::Send { authorization, .. } => Ok(authorization.into_value()),
                reply => panic!("{reply:?}"),
            }
        };
        let value = respond(Credentials::bearer_token("a-token")).expect("it can be sent");
        assert_eq!(value, "Bearer a-token");
        assert!(value.is_sensitive());
        for (credentials, text, reason) in [
            (Credentials::password("alice", "pw"), "Bearer: it needs a token", "it needs a token"),
            (
                Credentials::bearer_token("a token"),
                "Bearer: the token cannot be sent",
                "the token has ' ' at octet 1, which cannot be sent",
            ),
        ] {
            let error = respond(credentials).expect_err(text);
            assert_eq!((error.to_string(), error.reason()), (text.to_owned(), reason.to_owned()));
        }
    }
}
