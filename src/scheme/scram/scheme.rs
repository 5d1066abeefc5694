//! SCRAM as a scheme of the handshake.

use std::sync::Arc;

use crate::challenge::{AuthenticationInfo, Challenge};
use crate::credentials::Credentials;
use crate::mechanism::{Binding, Initiate, MechanismError, Moment, StepJob, Stepped};
use crate::scheme::scram::Scram;
use crate::scheme::scram::error::ScramError;
use crate::scheme::scram::exchange::{ScramExchange, ScramStep};
use crate::scheme::scram::login::ClientFinal;
use crate::scheme::scram::memory::ScramMemory;
use crate::scheme::{
    Acceptance, Continuation, Exchange, Knowledge, Proof, Reply, RequestContext, Scheme, SchemeError,
};
use crate::stack::{self, Depth};

impl Scheme for Scram {
    fn name(&self) -> &'static str {
        self.scheme()
    }

    fn binding(&self) -> Binding {
        Binding::Request
    }

    fn authenticates_server(&self) -> bool {
        true
    }

    fn begin(&self, arguments: Initiate, knowledge: &Knowledge) -> Box<dyn Exchange> {
        Box::new(ScramRequest {
            scram: self.clone(),
            credentials: arguments.credentials,
            memory: knowledge.of(),
            exchange: None,
        })
    }
}

/// One request's login after the other.
struct ScramRequest {
    scram: Scram,
    credentials: Credentials,
    memory: Arc<ScramMemory>,
    exchange: Option<ScramExchange>,
}

impl ScramRequest {
    /// Begins a request's login in a moment of its own.
    fn begin(&mut self, challenge: Option<&Challenge>, moment: Moment) -> Result<Reply, SchemeError> {
        if challenge.is_none() && !self.memory.knows(&self.scram, &self.credentials, moment.now) {
            return Ok(Reply::Listen);
        }
        let memory = Arc::clone(&self.memory);
        let exchange = ScramExchange::new(&self.scram, self.credentials.clone(), moment, memory);
        let exchange = self.exchange.insert(exchange);
        let step = stack::wiped(Depth::Step, || exchange.respond(challenge));
        self.reply(step)
    }

    fn reply(&self, step: Result<ScramStep, ScramError>) -> Result<Reply, SchemeError> {
        Ok(match step.map_err(|error| self.error(error))? {
            ScramStep::Send { authorization, expects, proves } => {
                Reply::Send { authorization, expects, proves }
            }
            ScramStep::Derive(derivation) => {
                let takes_time = !derivation.is_cached();
                Reply::Step(StepJob::compute(move || derivation.run(), takes_time))
            }
        })
    }

    fn error(&self, error: impl Into<MechanismError>) -> SchemeError {
        SchemeError::mechanism(self.scram.scheme(), error.into())
    }
}

impl Exchange for ScramRequest {
    fn continuation(&self, challenge: &Challenge, _: bool) -> Continuation {
        match self.exchange.as_ref().is_some_and(|exchange| exchange.is_continued_by(challenge)) {
            true => Continuation::GoesOn,
            false => Continuation::Refuses,
        }
    }

    fn respond(
        &mut self,
        challenge: Option<&Challenge>,
        request: RequestContext<'_>,
    ) -> Result<Reply, SchemeError> {
        match (&mut self.exchange, challenge) {
            (Some(exchange), Some(challenge)) => {
                let step = stack::wiped(Depth::Step, || exchange.respond(Some(challenge)));
                self.reply(step)
            }
            // The next request, if there was one before.
            (_, challenge) => {
                let moment = request.moments.moment().map_err(|error| self.error(error))?;
                self.begin(challenge, moment)
            }
        }
    }

    fn resume(&mut self, stepped: Stepped) -> Result<Reply, SchemeError> {
        let Some(exchange) = &mut self.exchange else { return Err(self.error(ScramError::OutOfOrder)) };
        let client_final: Result<ClientFinal, _> = stepped.into_computed();
        let step = match client_final {
            Ok(client_final) => exchange.resume(client_final),
            Err(error) => return Err(self.error(error)),
        };
        self.reply(step)
    }

    /// The server's signature is checked whatever the rule for mutual authentication: without it
    /// there is no login.
    fn conclude(&mut self, acceptance: Acceptance<'_>) -> Result<Reply, SchemeError> {
        let Some(mut exchange) = self.exchange.take() else { return Err(self.error(ScramError::OutOfOrder)) };
        let info = AuthenticationInfo::parse(acceptance.fields, acceptance.challenger.info_field())
            .map_err(|error| SchemeError::authentication_info(self.scram.scheme(), error))?;
        let login = exchange.conclude(info.as_ref()).map_err(|error| self.error(error))?;
        Ok(Reply::Done(Proof {
            mechanism: self.scram.scheme(),
            principal: Some(login.username().to_owned()),
            mutual: true,
            binding: Binding::Request,
        }))
    }
}
