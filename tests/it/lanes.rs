//! The client over reqwest: what reqwest's users have, with every leg on its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderValue, Method, header};
use legwork::Client as AnyClient;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::redirect::Redirects;
use legwork::client::reqwest::{BuildError, Client};
use legwork::handshake::{Outcome, Why};
use legwork::service::{Environment, Error, ErrorKind, Limits};
use legwork::testing::{Close, Gate, Offer, Quirk, RefusalBody, Server, When};
use legwork::{Authenticator, Credentials};
use reqwest::Body;
use reqwest::cookie::{CookieStore, Jar};
use reqwest::redirect::Policy;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::support::{
    USER, Upload, alice, all_are_served, authenticator, bob, builder, by, over_reqwest, schemes_of_origins,
    server, server_of_three, settings, statuses, statuses_on, tiring, url, users, whole, without_hanging,
};

/// A `GET` whose answer is a 200, and its text.
async fn fetch(client: &Client, server: &Server, path: &str) -> String {
    let response = without_hanging(client.get(url(server, path)).send()).await.expect("a response");
    assert_eq!(response.status(), 200, "{:?}", response.extensions().get::<Outcome>());
    response.text().await.expect("a text")
}

#[tokio::test]
async fn each_scheme_logs_in_on_one_connection() {
    for (offer, expected) in schemes_of_origins() {
        let server = server([offer.clone()]).start().await.expect("a server");
        let client = over_reqwest(authenticator(&server).dangerous_secrets_over_plain_http(true));
        for target in ["/", "/?a=b%20c"] {
            let response = client.get(url(&server, target)).send().await.expect("a response");
            assert_eq!((response.status().as_u16(), response.url().as_str()), (200, &*url(&server, target)));
            assert_eq!(response.remote_addr(), Some(server.address()));
            response.text().await.expect("a text");
        }
        let report = server.report();
        assert_eq!(statuses(&report), expected, "{offer:?}: {report}");
        assert_eq!((report.connections().len(), report.misplaced()), (1, 0), "{offer:?}: {report}");
    }
}

async fn all_succeed(server: Server, tasks: usize, requests: usize) {
    let server = Arc::new(server);
    let (client, asked) = (over_reqwest(authenticator(&server)), Arc::clone(&server));
    all_are_served(&server, tasks, requests, move || {
        let (client, server) = (client.clone(), Arc::clone(&asked));
        async move {
            fetch(&client, &server, "/").await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_for_each_request_of_64_tasks_succeeds() {
    all_succeed(tiring().start().await.expect("a server"), 64, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_for_each_request_of_256_tasks_succeeds() {
    all_succeed(tiring().start().await.expect("a server"), 256, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn established_connections_serve_256_tasks() {
    all_succeed(server([Offer::Negotiate]).start().await.expect("a server"), 256, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_serves_two_users() {
    let server = Arc::new(server_of_three([Offer::Ntlm]).start().await.expect("a server"));
    let client = AnyClient::builder(authenticator(&server).build()).max_per_origin(6);
    let client = client.build_reqwest(settings).expect("settings that fit");
    let mut set = JoinSet::new();
    for task in 0..48 {
        let (client, server) = (client.clone(), Arc::clone(&server));
        set.spawn(async move {
            for _ in 0..5 {
                let request = client.get(url(&server, "/"));
                let (request, name) = match task % 3 {
                    0 => (request.credentials(alice()), "alice"),
                    1 => (request.credentials(bob()), "bob"),
                    _ => (request, USER),
                };
                let text = request.send().await.expect("a response").text().await.expect("a text");
                assert!(text.starts_with(name), "{name}: {text}");
            }
        });
    }
    without_hanging(set.join_all()).await;
    let report = server.report();
    assert_eq!(report.misplaced(), 0, "{report}");
    assert!(report.connections().iter().all(|connection| users(connection).len() <= 1), "{report}");
}

#[tokio::test]
async fn a_refusal_is_a_response_and_a_wrong_password_is_tried_once() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let wrong = Credentials::password(USER, "wrong-pw");
    let client = over_reqwest(builder().credentials(server.origin(), wrong));
    for expected in [Why::Refused(None), Why::RefusedBefore] {
        let response = client.get(url(&server, "/")).send().await.expect("a response");
        assert_eq!(response.status(), 401);
        let Some(Outcome::Refused(refusal)) = response.extensions().get() else { panic!("{response:?}") };
        assert_eq!(refusal.tried[0].why, expected);
        response.text().await.expect("a text");
    }
    let error = client.authenticate(url(&server, "/")).await.expect_err("a refusal");
    assert!(matches!(error.kind(), ErrorKind::Refused(_)), "{error:?}");
    assert_eq!(server.report().attempts(), 1);
}

#[tokio::test]
async fn nobody_and_the_callers_own_have_connections_of_their_own() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = over_reqwest(authenticator(&server));
    fetch(&client, &server, "/").await;
    let anonymous = client.get(url(&server, "/")).anonymous().send().await.expect("a response");
    assert_eq!(anonymous.status(), 401);
    anonymous.text().await.expect("a text");
    let own = client.get(url(&server, "/")).with(|request| request.bearer_auth("own")).send().await;
    let own = own.expect("a response");
    assert!(own.status() == 401 && own.extensions().get::<Outcome>().is_none());
    own.text().await.expect("a text");
    let report = server.report();
    let legs: Vec<_> = report.connections().iter().map(statuses_on).collect();
    assert_eq!(legs, [vec![401, 401, 200], vec![401], vec![401]], "{report}");
}

#[tokio::test]
async fn a_body_goes_over_the_wire_once_when_the_origin_is_known() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client =
        over_reqwest(authenticator(&server).declare(server.origin(), "NTLM").expect("a known scheme"));
    let upload = Upload::of(64, 64 << 10);
    let alive = Arc::clone(&upload.alive);
    let response = client.post(url(&server, "/")).body(Body::wrap(upload)).send().await.expect("a response");
    assert_eq!(response.status(), 200);
    response.text().await.expect("a text");
    let report = server.report();
    assert_eq!((report.body_octets(), statuses(&report)), (4 << 20, vec![401, 200]), "{report}");
    assert!(alive.most.load(std::sync::atomic::Ordering::SeqCst) < 64, "it was not held as a whole");

    let client = over_reqwest(authenticator(&server));
    let json = serde_json::json!({ "a": [1, 2] });
    let response = client.post(url(&server, "/")).with(|request| request.json(&json)).send().await;
    assert!(response.expect("a response").text().await.expect("a text").ends_with("11 octets\n"));
}

#[tokio::test]
async fn a_lane_whose_connection_is_closed_makes_room_for_another() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = over_reqwest(authenticator(&server));
    fetch(&client, &server, "/").await;
    server.close_idle();
    server.wait_for(|report| report.open() == 0).await;
    fetch(&client, &server, "/").await;
    let report = server.report();
    let [_, second] = report.connections() else { panic!("{report}") };
    assert_eq!(statuses_on(second), [401, 200], "{report}");
    assert_eq!(client.connections(), (1, 1));
}

#[tokio::test]
async fn a_lane_whose_connection_is_to_be_closed_is_not_kept() {
    let server = server([Offer::Ntlm])
        .quirk_when(When::leg(4).connections(..=1), Quirk::Close(Close::Announced))
        .start()
        .await
        .expect("a server");
    let client = over_reqwest(authenticator(&server));
    for connections in [(1, 1), (0, 0), (1, 1)] {
        fetch(&client, &server, "/").await;
        assert_eq!(client.connections(), connections);
    }
    let report = server.report();
    assert_eq!(statuses(&report), [401, 401, 200, 200, 401, 200], "{report}");
}

#[tokio::test]
async fn a_connection_that_ends_with_a_leg_is_replaced() {
    for close in [Close::Announced, Close::Unannounced] {
        for leg in [1, 2] {
            let server = server([Offer::Ntlm])
                .quirk_when(When::leg(leg).connections(..=1), Quirk::Close(close))
                .start()
                .await
                .expect("a server");
            let client = over_reqwest(authenticator(&server));
            fetch(&client, &server, "/").await;
            let report = server.report();
            assert_eq!((report.connections().len(), report.misplaced()), (2, 0), "{close:?} {leg}: {report}");
        }
    }
}

// keep-alive race
#[tokio::test]
async fn a_post_on_a_connection_that_is_found_closed_goes_to_another_one() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = over_reqwest(authenticator(&server));
    for round in 0..64 {
        fetch(&client, &server, "/").await;
        server.close_idle();
        server.wait_for(|report| report.open() == 0).await;
        // Its end is noticed before, while, or after the request takes it.
        for _ in 0..round % 8 {
            tokio::task::yield_now().await;
        }
        let response = client.post(url(&server, "/post")).body("twelve bytes").send().await;
        assert_eq!(response.expect("a response").status(), 200);
    }
    let report = server.report();
    let posts = report.legs().filter(|leg| leg.target == "/post" && leg.body_octets > 0).count();
    assert_eq!((posts, report.misplaced()), (64, 0), "{report}");
}

#[tokio::test]
async fn a_dropped_request_costs_its_connection_alone() {
    for leg in 1..=3 {
        let gate = Gate::closed();
        let server = server([Offer::Ntlm])
            .quirk_when(When::leg(leg).connections(..=1), Quirk::HeldBy(gate.clone()))
            .start()
            .await
            .expect("a server");
        let client = over_reqwest(authenticator(&server));
        let request = tokio::spawn(client.get(url(&server, "/")).send());
        without_hanging(gate.held(1)).await;
        request.abort();
        fetch(&client, &server, "/").await;
        let report = server.report();
        assert_eq!((report.connections().len(), report.misplaced()), (2, 0), "{report}");
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_reqwests_error() {
    let client = over_reqwest(builder());
    let error: Error = client.get("http://127.0.0.1:1/").send().await.expect_err("nobody is there");
    let ErrorKind::Connect(cause) = error.kind() else { panic!("{error:?}") };
    assert!(cause.downcast_ref::<reqwest::Error>().expect("reqwest's").is_connect(), "{}", whole(&error));
    let error = client.get("no URL").send().await.expect_err("it is none");
    assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
}

/// What took too long is not sent again on another connection, where it would take as long.
#[tokio::test]
async fn a_timeout_ends_the_request() {
    for method in [Method::GET, Method::POST] {
        for (leg, logs_in_before) in [(2, false), (4, true)] {
            let gate = Gate::closed();
            let server = server([Offer::Ntlm])
                .quirk_when(When::leg(leg), Quirk::HeldBy(gate.clone()))
                .start()
                .await
                .expect("a server");
            let client = over_reqwest(authenticator(&server));
            if logs_in_before {
                fetch(&client, &server, "/").await;
            }
            let request = client.request(method.clone(), url(&server, "/")).timeout(SHORT);
            is_timeout(&without_hanging(request.send()).await.expect_err("it is late"), &server);
            assert_eq!(server.report().connections().len(), 1, "{method} {leg}: {}", server.report());
        }
    }
}

const SHORT: Duration = Duration::from_millis(200);

fn is_timeout(error: &Error, server: &Server) {
    assert!(matches!(error.kind(), ErrorKind::Timeout(_, SHORT)), "{error:?}");
    assert!(error.is_timeout() && !error.is_retryable() && !error.is_connect(), "{error:?}");
    assert_eq!(error.origin(), Some(&server.origin()));
}

#[tokio::test]
async fn a_timeout_is_the_whole_exchanges() {
    // Each challenge takes less than that, both together take more.
    let late = Quirk::RefusalBody(RefusalBody::Late(Duration::from_millis(150)));
    let server = server([Offer::Ntlm]).quirk(late).start().await.expect("a server");
    for follows in [false, true] {
        let mut client = over_reqwest(authenticator(&server));
        if follows {
            client = client.follow_redirects(Redirects::default());
        }
        let request = client.get(url(&server, "/")).timeout(SHORT);
        is_timeout(&without_hanging(request.send()).await.expect_err("it is late"), &server);
        let request = client.get(url(&server, "/")).timeout(Duration::from_secs(60));
        assert_eq!(without_hanging(request.send()).await.expect("in time").status(), 200);
    }
}

#[tokio::test]
async fn a_timeout_includes_the_wait_for_a_connection() {
    let gate = Gate::closed();
    let server = server([]).quirk(Quirk::HeldBy(gate.clone())).start().await.expect("a server");
    let client = AnyClient::builder(authenticator(&server).build()).max_per_origin(1);
    let client = client.build_reqwest(settings).expect("settings that fit");
    let first = tokio::spawn(client.get(url(&server, "/")).send());
    without_hanging(gate.held(1)).await;
    let second = client.get(url(&server, "/")).timeout(SHORT).send();
    is_timeout(&without_hanging(second).await.expect_err("it is late"), &server);
    assert_eq!(server.report().legs().count(), 1);
    gate.open();
    assert_eq!(first.await.expect("no panic").expect("a response").status(), 200);
    // One that is further away than can be told is none.
    let endless = client.get(url(&server, "/")).timeout(Duration::MAX).send();
    assert_eq!(without_hanging(endless).await.expect("a response").status(), 200);
}

#[tokio::test]
async fn what_reqwest_would_panic_at_is_an_error() {
    let client = || AnyClient::builder(builder().build());
    let error = client().build_reqwest(|| reqwest::Client::builder().tls_backend_rustls());
    let error = error.expect_err("there is no crypto provider");
    assert!(matches!(error, BuildError::Panic(_)) && error.to_string().contains("provider"), "{error:?}");
    let error = client().build_reqwest(|| settings().user_agent("\n")).expect_err("no user agent");
    assert!(matches!(error, BuildError::Settings(_)), "{error:?}");
    assert_eq!(error.to_string(), "reqwest cannot build a client with these settings");
    assert!(std::error::Error::source(&error).is_some_and(|source| source.is::<reqwest::Error>()));

    // Settings that fit at first.
    let server = server([]).start().await.expect("a server");
    let calls = AtomicUsize::new(0);
    let make = move || match calls.fetch_add(1, Ordering::Relaxed) {
        0 => settings(),
        _ => reqwest::Client::builder().tls_backend_rustls(),
    };
    let error = by(builder(), make).get(url(&server, "/")).send().await.expect_err("no lane");
    let ErrorKind::Request(cause) = error.kind() else { panic!("{error:?}") };
    assert!(cause.is::<BuildError>(), "{}", whole(&error));
}

#[tokio::test]
async fn a_lane_goes_through_no_proxy_of_reqwests() {
    let (server, proxy) = (server([Offer::Ntlm]), server([]));
    let server = server.start().await.expect("a server");
    let proxy = proxy.start().await.expect("a proxy");
    let through = proxy.origin().to_string();
    let settings_through = {
        let through = through.clone();
        move || settings().proxy(reqwest::Proxy::all(&through).expect("a proxy"))
    };
    let client = by(authenticator(&server), settings_through);
    fetch(&client, &server, "/").await;
    assert_eq!((statuses(&server.report()), proxy.report().legs().count()), (vec![401, 401, 200], 0));

    let proxies = Proxies::all(through.parse::<Proxy>().expect("a proxy"));
    let client = AnyClient::builder(builder().build()).proxies(proxies).build_reqwest(settings);
    assert!(matches!(client, Err(BuildError::Proxies)), "{client:?}");
}

#[tokio::test]
async fn requests_are_made_as_with_reqwest() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = over_reqwest(authenticator(&server));
    let post = || client.post(url(&server, "/"));
    let pairs = [("a", "1"), ("b", "x y")];
    let part = reqwest::multipart::Form::new().text("a", "1");
    for (request, kind, octets) in [
        (post().json(&pairs), "application/json", r#"[["a","1"],["b","x y"]]"#.len()),
        (post().form(&pairs), "application/x-www-form-urlencoded", "a=1&b=x+y".len()),
        (post().multipart(part), "multipart/form-data; boundary=", 0),
        (post().header("content-type", "text/plain").body("twelve bytes"), "text/plain", 12),
    ] {
        let text = request.send().await.expect("a response").text().await.expect("a text");
        let report = server.report();
        let leg = report.legs().last().expect("a leg");
        assert!(leg.headers["content-type"].to_str().expect("a text").starts_with(kind), "{report}");
        assert!(octets == 0 || text.ends_with(&format!("{octets} octets\n")), "{text}");
        assert!(leg.body_octets > 0 && leg.body_octets >= octets as u64, "{report}");
    }
    client.get(url(&server, "/find?c")).query(&pairs).send().await.expect("a response");
    assert_eq!(server.report().legs().last().expect("a leg").target, "/find?c&a=1&b=x+y");
    assert_eq!(server.report().connections().len(), 1);
}

#[tokio::test]
async fn cookies_are_shared_by_lanes_that_share_a_jar() {
    let cookie = Quirk::Field(header::SET_COOKIE, HeaderValue::from_static("session=1; Path=/"));
    let server = server([Offer::Ntlm]).quirk_when(When::leg(1).connections(..=1), cookie).start().await;
    let server = server.expect("a server");
    let jar = Arc::new(Jar::default());
    let shared = Arc::clone(&jar);
    let client = by(authenticator(&server), move || settings().cookie_provider(Arc::clone(&shared)));
    fetch(&client, &server, "/").await;
    client.close_idle();
    fetch(&client, &server, "/").await;
    let report = server.report();
    let cookies: Vec<_> = report.legs().map(|leg| leg.headers.contains_key("cookie")).collect();
    assert_eq!(cookies, [false, true, true, true, true], "{report}");
    assert!(jar.cookies(&url(&server, "/").parse().expect("a URL")).is_some());
}

#[tokio::test]
async fn settings_hold_in_every_lane_and_redirects_are_not_followed() {
    let to = Quirk::Field(header::LOCATION, HeaderValue::from_static("/elsewhere"));
    let server = server([Offer::Ntlm]).quirk_when(When::path("/status/302"), to).start().await;
    let server = server.expect("a server");
    let client = by(authenticator(&server), || settings().user_agent("tests").gzip(true));
    let response = client.get(url(&server, "/status/302")).send().await.expect("a response");
    assert_eq!(response.status(), 302);
    response.text().await.expect("a text");
    let report = server.report();
    assert_eq!(statuses(&report), [401, 401, 302], "{report}");
    for leg in report.legs() {
        assert_eq!(leg.headers["user-agent"], "tests");
        assert_eq!(leg.headers["accept-encoding"], "gzip");
    }
}

/// A client over one that was built elsewhere, whose pool is its own.
fn over_another(authenticator: Authenticator) -> Client {
    let built = settings().redirect(Policy::none()).build().expect("settings that fit");
    let environment = Environment::tokio().limits(Limits::default().restarts(8));
    AnyClient::builder(authenticator).environment(environment).build_over_reqwest(built).expect("no proxies")
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_client_built_elsewhere_no_leg_that_went_astray_is_taken_for_a_verdict() {
    let server = Arc::new(tiring().start().await.expect("a server"));
    let client = over_another(authenticator(&server).build());
    for _ in 0..4 {
        let mut set = JoinSet::new();
        for _ in 0..8 {
            let (client, server) = (client.clone(), Arc::clone(&server));
            set.spawn(async move { fetch(&client, &server, "/").await });
        }
        without_hanging(set.join_all()).await;
    }
    let report = server.report();
    assert_eq!(report.refused(), 0, "no wrong password is counted: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_client_built_elsewhere_no_connection_serves_two_users() {
    let server = Arc::new(server_of_three([Offer::Ntlm]).start().await.expect("a server"));
    let built = settings().build().expect("settings that fit");
    let client = AnyClient::builder(authenticator(&server).build())
        .build_over_reqwest(built.clone())
        .expect("no proxies");
    let mut set = JoinSet::new();
    for task in 0..24 {
        let (client, built, server) = (client.clone(), built.clone(), Arc::clone(&server));
        set.spawn(async move {
            for _ in 0..5 {
                let request = client.get(url(&server, "/"));
                let (request, name) = match task % 4 {
                    0 => (request.credentials(alice()), "alice"),
                    1 => (request.credentials(bob()), "bob"),
                    2 => (request, USER),
                    _ => {
                        let bare = built.get(url(&server, "/")).send().await.expect("a response");
                        assert_eq!(bare.status(), 401, "the client's own requests are nobody's");
                        continue;
                    }
                };
                let text = request.send().await.expect("a response").text().await.expect("a text");
                assert!(text.starts_with(name), "{name}: {text}");
            }
        });
    }
    without_hanging(set.join_all()).await;
    let report = server.report();
    assert_eq!(report.refused(), 0, "{report}");
    assert!(report.connections().iter().all(|connection| users(connection).len() <= 1), "{report}");
}

#[tokio::test]
async fn over_a_client_built_elsewhere_a_lane_has_a_connection_of_its_own() {
    for (offer, expected) in schemes_of_origins() {
        let server = server([offer.clone()]).start().await.expect("a server");
        let client = over_another(authenticator(&server).dangerous_secrets_over_plain_http(true).build());
        for target in ["/", "/?a=b%20c#d"] {
            let response = client.get(url(&server, target)).send().await.expect("a response");
            assert_eq!(response.status(), 200);
            assert!(response.url().username().is_empty(), "{}", response.url());
            assert_eq!(response.remote_addr(), Some(server.address()));
            response.text().await.expect("a text");
        }
        let report = server.report();
        assert_eq!(report.refused(), 0, "{offer:?}: {report}");
        if expected.len() < 4 {
            assert_eq!(report.connections().len(), 1, "{offer:?}: {report}");
        }
        for leg in report.legs() {
            assert!(leg.target.starts_with('/'), "{report}");
            assert_eq!(leg.headers["host"], server.address().to_string(), "{report}");
        }
    }
}

/// The second request's leg goes over a connection that has seen no login.
#[tokio::test]
async fn over_a_client_built_elsewhere_a_bare_leg_that_went_astray_is_no_verdict() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = over_another(authenticator(&server).build());
    for method in [Method::GET, Method::POST, Method::GET] {
        let request = client.request(method, url(&server, "/")).body("twelve bytes");
        let response = without_hanging(request.send()).await.expect("a response");
        assert_eq!(response.status(), 200, "{:?}", response.extensions().get::<Outcome>());
        response.text().await.expect("a text");
        server.close_idle();
        server.wait_for(|report| report.open() == 0).await;
    }
    assert_eq!(server.report().refused(), 0, "{}", server.report());
}

/// Its connection was closed, and the next login begins on another one.
#[tokio::test]
async fn over_a_client_built_elsewhere_a_login_may_begin_on_another_connection() {
    let server = tiring().start().await.expect("a server");
    let client = over_another(authenticator(&server).build());
    for method in [Method::GET, Method::POST, Method::GET] {
        let request = client.request(method, url(&server, "/")).body("twelve bytes");
        assert_eq!(without_hanging(request.send()).await.expect("a response").status(), 200);
        server.close_idle();
        server.wait_for(|report| report.open() == 0).await;
    }
    let report = server.report();
    let legs: Vec<_> = report.connections().iter().map(statuses_on).collect();
    assert_eq!(legs, [vec![401], vec![401, 200], vec![401, 200], vec![401, 200]], "{report}");
    assert_eq!((report.misplaced(), report.refused()), (0, 0), "{report}");

    let open = crate::support::server([]).start().await.expect("a server");
    for _ in 0..2 {
        let own = client.post(url(&open, "/")).header("authorization", "Negotiate AAAA");
        assert_eq!(without_hanging(own.send()).await.expect("a response").status(), 200);
        open.close_idle();
        open.wait_for(|report| report.open() == 0).await;
    }
}

#[tokio::test]
async fn over_a_client_built_elsewhere_a_redirect_beneath_the_login_is_an_error_that_says_so() {
    let other = server([]).start().await.expect("a server");
    let to = HeaderValue::from_str(&url(&other, "/page")).expect("a value");
    let to = Quirk::Field(header::LOCATION, to);
    let server = server([Offer::Ntlm]).quirk_when(When::path("/status/302"), to).start().await;
    let server = server.expect("a server");
    let built = settings().build().expect("settings that fit");
    let client =
        AnyClient::builder(authenticator(&server).build()).build_over_reqwest(built).expect("no proxies");
    let error = client.get(url(&server, "/status/302")).send().await.expect_err("it led away");
    assert!(whole(&error).contains("follow_redirects") && !error.is_retryable(), "{}", whole(&error));
    assert!(!format!("{} {error:?}", whole(&error)).contains("lane-"), "{error:?}");
    assert!(other.report().legs().all(|leg| leg.authorization.is_none()));
}

#[tokio::test]
async fn an_empty_response_that_is_dropped_unread_keeps_its_connection() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = over_reqwest(authenticator(&server));
    assert!(client.authenticate(url(&server, "/")).await.expect("a login").is_some());
    drop(client.head(url(&server, "/")).send().await.expect("a response"));
    fetch(&client, &server, "/").await;
    let report = server.report();
    assert_eq!(
        (report.connections().len(), statuses(&report)),
        (1, vec![401, 401, 200, 200, 200]),
        "{report}"
    );
}

#[tokio::test]
async fn a_request_made_elsewhere_is_executed_as_a_service_too() {
    let server = server([Offer::Negotiate]).start().await.expect("a server");
    let client = over_reqwest(authenticator(&server));
    let made =
        settings().build().expect("settings that fit").get(url(&server, "/x")).build().expect("a request");
    let response = client.clone().oneshot(made).await.expect("a response");
    let Some(Outcome::LoggedIn(login)) = response.extensions().get() else { panic!("{response:?}") };
    assert_eq!((login.scheme, login.legs), ("Negotiate", 3));
    drop(response);
    client.shut_down().await;
    let error = client.get(url(&server, "/")).send().await.expect_err("it was shut down");
    assert!(matches!(error.kind(), ErrorKind::ShutDown), "{error:?}");
}

#[test]
fn proxies_are_refused_where_reqwest_would_not_know_of_them() {
    let through = || {
        let proxy: Proxy = "http://proxy.example:3128".parse().expect("a proxy");
        AnyClient::builder(builder().build()).proxies(Proxies::all(proxy))
    };
    let built = settings().build().expect("settings that fit");
    for built in [through().build_reqwest(settings), through().build_over_reqwest(built)] {
        let error = built.expect_err("there are proxies");
        assert!(matches!(error, BuildError::Proxies), "{error:?}");
        assert!(error.to_string().starts_with("a client over reqwest goes through no proxy"), "{error}");
        assert!(std::error::Error::source(&error).is_none());
    }
}

#[tokio::test]
async fn each_method_is_sent_under_its_name() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = over_reqwest(authenticator(&server));
    let url = url(&server, "/");
    for (request, method) in [
        (client.get(&url), Method::GET),
        (client.head(&url), Method::HEAD),
        (client.post(&url), Method::POST),
        (client.put(&url), Method::PUT),
        (client.patch(&url), Method::PATCH),
        (client.delete(&url), Method::DELETE),
        (client.request(Method::OPTIONS, &url), Method::OPTIONS),
    ] {
        let response = without_hanging(request.send()).await.expect("a response");
        assert_eq!(response.status(), 200, "{method}");
        response.text().await.expect("a text");
        assert_eq!(server.report().legs().last().expect("a leg").method, method);
    }
}
