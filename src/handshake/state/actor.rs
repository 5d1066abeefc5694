use crate::handshake::actor::Actor;
use crate::handshake::state::{AfterTurn, Handshake, HandshakeState};
use crate::protection_space::Origin;

/// What is told of a handshake.
impl Handshake {
    /// The origin server, or the proxy.
    pub(crate) fn at(&self) -> &Origin {
        &self.origin
    }

    /// Who the request acts as here: whose credentials are in use, or who is logged in.
    pub(crate) fn actor(&self) -> Actor {
        let run = match &self.state {
            HandshakeState::Waiting(AfterTurn::Candidate(_, credentials)) => return credentials.into(),
            HandshakeState::Established(established) => match &established.proof.principal {
                Some(principal) => return Actor::Named(principal.clone()),
                None => return (&self.request.identity).into(),
            },
            HandshakeState::Waiting(AfterTurn::Next(run) | AfterTurn::Again(run, _))
            | HandshakeState::Stepping(run)
            | HandshakeState::Consulting(run)
            | HandshakeState::Gathering(run)
            | HandshakeState::Sent(run)
            | HandshakeState::Standing(run) => run,
            HandshakeState::Unsettled(unsettled) => &unsettled.0,
            HandshakeState::Idle
            | HandshakeState::Listening
            | HandshakeState::Asking(_)
            | HandshakeState::Spoiled => {
                return (&self.request.identity).into();
            }
        };
        run.credentials().into()
    }
}
