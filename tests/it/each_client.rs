//! What clients of this kind have got wrong before, asked of each of ours. Where a failure is one of the layers that
//! they share, more is asked beside those; here is what a client could get wrong for itself.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION, PROXY_AUTHENTICATE};
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use legwork::Credentials;
use legwork::client::reqwest::Client as ReqwestClient;
use legwork::credentials::Anonymous;
use legwork::handshake::{HandshakeError, Outcome, Refusal, Renewal, Why};
use legwork::service::{Environment, ErrorKind, Recorder};
use legwork::testing::{Close, DigestAcceptor, Gate, Offer, Quirk, RefusalBody, Server, When};
use legwork::unversioned::testing::{Fault, Persistence};
use tokio::task::JoinSet;

use crate::any_client::{self, Any, Content, OverLegacy, of, over_each_client, page};
use crate::support::{
    HttpClient, USER, acting_as, alice, authenticator, bob, builder, carol, get, request, server,
    server_of_three, statuses, statuses_on, targets_on, users, whole, without_hanging,
};

over_each_client! {
    bob_never_rides_alices_connection,
    nobody_never_rides_an_authenticated_connection,
    alice_by_negotiate_then_bob_by_basic_takes_a_new_connection,
    the_bearer_token_is_part_of_the_identity,
    clients_share_no_connections,
    a_third_message_never_goes_to_an_idle_authenticated_connection,
    a_connection_in_mid_handshake_is_not_released_to_others,
    a_request_dropped_in_mid_handshake_costs_its_connection,
    credentials_belong_to_one_origin,
    a_redirect_is_delivered_and_nothing_goes_there,
    basic_goes_over_plain_http_only_when_asked_for_by_name,
    no_further_scheme_gets_a_password_that_was_refused,
    a_407_on_a_direct_connection_is_no_proxy_challenge,
    hostile_challenge_messages_end_in_a_clear_error,
    a_wrong_final_token_fails_the_exchange,
    endless_401s_end,
    one_wrong_password_is_tried_once_whatever_the_concurrency,
    a_401_body_past_the_cap_closes_the_connection_and_starts_over,
    connection_close_on_the_first_401_takes_a_new_connection,
    a_connection_closed_in_mid_handshake_starts_over,
    a_server_that_always_closes_in_mid_handshake_ends_in_an_error_that_says_so,
    legs_before_the_last_carry_a_length_of_zero_and_the_body_goes_once,
    an_authenticated_connection_is_not_authenticated_again,
    requests_one_after_the_other_take_one_connection_and_one_login,
    persistent_auth_false_starts_a_fresh_handshake,
    a_401_on_an_authenticated_connection_starts_a_fresh_handshake_once,
    an_idle_connection_that_the_server_closed_costs_the_caller_nothing,
    a_401_after_the_credentials_were_proven_poisons_nothing,
    digest_is_counted_for_each_origin_and_user,
    connections_are_counted_until_they_are_closed,
}

fn refusal(response: &Response<Content>) -> &Refusal {
    match response.extensions().get() {
        Some(Outcome::Refused(refusal)) => refusal,
        other => panic!("no refusal: {other:?}"),
    }
}

async fn send<C: Any>(client: &C, request: Request<Full<Bytes>>) -> Response<Content> {
    without_hanging(client.send(request)).await.expect("a response")
}

/// Fetches a page, and waits until its connection is idle: the next request finds it there.
async fn fetch<C: Any>(client: &C, request: Request<Full<Bytes>>) -> String {
    let page = any_client::fetch(client, request).await;
    without_hanging(async {
        while client.connections().0 != client.connections().1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    page
}

/// Carol's client, by our own NTLM, without Basic over plain http.
fn careful<C: Any>(server: &Server) -> C {
    C::build(legwork::Client::builder(authenticator(server).build()))
}

fn wrong() -> Credentials {
    Credentials::password(USER, "wrong-pw")
}

fn as_nobody(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    request.extensions_mut().insert(Anonymous);
    request
}

fn with_authorization(mut request: Request<Full<Bytes>>, value: &str) -> Request<Full<Bytes>> {
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(value).expect("a value"));
    request
}

// curl CVE-2014-0015, CVE-2026-1965
async fn bob_never_rides_alices_connection<C: Any>() {
    let digest = || {
        let digest = DigestAcceptor::new("lab").user("alice", "alice-pw").user("bob", "bob-pw");
        Offer::judged("Digest", digest)
    };
    for first in [Offer::Negotiate, Offer::Ntlm, digest(), Offer::basic("lab")] {
        let offers = [first, Offer::Negotiate, Offer::Ntlm, Offer::basic("lab")];
        let server = server_of_three(offers).start().await.expect("a server");
        let client: C = of(builder());
        for (path, who) in [("/a", alice()), ("/b", bob()), ("/a", alice()), ("/b", bob())] {
            let page = fetch(&client, acting_as(get(&server, path), who.clone())).await;
            assert!(page.starts_with(who.username().expect("a name")), "{page}");
        }
        let report = server.report();
        let [alices, bobs] = report.connections() else { panic!("{report}") };
        assert_eq!(users(alices), ["alice".to_owned()].into(), "{report}");
        assert_eq!(users(bobs), ["bob".to_owned()].into(), "{report}");
        assert!(targets_on(alices).iter().all(|path| *path == "/a"), "{report}");
        assert!(targets_on(bobs).iter().all(|path| *path == "/b"), "{report}");
    }
}

// curl CVE-2015-3143
async fn nobody_never_rides_an_authenticated_connection<C: Any>() {
    let server = server_of_three([Offer::Negotiate, Offer::Ntlm]).start().await.expect("a server");
    let client: C = of(authenticator(&server));
    fetch(&client, get(&server, "/")).await;
    let response = send(&client, as_nobody(get(&server, "/"))).await;
    assert_eq!(response.status(), 401);
    page(response).await;
    let report = server.report();
    let [_, nobodys] = report.connections() else { panic!("{report}") };
    assert!(
        users(nobodys).is_empty() && nobodys.legs.iter().all(|leg| leg.authorization.is_none()),
        "{report}"
    );
}

// curl CVE-2015-3148, CVE-2026-5545
async fn alice_by_negotiate_then_bob_by_basic_takes_a_new_connection<C: Any>() {
    let server = server_of_three([Offer::Negotiate, Offer::basic("lab")])
        .quirk_when(When::path("/basic"), Quirk::Open)
        .start()
        .await
        .expect("a server");
    let client: C = of(builder());
    fetch(&client, acting_as(get(&server, "/"), alice())).await;
    fetch(&client, with_authorization(get(&server, "/basic"), "Basic Ym9iOmJvYi1wdw==")).await;
    let report = server.report();
    let [alices, bobs] = report.connections() else { panic!("{report}") };
    assert_eq!((targets_on(alices), targets_on(bobs)), (vec!["/"; 3], vec!["/basic"]), "{report}");
}

// curl CVE-2022-22576
async fn the_bearer_token_is_part_of_the_identity<C: Any>() {
    let server = server([]).quirk(Quirk::Open).start().await.expect("a server");
    let client: C = of(authenticator(&server));
    for token in ["one", "two", "one", "two"] {
        let request = get(&server, &format!("/{token}"));
        fetch(&client, with_authorization(request, &format!("Bearer {token}"))).await;
    }
    let report = server.report();
    let [ones, twos] = report.connections() else { panic!("{report}") };
    assert_eq!((targets_on(ones), targets_on(twos)), (vec!["/one"; 2], vec!["/two"; 2]), "{report}");
}

// curl CVE-2022-27782, CVE-2023-27536, CVE-2026-8458, CVE-2026-8932: what is set for a client
async fn clients_share_no_connections<C: Any>() {
    let server = server([Offer::Negotiate]).start().await.expect("a server");
    let authenticator = authenticator(&server).build();
    let clients = [(); 2].map(|()| C::build(legwork::Client::builder(authenticator.clone())));
    for _ in 0..2 {
        for client in &clients {
            fetch(client, get(&server, "/")).await;
        }
    }
    assert_eq!(server.report().connections().len(), 2, "{}", server.report());
}

// curl PR 682
async fn a_third_message_never_goes_to_an_idle_authenticated_connection<C: Any>() {
    let gate = Gate::closed();
    let server = server([Offer::Ntlm])
        .quirk_when(When::path("/held"), Quirk::HeldBy(gate.clone()))
        .start()
        .await
        .expect("a server");
    let client: C = of(authenticator(&server));
    fetch(&client, get(&server, "/")).await;
    let first = tokio::spawn(client.send(get(&server, "/held/one")));
    without_hanging(gate.held(1)).await;
    let second = tokio::spawn(client.send(get(&server, "/held/two")));
    without_hanging(gate.held(2)).await;
    gate.admit(1);
    page(first.await.expect("no panic").expect("a response")).await;
    gate.open();
    page(second.await.expect("no panic").expect("a response")).await;
    let report = server.report();
    assert_eq!((report.misplaced(), report.handshakes()), (0, 2), "{report}");
    let [firsts, seconds] = report.connections() else { panic!("{report}") };
    assert_eq!(targets_on(firsts), ["/", "/", "/", "/held/one"], "{report}");
    assert_eq!(targets_on(seconds), ["/held/two", "/held/two"], "{report}");
}

// Apache HTTPCLIENT-2170
async fn a_connection_in_mid_handshake_is_not_released_to_others<C: Any>() {
    let gate = Gate::closed();
    let server = server([Offer::Ntlm])
        .quirk_when(When::legs(1..=2).connections(2..=2), Quirk::HeldBy(gate.clone()))
        .start()
        .await
        .expect("a server");
    let client: C = of(authenticator(&server));
    fetch(&client, get(&server, "/")).await;
    client.close_idle();
    let first = tokio::spawn(client.send(get(&server, "/first")));
    for _ in 0..2 {
        without_hanging(gate.held(1)).await;
        any_client::fetch(&client, as_nobody(get(&server, "/public"))).await;
        any_client::fetch(&client, get(&server, "/other")).await;
        gate.admit(1);
    }
    page(first.await.expect("no panic").expect("a response")).await;
    let report = server.report();
    assert_eq!(targets_on(&report.connections()[1]), ["/first"; 2], "{report}");
}

// hyper-util's cache
async fn a_request_dropped_in_mid_handshake_costs_its_connection<C: Any>() {
    for leg in 1..=3 {
        let gate = Gate::closed();
        let server = server([Offer::Ntlm])
            .quirk_when(When::leg(leg).connections(..=1), Quirk::HeldBy(gate.clone()))
            .start()
            .await
            .expect("a server");
        let client: C = of(authenticator(&server));
        let dropped = tokio::spawn(client.send(get(&server, "/dropped")));
        without_hanging(gate.held(1)).await;
        dropped.abort();
        fetch(&client, get(&server, "/")).await;
        let report = server.report();
        let [first, second] = report.connections() else { panic!("{report}") };
        assert!(targets_on(first).iter().all(|path| *path == "/dropped"), "{report}");
        assert!(targets_on(second).iter().all(|path| *path == "/") && report.misplaced() == 0, "{report}");
    }
}

async fn credentials_belong_to_one_origin<C: Any>() {
    let ours = server([Offer::Ntlm]).start().await.expect("a server");
    let other = server([Offer::Negotiate, Offer::Ntlm, Offer::basic("lab")]).start().await.expect("a server");
    let client: C = of(authenticator(&ours));
    fetch(&client, get(&ours, "/")).await;
    let response = send(&client, get(&other, "/")).await;
    assert_eq!(response.status(), 401);
    assert!(refusal(&response).tried.iter().all(|tried| tried.why == Why::NoCredentials));
    assert!(other.report().legs().all(|leg| leg.authorization.is_none()), "{}", other.report());
}

// curl CVE-2018-1000007, 2022-27774, 2022-27776, 2025-14524, 2026-3783
async fn a_redirect_is_delivered_and_nothing_goes_there<C: Any>() {
    let other = server([Offer::Ntlm]).start().await.expect("a server");
    let location = HeaderValue::from_str(&other.uri("/").to_string()).expect("a value");
    let server = server([Offer::Ntlm])
        .quirk_when(When::path("/status/302"), Quirk::Field(LOCATION, location))
        .start()
        .await
        .expect("a server");
    let client: C = of(authenticator(&server));
    let response = send(&client, get(&server, "/status/302")).await;
    assert_eq!(response.status(), 302);
    page(response).await;
    assert_eq!(other.report().connections().len(), 0, "{}", other.report());
}

// dotnet 51701
async fn basic_goes_over_plain_http_only_when_asked_for_by_name<C: Any>() {
    let server = server([Offer::basic("lab")]).start().await.expect("a server");
    let response = send(&careful::<C>(&server), get(&server, "/")).await;
    assert_eq!((response.status().as_u16(), &refusal(&response).tried[0].why), (401, &Why::RevealsSecret));
    assert!(server.report().legs().all(|leg| leg.authorization.is_none()));
    let client: C = of(authenticator(&server));
    fetch(&client, get(&server, "/")).await;
}

// dotnet 51701
async fn no_further_scheme_gets_a_password_that_was_refused<C: Any>() {
    let offers = [Offer::Negotiate, Offer::Ntlm, Offer::basic("lab")];
    let server = server(offers).start().await.expect("a server");
    let client: C = of(builder().credentials(server.origin(), wrong()));
    for _ in 0..3 {
        let response = send(&client, get(&server, "/")).await;
        assert!(response.status() == 401 && !refusal(&response).tried.is_empty());
        page(response).await;
    }
    let report = server.report();
    assert_eq!(report.attempts(), 1, "{report}");
    let mut seen = report.legs().filter_map(|leg| leg.authorization.as_ref());
    assert!(seen.all(|seen| seen.scheme == "Negotiate"), "{report}");
}

// Firefox, Chromium
async fn a_407_on_a_direct_connection_is_no_proxy_challenge<C: Any>() {
    let challenge = Quirk::Field(PROXY_AUTHENTICATE, HeaderValue::from_static("NTLM"));
    let server = server([Offer::Ntlm]).quirk_when(When::path("/status/407"), challenge).start().await;
    let server = server.expect("a server");
    let client: C = of(authenticator(&server).proxy_credentials(server.origin(), carol()));
    fetch(&client, get(&server, "/")).await;
    let response = send(&client, get(&server, "/status/407")).await;
    assert!(response.status() == 407 && response.extensions().get::<Outcome>().is_none());
    page(response).await;
    let report = server.report();
    assert!(report.legs().all(|leg| leg.proxy_authorization.is_none()), "{report}");
    assert_eq!(report.legs().filter(|leg| leg.target == "/status/407").count(), 1, "{report}");
}

// curl CVE-2018-16890, 2019-3822, 2017-8816, 2018-14618; libsoup CVE-2026-0719
async fn hostile_challenge_messages_end_in_a_clear_error<C: Any>() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        for fault in
            [Fault::LeftOut, Fault::NotBase64, Fault::Garbage, Fault::Truncated, Fault::HostileLengths]
        {
            let server =
                server([offer.clone()]).quirk(Quirk::ChallengeToken(fault)).start().await.expect("a server");
            let client: C = of(authenticator(&server));
            match without_hanging(client.send(get(&server, "/"))).await {
                Ok(response) => assert!(response.status() == 401 && !refusal(&response).tried.is_empty()),
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Handshake(_)), "{fault:?}: {}", whole(&error));
                }
            }
            let report = server.report();
            assert_eq!((report.attempts(), report.misplaced()), (0, 0), "{fault:?}: {report}");
            assert!(report.legs().count() <= 8, "{fault:?}: {report}");
        }
    }
}

// Apache HttpClient CVE-2026-40542, AsyncHttpClient 2235
async fn a_wrong_final_token_fails_the_exchange<C: Any>() {
    for fault in [Fault::WrongMic, Fault::Garbage, Fault::Truncated] {
        let server =
            server([Offer::Negotiate]).quirk(Quirk::FinalToken(fault)).start().await.expect("a server");
        let client: C = of(authenticator(&server));
        let error = without_hanging(client.send(get(&server, "/"))).await.expect_err("no proof");
        let is_found = matches!(error.kind(), ErrorKind::Handshake(HandshakeError::FinalToken(_)));
        assert!(is_found, "{fault:?}: {}", whole(&error));
        without_hanging(server.wait_for(|report| report.open() == 0)).await;
    }
}

// HTTPCLIENT-1142, 1383; gokrb5; .NET
async fn endless_401s_end<C: Any>() {
    for (offer, quirk) in [
        (Offer::Ntlm, Quirk::ChallengeAgain),
        (Offer::Negotiate, Quirk::ChallengeAgain),
        (Offer::Ntlm, Quirk::Deny),
        (Offer::basic("lab"), Quirk::Deny),
    ] {
        let server = server([offer.clone()]).quirk(quirk.clone()).start().await.expect("a server");
        let client: C = of(authenticator(&server));
        for _ in 0..3 {
            match without_hanging(client.send(get(&server, "/"))).await {
                Ok(response) => assert_eq!(response.status(), 401),
                Err(error) => assert!(matches!(error.kind(), ErrorKind::Handshake(_)), "{}", whole(&error)),
            }
        }
        let report = server.report();
        assert!(report.legs().count() <= 24 && report.attempts() <= 3, "{offer:?} {quirk:?}: {report}");
    }
}

// px 234
async fn one_wrong_password_is_tried_once_whatever_the_concurrency<C: Any>() {
    for offer in [Offer::Ntlm, Offer::Negotiate, Offer::basic("lab")] {
        let server = Arc::new(server([offer]).start().await.expect("a server"));
        let client: C = of(builder().credentials(server.origin(), wrong()));
        let mut tasks = JoinSet::new();
        for _ in 0..32 {
            let (client, server) = (client.clone(), Arc::clone(&server));
            tasks.spawn(async move {
                let response = send(&client, get(&server, "/")).await;
                assert!(response.status() == 401 && !refusal(&response).tried.is_empty());
                page(response).await
            });
        }
        without_hanging(tasks.join_all()).await;
        assert_eq!(server.report().attempts(), 1, "{}", server.report());
    }
}

async fn a_401_body_past_the_cap_closes_the_connection_and_starts_over<C: Any>() {
    for body in [RefusalBody::Endless, RefusalBody::Large(1 << 20)] {
        let server = server([Offer::Ntlm])
            .quirk_when(When::always().connections(..=1), Quirk::RefusalBody(body.clone()))
            .start()
            .await
            .expect("a server");
        let client: C = of(authenticator(&server));
        fetch(&client, get(&server, "/")).await;
        let report = server.report();
        assert_eq!(statuses_on(&report.connections()[0]), [401], "{body:?}: {report}");
        assert_eq!(statuses_on(&report.connections()[1]), [401, 200], "{body:?}: {report}");
    }
}

// curl "Connection closure while negotiating"
async fn connection_close_on_the_first_401_takes_a_new_connection<C: Any>() {
    for quirk in [Quirk::Close(Close::Announced), Quirk::Http10] {
        let server = server([Offer::Ntlm])
            .quirk_when(When::leg(1).connections(..=1), quirk.clone())
            .start()
            .await
            .expect("a server");
        let client: C = of(authenticator(&server));
        fetch(&client, request("POST", server.uri("/"), "twelve bytes")).await;
        let report = server.report();
        let [first, second] = report.connections() else { panic!("{quirk:?}: {report}") };
        assert_eq!((statuses_on(first), statuses_on(second)), (vec![401], vec![401, 200]), "{report}");
    }
}

// curl "Connection closure while negotiating"
async fn a_connection_closed_in_mid_handshake_starts_over<C: Any>() {
    // Where the end is not announced, a POST may be on its way by then, which is not sent twice.
    for (close, method, body) in [
        (Close::Announced, "POST", "twelve bytes"),
        (Close::Unannounced, "GET", ""),
        (Close::WithoutAnswer, "POST", "twelve bytes"),
    ] {
        let server = server([Offer::Ntlm])
            .quirk_when(When::leg(2).connections(..=1), Quirk::Close(close))
            .start()
            .await
            .expect("a server");
        let client: C = of(authenticator(&server));
        fetch(&client, request(method, server.uri("/"), body)).await;
        let report = server.report();
        assert_eq!(report.connections().len(), 2, "{close:?}: {report}");
        assert_eq!((report.handshakes(), report.misplaced()), (1, 0), "{close:?}: {report}");
    }
}

// curl "Connection closure while negotiating"
async fn a_server_that_always_closes_in_mid_handshake_ends_in_an_error_that_says_so<C: Any>() {
    for quirk in [Quirk::Close(Close::Announced), Quirk::Http10] {
        let server = server([Offer::Ntlm]).quirk(quirk).start().await.expect("a server");
        let authenticator = authenticator(&server).declare(server.origin(), "NTLM").expect("a known scheme");
        let client: C = of(authenticator);
        let error = without_hanging(client.send(get(&server, "/"))).await.expect_err("no keep-alive");
        let closed = Renewal::ClosedInHandshake;
        let says_so = matches!(error.kind(), ErrorKind::NewConnectionNeeded(why) if *why == closed);
        assert!(says_so, "{}", whole(&error));
        assert_eq!(server.report().connections().len(), 4, "three restarts: {}", server.report());
    }
}

// cyberduck 15868, requests-ntlm 87
async fn legs_before_the_last_carry_a_length_of_zero_and_the_body_goes_once<C: Any>() {
    for (scheme, offer) in [("NTLM", Offer::Ntlm), ("Negotiate", Offer::Negotiate)] {
        let server = server([offer]).start().await.expect("a server");
        let authenticator = authenticator(&server).declare(server.origin(), scheme).expect("a known scheme");
        let client: C = of(authenticator);
        fetch(&client, request("POST", server.uri("/"), "twelve bytes")).await;
        let report = server.report();
        let legs: Vec<_> =
            report.legs().map(|leg| (leg.content_length.as_deref(), leg.body_octets)).collect();
        assert_eq!(legs, [(Some("0"), 0), (Some("12"), 12)], "{report}");
    }
}

/// The end of a response is known before what moves its connection has seen it. A request that follows at once goes over the same
/// connection all the same.
async fn requests_one_after_the_other_take_one_connection_and_one_login<C: Any>() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = careful::<C>(&server);
    for _ in 0..500 {
        any_client::fetch(&client, get(&server, "/")).await;
        any_client::fetch(&client, request("POST", server.uri("/"), "a body")).await;
    }
    let report = server.report();
    assert_eq!((report.connections().len(), report.handshakes()), (1, 1));
}

// httpx-ntlm 11
async fn an_authenticated_connection_is_not_authenticated_again<C: Any>() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        let server = server([offer]).start().await.expect("a server");
        let client: C = of(authenticator(&server));
        for _ in 0..10 {
            fetch(&client, get(&server, "/")).await;
        }
        let report = server.report();
        assert_eq!((report.connections().len(), report.handshakes(), report.legs().count()), (1, 1, 12));
    }
}

// IIS
async fn persistent_auth_false_starts_a_fresh_handshake<C: Any>() {
    let server =
        server([Offer::Ntlm]).quirk(Quirk::Persistence(Persistence::Denied)).start().await.expect("a server");
    let client: C = of(authenticator(&server));
    for _ in 0..3 {
        fetch(&client, get(&server, "/")).await;
    }
    assert_eq!(statuses(&server.report()), [401, 401, 200, 401, 200, 401, 200], "{}", server.report());
}

// IIS
async fn a_401_on_an_authenticated_connection_starts_a_fresh_handshake_once<C: Any>() {
    let server = server([Offer::Ntlm])
        .quirk(Quirk::Persistence(Persistence::Forgotten))
        .start()
        .await
        .expect("a server");
    let client: C = of(authenticator(&server));
    fetch(&client, get(&server, "/")).await;
    fetch(&client, request("POST", server.uri("/"), "twelve bytes")).await;
    assert_eq!(statuses(&server.report()), [401, 401, 200, 401, 401, 200], "{}", server.report());
}

// keep-alive race
async fn an_idle_connection_that_the_server_closed_costs_the_caller_nothing<C: Any>() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client: C = of(authenticator(&server));
    for round in 0..20 {
        let method = if round % 2 == 0 { "GET" } else { "PUT" };
        fetch(&client, request(method, server.uri("/"), "")).await;
        server.close_idle();
        if round % 4 < 2 {
            without_hanging(server.wait_for(|report| report.open() == 0)).await;
        }
    }
    assert_eq!(server.report().misplaced(), 0, "{}", server.report());
}

// IIS 401.3 (an ACL)
async fn a_401_after_the_credentials_were_proven_poisons_nothing<C: Any>() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client: C = of(authenticator(&server));
    fetch(&client, get(&server, "/")).await;
    for _ in 0..2 {
        let response = send(&client, get(&server, "/denied")).await;
        assert_eq!(response.status(), 401);
        assert_eq!(refusal(&response).tried.last().expect("something was tried").why, Why::Denied);
        page(response).await;
        fetch(&client, get(&server, "/")).await;
    }
}

// curl CVE-2026-7168, 8927, 11856
async fn digest_is_counted_for_each_origin_and_user<C: Any>() {
    let judge = || DigestAcceptor::new("lab").user("alice", "alice-pw").user("bob", "bob-pw");
    let first = server_of_three([Offer::judged("Digest", judge())]).start().await.expect("a server");
    let other = server_of_three([Offer::judged("Digest", judge())]).start().await.expect("a server");
    let client: C = of(builder());
    for _ in 0..2 {
        for server in [&first, &other] {
            for who in [alice(), bob()] {
                fetch(&client, acting_as(get(server, "/"), who)).await;
            }
        }
    }
    for server in [&first, &other] {
        let report = server.report();
        assert_eq!(report.refused(), 0, "{report}");
        // Each user is challenged once at each of them.
        assert_eq!(statuses(&report), [401, 200, 200, 401, 200, 200], "{report}");
    }
}

async fn connections_are_counted_until_they_are_closed<C: Any>() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    for is_watched in [false, true] {
        let mut builder = legwork::Client::builder(authenticator(&server).build());
        if is_watched {
            builder = builder.environment(Environment::tokio().observer(Recorder::new()));
        }
        let client = C::build(builder);
        assert_eq!(client.connections(), (0, 0));
        fetch(&client, get(&server, "/")).await;
        assert_eq!(client.connections(), (1, 1));
        client.close_idle();
        assert_eq!(client.connections(), (0, 0));
        fetch(&client, get(&server, "/")).await;
        assert_eq!(client.connections(), (1, 1));
        without_hanging(client.shut_down()).await;
        assert_eq!(client.connections(), (0, 0));
        let error = client.send(get(&server, "/")).await.expect_err("it is shut down");
        assert!(matches!(error.kind(), ErrorKind::ShutDown), "{error:?}");
    }
}
