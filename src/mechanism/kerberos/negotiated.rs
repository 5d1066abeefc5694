//! IAKERB inside SPNEGO, or without.
//!
//! Windows takes it inside, MIT's servers only without: those refuse the first token inside SPNEGO, before they have carried
//! a message to a KDC. Then it is begun without, and the server is remembered.

use std::sync::Arc;

use crate::mechanism::kerberos::settings::Kerberos;
use crate::mechanism::oid;
use crate::mechanism::spnego::Spnego;
use crate::mechanism::{Initiate, Mechanism, MechanismError, Moment, SecurityContext, Step, WithoutNtlm};

/// SPNEGO with Kerberos, IAKERB and others behind these, and IAKERB without SPNEGO where a server wants that.
#[derive(Clone, Debug)]
pub(crate) struct NegotiatedIakerb {
    kerberos: Kerberos,
    /// Offers what is left to offer once IAKERB was not taken without it: the same.
    spnego: Arc<dyn Mechanism>,
}

impl NegotiatedIakerb {
    pub(crate) fn new(kerberos: Kerberos, behind: Vec<Arc<dyn Mechanism>>) -> Self {
        let bare = Arc::new(kerberos.iakerb().bare(None));
        let mut mechanisms: Vec<Arc<dyn Mechanism>> =
            vec![Arc::new(kerberos.clone()), Arc::new(kerberos.iakerb().or_else(bare))];
        mechanisms.extend(behind);
        Self { kerberos, spnego: Arc::new(Spnego::new(mechanisms)) }
    }

    /// Whether the server is one that is remembered. Where the password is for a KDC only, there is Kerberos.
    fn goes_bare(&self, arguments: &Initiate) -> bool {
        !arguments.only_kdc && self.kerberos.bare().has(&arguments.target_name)
    }

    fn bare(&self, arguments: Initiate, moment: Moment) -> Box<dyn SecurityContext> {
        let instead = NoLongerBare { kerberos: self.kerberos.clone(), spnego: Arc::clone(&self.spnego) };
        self.kerberos.iakerb().bare(Some(Arc::new(instead))).initiate(arguments, moment)
    }
}

impl Mechanism for NegotiatedIakerb {
    fn name(&self) -> &'static str {
        self.spnego.name()
    }

    fn oid(&self) -> &'static [u8] {
        oid::SPNEGO
    }

    fn initiate(&self, arguments: Initiate, moment: Moment) -> Box<dyn SecurityContext> {
        if self.goes_bare(&arguments) {
            return self.bare(arguments, moment);
        }
        let inner = self.spnego.initiate(arguments.clone(), moment);
        Box::new(Undecided { negotiated: self.clone(), arguments, inner })
    }

    fn may_block(&self) -> bool {
        self.spnego.may_block()
    }

    fn authenticates_peer(&self) -> bool {
        self.spnego.authenticates_peer()
    }

    fn asks_kdc(&self) -> bool {
        self.spnego.asks_kdc()
    }

    fn without_ntlm(&self) -> WithoutNtlm<dyn Mechanism> {
        match self.spnego.without_ntlm().of(&self.spnego) {
            Some(spnego) => WithoutNtlm::Other(Arc::new(Self { kerberos: self.kerberos.clone(), spnego })),
            None => WithoutNtlm::Nothing,
        }
    }

    fn forget_refusals(&self) {
        self.spnego.forget_refusals();
    }
}

/// Nothing was sent yet. While it waits for another login, that one may find out which form the server takes.
struct Undecided {
    negotiated: NegotiatedIakerb,
    arguments: Initiate,
    inner: Box<dyn SecurityContext>,
}

impl Undecided {
    fn after(negotiated: NegotiatedIakerb, arguments: Initiate, step: Step) -> Step {
        match step {
            Step::Consult { inquiry, context: inner } => {
                Step::Consult { inquiry, context: Box::new(Self { negotiated, arguments, inner }) }
            }
            step => step,
        }
    }
}

impl SecurityContext for Undecided {
    fn step(self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let step = self.inner.step(input)?;
        Ok(Self::after(self.negotiated, self.arguments, step))
    }

    fn consulted(
        self: Box<Self>,
        answer: Result<Vec<u8>, MechanismError>,
        moment: Moment,
    ) -> Result<Step, MechanismError> {
        let Self { negotiated, arguments, inner } = *self;
        // Another login ends without an answer.
        if negotiated.goes_bare(&arguments) && answer.as_ref().is_ok_and(Vec::is_empty) {
            drop(inner);
            return negotiated.bare(arguments, moment).step(None);
        }
        let step = inner.consulted(answer, moment)?;
        Ok(Self::after(negotiated, arguments, step))
    }

    fn takes_time(&self) -> bool {
        self.inner.takes_time()
    }
}

/// SPNEGO again: the server did not take IAKERB without.
#[derive(Debug)]
struct NoLongerBare {
    kerberos: Kerberos,
    spnego: Arc<dyn Mechanism>,
}

impl Mechanism for NoLongerBare {
    fn name(&self) -> &'static str {
        self.spnego.name()
    }

    fn oid(&self) -> &'static [u8] {
        oid::SPNEGO
    }

    fn initiate(&self, arguments: Initiate, moment: Moment) -> Box<dyn SecurityContext> {
        self.kerberos.bare().forget(&arguments.target_name);
        self.spnego.initiate(arguments, moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_without_iakerb_alone_is_spnego() {
        let spnego: Arc<dyn Mechanism> = Arc::new(Spnego::new(Vec::new()));
        let instead = NoLongerBare { kerberos: Kerberos::new(), spnego };
        assert_eq!((instead.name(), instead.oid()), ("SPNEGO", oid::SPNEGO));
        let negotiated = NegotiatedIakerb::new(Kerberos::new(), Vec::new());
        assert_eq!((negotiated.name(), negotiated.oid()), ("SPNEGO", oid::SPNEGO));
    }
}
