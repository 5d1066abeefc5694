//! A change of protocol over TLS, behind a login that is tied to it.

use http::{HeaderValue, header};
use hyper_util::rt::TokioIo;

use super::*;

#[tokio::test]
async fn both_clients_change_protocols_over_tls() {
    let https = Https::start(requiring(Offer::Ntlm, RSA.bindings()), RSA).await;
    let by_hyper = client(https.authenticator());
    let mut request = request("GET", https.uri("/upgrade"), "");
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    request.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let response = by_hyper.request(request).await.expect("a response");
    assert_eq!(response.status(), 101);
    let io = without_hanging(hyper::upgrade::on(response)).await.expect("it was upgraded");
    converses(&mut TokioIo::new(io)).await;

    let tls = trusting(CERTIFICATES);
    let by_reqwest = Client::builder(https.authenticator().build())
        .build_reqwest(move || reqwest::Client::builder().tls_backend_preconfigured(tls.clone()))
        .expect("settings that fit");
    let request = by_reqwest.get(https.uri("/upgrade").to_string()).header("connection", "upgrade");
    let response = request.header("upgrade", "websocket").send().await.expect("a response");
    assert_eq!(response.status(), 101);
    converses(&mut without_hanging(response.upgrade()).await.expect("it was upgraded")).await;

    assert_eq!((by_hyper.connections(), by_reqwest.connections()), ((0, 0), (0, 0)));
    let report = https.report();
    let legs: Vec<_> = report.connections().iter().map(statuses_on).collect();
    assert_eq!(legs, [[401, 401, 101]; 2], "{report}");
}
