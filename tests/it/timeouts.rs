//! What takes too long ends, and says in which part of the work.

use std::time::Duration;

use http::Uri;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use legwork::Client;
use legwork::service::{Environment, ErrorKind, Limits};
use legwork::testing::{Gate, Offer, Quirk, When};
use tokio::net::TcpStream;

use crate::support::*;

const SHORT: Duration = Duration::from_millis(40);

fn part(error: &legwork::service::Error) -> &'static str {
    match error.kind() {
        ErrorKind::Timeout(part, SHORT) => part,
        other => panic!("no timeout: {other:?}"),
    }
}

#[tokio::test]
async fn a_leg_without_an_answer_times_out() {
    let gate = Gate::closed();
    let held = Quirk::HeldBy(gate.clone());
    let server = server([Offer::Ntlm]).quirk_when(When::leg(2), held).start().await.expect("a server");
    let limits = Limits::default().leg_timeout(SHORT);
    let client = build(
        Client::builder(authenticator(&server).build()).environment(Environment::tokio().limits(limits)),
    );
    let error = without_hanging(client.request(get(&server, "/"))).await.expect_err("too slow");
    assert_eq!(part(&error), "waiting for a leg's response");
    assert_eq!(client.connections(), (0, 0));
    without_hanging(server.wait_for(|report| report.open() == 0)).await;
    gate.open();
    fetch(&self::client(&server), get(&server, "/")).await;
}

/// The last leg is the request itself: how long that takes is its application's business.
#[tokio::test]
async fn a_slow_page_behind_a_login_of_its_own_does_not_time_out() {
    for body in ["", "content"] {
        let gate = Gate::closed();
        let held = Quirk::HeldBy(gate.clone());
        let server = server([Offer::Ntlm]).quirk_when(When::leg(3), held).start().await.expect("a server");
        let limits = Limits::default().leg_timeout(SHORT).handshake_timeout(SHORT);
        let client = build(
            Client::builder(authenticator(&server).build()).environment(Environment::tokio().limits(limits)),
        );
        let slow = tokio::spawn(client.request(request("POST", server.uri("/"), body)));
        without_hanging(gate.held(1)).await;
        tokio::time::sleep(SHORT * 3).await;
        gate.open();
        let response = slow.await.expect("no panic").expect("a response");
        assert_eq!(login(&response).legs, 3);
    }
}

#[tokio::test]
async fn a_handshake_times_out_as_a_whole() {
    let gate = Gate::closed();
    let server = server([Offer::Ntlm])
        .quirk_when(When::leg(2), Quirk::HeldBy(gate.clone()))
        .start()
        .await
        .expect("a server");
    let limits = Limits::default().handshake_timeout(SHORT);
    let client = build(
        Client::builder(authenticator(&server).build()).environment(Environment::tokio().limits(limits)),
    );
    let error = without_hanging(client.request(get(&server, "/"))).await.expect_err("too slow");
    assert_eq!(part(&error), "authenticating");
    assert_eq!(client.connections(), (0, 0));
}

#[tokio::test]
async fn the_wait_for_anothers_trial_does_not_count_towards_the_handshake() {
    let gate = Gate::closed();
    let server = server_holding_the_first_proof(&gate).await;
    let authenticator = authenticator(&server).build();
    let patient = build(Client::builder(authenticator.clone()));
    let limits = Limits::default().handshake_timeout(SHORT);
    let hasty = build(Client::builder(authenticator).environment(Environment::tokio().limits(limits)));
    let tries = tokio::spawn(patient.request(get(&server, "/")));
    without_hanging(gate.held(1)).await;
    let waits = tokio::spawn(hasty.request(get(&server, "/")));
    without_hanging(server.wait_for(|report| report.legs().count() == 4)).await;
    tokio::time::sleep(SHORT * 3).await;
    gate.open();
    text(tries.await.expect("no panic").expect("a response")).await;
    let response = without_hanging(waits).await.expect("no panic").expect("a response");
    assert_eq!(response.status(), 200);
    assert_eq!(server.report().attempts(), 2);
}

#[tokio::test]
async fn connecting_times_out() {
    let nowhere = tower::service_fn(|_: Uri| async {
        std::future::pending::<Result<TokioIo<TcpStream>, std::io::Error>>().await
    });
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let builder = Client::builder(authenticator(&server).build()).connect_timeout(SHORT).max_per_origin(1);
    let client = builder.build::<_, Full<bytes::Bytes>>(nowhere);
    for _ in 0..2 {
        let error = without_hanging(client.request(get(&server, "/"))).await.expect_err("nobody there");
        assert_eq!(part(&error), "connecting");
        assert_eq!(client.connections(), (0, 0));
    }
}

#[tokio::test]
async fn a_failed_connect_gives_its_place_back() {
    let refuses = tower::service_fn(|_: Uri| async {
        Err::<TokioIo<TcpStream>, _>(std::io::Error::other("nobody listens"))
    });
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = Client::builder(authenticator(&server).build())
        .max_per_origin(1)
        .build::<_, Full<bytes::Bytes>>(refuses);
    for _ in 0..3 {
        let error = without_hanging(client.request(get(&server, "/"))).await.expect_err("nobody there");
        assert!(whole(&error).contains("nobody listens"), "{}", whole(&error));
        assert_eq!(client.connections(), (0, 0));
    }
}

#[tokio::test]
async fn a_slow_page_behind_an_established_login_does_not_time_out() {
    let gate = Gate::closed();
    let server = server([Offer::Ntlm])
        .quirk_when(When::path("/slow"), Quirk::HeldBy(gate.clone()))
        .start()
        .await
        .expect("a server");
    let enough = SHORT * 10;
    let limits = Limits::default().leg_timeout(enough).handshake_timeout(enough);
    let client = build(
        Client::builder(authenticator(&server).build()).environment(Environment::tokio().limits(limits)),
    );
    fetch(&client, get(&server, "/")).await;
    let slow = tokio::spawn(client.request(get(&server, "/slow")));
    without_hanging(gate.held(1)).await;
    tokio::time::sleep(enough * 3 / 2).await;
    gate.open();
    text(slow.await.expect("no panic").expect("a response")).await;
}

/// What nobody has asked for, without a body to hold back, may be the request itself.
#[tokio::test]
async fn a_hint_sets_no_time_for_the_request_itself() {
    for method in ["GET", "POST"] {
        let server = server([Offer::Ntlm]).quirk(Quirk::Open).start().await.expect("a server");
        let authenticator = authenticator(&server).declare(server.origin(), "NTLM").expect("a known scheme");
        let limits = Limits::default().leg_timeout(Duration::ZERO);
        let client =
            build(Client::builder(authenticator.build()).environment(Environment::tokio().limits(limits)));
        fetch(&client, request(method, server.uri("/"), "")).await;
        let report = server.report();
        assert!(report.legs().all(|leg| leg.authorization.is_some()), "{report}");
    }
}
