//! Whose KDC the server asks.

use legwork::handshake::AuthenticatorBuilder;
use legwork::mechanism::kerberos::Kerberos;
use legwork::scheme::Negotiate;
use legwork::testing::{Close, Offer, Quirk, Server, When};
use legwork::unversioned::testing::KdcFault;

use super::*;

const IN_SPNEGO: [&str; 5] = [
    "",
    "NegTokenInit with IAKERB request",
    "NegTokenResp with IAKERB request with a timestamp",
    "NegTokenResp with IAKERB request",
    "NegTokenResp with IAKERB AP-REQ",
];
const BARE: [&str; 5] =
    ["", "IAKERB request", "IAKERB request with a timestamp", "IAKERB request", "IAKERB AP-REQ"];

/// Without a KDC of the client's own.
fn relayed(kerberos: &Kerberos) -> Negotiate {
    Negotiate::kerberos_or_iakerb(kerberos.clone())
}

/// Logs in by this mechanism, sends two more requests, and tells how many legs the login took.
async fn three_requests(server: &Server, mechanism: &str, authenticator: AuthenticatorBuilder) -> u32 {
    let client = over(authenticator);
    let response = client.request(get(server, "/")).await.expect("a response");
    let login = login(&response).clone();
    assert_eq!((login.scheme, login.mechanism, login.mutual), ("Negotiate", mechanism, true));
    assert!(text(response).await.starts_with(login.principal.as_deref().expect("a principal")));
    for _ in 0..2 {
        fetch(&client, get(server, "/")).await;
    }
    login.legs
}

/// The legs of a login and of the two requests after it.
fn and_two(legs: &[&str]) -> Vec<String> {
    legs.iter().chain(&["", ""]).map(|token| (*token).to_owned()).collect()
}

#[tokio::test]
async fn a_login_inside_spnego_takes_five_legs_of_one_connection_and_holds_for_it() {
    let kdc = kdc().await;
    let server = serving(Offer::kerberos_and_iakerb(&kdc.service(SERVICE))).await;
    let kerberos = Kerberos::new();
    assert_eq!(three_requests(&server, "IAKERB", by(&server, relayed(&kerberos))).await, 5);
    let report = server.report();
    assert_eq!((report.connections().len(), tokens(&report)), (1, and_two(&IN_SPNEGO)), "{report}");
    assert_eq!((granted(&kdc), kdc.report().relayed, kdc.report().packets()), ((1, 1), 3, 0));

    // A further connection shows the ticket that is held, which takes no IAKERB.
    assert_eq!(three_requests(&server, "Kerberos", by(&server, relayed(&kerberos))).await, 2);
    let report = server.report();
    assert_eq!(tokens(&report).split_off(7), ["", AP_REQ, AP_REQ, AP_REQ], "{report}");
    assert_eq!((kdc.report().relayed, kdc.report().packets()), (3, 0), "nobody asks the KDC");
}

#[tokio::test]
async fn a_server_that_takes_it_only_bare_is_found_out_for_a_leg_and_remembered() {
    let kdc = kdc().await;
    let server = serving(Offer::iakerb(&kdc.service(SERVICE).iakerb_cookie("a cookie"))).await;
    let kerberos = Kerberos::new();
    assert_eq!(three_requests(&server, "IAKERB", by(&server, relayed(&kerberos))).await, 6);
    let report = server.report();
    let legs = [&["", IN_SPNEGO[1]], &BARE[1..]].concat();
    assert_eq!((report.connections().len(), tokens(&report)), (1, and_two(&legs)), "{report}");

    let bob = |negotiate| {
        let authenticator = Authenticator::builder().schemes(Schemes::from(negotiate));
        at(&server, authenticator, Credentials::password("bob@LAB.TEST", "bob-pw"))
    };
    let asked_for = Kerberos::new();
    let mut seen = 8;
    for (authenticator, legs) in [
        (bob(relayed(&kerberos)), &BARE[..]),
        (bob(Negotiate::new(asked_for.iakerb())), &BARE[..]),
        // Further connections, by the tickets.
        (bob(relayed(&kerberos)), &["", BARE[4]]),
        (bob(Negotiate::new(asked_for.iakerb())), &["", BARE[4]]),
    ] {
        assert_eq!(three_requests(&server, "IAKERB", authenticator).await as usize, legs.len());
        let report = server.report();
        assert_eq!(tokens(&report).split_off(seen), and_two(legs), "{report}");
        seen += legs.len() + 2;
    }
    assert_eq!((granted(&kdc), kdc.report().relayed), ((3, 3), 9));
}

#[tokio::test]
async fn a_login_whose_connection_is_lost_begins_again_on_another_one() {
    for close in [Close::Announced, Close::Unannounced, Close::WithoutAnswer] {
        for leg in 2..=5 {
            let kdc = kdc().await;
            let server = Server::builder()
                .offer(Offer::kerberos_and_iakerb(&kdc.service(SERVICE)))
                .quirk_when(When::leg(leg).connections(..=1), Quirk::Close(close));
            let server = started(server).await;
            let client = over(by(&server, relayed(&Kerberos::new())));
            fetch(&client, get(&server, "/")).await;
            let report = server.report();
            // The last leg is the request itself, and answered.
            let connections = if leg == 5 && close != Close::WithoutAnswer { 1 } else { 2 };
            assert_eq!((report.connections().len(), report.misplaced()), (connections, 0), "{report}");
            // What was granted by the time is not asked for again.
            let without_answer = usize::from(close == Close::WithoutAnswer);
            let first = if leg == 3 { 1 + without_answer } else { 1 };
            let further = if leg == 4 { 1 + without_answer } else { 1 };
            assert_eq!(granted(&kdc), (first, further), "{close:?} {leg}: {report}");
            fetch(&client, get(&server, "/")).await;
            assert_eq!(granted(&kdc), (first, further), "{close:?} {leg}");
        }
    }
}

#[tokio::test]
async fn a_server_that_reaches_no_kdc_is_no_word_on_the_password() {
    let kdc = lab().fault(KdcFault::Silent).build();
    let server = serving(Offer::kerberos_and_iakerb(&kdc.service(SERVICE))).await;
    let client = over(by(&server, relayed(&Kerberos::new())));
    for _ in 0..2 {
        let response = client.request(get(&server, "/")).await.expect("a response");
        assert!(!refusal(&response).is_refusal(), "{:?}", refusal(&response));
        why_not_started(&response);
        text(response).await;
    }
    // What is no message of a KDC is no answer of the server's either.
    kdc.set_fault(Some(KdcFault::Garbage));
    let error = client.request(get(&server, "/")).await.expect_err("no answer");
    assert!(
        whole(&error).contains("the KDC's answer is unusable") && !error.is_refused(),
        "{}",
        whole(&error)
    );
    kdc.set_fault(None);
    fetch(&client, get(&server, "/")).await;
    assert_eq!((granted(&kdc), kdc.report().failures("alice")), ((1, 1), 0));
}

#[tokio::test]
async fn a_client_that_reaches_no_kdc_has_the_server_ask_one() {
    let (silent, behind) = (lab().fault(KdcFault::Closing).start().await.expect("a port"), lab().build());
    let server = serving(Offer::kerberos_and_iakerb(&behind.service(SERVICE))).await;
    let client = within(super::kdcs::hasty(), by(&server, relayed(&kerberos(&silent))));
    let response = client.request(get(&server, "/")).await.expect("a response");
    assert_eq!((response.status().as_u16(), login(&response).mechanism), (200, "IAKERB"));
    text(response).await;
    assert!(silent.report().packets() > 0, "it was asked first");
    assert_eq!((granted(&behind), behind.report().relayed), ((1, 1), 3));
}
