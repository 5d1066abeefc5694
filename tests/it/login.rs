//! The plain course of a login, by each scheme.

use legwork::testing::{Offer, Quirk, When};

use crate::support::*;

#[tokio::test]
async fn ntlm_takes_three_legs_on_one_connection_and_then_one() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    let response = client.request(get(&server, "/")).await.expect("a response");
    assert_eq!(response.status(), 200);
    assert_eq!((login(&response).scheme, login(&response).legs), ("NTLM", 3));
    text(response).await;
    let response = client.request(get(&server, "/two")).await.expect("a response");
    assert_eq!(response.status(), 200);
    assert!(response.extensions().get::<legwork::handshake::Outcome>().is_none());
    text(response).await;

    let report = server.report();
    assert_eq!(report.connections().len(), 1);
    assert_eq!(statuses(&report), [401, 401, 200, 200]);
    assert!(report.legs().last().expect("a leg").authorization.is_none());
}

#[tokio::test]
async fn negotiate_takes_three_legs_on_one_connection_and_then_one() {
    let server = server([Offer::Ntlm, Offer::Negotiate]).start().await.expect("a server");
    let client = client(&server);
    let response = client.request(get(&server, "/")).await.expect("a response");
    assert_eq!(response.status(), 200);
    let login = login(&response).clone();
    assert_eq!((login.scheme, login.mechanism, login.legs), ("Negotiate", "NTLM", 3));
    text(response).await;
    text(client.request(get(&server, "/two")).await.expect("a response")).await;

    let report = server.report();
    assert_eq!(report.connections().len(), 1);
    assert_eq!(statuses(&report), [401, 401, 200, 200]);
}

#[tokio::test]
async fn what_asks_for_a_login_behind_open_pages_gets_it_on_their_connection() {
    let server = server([Offer::Ntlm]).quirk_when(When::path("/open"), Quirk::Open);
    let server = server.start().await.expect("a server");
    let client = client(&server);
    for path in ["/open", "/open", "/open", "/", "/open"] {
        let response = client.request(get(&server, path)).await.expect("a response");
        assert_eq!(response.status(), 200, "{path}");
        text(response).await;
    }
    let report = server.report();
    assert_eq!(report.connections().len(), 1);
    assert_eq!(statuses(&report), [200, 200, 200, 401, 401, 200, 200]);
}
