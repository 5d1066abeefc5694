//! Kerberos and IAKERB of our own, with a password: at the embedded server, and at its KDC.

mod changed;
mod given_up;
mod iakerb;
mod kdcs;
mod many;
mod nobody;
mod passwords;

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::client::KdcSockets;
use legwork::handshake::{AuthenticatorBuilder, Outcome, Why};
use legwork::mechanism::MutualAuthentication;
use legwork::mechanism::kerberos::{EncryptionType, Kerberos};
use legwork::scheme::{Negotiate, Schemes};
use legwork::service::Environment;
use legwork::testing::{
    Builder, Close, Kdc, KdcBuilder, KerberosService, Offer, Quirk, Report, Server, When,
};
use legwork::unversioned::testing::{Fault, Persistence};
use legwork::{Authenticator, Client, Credentials};

use crate::support::*;

pub(crate) const REALM: &str = "LAB.TEST";
pub(crate) const SERVICE: &str = "HTTP/www.lab.test";
pub(crate) const ALICE: &str = "alice@LAB.TEST";

pub(crate) fn lab() -> KdcBuilder {
    Kdc::builder(REALM).user("alice", "alice-pw").user("bob", "bob-pw").service(SERVICE)
}

async fn kdc() -> Kdc {
    lab().start().await.expect("a port")
}

/// Knows where the KDC is.
pub(crate) fn kerberos(kdc: &Kdc) -> Kerberos {
    Kerberos::new().kdc(REALM, [kdc.address().to_string()])
}

pub(crate) fn alice() -> Credentials {
    Credentials::password(ALICE, "alice-pw")
}

/// Alice logs in at the server, by Negotiate alone.
fn by(server: &Server, negotiate: Negotiate) -> AuthenticatorBuilder {
    at(server, Authenticator::builder().schemes(Schemes::from(negotiate)), alice())
}

/// The server is the KDC's service; there are no tickets for its address.
fn at(server: &Server, authenticator: AuthenticatorBuilder, who: Credentials) -> AuthenticatorBuilder {
    authenticator.credentials(server.origin(), who).target_name(server.origin(), SERVICE)
}

/// For as long as a KDC takes: what is counted does not depend on how busy the machine is.
fn patient() -> Environment {
    const HOUR: Duration = Duration::from_secs(3_600);
    Environment::tokio().kdc_transport(KdcSockets::new().patience(HOUR).timeout(HOUR))
}

fn over(authenticator: AuthenticatorBuilder) -> HttpClient {
    within(patient(), authenticator)
}

fn within(environment: Environment, authenticator: AuthenticatorBuilder) -> HttpClient {
    build(Client::builder(authenticator.build()).environment(environment))
}

async fn serving(offer: Offer) -> Server {
    started(Server::builder().offer(offer)).await
}

async fn started(builder: Builder) -> Server {
    builder.start().await.expect("a server")
}

/// A server that takes Kerberos, IAKERB and NTLM, by Negotiate and NTLM's own scheme, for alice and carol.
fn taking_all(service: &KerberosService) -> Builder {
    let service = service.clone();
    server([Offer::Negotiate, Offer::Ntlm])
        .user(ALICE, "alice-pw")
        .spnego(move |acceptor| acceptor.with_kerberos(&service).with_iakerb(&service))
}

/// What the client sent to the server, leg by leg.
fn tokens(report: &Report) -> Vec<String> {
    let token = |seen: &legwork::testing::SeenAuthorization| seen.token.to_string();
    report.legs().map(|leg| leg.authorization.as_ref().map_or_else(String::new, token)).collect()
}

/// How many tickets the KDC has granted: first ones, and those by another.
fn granted(kdc: &Kdc) -> (usize, usize) {
    (kdc.report().as_tickets, kdc.report().tgs_tickets)
}

/// Why Negotiate could not start.
fn why_not_started<B>(response: &Response<B>) -> &str {
    assert_eq!(response.status(), 401);
    match refusal(response).tried.iter().find(|tried| tried.scheme == "Negotiate").map(|tried| &tried.why) {
        Some(Why::CannotStart(why)) => why,
        why => panic!("{why:?}"),
    }
}

const AP_REQ: &str = "NegTokenInit with Kerberos AP-REQ";

#[tokio::test]
async fn a_password_takes_two_legs_at_an_unknown_origin_and_one_at_a_known_one() {
    let kdc = kdc().await;
    let server = serving(Offer::kerberos(&kdc.service(SERVICE))).await;
    let kerberos = kerberos(&kdc);
    let client = over(by(&server, Negotiate::kerberos(kerberos.clone())));
    let response = client.request(get(&server, "/")).await.expect("a response");
    let login = login(&response);
    assert_eq!((login.scheme, login.mechanism, login.legs, login.mutual), ("Negotiate", "Kerberos", 2, true));
    assert_eq!(login.principal.as_deref(), Some(ALICE));
    text(response).await;
    assert_eq!((granted(&kdc), kdc.report().packets()), ((1, 1), 3));
    for _ in 0..2 {
        fetch(&client, get(&server, "/")).await;
    }
    assert_eq!(statuses(&server.report()), [401, 200, 200, 200]);
    assert_eq!(tokens(&server.report()), ["", AP_REQ, AP_REQ, AP_REQ], "each request has its own");

    let known = by(&server, Negotiate::kerberos(kerberos)).declare(server.origin(), "Negotiate");
    let response = over(known.expect("a scheme")).request(get(&server, "/")).await.expect("a response");
    assert_eq!((response.status().as_u16(), self::login(&response).legs), (200, 1));
    assert_eq!((granted(&kdc), kdc.report().packets()), ((1, 1), 3), "the ticket is held");
}

#[tokio::test]
async fn each_encryption_type_logs_in() {
    for etype in EncryptionType::ALL {
        let kdc = lab().encryption_types(EncryptionType::ALL).start().await.expect("a port");
        let server = serving(Offer::kerberos(&kdc.service(SERVICE))).await;
        let kerberos = kerberos(&kdc).encryption_types([etype]);
        fetch(&over(by(&server, Negotiate::kerberos(kerberos))), get(&server, "/")).await;
    }
}

#[tokio::test]
async fn a_server_that_keeps_connections_logged_in_gets_one_token() {
    for persistence in [None, Some(Persistence::Announced)] {
        let kdc = kdc().await;
        let server = serving(Offer::kerberos(&kdc.service(SERVICE).persistence(persistence))).await;
        let client = over(by(&server, Negotiate::kerberos(kerberos(&kdc))));
        for _ in 0..3 {
            fetch(&client, get(&server, "/")).await;
        }
        let report = server.report();
        assert_eq!(statuses(&report), [401, 200, 200, 200], "{report}");
        assert_eq!(report.connections().len(), 1, "{report}");
        if persistence.is_some() {
            assert_eq!(tokens(&report), ["", AP_REQ, "", ""], "{report}");
        }
    }
}

#[tokio::test]
async fn a_proof_that_is_required_has_to_come_and_to_be_right() {
    let kdc = kdc().await;
    let service = kdc.service(SERVICE);
    for (fault, required) in [
        (None, true),
        (Some(Fault::LeftOut), true),
        (Some(Fault::Garbage), true),
        (Some(Fault::Truncated), true),
        (Some(Fault::LeftOut), false),
        (Some(Fault::Garbage), false),
    ] {
        let mut builder = Server::builder().offer(Offer::kerberos(&service));
        if let Some(fault) = fault {
            builder = builder.quirk(Quirk::FinalToken(fault));
        }
        let server = started(builder).await;
        let mut authenticator = by(&server, Negotiate::kerberos(kerberos(&kdc)));
        if required {
            authenticator = authenticator.mutual_authentication(MutualAuthentication::Required);
        }
        let result = over(authenticator).request(get(&server, "/")).await;
        match (fault, required) {
            (None, _) => assert!(login(&result.expect("a response")).mutual),
            (Some(Fault::LeftOut), false) => assert!(!login(&result.expect("a response")).mutual),
            (Some(_), _) => {
                let error = result.expect_err("no proof");
                assert!(!error.is_retryable() && !error.is_refused(), "{fault:?}: {}", whole(&error));
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_with_the_challenge_costs_a_connection() {
    let kdc = kdc().await;
    let offer = || Offer::kerberos_and_iakerb(&kdc.service(SERVICE));
    for close in [Close::Announced, Close::Unannounced] {
        for (kerberos, legs) in [(kerberos(&kdc), 1), (Kerberos::new(), 4)] {
            let quirk = Quirk::Close(close);
            let server =
                started(Server::builder().offer(offer()).quirk_when(When::leg(1).connections(..=1), quirk))
                    .await;
            let client = over(by(&server, Negotiate::kerberos_or_iakerb(kerberos)));
            fetch(&client, get(&server, "/")).await;
            let report = server.report();
            let legs_of: Vec<_> =
                report.connections().iter().map(|connection| connection.legs.len()).collect();
            assert_eq!(legs_of, [1, legs], "{close:?}: {report}");
        }
    }
}

#[tokio::test]
async fn an_upload_goes_once() {
    let kdc = kdc().await;
    for (kerberos, is_known, legs) in [
        (kerberos(&kdc), true, 1),
        (Kerberos::new(), true, 4),
        // It waits for the server's word.
        (kerberos(&kdc), false, 2),
        (Kerberos::new(), false, 5),
    ] {
        let offer = Offer::kerberos_and_iakerb(&kdc.service(SERVICE));
        let server = started(Server::builder().offer(offer).quirk(Quirk::EarlyRefusal)).await;
        let mut authenticator = by(&server, Negotiate::kerberos_or_iakerb(kerberos));
        if is_known {
            authenticator = authenticator.declare(server.origin(), "Negotiate").expect("a scheme");
        }
        let client = Client::builder(authenticator.build()).environment(patient()).build_http::<Upload>();
        let upload = http::Request::post(server.uri("/")).body(Upload::of(64, 64 << 10)).expect("a request");
        let response = client.request(upload).await.expect("a response");
        assert_eq!(response.status(), 200);
        text(response).await;
        let report = server.report();
        let mut bodies = vec![0; legs - 1];
        bodies.push(64 * (64 << 10));
        assert_eq!(report.legs().map(|leg| leg.body_octets).collect::<Vec<_>>(), bodies, "{report}");
    }
}

#[tokio::test]
async fn the_other_clients_log_in_as_well() {
    let kdc = kdc().await;
    for (kerberos, legs) in [(kerberos(&kdc), 2), (Kerberos::new(), 5)] {
        let server = serving(Offer::kerberos_and_iakerb(&kdc.service(SERVICE))).await;
        let authenticator = || by(&server, Negotiate::kerberos_or_iakerb(kerberos.clone()));
        let client = over_reqwest(authenticator());
        let response = client.get(url(&server, "/")).send().await.expect("a response");
        let Some(Outcome::LoggedIn(login)) = response.extensions().get() else { panic!("{response:?}") };
        assert_eq!((response.status().as_u16(), login.legs), (200, legs));
        response.text().await.expect("a text");

        let settings = legacy::Client::builder(TokioExecutor::new());
        let client = Client::builder(authenticator().build())
            .build_legacy::<_, Full<Bytes>>(settings, HttpConnector::new());
        let response = client.request(get(&server, "/")).await.expect("a response");
        assert_eq!((response.status().as_u16(), self::login(&response).legs), (200, 2), "the ticket is held");
        text(response).await;
        let report = server.report();
        assert_eq!((report.misplaced(), report.refused()), (0, 0), "{report}");
    }
}
