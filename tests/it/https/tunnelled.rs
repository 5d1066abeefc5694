//! The same through a proxy's tunnel, and to a proxy that is spoken to by TLS.

use http::{HeaderMap, HeaderValue, header};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::tunnel::Tunnel;
use legwork::credentials::{Credentials, ProxyCredentials};
use legwork::testing::{Gate, Leg, Quirk, When};
use tower::ServiceExt;

use legwork::Authenticator;

use super::*;

type Http = HttpConnector;
type Tls<C> = hyper_rustls::HttpsConnector<C>;
type HttpsClient = Client<Full<Bytes>>;

/// TLS with the proxy, whose bindings are told.
fn tls_to_proxy(authenticator: &Authenticator, proxy: &Https) -> Tunnel<ChannelBound<Tls<Http>>> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let https = ChannelBound::new(Tls::from((http, trusting(CERTIFICATES))));
    Tunnel::new(https, Origin::from_uri(&proxy.uri("/")).expect("an origin"), authenticator.clone())
}

#[tokio::test]
async fn a_login_through_a_tunnel_is_bound_to_the_origins_certificate() {
    for (outer, inner) in [(Offer::Ntlm, Offer::Ntlm), (Offer::Negotiate, Offer::Negotiate)] {
        let proxy = tunnelling(outer).start().await.expect("a server");
        let https = Https::start(requiring(inner, ECDSA.bindings()), ECDSA).await;
        let authenticator = https.authenticator().proxy_credentials(proxy.origin(), alice()).build();
        let tunnel = Tunnel::builder(proxy.origin(), authenticator.clone()).build_http();
        let connector = ChannelBound::new(Tls::from((tunnel, trusting([ECDSA]))));
        let client: Client<Full<Bytes>> = Client::with_connector(authenticator, connector);
        for _ in 0..2 {
            let response = without_hanging(client.request(https.get())).await.expect("a response");
            assert_eq!(response.status(), 200, "{}", https.report());
            text(response).await;
        }
        assert!(https.sent()[0].are(&ECDSA.bindings()), "{}", https.report());
        assert_eq!(statuses(&proxy.report()), [407, 407, 200], "{}", proxy.report());
        assert_eq!(statuses(&https.report()), [401, 401, 200, 200], "{}", https.report());
        assert!(https.report().legs().all(|leg| leg.proxy_authorization.is_none()));
    }
}

#[tokio::test]
async fn hyper_utils_own_client_speaks_tls_through_the_tunnel() {
    let proxy = tunnelling(Offer::Negotiate).start().await.expect("a server");
    let https = Https::start(server_of_three([]), ECDSA).await;
    let authenticator = builder().proxy_credentials(proxy.origin(), alice()).build();
    let tunnel = Tunnel::builder(proxy.origin(), authenticator).build_http();
    let client: legacy::Client<_, Full<Bytes>> =
        legacy::Client::builder(TokioExecutor::new()).build(Tls::from((tunnel, trusting([ECDSA]))));
    let response = without_hanging(client.request(https.get())).await.expect("a response");
    assert_eq!(response.status(), 200);
    assert_eq!(statuses(&proxy.report()), [407, 407, 200], "{}", proxy.report());
    assert_eq!(https.report().legs().next().expect("a leg").target, "/");
}

#[tokio::test]
async fn a_login_at_a_proxy_by_tls_is_bound_to_the_proxys_certificate() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        let requiring = tunnelling(offer).ntlm(|acceptor| acceptor.require_channel_bindings(RSA.bindings()));
        let proxy = Https::start(requiring, RSA).await;
        let origin = Origin::from_uri(&proxy.uri("/")).expect("an origin");
        let authenticator = builder().proxy_credentials(origin, alice());

        // The origin by plain http has no bindings, whatever the proxy has.
        let plain = server([Offer::Ntlm]).start().await.expect("a server");
        let both = authenticator.credentials(plain.origin(), carol()).build();
        let client: Client<Full<Bytes>> = Client::with_connector(both.clone(), tls_to_proxy(&both, &proxy));
        let response = without_hanging(client.request(get(&plain, "/"))).await.expect("a response");
        assert_eq!(response.status(), 200, "{}", proxy.report());
        text(response).await;
        let report = plain.report();
        let seen = report.legs().last().and_then(|leg| leg.authorization.as_ref()).expect("a proof");
        assert_eq!(seen.channel_bindings, Some(SentBindings::Absent), "{report}");
    }
}

#[tokio::test]
async fn tls_in_tls_binds_each_login_to_its_own_certificate() {
    let demanding =
        tunnelling(Offer::Ntlm).ntlm(|acceptor| acceptor.require_channel_bindings(RSA.bindings()));
    let proxy = Https::start(demanding, RSA).await;
    let https = Https::start(requiring(Offer::Ntlm, ECDSA.bindings()), ECDSA).await;
    let origin = Origin::from_uri(&proxy.uri("/")).expect("an origin");
    let authenticator = https.authenticator().proxy_credentials(origin, alice()).build();
    let tunnel = tls_to_proxy(&authenticator, &proxy);
    let connector = ChannelBound::new(Tls::from((tunnel, trusting([ECDSA]))));
    let client: Client<Full<Bytes>> = Client::with_connector(authenticator, connector);
    let response = without_hanging(client.request(https.get())).await.expect("a response");
    assert_eq!(response.status(), 200, "{}\n{}", proxy.report(), https.report());
    text(response).await;
}

#[tokio::test]
async fn basic_goes_to_a_proxy_by_tls() {
    let proxy = Https::start(tunnelling(Offer::basic("the proxy")), RSA).await;
    let origin = server_of_three([]).start().await.expect("a server");
    let credentials = Origin::from_uri(&proxy.uri("/")).expect("an origin");
    let authenticator = builder().proxy_credentials(credentials, alice()).build();
    without_hanging(tls_to_proxy(&authenticator, &proxy).oneshot(origin.uri("/"))).await.expect("a tunnel");
    assert_eq!(statuses(&proxy.report()), [407, 200], "{}", proxy.report());
}

/// A client whose own TLS goes through tunnels.
fn by_proxies(authenticator: AuthenticatorBuilder, proxies: Proxies) -> HttpsClient {
    Client::builder(authenticator.build()).proxies(proxies).build_with_tls(trusting(CERTIFICATES))
}

#[tokio::test]
async fn a_client_goes_through_a_tunnel_by_its_own_tls_and_logs_in_twice() {
    for (outer, inner) in [(Offer::Ntlm, Offer::Ntlm), (Offer::Negotiate, Offer::Negotiate)] {
        let proxy = tunnelling(outer).start().await.expect("a server");
        let https = Https::start(requiring(inner, ECDSA.bindings()), ECDSA).await;
        let proxies = Proxies::all(Proxy::new(proxy.origin()).credentials(alice()));
        let client = by_proxies(https.authenticator(), proxies);
        for _ in 0..2 {
            let response = without_hanging(client.request(https.get())).await.expect("a response");
            assert_eq!(response.status(), 200, "{}", https.report());
            text(response).await;
        }
        assert!(https.sent()[0].are(&ECDSA.bindings()), "{}", https.report());
        assert_eq!(statuses(&proxy.report()), [407, 407, 200], "{}", proxy.report());
        assert_eq!(statuses(&https.report()), [401, 401, 200, 200], "{}", https.report());
    }
}

#[tokio::test]
async fn tls_in_tls_and_plain_http_to_one_proxy_are_each_bound_to_the_right_certificate() {
    let demanding = tunnelling(Offer::Ntlm)
        .quirk(proxy_support())
        .ntlm(|acceptor| acceptor.require_channel_bindings(RSA.bindings()));
    let proxy = Https::start(demanding, RSA).await;
    let https = Https::start(requiring(Offer::Ntlm, ECDSA.bindings()), ECDSA).await;
    let address = Origin::from_uri(&proxy.uri("/")).expect("an origin");
    let client = by_proxies(https.authenticator(), Proxies::all(Proxy::new(address).credentials(alice())));
    for request in [https.get(), request("GET", "http://site.example/".parse().expect("a URI"), "")] {
        let response = without_hanging(client.request(request)).await.expect("a response");
        assert_eq!(response.status(), 200, "{}\n{}", proxy.report(), https.report());
        text(response).await;
    }
    let report = proxy.report();
    let targets: Vec<_> = report.legs().filter(|leg| leg.status == Some(http::StatusCode::OK)).collect();
    assert_eq!((targets[0].method.as_str(), targets[1].target.as_str()), ("CONNECT", "http://site.example/"));
}

#[tokio::test]
async fn each_proxy_gets_its_own_fields_with_each_connect_and_no_origin_gets_any() {
    let [first, second] = [tunnelling(Offer::Ntlm), tunnelling(Offer::Negotiate)];
    let (first, second) = (first.start().await.expect("a server"), second.start().await.expect("a server"));
    let (one, other) =
        (Https::start(server_of_three([]), ECDSA).await, Https::start(server_of_three([]), ECDSA).await);
    let mut own = HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_static("backup/2.1"))]);
    own.insert("x-department", HeaderValue::from_static("storage"));
    let with_own = Proxy::new(second.origin()).credentials(alice()).connect_fields(own).expect("fields");
    let proxies = Proxies::all(Proxy::new(first.origin()).credentials(alice()))
        .at(Origin::from_uri(&other.uri("/")).expect("an origin"), with_own);
    let client = by_proxies(builder(), proxies);
    // By plain http the request is the caller's own, and so are its fields.
    let plain = request("GET", "http://site.example/".parse().expect("a URI"), "");
    for request in [one.get(), other.get(), plain] {
        let response = without_hanging(client.request(request)).await.expect("a response");
        assert_eq!(response.status(), 200);
        text(response).await;
    }
    let said = |report: &Report| -> Vec<_> {
        let said = |leg: &Leg| {
            let said = ["user-agent", "x-department"].map(|name| leg.headers.get(name).cloned());
            (leg.method == "CONNECT", said)
        };
        report.legs().map(said).collect()
    };
    let ours = (true, [Some(OUR_USER_AGENT), None]);
    let nothing = (false, [None, None]);
    let own = (true, ["backup/2.1", "storage"].map(|value| Some(HeaderValue::from_static(value))));
    let [a, b, c, plain @ ..] = &said(&first.report())[..] else { panic!("{}", first.report()) };
    assert!([a, b, c].iter().all(|it| **it == ours), "{:?}", said(&first.report()));
    assert!(!plain.is_empty() && plain.iter().all(|it| *it == nothing), "{plain:?}");
    assert_eq!(said(&second.report()), [own.clone(), own.clone(), own]);
    for inside in [one.report(), other.report()] {
        assert_eq!(said(&inside), std::slice::from_ref(&nothing));
    }
}

// curl CVE-2016-0755, CVE-2026-3784
#[tokio::test]
async fn a_tunnel_is_never_shared_by_two_users_of_the_proxy() {
    let proxy = tunnelling(Offer::Ntlm).start().await.expect("a server");
    let https = Https::start(server_of_three([]), ECDSA).await;
    let proxies = Proxies::all(Proxy::new(proxy.origin()).credentials(carol()));
    let client = by_proxies(builder(), proxies);
    let requests = || {
        [Some(alice()), Some(bob()), None].map(|who| {
            let mut request = https.get();
            if let Some(who) = who {
                request.extensions_mut().insert(ProxyCredentials(who));
            }
            request
        })
    };
    for request in requests().into_iter().chain(requests()) {
        let response = without_hanging(client.request(request)).await.expect("a response");
        assert_eq!(response.status(), 200);
        text(response).await;
        settled(&client).await;
    }
    let (outside, inside) = (proxy.report(), https.report());
    assert_eq!((outside.handshakes(), outside.connections().len()), (3, 3), "{outside}");
    let requests: Vec<_> = inside.connections().iter().map(|connection| connection.legs.len()).collect();
    assert_eq!(requests, [2, 2, 2], "{inside}");
}

#[tokio::test]
async fn a_callers_own_proxy_authorization_is_for_the_connect_alone() {
    let proxy = tunnelling(Offer::basic("the proxy")).start().await.expect("a server");
    let https = Https::start(server_of_three([]), ECDSA).await;
    let client = by_proxies(builder(), Proxies::all(Proxy::new(proxy.origin())));
    let mut request = https.get();
    let own = HeaderValue::from_static("Basic YWxpY2U6YWxpY2UtcHc=");
    request.headers_mut().insert(header::PROXY_AUTHORIZATION, own);
    let response = without_hanging(client.request(request)).await.expect("a response");
    assert_eq!(response.status(), 200, "{}", proxy.report());
    text(response).await;
    assert_eq!(statuses(&proxy.report()), [200], "{}", proxy.report());
    let inside = https.report();
    assert!(inside.legs().all(|leg| leg.proxy_authorization.is_none()), "{inside}");
}

#[tokio::test]
async fn wrong_credentials_for_the_tunnel_are_an_error_that_says_so_once() {
    let proxy = tunnelling(Offer::Ntlm).start().await.expect("a server");
    let wrong = Proxy::new(proxy.origin()).credentials(Credentials::password("alice", "wrong-pw"));
    let client = by_proxies(builder(), Proxies::all(wrong));
    for _ in 0..3 {
        let site = "https://site.example/".parse().expect("a URI");
        let error = without_hanging(client.request(request("GET", site, ""))).await.expect_err("no tunnel");
        let text = whole(&error);
        assert!(text.contains("407") && text.contains("refused"), "{text}");
        assert!(!format!("{text} {error:?}").contains("wrong-pw"), "{text}");
    }
    assert_eq!(proxy.report().attempts(), 1, "{}", proxy.report());
}

#[tokio::test]
async fn a_tunnel_goes_with_its_login_at_the_proxy_also_while_it_is_opened() {
    let gate = Gate::closed();
    let proxy =
        tunnelling(Offer::Ntlm).quirk_when(When::leg(3).connections(..=1), Quirk::HeldBy(gate.clone()));
    let proxy = proxy.start().await.expect("a server");
    let https = Https::start(server_of_three([]).quirk(Quirk::Open), ECDSA).await;
    let proxies = Proxies::https(Proxy::new(proxy.origin()));
    let client: HttpsClient =
        Client::builder(builder().build()).proxies(proxies).build_with_tls(trusting([ECDSA]));
    let via = |who: Credentials| {
        let mut request = https.get();
        request.extensions_mut().insert(ProxyCredentials(who));
        client.request(request)
    };
    let first = tokio::spawn(via(alice()));
    without_hanging(gate.held(1)).await;
    text(without_hanging(via(bob())).await.expect("a response")).await;
    client.log_out(alice());
    gate.open();
    text(without_hanging(first).await.expect("no panic").expect("a response")).await;
    for who in [alice(), bob()] {
        text(without_hanging(via(who)).await.expect("a response")).await;
    }
    let report = without_hanging(https.server.wait_for(|report| report.open() == 2)).await;
    let legs: Vec<_> = report.connections().iter().map(|connection| connection.legs.len()).collect();
    assert_eq!((legs, report.connections()[1].closed), (vec![2, 1, 1], true), "{report}");
    client.log_out(proxy.origin());
    without_hanging(https.server.wait_for(|report| report.open() == 0)).await;
    assert_eq!(client.connections(), (0, 0));
}
