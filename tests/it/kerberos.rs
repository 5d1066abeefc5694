//! Kerberos and IAKERB of our own, at the embedded server and its KDC.

use legwork::handshake::Why;
use legwork::mechanism::kerberos::Kerberos;
use legwork::scheme::Negotiate;
use legwork::testing::{Kdc, KerberosService, Offer, Server};
use legwork::{Authenticator, Client, Credentials};
use tokio::task::JoinSet;

use crate::support::*;

const TARGET: &str = "HTTP/www.lab.test";

async fn kdc() -> (Kdc, KerberosService) {
    let kdc = Kdc::builder("LAB.TEST").user("alice", "alice-pw").service(TARGET).start();
    let kdc = kdc.await.expect("loopback ports");
    let service = kdc.service(TARGET);
    (kdc, service)
}

async fn server(offer: Offer) -> Server {
    Server::builder().offer(offer).start().await.expect("a loopback port")
}

fn client(server: &Server, negotiate: Negotiate, password: &str) -> HttpClient {
    let authenticator = Authenticator::builder()
        .schemes(negotiate)
        .target_name(server.origin(), TARGET)
        .credentials(server.origin(), Credentials::password("alice@LAB.TEST", password));
    build(Client::builder(authenticator.build()))
}

#[tokio::test]
async fn iakerb_goes_inside_spnego_where_the_server_takes_it_so() {
    let (kdc, service) = kdc().await;
    let server = server(Offer::kerberos_and_iakerb(&service)).await;
    let kerberos = Kerberos::new();
    for (legs, requests_to_kdc) in [(5, 3), (2, 3)] {
        let client = client(&server, Negotiate::kerberos_or_iakerb(kerberos.clone()), "alice-pw");
        let response = client.get(server.uri("/")).await.expect("a response");
        let (login, status) = (login(&response), response.status());
        assert_eq!((status.as_u16(), login.legs, login.mutual), (200, legs, true), "{login:?}");
        let report = kdc.report();
        assert_eq!(report.as_requests + report.tgs_requests, requests_to_kdc);
    }
    assert_eq!(kdc.report().packets(), 0, "the server has asked it");
}

#[tokio::test]
async fn iakerb_goes_without_spnego_where_the_server_takes_it_only_so() {
    let (kdc, service) = kdc().await;
    let server = server(Offer::iakerb(&service)).await;
    let kerberos = Kerberos::new();
    for legs in [6, 2] {
        let client = client(&server, Negotiate::kerberos_or_iakerb(kerberos.clone()), "alice-pw");
        let response = client.get(server.uri("/")).await.expect("a response");
        assert_eq!((response.status().as_u16(), login(&response).legs), (200, legs));
        assert_eq!(login(&response).mechanism, "IAKERB");
    }
    let report = kdc.report();
    assert_eq!((report.as_requests, report.tgs_requests), (2, 1));
}

#[tokio::test]
async fn a_wrong_password_fails_once_at_the_kdc_by_iakerb_at_any_number_of_servers() {
    let (kdc, service) = kdc().await;
    let kerberos = Kerberos::new();
    let mut tasks = JoinSet::new();
    for _ in 0..5 {
        let server = server(Offer::kerberos_and_iakerb(&service)).await;
        // Nor do they share a guard.
        let client = client(&server, Negotiate::kerberos_or_iakerb(kerberos.clone()), "wrong-pw");
        for _ in 0..6 {
            let (client, uri) = (client.clone(), server.uri("/"));
            tasks.spawn(async move { client.get(uri).await.expect("a response") });
        }
        tasks.spawn(async move {
            let _server = server;
            std::future::pending().await
        });
    }
    for _ in 0..30 {
        let response = tasks.join_next().await.expect("a task").expect("no panic");
        let why = &refusal(&response).tried[0].why;
        assert!(matches!(why, Why::Refused(Some(_)) | Why::RefusedBefore), "{why:?}");
    }
    assert_eq!(kdc.report().failures("alice"), 1);
}

#[tokio::test]
async fn forgetting_refusals_reaches_the_mechanism() {
    let (kdc, service) = kdc().await;
    let server = server(Offer::kerberos(&service)).await;
    let kerberos = Kerberos::new().kdc("LAB.TEST", [kdc.address().to_string()]);
    let authenticator = Authenticator::builder()
        .schemes(Negotiate::kerberos(kerberos))
        .target_name(server.origin(), TARGET)
        .credentials(server.origin(), Credentials::password("alice@LAB.TEST", "new-pw"))
        .build();
    let client = build(Client::builder(authenticator.clone()));
    for _ in 0..2 {
        refusal(&client.get(server.uri("/")).await.expect("a response"));
    }
    kdc.set_password("alice", "new-pw");
    refusal(&client.get(server.uri("/")).await.expect("a response"));
    assert_eq!(kdc.report().failures("alice"), 1);
    authenticator.forget_refusals();
    let response = client.get(server.uri("/")).await.expect("a response");
    assert_eq!((response.status().as_u16(), login(&response).legs), (200, 1), "the origin is known");
}
