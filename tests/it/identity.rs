//! Whose connection it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use legwork::credentials::Anonymous;
use legwork::testing::{Gate, Offer, Quirk, When};
use legwork::{Client, Credentials};
use tokio::task::JoinSet;

use crate::support::*;

/// A client that dares Basic over plain http and holds no credentials of its own.
fn daring() -> HttpClient {
    build(Client::builder(builder().dangerous_secrets_over_plain_http(true).build()))
}

// curl CVE-2014-0015, CVE-2026-1965
#[tokio::test]
async fn bob_never_rides_alices_connection() {
    for first in [Offer::Negotiate, Offer::Ntlm, Offer::basic("lab")] {
        let offers = [first, Offer::Negotiate, Offer::Ntlm, Offer::basic("lab")];
        let server = server_of_three(offers).start().await.expect("a server");
        let client = daring();
        for who in [alice(), bob(), alice(), bob()] {
            fetch(&client, acting_as(get(&server, "/"), who)).await;
        }
        let report = server.report();
        assert_eq!(report.connections().len(), 2, "{report}");
        assert_eq!(users(&report.connections()[0]), ["alice".to_owned()].into());
        assert_eq!(users(&report.connections()[1]), ["bob".to_owned()].into());
    }
}

// curl CVE-2015-3143
#[tokio::test]
async fn a_request_without_credentials_never_uses_an_authenticated_connection() {
    let server = server_of_three([Offer::Negotiate, Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    fetch(&client, get(&server, "/")).await;
    let mut nobodys = get(&server, "/");
    nobodys.extensions_mut().insert(Anonymous);
    let response = client.request(nobodys).await.expect("a response");
    assert_eq!(response.status(), 401);
    text(response).await;
    let report = server.report();
    assert_eq!(report.connections().len(), 2, "{report}");
    assert!(users(&report.connections()[1]).is_empty());
    assert!(report.connections()[1].legs.iter().all(|leg| leg.authorization.is_none()));
}

// curl CVE-2026-5545
#[tokio::test]
async fn alice_by_negotiate_then_bob_by_basic_takes_a_new_connection() {
    let server = server_of_three([Offer::Negotiate, Offer::basic("lab")])
        .quirk_when(When::path("/basic"), Quirk::Open)
        .start()
        .await
        .expect("a server");
    let client = daring();
    fetch(&client, acting_as(get(&server, "/"), alice())).await;
    let mut bobs = get(&server, "/basic");
    bobs.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Basic Ym9iOmJvYi1wdw=="));
    fetch(&client, bobs).await;
    let report = server.report();
    assert_eq!(report.connections().len(), 2, "{report}");
    assert_eq!(targets_on(&report.connections()[0]), ["/", "/", "/"]);
    assert_eq!(targets_on(&report.connections()[1]), ["/basic"]);
}

// curl CVE-2022-22576
#[tokio::test]
async fn the_bearer_token_is_part_of_the_identity() {
    let server = server([]).quirk(Quirk::Open).start().await.expect("a server");
    let client = client(&server);
    for token in ["one", "two", "one", "two"] {
        let mut request = get(&server, &format!("/{token}"));
        let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a value");
        request.headers_mut().insert(AUTHORIZATION, value);
        fetch(&client, request).await;
    }
    let report = server.report();
    assert_eq!(report.connections().len(), 2, "{report}");
    assert_eq!(targets_on(&report.connections()[0]), ["/one", "/one"]);
    assert_eq!(targets_on(&report.connections()[1]), ["/two", "/two"]);
}

// curl CVE-2022-27782, CVE-2023-27536, CVE-2026-8458, CVE-2026-8932: TLS settings, delegation and target names are a client's
#[tokio::test]
async fn clients_share_no_connections_even_if_they_share_their_authenticator() {
    let server = server_of_three([Offer::Negotiate]).start().await.expect("a server");
    let authenticator = builder().credentials(server.origin(), alice()).build();
    let clients = [authenticator.clone(), authenticator].map(|shared| build(Client::builder(shared)));
    for _ in 0..2 {
        for client in &clients {
            fetch(client, get(&server, "/")).await;
        }
    }
    let report = server.report();
    assert_eq!(report.connections().len(), 2, "{report}");
    for connection in report.connections() {
        assert_eq!(users(connection), ["alice".to_owned()].into(), "{report}");
    }
}

// curl PR 682
#[tokio::test]
async fn a_third_message_never_goes_to_an_idle_authenticated_connection() {
    let gate = Gate::closed();
    let server = server([Offer::Ntlm])
        .quirk_when(When::path("/held"), Quirk::HeldBy(gate.clone()))
        .start()
        .await
        .expect("a server");
    let client = client(&server);
    fetch(&client, get(&server, "/")).await;
    // One connection is in use, so that the next request begins a handshake on another.
    let first = tokio::spawn(client.request(get(&server, "/held/one")));
    without_hanging(gate.held(1)).await;
    let second = tokio::spawn(client.request(get(&server, "/held/two")));
    without_hanging(gate.held(2)).await;
    // In the midst of it the first connection becomes idle, and is authenticated.
    gate.admit(1);
    text(first.await.expect("no panic").expect("a response")).await;
    assert_eq!(client.connections(), (2, 1));
    gate.open();
    text(second.await.expect("no panic").expect("a response")).await;
    let report = server.report();
    assert_eq!((report.misplaced(), report.handshakes()), (0, 2), "{report}");
    assert_eq!(targets_on(&report.connections()[0]), ["/", "/", "/", "/held/one"]);
    assert_eq!(targets_on(&report.connections()[1]), ["/held/two", "/held/two"]);
}

// Apache HTTPCLIENT-2170
#[tokio::test]
async fn a_connection_in_mid_handshake_is_not_released_to_others() {
    let gate = Gate::closed();
    let server = server([Offer::Ntlm])
        .quirk_when(When::legs(1..=2).connections(2..=2), Quirk::HeldBy(gate.clone()))
        .start()
        .await
        .expect("a server");
    let client = client(&server);
    fetch(&client, get(&server, "/")).await;
    client.close_idle();
    let first = tokio::spawn(client.request(get(&server, "/first")));
    for _ in 0..2 {
        without_hanging(gate.held(1)).await;
        let mut nobodys = get(&server, "/public");
        nobodys.extensions_mut().insert(Anonymous);
        without_hanging(fetch(&client, nobodys)).await;
        without_hanging(fetch(&client, get(&server, "/other"))).await;
        gate.admit(1);
    }
    text(first.await.expect("no panic").expect("a response")).await;
    let report = server.report();
    assert_eq!(targets_on(&report.connections()[1]), ["/first"; 2], "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn alice_bob_and_nobody_at_once_never_share_a_connection() {
    for offer in [Offer::Negotiate, Offer::Ntlm] {
        let server = Arc::new(server_of_three([offer]).start().await.expect("a server"));
        let client = build(Client::builder(builder().build()).max_per_origin(12));
        let mut set = JoinSet::new();
        for task in 0..48 {
            let (client, server) = (client.clone(), Arc::clone(&server));
            set.spawn(async move {
                for turn in 0..12 {
                    let (path, who) = match (task + turn) % 3 {
                        0 => ("/alice", Some(alice())),
                        1 => ("/bob", Some(bob())),
                        _ => ("/public/nobody", None),
                    };
                    let request = get(&server, path);
                    let request = match who.clone() {
                        Some(who) => acting_as(request, who),
                        None => request,
                    };
                    let page = fetch(&client, request).await;
                    let name = who.as_ref().and_then(Credentials::username).unwrap_or("nobody");
                    assert!(page.starts_with(name), "{name} is served as {page}");
                }
            });
        }
        while let Some(done) = set.join_next().await {
            done.expect("no task fails");
        }
        let report = server.report();
        assert_eq!(report.misplaced(), 0);
        for connection in report.connections() {
            let targets: BTreeSet<_> = targets_on(connection).into_iter().collect();
            assert_eq!(targets.len(), 1, "one identity on one connection: {targets:?}");
            let nobodys = targets.contains("/public/nobody");
            assert_eq!(users(connection).len(), usize::from(!nobodys));
            assert!(!nobodys || connection.legs.iter().all(|leg| leg.authorization.is_none()));
        }
        let legs = report.legs().filter(|leg| leg.status.is_some_and(|status| status == 200)).count();
        assert_eq!(legs, 48 * 12);
    }
}
