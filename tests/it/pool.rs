//! The pool: who gets a connection, and for how long it lives.

use std::time::Duration;

use http_body_util::BodyExt;
use legwork::Client;
use legwork::client::ClientBuilder;
use legwork::credentials::Anonymous;
use legwork::service::ErrorKind;
use legwork::testing::{Gate, Offer, Quirk, Server, When};

use crate::support::*;

/// A server whose pages below `/held` wait behind the gate.
async fn server_with(gate: &Gate) -> Server {
    let held = Quirk::HeldBy(gate.clone());
    server_of_three([Offer::Ntlm])
        .quirk_when(When::path("/public/held"), held)
        .start()
        .await
        .expect("a server")
}

fn builder(server: &Server) -> ClientBuilder {
    Client::builder(authenticator(server).build())
}

#[tokio::test]
async fn requests_past_the_limit_wait_first_come_first_served() {
    let gate = Gate::closed();
    let server = server_with(&gate).await;
    let client = build(builder(&server).max_per_origin(1));
    let first = tokio::spawn(client.request(get(&server, "/public/held")));
    without_hanging(gate.held(1)).await;
    let mut waiting = Vec::new();
    for path in ["/public/2", "/public/3", "/public/4", "/public/5"] {
        waiting.push(tokio::spawn(begun(client.request(get(&server, path))).await));
    }
    gate.open();
    text(first.await.expect("no panic").expect("a response")).await;
    for waiting in waiting {
        text(without_hanging(waiting).await.expect("no panic").expect("a response")).await;
    }
    let report = server.report();
    assert_eq!(report.connections().len(), 1, "{report}");
    let order = ["/public/held", "/public/2", "/public/3", "/public/4", "/public/5"];
    assert_eq!(targets_on(&report.connections()[0]), order);
}

#[tokio::test]
async fn a_waiter_that_gave_up_is_passed_over() {
    let gate = Gate::closed();
    let server = server_with(&gate).await;
    let client = build(builder(&server).max_per_origin(1));
    let first = tokio::spawn(client.request(get(&server, "/public/held")));
    without_hanging(gate.held(1)).await;
    let gives_up = begun(client.request(get(&server, "/public/gives-up"))).await;
    let waits = tokio::spawn(begun(client.request(get(&server, "/public/waits"))).await);
    drop(gives_up);
    gate.open();
    text(first.await.expect("no panic").expect("a response")).await;
    text(without_hanging(waits).await.expect("no panic").expect("a response")).await;
    assert_eq!(targets_on(&server.report().connections()[0]), ["/public/held", "/public/waits"]);
    assert_eq!((settled(&client).await, client.connections()), (1, (1, 1)));
}

#[tokio::test]
async fn a_waiter_that_gives_up_after_it_was_served_passes_it_on() {
    let gate = Gate::closed();
    let server = server_with(&gate).await;
    let client = build(builder(&server).max_per_origin(1));
    let first = tokio::spawn(client.request(get(&server, "/public/held")));
    without_hanging(gate.held(1)).await;
    let gives_up = begun(client.request(get(&server, "/public/gives-up"))).await;
    gate.open();
    // The connection comes back and is given to who waits for it, who does not look any more.
    text(first.await.expect("no panic").expect("a response")).await;
    drop(gives_up);
    without_hanging(fetch(&client, get(&server, "/public/next"))).await;
    assert_eq!((settled(&client).await, client.connections()), (1, (1, 1)));
}

#[tokio::test]
async fn the_total_limit_holds_across_origins() {
    let gate = Gate::closed();
    let (one, two) = (server_with(&gate).await, server_with(&gate).await);
    let client = build(builder(&one).max_total(2));
    let held: Vec<_> = [&one, &two]
        .map(|server| tokio::spawn(client.request(get(server, "/public/held"))))
        .into_iter()
        .collect();
    without_hanging(gate.held(2)).await;
    let third = tokio::spawn(begun(client.request(get(&two, "/public/third"))).await);
    assert_eq!(client.connections(), (2, 0));
    gate.open();
    for held in held {
        text(held.await.expect("no panic").expect("a response")).await;
    }
    text(without_hanging(third).await.expect("no panic").expect("a response")).await;
    assert!(one.report().connections().len() + two.report().connections().len() <= 3);
    assert!(client.connections().0 <= 2);
}

#[tokio::test]
async fn an_idle_connection_to_another_origin_makes_room_within_the_total() {
    let gate = Gate::closed();
    let (one, two) = (server_with(&gate).await, server_with(&gate).await);
    let client = build(builder(&one).max_total(1));
    for server in [&one, &two, &one] {
        without_hanging(fetch(&client, get(server, "/public"))).await;
        settled(&client).await;
    }
    without_hanging(two.wait_for(|report| report.open() == 0)).await;
    assert_eq!((client.connections(), one.report().open()), ((1, 1), 1));
}

#[tokio::test]
async fn a_waiter_blocked_by_idle_connections_of_others_closes_the_oldest() {
    // The order of coming back counts, not that of a table: one round would prove little.
    for _ in 0..8 {
        let server = server_of_three([Offer::Ntlm]).start().await.expect("a server");
        let client = build(builder(&server).max_per_origin(3));
        for (path, who) in [("/1", Some(alice())), ("/2", Some(bob())), ("/3", None)] {
            let request = get(&server, path);
            fetch(&client, who.map_or_else(|| get(&server, path), |who| acting_as(request, who))).await;
            settled(&client).await;
        }
        let mut nobodys = get(&server, "/public/4");
        nobodys.extensions_mut().insert(Anonymous);
        without_hanging(fetch(&client, nobodys)).await;
        let report = without_hanging(server.wait_for(|report| report.open() == 3)).await;
        let closed: Vec<_> = report.connections().iter().map(|connection| connection.closed).collect();
        assert_eq!(closed, [true, false, false, false], "{report}");
    }
}

#[tokio::test]
async fn a_waiter_of_another_identity_gets_the_place_of_a_connection_that_comes_back() {
    let gate = Gate::closed();
    let server = server_with(&gate).await;
    let client = build(builder(&server).max_per_origin(1));
    let alices = tokio::spawn(client.request(acting_as(get(&server, "/public/held"), alice())));
    without_hanging(gate.held(1)).await;
    let bobs = tokio::spawn(begun(client.request(acting_as(get(&server, "/bob"), bob()))).await);
    gate.open();
    text(alices.await.expect("no panic").expect("a response")).await;
    text(without_hanging(bobs).await.expect("no panic").expect("a response")).await;
    let report = server.report();
    assert_eq!(report.connections().len(), 2, "{report}");
    assert_eq!(users(&report.connections()[1]), ["bob".to_owned()].into());
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time() {
    let server = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    let client = build(builder(&server).idle_timeout(Duration::from_millis(40)));
    fetch(&client, get(&server, "/")).await;
    without_hanging(server.wait_for(|report| report.open() == 0)).await;
    assert_eq!(client.connections(), (0, 0));
    fetch(&client, get(&server, "/")).await;
    assert_eq!(server.report().connections().len(), 2);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_leaves_the_pool() {
    let server = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    let client = build(builder(&server).idle_timeout(Duration::from_millis(400)));
    fetch(&client, get(&server, "/")).await;
    server.close_idle();
    settled_at(&client, (0, 0)).await;
}

#[tokio::test]
async fn no_more_connections_are_kept_idle_than_may_be() {
    let gate = Gate::closed();
    let server = server_with(&gate).await;
    let client = build(builder(&server).max_idle_per_origin(2));
    let held: Vec<_> = (0..5).map(|_| tokio::spawn(client.request(get(&server, "/public/held")))).collect();
    without_hanging(gate.held(5)).await;
    gate.open();
    for held in held {
        text(held.await.expect("no panic").expect("a response")).await;
    }
    assert_eq!((settled(&client).await, client.connections()), (2, (2, 2)));
    without_hanging(server.wait_for(|report| report.open() == 2)).await;
}

#[tokio::test]
async fn close_idle_spares_what_is_under_way_and_closes_it_afterwards() {
    let gate = Gate::closed();
    let server = server_with(&gate).await;
    let client = build(builder(&server));
    let held = tokio::spawn(client.request(get(&server, "/public/held")));
    without_hanging(gate.held(1)).await;
    fetch(&client, get(&server, "/public")).await;
    settled_at(&client, (2, 1)).await;
    client.close_idle();
    assert_eq!(client.connections(), (1, 0));
    without_hanging(server.wait_for(|report| report.open() == 1)).await;
    gate.open();
    text(held.await.expect("no panic").expect("a response")).await;
    settled_at(&client, (0, 0)).await;
    without_hanging(server.wait_for(|report| report.open() == 0)).await;
}

async fn settled_at(client: &HttpClient, counts: (usize, usize)) {
    without_hanging(async {
        while client.connections() != counts {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn shutting_down_waits_for_what_is_under_way_and_refuses_what_is_new() {
    let gate = Gate::closed();
    let server = server_with(&gate).await;
    let client = build(builder(&server).max_per_origin(2));
    fetch(&client, get(&server, "/public")).await;
    let held: Vec<_> = (0..2).map(|_| tokio::spawn(client.request(get(&server, "/public/held")))).collect();
    without_hanging(gate.held(2)).await;
    let waiting = begun(client.request(get(&server, "/public/waiting"))).await;
    let clone = client.clone();
    let mut closing = begun(async move { clone.shut_down().await }).await;
    for refused in [waiting, Box::pin(client.request(get(&server, "/public/new")))] {
        let error = without_hanging(refused).await.expect_err("shut down");
        assert!(matches!(error.kind(), ErrorKind::ShutDown), "{error:?}");
    }
    gate.open();
    let mut responses = Vec::new();
    for held in held {
        responses.push(held.await.expect("no panic").expect("a response"));
    }
    let still = std::future::poll_fn(|cx| std::task::Poll::Ready(closing.as_mut().poll(cx).is_pending()));
    assert!(still.await, "the bodies have not been read");
    for response in responses {
        text(response).await;
    }
    without_hanging(closing).await;
    assert_eq!(client.connections(), (0, 0));
    without_hanging(server.wait_for(|report| report.open() == 0)).await;
}

#[tokio::test]
async fn a_body_dropped_early_closes_that_connection_alone() {
    let gate = Gate::closed();
    let held = Quirk::HeldBy(gate.clone());
    let server = server([Offer::Ntlm])
        .quirk_when(When::path("/public/held"), held)
        .page(vec![b'p'; 4 << 20])
        .start()
        .await
        .expect("a server");
    let client = build(builder(&server));
    let other = tokio::spawn(client.request(get(&server, "/public/held")));
    without_hanging(gate.held(1)).await;
    let mut response = client.request(get(&server, "/public")).await.expect("a response");
    let frame = response.body_mut().frame().await.expect("a frame").expect("no error");
    assert!(frame.is_data());
    drop(response);
    without_hanging(server.wait_for(|report| report.open() == 1)).await;
    gate.open();
    text(other.await.expect("no panic").expect("a response")).await;
    let page = fetch(&client, get(&server, "/public")).await;
    assert_eq!(page.len(), 4 << 20);
    let report = server.report();
    assert_eq!(report.connections().len(), 2, "{report}");
    assert!(report.connections()[1].closed && !report.connections()[0].closed, "{report}");
}

#[tokio::test]
async fn a_response_without_content_gives_its_connection_back_unread() {
    let server = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    let client = build(builder(&server));
    for _ in 0..3 {
        drop(client.request(request("HEAD", server.uri("/"), "")).await.expect("a response"));
        settled(&client).await;
    }
    assert_eq!(server.report().connections().len(), 1, "{}", server.report());
}

#[tokio::test]
async fn a_clone_shares_the_connections() {
    let server = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    let client = build(builder(&server));
    for client in [client.clone(), client.clone(), client] {
        fetch(&client, get(&server, "/")).await;
    }
    assert_eq!(server.report().connections().len(), 1, "{}", server.report());
}

// hyper-util's cache
#[tokio::test]
async fn a_future_dropped_in_mid_handshake_discards_its_connection() {
    for leg in [1, 2, 3] {
        let gate = Gate::closed();
        let server = server([Offer::Ntlm])
            .quirk_when(When::leg(leg).connections(..=1), Quirk::HeldBy(gate.clone()))
            .start()
            .await
            .expect("a server");
        let client = build(builder(&server));
        let dropped = tokio::spawn(client.request(get(&server, "/dropped")));
        without_hanging(gate.held(1)).await;
        dropped.abort();
        assert!(dropped.await.is_err());
        without_hanging(server.wait_for(|report| report.open() == 0)).await;
        assert_eq!(client.connections(), (0, 0));
        fetch(&client, get(&server, "/")).await;
        let report = server.report();
        assert_eq!(report.connections()[0].legs.len(), leg, "{report}");
        assert_eq!(report.misplaced(), 0);
    }
}

// hyper-util's cache
#[tokio::test]
async fn a_future_dropped_between_legs_discards_its_connection() {
    use legwork::testing::RefusalBody;

    for leg in [1, 2] {
        let gate = Gate::closed();
        let server = server([Offer::Ntlm])
            .quirk_when(
                When::leg(leg).connections(..=1),
                Quirk::RefusalBody(RefusalBody::HeldBy(gate.clone())),
            )
            .start()
            .await
            .expect("a server");
        let client = build(builder(&server));
        let dropped = tokio::spawn(client.request(get(&server, "/dropped")));
        without_hanging(gate.held(1)).await;
        dropped.abort();
        assert!(dropped.await.is_err());
        without_hanging(server.wait_for(|report| report.open() == 0)).await;
        fetch(&client, get(&server, "/")).await;
        let report = server.report();
        assert_eq!(report.connections()[0].legs.len(), leg, "{report}");
        assert_eq!((report.misplaced(), client.connections().0), (0, 1));
    }
}

#[tokio::test]
async fn the_connection_of_an_unfinished_upload_is_never_used_again() {
    let server = server([Offer::Ntlm]).quirk(Quirk::EarlyRefusal).start().await.expect("a server");
    let client: Client<Unfinished> = builder(&server).build_http();
    for _ in 0..2 {
        let mut post = http::Request::post(server.uri("/")).body(Unfinished).expect("a request");
        post.extensions_mut().insert(Anonymous);
        let response = without_hanging(client.request(post)).await.expect("a response");
        assert_eq!(response.status(), 401);
        text(response).await;
    }
    let report = server.report();
    assert_eq!(report.connections().len(), 2, "{report}");
}

/// A body that has begun and never ends.
struct Unfinished;

impl http_body::Body for Unfinished {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn a_response_outlives_its_client() {
    let server = server([Offer::Ntlm]).page(vec![b'p'; 1 << 20]).start().await.expect("a server");
    let client = build(builder(&server));
    let response = client.request(get(&server, "/")).await.expect("a response");
    drop(client);
    assert_eq!(text(response).await.len(), 1 << 20);
    without_hanging(server.wait_for(|report| report.open() == 0)).await;
}

#[test]
fn a_client_that_outlives_its_runtime_is_swept_on_the_next() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let server_runtime = runtime();
    let server = server_runtime.block_on(server([Offer::Ntlm]).start()).expect("a server");
    let client =
        build(Client::builder(authenticator(&server).build()).idle_timeout(Duration::from_millis(40)));
    let one_request = || async {
        text(client.request(get(&server, "/")).await.expect("a response")).await;
    };
    let first = runtime();
    first.block_on(one_request());
    drop(first);
    let second = runtime();
    second.block_on(one_request());
    second.block_on(server.wait_for(|report| report.connections().len() == 2 && report.open() == 0));
}
