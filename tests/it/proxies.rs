//! A client that goes through proxies: which, as whom, and by which connections.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::Full;
use legwork::client::proxy::{InvalidProxy, Proxies, Proxy};
use legwork::client::tunnel::{TunnelError, TunnelErrorKind};
use legwork::credentials::ProxyCredentials;
use legwork::handshake::{Outcome, Why};
use legwork::protection_space::Challenger;
use legwork::service::ErrorKind;
use legwork::testing::{Builder, DigestAcceptor, Gate, Offer, Quirk, Server, When};
use legwork::{Client, Credentials, Origin};
use tokio::task::JoinSet;

use crate::support::*;

const SITE: &str = "http://site.example";

fn site() -> Origin {
    SITE.parse().expect("an origin")
}

/// What goes to the site.
fn to_site(method: &str, path: &str, body: &'static str) -> Request<Full<Bytes>> {
    request(method, format!("{SITE}{path}").parse().expect("a URI"), body)
}

/// A proxy that wants a login; what it passes on, it answers itself.
fn forwarding(offer: Offer) -> Builder {
    server_of_three([]).offer_as(Challenger::Proxy, offer).quirk(proxy_support())
}

fn proxy(server: &Server) -> Proxy {
    Proxy::new(server.origin())
}

fn with(proxies: Proxies) -> HttpClient {
    Client::builder(builder().build()).proxies(proxies).build_http()
}

/// The same request as another user of the proxy.
fn at_proxy_as(mut request: Request<Full<Bytes>>, credentials: Credentials) -> Request<Full<Bytes>> {
    request.extensions_mut().insert(ProxyCredentials(credentials));
    request
}

#[tokio::test]
async fn each_scheme_logs_in_at_the_proxy_and_the_origin_sees_nothing_of_it() {
    let digest = DigestAcceptor::new("the proxy").user("alice", "alice-pw");
    let cases: [(Offer, &[u16], &[u16]); 4] = [
        (Offer::basic("the proxy"), &[407, 200, 200], &[200]),
        (Offer::judged("Digest", digest), &[407, 200, 200], &[200]),
        (Offer::Ntlm, &[407, 407, 200, 200], &[407, 200]),
        (Offer::Negotiate, &[407, 407, 200, 200], &[407, 200]),
    ];
    for (offer, at_first, then) in cases {
        let server = forwarding(offer.clone()).start().await.expect("a server");
        let open = builder().dangerous_secrets_to_plain_http_proxies(true).build();
        let proxies = Proxies::all(proxy(&server).credentials(alice()));
        let client: HttpClient = Client::builder(open).proxies(proxies).build_http();
        for (path, body) in [("/", "twelve bytes"), ("/dir/?a=b%20c", "")] {
            let response = client.request(to_site("POST", path, body)).await.expect("a response");
            assert_eq!(response.status(), 200);
            if let Some(Outcome::LoggedIn(login)) = response.extensions().get() {
                assert_eq!(login.challenger, Challenger::Proxy);
            }
            assert!(text(response).await.ends_with(&format!("{} octets\n", body.len())));
            settled(&client).await;
        }
        client.close_idle();
        fetch(&client, to_site("GET", "/", "")).await;

        let report = server.report();
        let [first, second] = report.connections() else { panic!("{offer:?}: {report}") };
        assert_eq!((statuses_on(first), statuses_on(second)), (at_first.to_vec(), then.to_vec()), "{report}");
        assert_eq!((report.misplaced(), report.refused()), (0, 0), "{report}");
        assert_eq!(*targets_on(first).last().expect("a leg"), "http://site.example/dir/?a=b%20c");
        for leg in report.legs() {
            assert!(leg.target.starts_with("http://site.example/"), "{report}");
            assert_eq!(leg.headers["host"], "site.example", "{report}");
            assert!(leg.authorization.is_none(), "{report}");
        }
    }
}

#[tokio::test]
async fn proxy_and_origin_both_log_in_and_the_second_request_takes_one_leg() {
    let digest = DigestAcceptor::new("the proxy").user("alice", "alice-pw");
    let offers = [Offer::Ntlm, Offer::basic("the proxy"), Offer::judged("Digest", digest)];
    for offer in offers {
        // The origin's logins last; its saying so is none of the proxy's.
        let lasting =
            Quirk::Field(HeaderName::from_static("persistent-auth"), HeaderValue::from_static("true"));
        let server = forwarding(offer.clone()).offer(Offer::Negotiate).quirk(lasting).start().await;
        let server = server.expect("a server");
        let authenticator = builder()
            .credentials(site(), bob())
            .proxy_credentials(server.origin(), alice())
            .dangerous_secrets_to_plain_http_proxies(true);
        let client: HttpClient =
            Client::builder(authenticator.build()).proxies(Proxies::all(proxy(&server))).build_http();
        for _ in 0..2 {
            assert!(fetch(&client, to_site("POST", "/", "twelve bytes")).await.contains("12 octets"));
        }
        let at_proxy: &[u16] = if matches!(offer, Offer::Ntlm) { &[407, 407] } else { &[407] };
        let report = server.report();
        assert_eq!(statuses(&report), [at_proxy, &[401, 401, 200, 200]].concat(), "{report}");
        assert_eq!((report.connections().len(), report.misplaced()), (1, 0), "{report}");
    }
}

#[tokio::test]
async fn basic_in_the_open_is_allowed_at_the_proxy_and_at_the_origin_apart() {
    for (to_origins, to_proxies, seen) in
        [(false, false, [0, 0]), (true, false, [0, 0]), (false, true, [1, 0]), (true, true, [2, 1])]
    {
        let server = forwarding(Offer::basic("the proxy")).offer(Offer::basic("the site")).start().await;
        let server = server.expect("a server");
        let authenticator = builder()
            .credentials(site(), bob())
            .proxy_credentials(server.origin(), alice())
            .dangerous_secrets_over_plain_http(to_origins)
            .dangerous_secrets_to_plain_http_proxies(to_proxies);
        let client: HttpClient =
            Client::builder(authenticator.build()).proxies(Proxies::all(proxy(&server))).build_http();
        let response = client.request(to_site("GET", "/", "")).await.expect("a response");
        if !(to_origins && to_proxies) {
            let refusal = refusal(&response);
            let challenger = if to_proxies { Challenger::Origin } else { Challenger::Proxy };
            assert_eq!((refusal.challenger, &refusal.tried[0].why), (challenger, &Why::RevealsSecret));
        }
        text(response).await;
        let report = server.report();
        let sent = [
            report.legs().filter(|leg| leg.proxy_authorization.is_some()).count(),
            report.legs().filter(|leg| leg.authorization.is_some()).count(),
        ];
        assert_eq!(sent, seen, "{to_origins} {to_proxies}: {report}");
    }
}

#[tokio::test]
async fn userinfo_never_reaches_the_request_line() {
    let server = server_of_three([]).start().await.expect("a server");
    let client = with(Proxies::all(proxy(&server)));
    let uri = "http://bob:bob-pw@SITE.example:80/x".parse().expect("a URI");
    fetch(&client, request("GET", uri, "")).await;
    let report = server.report();
    assert_eq!(targets_on(&report.connections()[0]), ["http://site.example/x"], "{report}");
}

// curl CVE-2016-0755, CVE-2026-3784
#[tokio::test]
async fn a_connection_never_changes_its_user_at_the_proxy() {
    let server = forwarding(Offer::Ntlm).start().await.expect("a server");
    let client = with(Proxies::all(proxy(&server).credentials(carol())));
    let requests = || {
        let plain = || to_site("GET", "/", "");
        [at_proxy_as(plain(), alice()), at_proxy_as(plain(), bob()), plain()]
    };
    for request in requests().into_iter().chain(requests()) {
        fetch(&client, request).await;
        settled(&client).await;
    }
    let report = server.report();
    let users: Vec<_> = report.connections().iter().map(|connection| connection.legs.len()).collect();
    assert_eq!(users, [4, 3, 3], "three users, and three connections: {report}");
    assert_eq!((report.handshakes(), report.misplaced()), (3, 0), "{report}");
}

// curl CVE-2026-9079, 6253
#[tokio::test]
async fn credentials_of_the_proxy_that_are_taken_away_leave_none_behind() {
    let server = forwarding(Offer::basic("the proxy")).start().await.expect("a server");
    let open = builder().dangerous_secrets_to_plain_http_proxies(true).build();
    let client: HttpClient = Client::builder(open).proxies(Proxies::all(proxy(&server))).build_http();
    fetch(&client, at_proxy_as(to_site("GET", "/", ""), alice())).await;
    let response = client.request(to_site("GET", "/", "")).await.expect("a response");
    assert_eq!((response.status().as_u16(), &refusal(&response).tried[0].why), (407, &Why::NoCredentials));
    text(response).await;
    let report = server.report();
    let [_, second] = report.connections() else { panic!("{report}") };
    assert!(second.legs.iter().all(|leg| leg.proxy_authorization.is_none()), "{report}");
}

// curl CVE-2026-7168, 8927, 11856
#[tokio::test]
async fn digest_of_one_proxy_is_never_sent_to_another_one() {
    let digest = || Offer::judged("Digest", DigestAcceptor::new("the proxy").user("alice", "alice-pw"));
    let first = forwarding(digest()).start().await.expect("a server");
    let second = forwarding(digest()).start().await.expect("a server");
    let other = "http://other.example".parse::<Origin>().expect("an origin");
    let proxies =
        Proxies::all(proxy(&first).credentials(alice())).at(other, proxy(&second).credentials(alice()));
    let client = with(proxies);
    fetch(&client, to_site("GET", "/", "")).await;
    fetch(&client, request("GET", "http://other.example/".parse().expect("a URI"), "")).await;
    for server in [first, second] {
        let report = server.report();
        assert_eq!(statuses(&report), [407, 200], "{report}");
        assert!(report.legs().next().expect("a leg").proxy_authorization.is_none(), "{report}");
    }
}

// RFC 4559, section 6
#[tokio::test]
async fn a_connection_is_logged_in_at_the_origin_only_where_the_proxy_ties_it() {
    let origins = || builder().credentials(site(), carol());
    for (supports, assumes, expected) in
        [(false, false, vec![401]), (false, true, vec![401, 401, 200]), (true, false, vec![401, 401, 200])]
    {
        let builder = server([Offer::Ntlm]);
        let builder = if supports { builder.quirk(proxy_support()) } else { builder };
        let server = builder.start().await.expect("a server");
        let authenticator = origins().assume_proxy_support(assumes).build();
        let client: HttpClient =
            Client::builder(authenticator).proxies(Proxies::all(proxy(&server))).build_http();
        let response = client.request(to_site("GET", "/", "")).await.expect("a response");
        if expected.len() == 1 {
            assert_eq!(refusal(&response).tried[0].why, Why::NoProxySupport);
        }
        text(response).await;
        assert_eq!(statuses(&server.report()), expected, "{}", server.report());
    }
}

#[tokio::test]
async fn what_is_not_bound_to_a_connection_needs_no_word_of_the_proxy() {
    let digest = DigestAcceptor::new("a realm").user(USER, PASSWORD);
    let server = server([Offer::Ntlm, Offer::judged("Digest", digest)]).start().await.expect("a server");
    let authenticator =
        builder().credentials(site(), carol()).declare(site(), "NTLM").expect("a known scheme").build();
    let client: HttpClient =
        Client::builder(authenticator).proxies(Proxies::all(proxy(&server))).build_http();
    let response = client.request(to_site("GET", "/dir?q", "")).await.expect("a response");
    assert_eq!(login(&response).scheme, "Digest");
    text(response).await;
    // It covers the target as the origin gets to see it, without the origin.
    assert_eq!(statuses(&server.report()), [401, 200], "{}", server.report());
}

#[tokio::test]
async fn a_407_on_a_direct_connection_is_delivered_and_not_answered() {
    let challenge = Quirk::Field(header::PROXY_AUTHENTICATE, HeaderValue::from_static("NTLM"));
    let server = server_of_three([]).quirk(challenge).start().await.expect("a server");
    let other = Proxy::new("http://127.0.0.1:1".parse().expect("an origin")).credentials(alice());
    let client = with(Proxies::all(other).except("127.0.0.1"));
    let mut request = at_proxy_as(get(&server, "/status/407"), alice());
    let own = HeaderValue::from_static("Basic Zm9yLXRoZS1wcm94eQ==");
    request.headers_mut().insert(header::PROXY_AUTHORIZATION, own);
    let response = client.request(request).await.expect("a response");
    assert_eq!(response.status(), 407);
    text(response).await;
    let report = server.report();
    assert_eq!(statuses(&report), [407], "{report}");
    assert!(report.legs().all(|leg| leg.proxy_authorization.is_none()), "{report}");
}

#[tokio::test]
async fn a_callers_own_proxy_authorization_passes_untouched_on_a_connection_of_its_own() {
    let server = forwarding(Offer::Ntlm).start().await.expect("a server");
    let client = with(Proxies::all(proxy(&server).credentials(alice())));
    fetch(&client, to_site("GET", "/", "")).await;
    let mut own = to_site("GET", "/", "");
    own.headers_mut().insert(header::PROXY_AUTHORIZATION, HeaderValue::from_static("Own b3du"));
    let response = client.request(own).await.expect("a response");
    assert_eq!(response.status(), 407);
    text(response).await;
    let report = server.report();
    let [_, second] = report.connections() else { panic!("{report}") };
    assert_eq!(statuses_on(second), [407], "{report}");
    let seen = second.legs[0].proxy_authorization.as_ref().expect("the caller's");
    assert_eq!((seen.scheme.as_str(), seen.octets), ("Own", 3));
}

#[tokio::test]
async fn a_connector_that_speaks_tls_by_itself_cannot_do_so_in_a_tunnel() {
    let server = tunnelling(Offer::Ntlm).start().await.expect("a server");
    let client = with(Proxies::all(proxy(&server).credentials(alice())));
    let error = client.get("https://site.example/".parse().expect("a URI")).await.expect_err("no tunnel");
    let ErrorKind::Connect(cause) = error.kind() else { panic!("{error:?}") };
    let tunnel: &TunnelError = cause.downcast_ref().expect("a tunnel's error");
    assert!(matches!(tunnel.kind(), TunnelErrorKind::NoTls), "{tunnel:?}");
    assert_eq!(server.report().connections().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_leg_of_256_tasks_as_two_users_goes_astray() {
    let server = forwarding(Offer::Ntlm).offer(Offer::Ntlm).start().await.expect("a server");
    let authenticator = builder().credentials(site(), carol()).build();
    let client: HttpClient = Client::builder(authenticator)
        .max_per_origin(32)
        .proxies(Proxies::all(proxy(&server).credentials(alice())))
        .build_http();
    let mut tasks = JoinSet::new();
    for task in 0..256 {
        let client = client.clone();
        tasks.spawn(async move {
            let request = to_site("GET", "/", "");
            fetch(&client, if task % 2 == 0 { request } else { at_proxy_as(request, bob()) }).await
        });
    }
    without_hanging(tasks.join_all()).await;
    let report = server.report();
    assert_eq!((report.misplaced(), report.refused()), (0, 0), "{report}");
    for connection in report.connections() {
        let proofs = connection.legs.iter().filter_map(|leg| leg.proxy_authorization.as_ref());
        let at_proxy =
            proofs.filter(|seen| matches!(seen.verdict, legwork::testing::Verdict::Accepted { .. }));
        assert_eq!(at_proxy.count(), 1, "one user at the proxy: {report}");
    }
}

#[tokio::test]
async fn dropping_a_request_at_the_proxy_costs_its_connection_alone() {
    for leg in 1..=3 {
        let gate = Gate::closed();
        let server = forwarding(Offer::Ntlm)
            .quirk_when(When::leg(leg).connections(..=1), Quirk::HeldBy(gate.clone()))
            .start()
            .await
            .expect("a server");
        let client = with(Proxies::all(proxy(&server).credentials(alice())));
        let request = tokio::spawn(client.request(to_site("GET", "/", "")));
        without_hanging(gate.held(1)).await;
        request.abort();
        fetch(&client, to_site("GET", "/", "")).await;
        let report = server.report();
        assert_eq!((report.connections().len(), report.misplaced()), (2, 0), "{report}");
    }
}

#[test]
fn a_socks_proxy_is_left_to_connectors() {
    assert_eq!("socks5://127.0.0.1:1080".parse::<Proxy>(), Err(InvalidProxy::Socks));
}

/// What the environment says is read by a process of its own: this one's is everybody's.
#[tokio::test]
async fn the_environment_names_the_proxies() {
    const INSIDE: &str = "LEGWORK_TEST_PROXIES_FROM_ENV";
    if std::env::var_os(INSIDE).is_some() {
        if std::env::var(INSIDE).as_deref() == Ok("an error") {
            let error = Proxies::from_env().expect_err("no proxy");
            let reason = Box::new(InvalidProxy::Delimiter);
            assert_eq!(error, InvalidProxy::Variable { name: "http_proxy", reason });
            return;
        }
        let client = with(Proxies::from_env().expect("proxies"));
        let direct = std::env::var("DIRECT").expect("a URI").parse().expect("a URI");
        for uri in [direct, format!("{SITE}/").parse().expect("a URI")] {
            fetch(&client, request("GET", uri, "")).await;
        }
        let https = "https://site.example/".parse().expect("a URI");
        let error = client.get(https).await.expect_err("SOCKS");
        assert!(matches!(error.kind(), ErrorKind::Proxy(_)), "{error:?}");
        assert!(whole(&error).contains("SOCKS"), "{}", whole(&error));
        return;
    }
    // With a backslash, a percent sign and an `@` of her own, a URI has to be read leniently.
    let through = forwarding(Offer::Ntlm).user("LAB\\dora", "100%@home").start().await.expect("a server");
    let direct = server_of_three([]).start().await.expect("a server");
    let with_userinfo =
        |userinfo| through.origin().to_string().replace("http://", &format!("http://{userinfo}@"));
    let inside = async |expected: &'static str, proxy: String| {
        let no_proxy = format!("[::1] {}:{}", direct.origin().host(), direct.origin().port());
        let direct = direct.uri("/").to_string();
        let run = move || {
            let mut command = std::process::Command::new(std::env::current_exe().expect("this program"));
            for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"] {
                command.env_remove(name);
            }
            command
                .args(["--exact", "proxies::the_environment_names_the_proxies", "--nocapture"])
                .env("http_proxy", proxy)
                .env("all_proxy", "socks5://127.0.0.1:1")
                .env("no_proxy", no_proxy)
                .env("DIRECT", direct)
                .env(INSIDE, expected)
                .output()
        };
        let output = without_hanging(tokio::task::spawn_blocking(run)).await.expect("no panic");
        let output = output.expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    inside("an error", with_userinfo("LAB\\dora:100%@/home")).await;
    assert_eq!((through.report().connections().len(), direct.report().connections().len()), (0, 0));

    inside("a login", with_userinfo("LAB\\dora:100%@home")).await;
    assert_eq!(statuses(&through.report()), [407, 407, 200], "{}", through.report());
    assert_eq!(statuses(&direct.report()), [200], "{}", direct.report());
}

/// One client, two origins by two proxies and one by none.
#[tokio::test]
async fn each_origin_has_its_own_way() {
    let first = Arc::new(forwarding(Offer::Ntlm).start().await.expect("a server"));
    let second = forwarding(Offer::Negotiate).start().await.expect("a server");
    let direct = server_of_three([]).start().await.expect("a server");
    let proxies = Proxies::http(proxy(&first).credentials(alice()))
        .at(site(), proxy(&second).credentials(bob()))
        .at(direct.origin(), None);
    let client = with(proxies);
    fetch(&client, request("GET", "http://elsewhere.example/".parse().expect("a URI"), "")).await;
    fetch(&client, to_site("GET", "/", "")).await;
    fetch(&client, get(&direct, "/")).await;
    let of = |server: &Server| targets_on(&server.report().connections()[0]).last().map(ToString::to_string);
    assert_eq!(of(&first).as_deref(), Some("http://elsewhere.example/"));
    assert_eq!(of(&second).as_deref(), Some("http://site.example/"));
    assert_eq!(of(&direct).as_deref(), Some("/"));
}
