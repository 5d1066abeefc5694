use std::fmt;

use http::Uri;

use crate::challenge::Challenge;
use crate::credentials::Credentials;
use crate::mechanism::{Binding, Initiate, WithoutNtlm};
use crate::protection_space::{Paths, ProtectionSpace};
use crate::scheme::exchange::Exchange;
#[cfg(doc)]
use crate::scheme::exchange::Proof;
use crate::scheme::knowledge::Knowledge;

/// An HTTP authentication scheme.
pub trait Scheme: Send + Sync + fmt::Debug {
    /// The scheme's name in its registered spelling; compared without regard to case.
    fn name(&self) -> &'static str;

    /// What servers usually tie the scheme to; the exchange's [`Proof`] has the last word.
    fn binding(&self) -> Binding;

    /// The name of the mechanism behind it, such as `SPNEGO` behind Negotiate; its own where there is none.
    fn mechanism(&self) -> &'static str {
        self.name()
    }

    /// Whether anyone who reads the wire learns the secret: then it goes only over https, unless the
    /// caller says otherwise by a dangerous option.
    fn reveals_secret(&self) -> bool {
        false
    }

    /// Whether the server can prove in this scheme who it is. One that cannot is not used where
    /// mutual authentication is required.
    fn authenticates_server(&self) -> bool {
        false
    }

    /// Whether it can log in with credentials of this kind: most take a name and a password.
    fn takes(&self, credentials: &Credentials) -> bool {
        credentials.as_password().is_some()
    }

    /// What was refused may be tried again: one that keeps refusals itself forgets them
    /// ([`Authenticator::forget_refusals`](crate::handshake::Authenticator::forget_refusals)).
    fn forget_refusals(&self) {}

    /// Whether it can show a password only to a KDC.
    fn asks_kdc(&self) -> bool {
        false
    }

    /// Whether a challenge to one request may void what another has sent: servers with a single nonce
    /// replace it by each challenge.
    fn is_voided_by_challenges(&self) -> bool {
        false
    }

    /// Whether credentials wear out, so that a provider is asked for others after a refusal.
    fn can_be_refreshed(&self) -> bool {
        false
    }

    /// Whether it cannot do without what a challenge says beside the scheme's name. A scheme that can is
    /// asked to answer malformed challenges too, of which it gets to see
    /// [what can be read](crate::challenge#what-can-be-read-of-a-malformed-challenge).
    fn needs_parameters(&self) -> bool {
        true
    }

    /// How strong a challenge of this scheme is beside others of the scheme.
    fn strength(&self, _challenge: &Challenge) -> u8 {
        0
    }

    /// For which of the space's paths a challenge speaks that came in answer to a request for
    /// `target`.
    fn paths(&self, _challenge: &Challenge, _space: &ProtectionSpace, _target: &Uri) -> Paths {
        Paths::All
    }

    /// What is left of it where NTLM [is shut out](crate::handshake::AuthenticatorBuilder::without_ntlm). A scheme that
    /// passes calls on to another passes this one on too: a token of NTLM that it makes all the same is not sent.
    fn without_ntlm(&self) -> WithoutNtlm<dyn Scheme> {
        match self.name().eq_ignore_ascii_case("NTLM") {
            true => WithoutNtlm::Nothing,
            false => WithoutNtlm::Same,
        }
    }

    /// Begins an exchange for one challenger on one connection.
    fn begin(&self, arguments: Initiate, knowledge: &Knowledge) -> Box<dyn Exchange>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::{Basic, Bearer, Negotiate};

    #[test]
    fn a_scheme_without_a_mechanism_behind_it_is_its_own() {
        for (scheme, mechanism) in [
            (&Basic::new() as &dyn Scheme, "Basic"),
            (&Bearer::new(), "Bearer"),
            (&Negotiate::ntlm(), "SPNEGO"),
        ] {
            assert_eq!(scheme.mechanism(), mechanism);
        }
    }
}
