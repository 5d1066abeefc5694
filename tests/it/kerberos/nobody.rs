//! Where there is nothing to ask a KDC with, or for: nothing is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use legwork::client::KdcSockets;
use legwork::handshake::Why;
use legwork::mechanism::kerberos::Kerberos;
use legwork::mechanism::{KdcInquiry, MechanismError};
use legwork::scheme::Negotiate;
use legwork::service::{AuthenticateLayer, BoxFuture, ConnectionInfo, Environment, KdcTransport};
use legwork::testing::Offer;
use tower::Layer;

use super::*;
use crate::leaf::{Leaf, origin_form, send};

/// Counts what it is asked to carry.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl KdcTransport for Counting {
    fn exchange(&self, inquiry: KdcInquiry) -> BoxFuture<Result<Vec<u8>, MechanismError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        KdcSockets::new().exchange(inquiry)
    }
}

#[tokio::test]
async fn a_user_without_a_realm_costs_no_packet_and_ntlm_no_leg() {
    let kdc = kdc().await;
    let asked = Counting::default();
    let environment = || Environment::tokio().kdc_transport(asked.clone());
    let named = kerberos(&kdc).kdc("LAB", [kdc.address().to_string()]);
    for negotiate in [
        Negotiate::kerberos_or_ntlm(named.clone()),
        Negotiate::kerberos_or_iakerb_or_ntlm(named),
        Negotiate::kerberos_or_ntlm(Kerberos::new()),
        Negotiate::kerberos_or_iakerb_or_ntlm(Kerberos::new()),
        Negotiate::ntlm(),
    ] {
        let server = started(taking_all(&kdc.service(SERVICE))).await;
        let authenticator = Authenticator::builder().schemes(Schemes::from(negotiate));
        let client = within(environment(), at(&server, authenticator, carol()));
        let response = client.request(get(&server, "/")).await.expect("a response");
        assert_eq!((response.status().as_u16(), login(&response).mechanism), (200, "NTLM"));
        text(response).await;
        assert_eq!(statuses(&server.report()), [401, 401, 200], "{}", server.report());
    }
    assert_eq!((asked.0.load(Ordering::SeqCst), kdc.report().packets(), kdc.report().relayed), (0, 0, 0));
}

#[tokio::test]
async fn a_realm_without_a_kdc_leaves_what_comes_behind_kerberos() {
    let kdc = kdc().await;
    let server = started(taking_all(&kdc.service(SERVICE))).await;
    let client = over(by(&server, Negotiate::kerberos(Kerberos::new())));
    let response = client.request(get(&server, "/")).await.expect("a response");
    let words = "no KDC is named for the realm LAB.TEST (Kerberos::kdc)";
    assert!(why_not_started(&response).contains(words), "{response:?}");
    text(response).await;
    let client = over(by(&server, Negotiate::kerberos_or_ntlm(Kerberos::new())));
    let response = client.request(get(&server, "/")).await.expect("a response");
    assert_eq!((login(&response).mechanism, login(&response).legs), ("NTLM", 3));
    text(response).await;
    assert_eq!(kdc.report().packets(), 0);
}

#[tokio::test]
async fn ntlm_is_shut_out_wherever_it_is() {
    let kdc = kdc().await;
    let service = kdc.service(SERVICE);
    for (kerberos, mechanism) in [(kerberos(&kdc), "Kerberos"), (Kerberos::new(), "IAKERB")] {
        let server = started(taking_all(&service)).await;
        let negotiate = Negotiate::kerberos_or_iakerb_or_ntlm(kerberos);
        let authenticator = builder().negotiate(negotiate).without_ntlm();
        let client = over(at(&server, authenticator, alice()));
        let response = client.request(get(&server, "/")).await.expect("a response");
        assert_eq!(login(&response).mechanism, mechanism);
        text(response).await;
        assert!(!tokens(&server.report()).concat().contains("NTLM"), "{}", server.report());
    }
    // Where nothing else can start, it is said.
    let server = started(taking_all(&service)).await;
    let authenticator = builder().negotiate(Negotiate::kerberos_or_ntlm(Kerberos::new())).without_ntlm();
    let client = over(at(&server, authenticator, alice()));
    let response = client.request(get(&server, "/")).await.expect("a response");
    assert!(why_not_started(&response).contains("no KDC is named"), "{:?}", refusal(&response));
    let shut_out = |why: &Why| matches!(why, Why::NtlmShutOut { .. });
    assert!(refusal(&response).tried.iter().any(|tried| shut_out(&tried.why)), "{:?}", refusal(&response));
    assert_eq!(tokens(&server.report()), [""]);
}

#[tokio::test]
async fn a_layer_without_a_way_to_a_kdc_says_what_is_missing() {
    let kdc = kdc().await;
    let server = serving(Offer::kerberos(&kdc.service(SERVICE))).await;
    let authenticator = by(&server, Negotiate::kerberos(kerberos(&kdc))).build();
    let layer = AuthenticateLayer::new(authenticator.clone(), ConnectionInfo::new(server.origin()));
    let mut service = layer.layer(Leaf::connect(&server).await);
    let response = send(&mut service, origin_form("GET", "/", "")).await.expect("a response");
    assert!(why_not_started(&response).contains("Environment::kdc_transport"), "{response:?}");
    assert_eq!(kdc.report().packets(), 0);

    // One thing changed.
    let layer = AuthenticateLayer::new(authenticator, ConnectionInfo::new(server.origin()))
        .environment(Environment::new().kdc_transport(KdcSockets::new()));
    let mut service = layer.layer(Leaf::connect(&server).await);
    let response = send(&mut service, origin_form("GET", "/", "")).await.expect("a response");
    assert_eq!((response.status().as_u16(), login(&response).mechanism), (200, "Kerberos"));
}
