//! KDCs that are silent, closing, or say something else.

use std::time::Duration;

use legwork::client::KdcSockets;
use legwork::mechanism::kerberos::Kerberos;
use legwork::scheme::Negotiate;
use legwork::service::{Environment, ErrorKind, Limits};
use legwork::testing::{Kdc, Offer};
use legwork::unversioned::testing::KdcFault;

use super::*;

/// Who gives up soon.
pub(super) fn hasty() -> Environment {
    let (patience, timeout) = (Duration::from_millis(20), Duration::from_millis(200));
    Environment::tokio().kdc_transport(KdcSockets::new().patience(patience).timeout(timeout))
}

async fn with_fault(fault: KdcFault) -> Kdc {
    lab().fault(fault).start().await.expect("a port")
}

#[tokio::test]
async fn one_that_never_answers_costs_the_request_its_time_or_leaves_it_to_ntlm() {
    let kdc = with_fault(KdcFault::Silent).await;
    let server = started(taking_all(&kdc.service(SERVICE))).await;
    let client = within(hasty(), by(&server, Negotiate::kerberos(kerberos(&kdc))));
    let response = without_hanging(client.request(get(&server, "/"))).await.expect("a response");
    let why = why_not_started(&response);
    assert!(why.contains("no KDC of LAB.TEST has answered") && why.contains("within 200ms"), "{why}");
    assert!(!refusal(&response).is_refusal());
    text(response).await;
    assert_eq!(tokens(&server.report()), [""], "nothing was sent to the server");

    let client = within(hasty(), by(&server, Negotiate::kerberos_or_ntlm(kerberos(&kdc))));
    let response = without_hanging(client.request(get(&server, "/"))).await.expect("a response");
    assert_eq!((response.status().as_u16(), login(&response).mechanism), (200, "NTLM"));
}

#[tokio::test]
async fn one_that_never_answers_holds_nobody_else_up() {
    let (silent, kdc) = (with_fault(KdcFault::Silent).await, kdc().await);
    let server = serving(Offer::kerberos(&kdc.service(SERVICE))).await;
    let kerberos = kerberos(&kdc).kdc("SILENT.TEST", [silent.address().to_string()]);
    let client = over(by(&server, Negotiate::kerberos(kerberos)));
    let waits = acting_as(get(&server, "/"), Credentials::password("bob@SILENT.TEST", "bob-pw"));
    let waiting = tokio::spawn(client.request(waits));
    without_hanging(silent.wait_for(|report| report.datagrams > 0)).await;
    for _ in 0..3 {
        without_hanging(fetch(&client, get(&server, "/"))).await;
    }
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn a_login_has_no_more_time_than_its_deadline() {
    let kdc = with_fault(KdcFault::Silent).await;
    let server = serving(Offer::kerberos(&kdc.service(SERVICE))).await;
    let short = Duration::from_millis(40);
    let environment = Environment::tokio()
        .kdc_transport(KdcSockets::new().timeout(Duration::from_secs(3_600)))
        .limits(Limits::default().handshake_timeout(short));
    let client = within(environment, by(&server, Negotiate::kerberos(kerberos(&kdc))));
    let error = without_hanging(client.request(get(&server, "/"))).await.expect_err("too slow");
    let ErrorKind::Timeout(part, after) = error.kind() else { panic!("{error:?}") };
    assert_eq!((*part, *after, error.is_timeout()), ("authenticating", short, true));
    assert_eq!(client.connections(), (0, 0));
    kdc.set_fault(None);
    let client = over(by(&server, Negotiate::kerberos(kerberos(&kdc))));
    fetch(&client, get(&server, "/")).await;
}

#[tokio::test]
async fn the_first_is_silent_and_the_second_answers() {
    let (silent, kdc) = (with_fault(KdcFault::Silent).await, kdc().await);
    let server = serving(Offer::kerberos(&kdc.service(SERVICE))).await;
    let addresses = [silent.address().to_string(), kdc.address().to_string()];
    let patience = KdcSockets::new().patience(Duration::from_millis(20));
    let environment = Environment::tokio().kdc_transport(patience);
    let client = within(environment, by(&server, Negotiate::kerberos(Kerberos::new().kdc(REALM, addresses))));
    fetch(&client, get(&server, "/")).await;
    assert!(silent.report().datagrams > 0, "it was asked first");
    assert_eq!(granted(&kdc), (1, 1));
}

#[tokio::test]
async fn an_answer_that_is_too_long_for_a_datagram_comes_over_tcp() {
    let kdc = with_fault(KdcFault::TooBig).await;
    let server = serving(Offer::kerberos(&kdc.service(SERVICE))).await;
    let client = over(by(&server, Negotiate::kerberos(kerberos(&kdc))));
    fetch(&client, get(&server, "/")).await;
    let report = kdc.report();
    assert!(report.datagrams > 0 && report.stream_requests > 0, "{report:?}");
    assert_eq!((granted(&kdc), report.failures("alice")), ((1, 1), 0));
}

#[tokio::test]
async fn one_that_says_something_else_is_no_word_on_the_password() {
    for fault in [KdcFault::Garbage, KdcFault::Closing, KdcFault::Cut] {
        let kdc = with_fault(fault).await;
        let server = serving(Offer::kerberos(&kdc.service(SERVICE))).await;
        let client = within(hasty(), by(&server, Negotiate::kerberos(kerberos(&kdc))));
        for _ in 0..2 {
            let response = without_hanging(client.request(get(&server, "/"))).await.expect("a response");
            assert!(!refusal(&response).is_refusal(), "{fault:?}: {:?}", refusal(&response));
            why_not_started(&response);
            text(response).await;
        }
        kdc.set_fault(None);
        let client = over(by(&server, Negotiate::kerberos(kerberos(&kdc))));
        fetch(&client, get(&server, "/")).await;
        assert_eq!(kdc.report().failures("alice"), 0);
    }
}
