//! Kerberos and IAKERB of our own.

use legwork::channel_bindings::ChannelBindingsUse;
use legwork::mechanism::kerberos::Kerberos;
use legwork::scheme::{Negotiate, Schemes};
use legwork::testing::{KerberosService, Offer, Server};
use legwork::{Authenticator, Origin};

use super::*;
use crate::kerberos::{SERVICE, alice, kerberos, lab};

#[tokio::test]
async fn tickets_are_bound_to_the_connection_that_they_are_shown_on() {
    let kdc = lab().start().await.expect("a port");
    let bound =
        |certificate: Certificate| kdc.service(SERVICE).require_channel_bindings(certificate.bindings());
    let accepting = kdc.service(SERVICE).accept_channel_bindings(ECDSA.bindings());
    let cases: [(KerberosService, ChannelBindingsUse, u16); 4] = [
        (bound(ECDSA), ChannelBindingsUse::default(), 200),
        (bound(ECDSA), ChannelBindingsUse::Off, 401),
        // The client sees one certificate; the server behind has another.
        (bound(RSA), ChannelBindingsUse::default(), 401),
        (accepting, ChannelBindingsUse::Off, 200),
    ];
    for (number, (service, bindings, status)) in cases.into_iter().enumerate() {
        for kerberos in [kerberos(&kdc), Kerberos::new()] {
            let offer = Offer::kerberos_and_iakerb(&service);
            let https = Https::start(Server::builder().offer(offer), ECDSA).await;
            let origin = Origin::from_uri(&https.uri("/")).expect("an origin");
            let authenticator = Authenticator::builder()
                .schemes(Schemes::from(Negotiate::kerberos_or_iakerb(kerberos)))
                .credentials(origin.clone(), alice())
                .target_name(origin, SERVICE)
                .channel_bindings(bindings);
            let response = client(authenticator).request(https.get()).await.expect("a response");
            assert_eq!(response.status(), status, "{number}: {}", https.report());
            text(response).await;
        }
    }
}
