//! A KDC and its services with other keys than before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use legwork::client::KdcSockets;
use legwork::mechanism::{KdcInquiry, MechanismError};
use legwork::scheme::Negotiate;
use legwork::service::{BoxFuture, Environment, KdcTransport};
use legwork::testing::{Kdc, Offer};
use legwork::unversioned::testing::SpnegoAcceptor;

use super::*;

/// The KDC of the moment, behind one address.
#[derive(Clone)]
struct Latest(Arc<Mutex<Kdc>>);

impl Latest {
    async fn start() -> Self {
        Self(Arc::new(Mutex::new(kdc().await)))
    }

    /// Has another KDC take its place, and returns the old one.
    async fn restart(&self) -> Kdc {
        let kdc = kdc().await;
        std::mem::replace(&mut self.lock(), kdc)
    }

    fn lock(&self) -> MutexGuard<'_, Kdc> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KdcTransport for Latest {
    fn exchange(&self, mut inquiry: KdcInquiry) -> BoxFuture<Result<Vec<u8>, MechanismError>> {
        inquiry.addresses = [self.lock().address().to_string()].into();
        KdcSockets::new().exchange(inquiry)
    }
}

#[tokio::test]
async fn a_ticket_that_is_not_taken_any_more_is_refused_once_and_replaced() {
    for is_relayed in [false, true] {
        let latest = Latest::start().await;
        let service = latest.clone();
        let server = serving(Offer::custom("Negotiate", move || {
            let service = service.lock().service(SERVICE);
            SpnegoAcceptor::kerberos(&service).with_iakerb(&service)
        }))
        .await;
        let kerberos = if is_relayed { Kerberos::new() } else { kerberos(&latest.lock()) };
        let environment = || Environment::tokio().kdc_transport(latest.clone());
        // IAKERB's login is the connection's: each of these begins one.
        let client = || within(environment(), by(&server, Negotiate::kerberos_or_iakerb(kerberos.clone())));
        fetch(&client(), get(&server, "/")).await;
        let before = latest.restart().await;
        assert_eq!(granted(&before), (1, 1));

        let response = client().request(get(&server, "/")).await.expect("a response");
        assert_eq!(response.status(), 401, "relayed: {is_relayed}: {}", server.report());
        let why = refusal(&response).to_string();
        assert!(why.contains("ticket"), "{why}");
        text(response).await;
        assert_eq!(granted(&latest.lock()), (0, 0));
        for _ in 0..2 {
            fetch(&client(), get(&server, "/")).await;
        }
        assert_eq!(granted(&latest.lock()), (1, 1), "relayed: {is_relayed}");
        assert_eq!(latest.lock().report().failures("alice"), 0);
    }
}
