//! A change of protocol behind a login, and where its connection counts.

use http::{Request, Response, header};
use hyper_util::rt::TokioIo;
use legwork::Client;
use legwork::client::ResponseBody;
use legwork::testing::{Offer, Server};

use crate::support::*;

fn upgrade(server: &Server) -> Request<http_body_util::Full<bytes::Bytes>> {
    let mut request = get(server, "/upgrade");
    request.headers_mut().insert(header::CONNECTION, "upgrade".parse().expect("a value"));
    request.headers_mut().insert(header::UPGRADE, "websocket".parse().expect("a value"));
    request
}

async fn upgraded(client: &HttpClient, server: &Server) -> Response<ResponseBody> {
    let response = without_hanging(client.request(upgrade(server))).await.expect("a response");
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["upgrade"], "websocket");
    response
}

#[tokio::test]
async fn a_connection_changes_its_protocol_behind_a_login() {
    for (offer, legs) in [
        (Offer::Ntlm, &[401, 401, 101][..]),
        (Offer::Negotiate, &[401, 401, 101]),
        (Offer::basic("a"), &[401, 101]),
    ] {
        let server = server([offer]).start().await.expect("a server");
        let authenticator = authenticator(&server).dangerous_secrets_over_plain_http(true).build();
        let client = build(Client::builder(authenticator));
        let mut response = upgraded(&client, &server).await;
        assert_eq!(login(&response).legs as usize, legs.len());
        let io = without_hanging(hyper::upgrade::on(&mut response)).await.expect("it was upgraded");
        converses(&mut TokioIo::new(io)).await;
        let report = server.report();
        assert_eq!((report.connections().len(), statuses(&report)), (1, legs.to_vec()), "{report}");
        assert!(report.legs().all(|leg| leg.headers["upgrade"] == "websocket"), "{report}");
    }
}

#[tokio::test]
async fn the_place_is_free_when_the_response_is_dropped_and_the_connection_is_the_callers() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = build(Client::builder(authenticator(&server).build()).max_per_origin(1));
    fetch(&client, get(&server, "/")).await;
    let mut response = upgraded(&client, &server).await;
    let io = without_hanging(hyper::upgrade::on(&mut response)).await.expect("it was upgraded");
    let mut io = TokioIo::new(io);
    assert_eq!(client.connections(), (1, 0));
    let mut waiting = begun(client.request(get(&server, "/"))).await;
    assert!(waits(&mut waiting).await, "there is one place, and it is taken");
    drop(response);
    let second = without_hanging(waiting).await.expect("a response");
    assert_eq!(second.status(), 200);
    text(second).await;
    converses(&mut io).await;
    assert_eq!((client.connections(), server.report().open()), ((1, 1), 2));

    drop(io);
    let report = without_hanging(server.wait_for(|report| report.open() == 1)).await;
    let legs: Vec<_> = report.connections().iter().map(statuses_on).collect();
    assert_eq!(legs, [vec![401, 401, 200, 101], vec![401, 200]], "{report}");
}

/// Whether it still waits after whatever else there is to do has been done.
async fn waits<F: Future + Unpin>(future: &mut F) -> bool {
    tokio::time::timeout(std::time::Duration::from_millis(50), future).await.is_err()
}

#[tokio::test]
async fn an_upgrade_that_nobody_takes_ends_the_connection() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    text(upgraded(&client, &server).await).await;
    without_hanging(server.wait_for(|report| report.open() == 0)).await;
    assert_eq!(client.connections(), (0, 0));
    fetch(&client, get(&server, "/")).await;
}

#[tokio::test]
async fn what_is_no_upgrade_keeps_its_connection() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    let plain = client.request(get(&server, "/upgrade")).await.expect("a response");
    assert_eq!(plain.status(), 426);
    text(plain).await;
    let mut declined = upgrade(&server);
    *declined.uri_mut() = server.uri("/page");
    let mut declined = client.request(declined).await.expect("a response");
    assert_eq!(declined.status(), 200);
    hyper::upgrade::on(&mut declined).await.expect_err("there was none");
    text(declined).await;
    assert_eq!(client.connections(), (1, 1));
    assert_eq!(statuses(&server.report()), [401, 401, 426, 200]);
}

#[tokio::test]
async fn over_reqwest_too() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = Client::builder(authenticator(&server).build()).max_per_origin(1);
    let client = client.build_reqwest(settings).expect("settings that fit");
    client.get(url(&server, "/")).send().await.expect("a response").text().await.expect("a text");
    let request =
        client.get(url(&server, "/upgrade")).header("connection", "upgrade").header("upgrade", "websocket");
    let response = without_hanging(request.send()).await.expect("a response");
    assert_eq!((response.status().as_u16(), client.connections()), (101, (1, 0)));
    let mut io = without_hanging(response.upgrade()).await.expect("it was upgraded");
    converses(&mut io).await;
    assert_eq!((client.connections(), server.report().open()), ((0, 0), 1));

    client.get(url(&server, "/")).send().await.expect("a response").text().await.expect("a text");
    converses(&mut io).await;
    drop(io);
    let report = without_hanging(server.wait_for(|report| report.open() == 1)).await;
    let legs: Vec<_> = report.connections().iter().map(statuses_on).collect();
    assert_eq!(legs, [vec![401, 401, 200, 101], vec![401, 200]], "{report}");
}
