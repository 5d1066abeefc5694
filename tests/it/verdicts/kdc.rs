//! A password that a KDC is to be asked about, and that servers refuse meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use legwork::mechanism::ntlm::Ntlm;
use legwork::mechanism::spnego::Spnego;
use legwork::mechanism::{
    Binding, ErrorKind, Established, Expects, Initiate, Mechanism, MechanismError, Moment, Proves,
    SecurityContext, Step,
};
use legwork::scheme::Negotiate;
use legwork::testing::{Accept, Acceptor, Offer, Users};
use legwork::unversioned::testing::{NtlmAcceptor, SpnegoAcceptor};

use super::clients::{Asks, pass, seconds};
use crate::support;

const TICKET: &[u8] = b"a ticket for carol";

/// A mechanism with a KDC that may be away.
#[derive(Clone, Debug, Default)]
struct Kerberos(Arc<AtomicBool>);

impl Mechanism for Kerberos {
    fn name(&self) -> &'static str {
        "Kerberos"
    }

    fn oid(&self) -> &'static [u8] {
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02]
    }

    fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> {
        Box::new(self.clone())
    }

    fn asks_kdc(&self) -> bool {
        true
    }
}

impl SecurityContext for Kerberos {
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        if self.0.load(Ordering::SeqCst) {
            return Err(MechanismError::new(ErrorKind::Unavailable, "no KDC can be reached"));
        }
        Ok(Step::Continue {
            token: TICKET.to_vec(),
            context: self,
            expects: Expects::Success,
            proves: Proves::Ticket { is_new: true },
        })
    }

    fn finish_without_token(self: Box<Self>) -> Result<Established, MechanismError> {
        Ok(Established::new("Kerberos", None, Binding::Request))
    }
}

/// Takes tickets; NTLM it refuses, whatever the password.
struct TicketsOnly(SpnegoAcceptor);

impl Acceptor for TicketsOnly {
    fn step(&mut self, token: &[u8]) -> Accept {
        match token.windows(TICKET.len()).any(|octets| octets == TICKET) {
            true => Accept::Accepted { user: support::USER.to_owned(), token: None, integrity: None },
            false => self.0.step(token),
        }
    }
}

#[tokio::test]
async fn kerberos_is_served_once_its_kdc_is_back_though_ntlm_was_refused_meanwhile() {
    let tickets_only = || {
        let nobody = NtlmAcceptor::new(Arc::new(Users::new()), [7; 8], SystemTime::now());
        TicketsOnly(SpnegoAcceptor::new(Ntlm::new().oid(), Box::new(nobody)))
    };
    let server = support::server([Offer::custom("Negotiate", tickets_only)]).start().await.expect("a server");
    let kerberos = Kerberos::default();
    let mechanisms = Spnego::new(vec![Arc::new(kerberos.clone()), Arc::new(Ntlm::new())]);
    let asks = Asks::over_hyper(support::authenticator(&server).negotiate(Negotiate::new(mechanisms)));
    kerberos.0.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let told = asks.get(server.uri("/").to_string()).await.expect("a response");
        assert_eq!(told.status, 401, "{told:?}");
        pass(seconds(1)).await;
    }
    assert_eq!(server.report().attempts(), 1, "NTLM is not tried again: {}", server.report());
    kerberos.0.store(false, Ordering::SeqCst);
    // It was not there when it was asked, and is not asked again at once.
    pass(seconds(2)).await;
    for _ in 0..3 {
        let told = asks.get(server.uri("/").to_string()).await.expect("a response");
        assert_eq!(told.status, 200, "{told:?}");
    }
    assert_eq!(server.report().attempts(), 1, "{}", server.report());
}
