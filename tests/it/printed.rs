//! What is printed of clients, layers and futures: their settings, and nothing of a login.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::connect::HttpConnector;
use legwork::client::proxy::Proxy;
use legwork::client::redirect::FollowRedirects;
use legwork::client::tunnel::Tunnel;
use legwork::client::{BlockingSteps, KdcSockets};
use legwork::credentials::credentials_fn;
use legwork::handshake::Identity;
use legwork::service::{AuthenticateLayer, ConnectionInfo};
use legwork::testing::Offer;
use tower::{Layer, Service, ServiceExt};

use crate::leaf::{Leaf, origin_form};
use crate::support::*;

#[tokio::test]
async fn settings_are_printed_and_no_secret_is() {
    let proxy: legwork::Origin = "http://proxy.example:3128".parse().expect("an origin");
    let known = Proxy::new(proxy.clone()).credentials(carol());
    let builder = Tunnel::through(&known, builder().credentials(proxy.clone(), carol()).build());
    let printed = [
        (format!("{builder:?}"), "TunnelBuilder { proxy: Origin(http://proxy.example:3128)"),
        (format!("{:?}", builder.build_http()), "Tunnel { proxy: Origin(http://proxy.example:3128), .. }"),
        (
            format!("{:?}", BlockingSteps::new(3, Duration::from_secs(7))),
            "BlockingSteps { at_once: 3, timeout: 7s, .. }",
        ),
        (format!("{:?}", KdcSockets::default().timeout(Duration::from_secs(9))), "KdcSockets { patience: "),
        (
            format!("{:?}", FollowRedirects::<_, Full<Bytes>>::new(HttpConnector::new())),
            "FollowRedirects { inner: HttpConnector",
        ),
        (format!("{:?}", credentials_fn(|_| async { Ok(Some(carol())) })), "CredentialsFn(..)"),
        (format!("{:?}", Identity::Credentials(carol())), "Credentials(Credentials { username: "),
    ];
    for (text, beginning) in printed {
        assert!(text.starts_with(beginning) && !text.contains(PASSWORD), "{text}");
    }
}

#[tokio::test]
async fn answers_under_way_are_printed_without_what_they_carry() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    let (_, body) = client.request(get(&server, "/")).await.expect("a response").into_parts();
    assert_eq!(format!("{body:?}"), "ResponseBody { .. }");
    let client = legwork::Client::builder(authenticator(&server).build());
    let reqwest = client.build_reqwest(reqwest::Client::builder).expect("settings that fit");
    let get = reqwest::Request::new(http::Method::GET, server.uri("/").to_string().parse().expect("a URL"));
    assert_eq!(format!("{:?}", reqwest.execute(get)), "ResponseFuture { .. }");
    let layer = AuthenticateLayer::new(authenticator(&server).build(), ConnectionInfo::new(server.origin()));
    let mut service = layer.layer(Leaf::connect(&server).await);
    let ready = ServiceExt::<http::Request<Full<Bytes>>>::ready(&mut service).await.expect("ready");
    assert_eq!(format!("{:?}", ready.call(origin_form("GET", "/", ""))), "ResponseFuture { .. }");
}
