//! Redirects above the login: who logs in where, and what the wire carries.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use legwork::Client;
use legwork::client::redirect::{FollowRedirects, FollowRedirectsLayer, Redirected, Redirects, Stopped};
use legwork::credentials::Anonymous;
use legwork::handshake::{AuthenticatorBuilder, Outcome};
use legwork::testing::{Builder, Connection, Leg, Offer, Quirk, Server, When};
use reqwest::Body;
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};

use crate::support::*;

type Following = FollowRedirects<HttpClient, Full<Bytes>>;

fn following(authenticator: AuthenticatorBuilder) -> Following {
    let client = build(Client::builder(authenticator.build()));
    FollowRedirects::new(client).repeating(|body: &Full<Bytes>| Some(body.clone()))
}

/// Where `/status/<status>` of a server leads.
fn leads(server: Builder, status: u16, location: &str) -> Builder {
    let location = HeaderValue::from_str(location).expect("a value");
    let when = When::path(format!("/status/{status}"));
    server.quirk_when(when, Quirk::Field(header::LOCATION, location))
}

async fn started(server: Builder) -> Server {
    server.start().await.expect("a server")
}

fn redirected<B>(response: &Response<B>) -> (String, u32, Option<Stopped>) {
    let redirected: &Redirected = response.extensions().get().expect("it says where it comes from");
    (redirected.uri.to_string(), redirected.hops, redirected.stopped)
}

/// Each leg's method, target, octets of content and status.
fn course(connection: &Connection) -> Vec<(&str, &str, u64, u16)> {
    let legs = connection.legs.iter().zip(statuses_on(connection));
    legs.map(|(leg, status)| (leg.method.as_str(), &*leg.target, leg.body_octets, status)).collect()
}

#[tokio::test]
async fn within_an_origin_a_login_outlasts_the_redirect() {
    for content in ["elsewhere", ""] {
        let server = leads(server([Offer::Ntlm]), 302, "next/../../page?q").page(content);
        let server = started(server).await;
        let client = following(authenticator(&server));
        let response = client.request(get(&server, "/status/302")).await.expect("a response");
        assert_eq!(response.status(), 200);
        assert_eq!(redirected(&response), (server.uri("/page?q").to_string(), 1, None));
        assert_eq!(login(&response).legs, 3);
        text(response).await;
        let report = server.report();
        let [connection] = report.connections() else { panic!("{report}") };
        assert_eq!(statuses_on(connection), [401, 401, 302, 200], "{report}");
        assert_eq!(connection.legs[3].target, "/page?q");
    }
}

#[tokio::test]
async fn each_origin_gets_its_own_users_login() {
    for offer in [Offer::Ntlm, Offer::Negotiate, Offer::basic("a realm")] {
        let other = started(server_of_three([offer.clone()])).await;
        let first = leads(server([offer]), 307, &other.uri("/page").to_string());
        let first = started(first).await;
        let both = authenticator(&first).credentials(other.origin(), alice());
        let client = following(both.dangerous_secrets_over_plain_http(true));
        for _ in 0..2 {
            let response = client.request(get(&first, "/status/307")).await.expect("a response");
            assert_eq!((response.status(), redirected(&response).1), (StatusCode::OK, 1));
            assert!(text(response).await.starts_with("alice"));
        }
        let (first, other) = (first.report(), other.report());
        assert_eq!((first.refused(), other.refused()), (0, 0), "{first}{other}");
        assert_eq!((first.connections().len(), other.connections().len()), (1, 1));
        assert_eq!(users(&first.connections()[0]).into_iter().collect::<Vec<_>>(), [USER]);
        assert_eq!(users(&other.connections()[0]).into_iter().collect::<Vec<_>>(), ["alice"]);
    }
}

#[tokio::test]
async fn an_origin_without_credentials_of_its_own_gets_none() {
    let other = started(server([Offer::Ntlm, Offer::basic("a realm")])).await;
    let location = format!("http://carol:carol-pw@{}/page", other.address());
    let first = started(leads(server([Offer::Ntlm]), 302, &location)).await;
    let client = following(authenticator(&first).dangerous_secrets_over_plain_http(true));
    let response = client.request(get(&first, "/status/302")).await.expect("a response");
    assert_eq!(response.status(), 401);
    assert_eq!(redirected(&response), (other.uri("/page").to_string(), 1, None));
    assert!(matches!(response.extensions().get(), Some(Outcome::Refused(_))), "{response:?}");
    text(response).await;
    let report = other.report();
    assert_eq!(statuses(&report), [401], "{report}");
    assert!(report.legs().all(|leg| leg.authorization.is_none()), "{report}");
}

#[tokio::test]
async fn a_requests_own_credentials_follow_within_their_origin_alone() {
    let other = started(server_of_three([Offer::Ntlm])).await;
    let first = leads(server_of_three([Offer::Ntlm]), 302, "/status/307");
    let first = started(leads(first, 307, &other.uri("/").to_string())).await;
    let client = following(authenticator(&first).credentials(other.origin(), bob()));
    let request = acting_as(get(&first, "/status/302"), alice());
    let response = client.request(request).await.expect("a response");
    assert_eq!(redirected(&response).1, 2);
    assert!(text(response).await.starts_with("bob"));
    assert_eq!(statuses(&first.report()), [401, 401, 302, 307]);
    for (server, expected) in [(&first, "alice"), (&other, "bob")] {
        let report = server.report();
        let [connection] = report.connections() else { panic!("{report}") };
        assert_eq!(users(connection).into_iter().collect::<Vec<_>>(), [expected], "{report}");
    }

    let mut nobodys = get(&first, "/status/307");
    nobodys.extensions_mut().insert(Anonymous);
    let response = client.request(nobodys).await.expect("a response");
    assert_eq!((response.status().as_u16(), redirected(&response).1), (401, 0));
}

#[tokio::test]
async fn nobody_stays_nobody_at_another_origin() {
    let other = started(server([Offer::Ntlm])).await;
    let first = started(leads(server([]), 302, &other.uri("/").to_string())).await;
    let client = following(authenticator(&other));
    let mut request = get(&first, "/status/302");
    request.extensions_mut().insert(Anonymous);
    let response = client.request(request).await.expect("a response");
    assert_eq!((response.status().as_u16(), redirected(&response).1), (401, 1));
    assert!(other.report().legs().all(|leg| leg.authorization.is_none()));
}

#[tokio::test]
async fn the_callers_authorization_is_left_alone_and_stays_in_its_origin() {
    let other = started(leads(server([]), 302, "/page")).await;
    let first = leads(server([]), 301, "/status/302");
    let first = started(leads(first, 302, &other.uri("/status/302").to_string())).await;
    let client = following(authenticator(&first));
    let mut request = get(&first, "/status/301");
    for (name, value) in
        [("authorization", "Bearer own"), ("cookie", "a=b"), ("x-key", "k"), ("accept", "*/*")]
    {
        let mut value = HeaderValue::from_static(value);
        value.set_sensitive(name == "x-key");
        request.headers_mut().insert(name, value);
    }
    let response = client.request(request).await.expect("a response");
    assert_eq!((response.status().as_u16(), redirected(&response).1), (200, 3));
    text(response).await;
    let (first, other) = (first.report(), other.report());
    let seen = |leg: &Leg| {
        let has = |name| leg.headers.contains_key(name);
        (leg.authorization.is_some(), has("cookie"), has("x-key"), has("accept"), has("referer"))
    };
    assert_eq!(first.legs().map(seen).collect::<Vec<_>>(), [(true, true, true, true, false); 2], "{first}");
    assert_eq!(
        other.legs().map(seen).collect::<Vec<_>>(),
        [(false, false, false, true, false); 2],
        "{other}"
    );
    let host = |leg: &Leg| leg.headers["host"].to_str().expect("a host").to_owned();
    assert_ne!(first.legs().map(host).next(), other.legs().map(host).next());
}

#[tokio::test]
async fn the_method_and_the_content_follow_as_the_status_says() {
    for (status, method, content) in
        [(301, "GET", 0), (302, "GET", 0), (303, "GET", 0), (307, "POST", 4), (308, "POST", 4)]
    {
        let server = leads(server([Offer::Ntlm]), status, "/page");
        let server = started(server).await;
        let client =
            following(authenticator(&server).declare(server.origin(), "NTLM").expect("a known scheme"));
        let from = format!("/status/{status}");
        let mut request = request("POST", server.uri(&from), "body");
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        let response = client.request(request).await.expect("a response");
        assert_eq!((response.status().as_u16(), redirected(&response).1), (200, 1));
        text(response).await;
        let report = server.report();
        let [connection] = report.connections() else { panic!("{report}") };
        let expected =
            [("POST", &*from, 0, 401), ("POST", &*from, 4, status), (method, "/page", content, 200)];
        assert_eq!(course(connection), expected, "{report}");
        let last = &connection.legs[2];
        assert_eq!(last.headers.contains_key("content-type"), content > 0, "{report}");
        assert_eq!(last.content_length.as_deref(), (content > 0).then_some("4"), "{report}");
    }
}

#[tokio::test]
async fn content_goes_to_another_origin_with_the_leg_that_expects_success() {
    let other = started(server_of_three([Offer::Ntlm])).await;
    let first = started(leads(server([Offer::Ntlm]), 308, &other.uri("/page").to_string())).await;
    let both = authenticator(&first).credentials(other.origin(), alice());
    let client = following(both.declare(other.origin(), "NTLM").expect("a known scheme"));
    let response = client.request(request("PUT", first.uri("/status/308"), "body")).await;
    assert!(text(response.expect("a response")).await.ends_with("4 octets\n"));
    let report = other.report();
    assert_eq!(course(&report.connections()[0]), [("PUT", "/page", 0, 401), ("PUT", "/page", 4, 200)]);
}

#[tokio::test]
async fn content_that_cannot_be_had_again_leaves_the_redirect_to_the_caller() {
    let server = started(leads(leads(server([Offer::Ntlm]), 307, "/page"), 303, "/page")).await;
    let client = FollowRedirects::new(client(&server));
    let response = client.request(request("POST", server.uri("/status/307"), "body")).await;
    let response = response.expect("a response");
    assert_eq!(response.status(), 307);
    let expected = (server.uri("/status/307").to_string(), 0, Some(Stopped::Content));
    assert_eq!(redirected(&response), expected);
    text(response).await;
    // What has none can be had again, and a GET needs none.
    for (path, content) in [("/status/307", ""), ("/status/303", "body")] {
        let response = client.request(request("POST", server.uri(path), content)).await.expect("a response");
        assert_eq!((response.status().as_u16(), redirected(&response).1), (200, 1), "{path}");
        text(response).await;
    }
}

#[tokio::test]
async fn a_challenge_behind_a_redirect_is_met() {
    let open = When::path("/status/307");
    let server = leads(server([Offer::Ntlm]), 307, "/page").quirk_when(open, Quirk::Open);
    let server = started(server).await;
    let client = following(authenticator(&server));
    let response = client.request(request("POST", server.uri("/status/307"), "body")).await;
    let response = response.expect("a response");
    assert_eq!((response.status().as_u16(), login(&response).legs), (200, 3));
    assert!(text(response).await.ends_with("4 octets\n"));
    let report = server.report();
    assert_eq!(statuses(&report), [307, 401, 401, 200], "{report}");
    assert_eq!((report.connections().len(), report.misplaced()), (1, 0), "{report}");
}

#[tokio::test]
async fn a_circle_ends_at_the_limit_and_some_are_not_followed() {
    let circle = leads(server([Offer::Ntlm]), 302, "/status/302");
    let circle = leads(leads(circle, 303, "mailto:carol@lab.example"), 308, "http://localhost:1/");
    let server = started(circle).await;
    let client = following(authenticator(&server));
    let response = client.request(get(&server, "/status/302")).await.expect("a response");
    assert_eq!(response.status(), 302);
    assert_eq!(redirected(&response), (server.uri("/status/302").to_string(), 10, Some(Stopped::Limit)));
    text(response).await;
    assert_eq!(server.report().legs().count(), 13);

    let layer = FollowRedirectsLayer::new(Redirects::default().limit(2).to_other_origins(false));
    for (path, hops, stopped) in [
        ("/status/302", 2, Some(Stopped::Limit)),
        ("/status/303", 0, Some(Stopped::Location)),
        ("/status/308", 0, Some(Stopped::OtherOrigin)),
        ("/status/301", 0, Some(Stopped::Location)),
        ("/status/404", 0, None),
    ] {
        let client = layer.layer(client.inner().clone());
        let response = client.oneshot(get(&server, path)).await.expect("a response");
        assert_eq!(redirected(&response), (server.uri(path).to_string(), hops, stopped));
        text(response).await;
    }
}

#[tokio::test]
async fn an_empty_location_is_not_followed_and_a_fragment_is() {
    for location in ["", " \t"] {
        let server = started(leads(server([Offer::Ntlm]), 302, location)).await;
        let response =
            following(authenticator(&server)).request(get(&server, "/status/302")).await.expect("a response");
        let expected = (server.uri("/status/302").to_string(), 0, Some(Stopped::Location));
        assert_eq!((response.status().as_u16(), redirected(&response)), (302, expected));
        assert!(text(response).await.contains("leg 3"), "the content is the caller's");

        let client = over_reqwest(authenticator(&server)).follow_redirects(Redirects::default());
        let response = client.get(url(&server, "/status/302")).send().await.expect("a response");
        assert_eq!(response.status(), 302);
        response.text().await.expect("a text");
        assert_eq!(statuses(&server.report()), [401, 401, 302, 401, 401, 302]);
    }

    let server = started(leads(server([Offer::Ntlm]), 303, "#done")).await;
    let client = build(Client::builder(authenticator(&server).build()));
    let client = FollowRedirectsLayer::new(Redirects::default().limit(1)).layer(client);
    let response = client.oneshot(request("POST", server.uri("/status/303"), "body")).await;
    let response = response.expect("a response");
    assert_eq!(redirected(&response), (server.uri("/status/303").to_string(), 1, Some(Stopped::Limit)));
    text(response).await;
    let legs: Vec<_> = course(&server.report().connections()[0])[2..]
        .iter()
        .map(|leg| (leg.0.to_owned(), leg.2, leg.3))
        .collect();
    assert_eq!(legs, [("POST".to_owned(), 4, 303), ("GET".to_owned(), 0, 303)]);
}

#[tokio::test]
async fn a_long_redirect_costs_its_connection_and_no_more() {
    let server = leads(server([Offer::Ntlm]), 302, "/page").page(vec![b'.'; 1 << 20]);
    let server = started(server).await;
    let client = following(authenticator(&server));
    let response = client.request(get(&server, "/status/302")).await.expect("a response");
    assert_eq!((response.status().as_u16(), redirected(&response).1), (200, 1));
    assert_eq!(text(response).await.len(), 1 << 20);
    let report = server.report();
    let legs: Vec<_> = report.connections().iter().map(statuses_on).collect();
    assert_eq!(legs, [vec![401, 401, 302], vec![401, 200]], "{report}");
}

#[tokio::test]
async fn the_content_of_a_redirect_is_read_and_its_connection_goes_on() {
    for octets in [0, 1, 8 * 1024, 48 * 1024] {
        let server = started(leads(server([]), 302, "/page").page(vec![b'.'; octets])).await;
        let client = following(authenticator(&server));
        let response = client.request(get(&server, "/status/302")).await.expect("a response");
        assert_eq!((response.status().as_u16(), redirected(&response).1), (200, 1));
        assert_eq!(text(response).await.len(), octets);
        let legs: Vec<_> = server.report().connections().iter().map(statuses_on).collect();
        assert_eq!(legs, [[302, 200]], "{octets}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_redirects_at_once_share_a_few_connections() {
    let server = server([Offer::Ntlm]).page("");
    let server = leads(leads(leads(server, 301, "/status/302"), 302, "/status/303"), 303, "/page");
    let server = started(server).await;
    let client = build(Client::builder(authenticator(&server).build()).max_per_origin(2));
    let client: Following = FollowRedirects::new(client);
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let (client, request) = (client.clone(), server.uri("/status/301"));
        tasks.spawn(async move {
            for _ in 0..8 {
                let response = client.request(crate::support::request("GET", request.clone(), "")).await;
                let response = response.expect("a response");
                assert_eq!((response.status().as_u16(), redirected(&response).1), (200, 3));
                text(response).await;
            }
        });
    }
    without_hanging(tasks.join_all()).await;
    let report = server.report();
    assert_eq!((report.connections().len(), report.handshakes(), report.misplaced()), (2, 2, 0));
}

#[tokio::test]
async fn over_reqwest_too() {
    let other = started(server_of_three([Offer::Ntlm])).await;
    let first = leads(server([Offer::Ntlm]), 302, "/status/307");
    let first = started(leads(first, 307, &format!("{}#there", other.uri("/page")))).await;
    let client = over_reqwest(authenticator(&first).credentials(other.origin(), alice()));
    let client = client.follow_redirects(Redirects::default());
    assert!(client.authenticate(url(&first, "/status/302")).await.expect("a login").is_some());
    assert_eq!(statuses(&first.report()), [401, 401, 302], "a login follows no redirects");

    let response = client.get(url(&first, "/status/302#here")).send().await.expect("a response");
    assert_eq!((response.status().as_u16(), response.url().as_str()), (200, &*url(&other, "/page")));
    assert!(response.text().await.expect("a text").starts_with("alice"));

    let json = serde_json::json!({ "a": [1, 2] });
    let request = client.post(url(&first, "/status/307")).with(|request| request.json(&json));
    let response = request.send().await.expect("a response");
    assert_eq!(response.url().as_str(), url(&other, "/page"));
    assert!(response.text().await.expect("a text").ends_with("11 octets\n"));

    let streamed = client.post(url(&first, "/status/307")).body(Body::wrap(Upload::of(2, 10)));
    let response = streamed.send().await.expect("a response");
    assert_eq!((response.status().as_u16(), response.url().as_str()), (307, &*url(&first, "/status/307")));
    let redirected: &Redirected = response.extensions().get().expect("it says where it comes from");
    assert_eq!(redirected.stopped, Some(Stopped::Content));
    response.text().await.expect("a text");

    let report = first.report();
    assert_eq!((report.connections().len(), report.handshakes()), (1, 1), "{report}");
    let report = other.report();
    assert_eq!((report.connections().len(), report.handshakes()), (1, 1), "{report}");
    assert_eq!(report.legs().last().expect("a leg").method, Method::POST);
}

#[tokio::test]
async fn over_reqwest_a_requests_own_credentials_stay_in_their_origin() {
    let other = started(server_of_three([Offer::Ntlm])).await;
    let first = leads(server_of_three([Offer::Ntlm]), 302, "/status/307");
    let first = started(leads(first, 307, &other.uri("/").to_string())).await;
    let client = over_reqwest(builder().credentials(other.origin(), bob()));
    let client = client.follow_redirects(Redirects::default());
    let request = client.get(url(&first, "/status/302")).credentials(alice());
    let text = request.send().await.expect("a response").text().await.expect("a text");
    assert!(text.starts_with("bob"), "{text}");
    let own = client.get(url(&first, "/status/307")).with(|request| request.bearer_auth("own"));
    own.send().await.expect("a response").text().await.expect("a text");
    for (server, expected) in [(&first, "alice"), (&other, "bob")] {
        let report = server.report();
        let users: Vec<_> = report.connections().iter().flat_map(users).collect();
        assert_eq!(users, [expected], "{report}");
    }
}

#[tokio::test]
async fn what_was_led_on_to_nobody_may_be_sent_again_only_if_it_was_safe() {
    let nobody = "http://127.0.0.1:1/";
    let server = started(leads(server([]), 307, nobody)).await;
    let client = following(authenticator(&server));
    let fail = async |method: &str, uri: http::Uri| {
        let error = client.clone().oneshot(request(method, uri, "body")).await.expect_err("nobody is there");
        (error.is_connect(), error.is_retryable())
    };
    for (method, led_on) in [("POST", (false, false)), ("GET", (true, true))] {
        assert_eq!(fail(method, http::Uri::from_static(nobody)).await, (true, true), "{method}");
        assert_eq!(fail(method, server.uri("/status/307")).await, led_on, "{method}");
    }
}
