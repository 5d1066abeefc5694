//! The client over hyper-util's legacy client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::handshake::AuthenticatorBuilder;
use legwork::testing::{Close, Gate, Offer, Quirk, Server, When};
use legwork::{Client, Credentials};
use tower::ServiceExt;

use crate::support::*;

type OverLegacy = Client<Full<Bytes>>;

fn over_legacy(authenticator: AuthenticatorBuilder) -> OverLegacy {
    let mut settings = legacy::Client::builder(TokioExecutor::new());
    settings.http1_title_case_headers(true);
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    // The client waits longer than any test: what is seen to end has not ended by this.
    let builder = Client::builder(authenticator.build()).idle_timeout(Duration::from_secs(3600));
    builder.max_per_origin(64).build_legacy(settings, connector)
}

/// A request whose answer is a 200, and its text.
async fn page(client: &OverLegacy, request: http::Request<Full<Bytes>>) -> String {
    let response = without_hanging(client.request(request)).await.expect("a response");
    assert_eq!(response.status(), 200, "{:?}", response.extensions().get::<legwork::Outcome>());
    text(response).await
}

#[tokio::test]
async fn each_scheme_logs_in_on_one_connection() {
    for (offer, expected) in schemes_of_origins() {
        let server = server([offer.clone()]).start().await.expect("a server");
        let client = over_legacy(authenticator(&server).dangerous_secrets_over_plain_http(true));
        for target in ["/", "/?a=b%20c"] {
            let text = page(&client, request("POST", server.uri(target), "twelve bytes")).await;
            assert!(text.ends_with("12 octets\n"), "{text}");
        }
        let report = server.report();
        assert_eq!(statuses(&report), expected, "{offer:?}: {report}");
        assert_eq!((report.connections().len(), report.misplaced()), (1, 0), "{offer:?}: {report}");
    }
}

async fn all_succeed(server: Server, tasks: usize, requests: usize) {
    let server = Arc::new(server);
    let (client, asked) = (over_legacy(authenticator(&server)), Arc::clone(&server));
    let report = all_are_served(&server, tasks, requests, move || {
        let (client, server) = (client.clone(), Arc::clone(&asked));
        async move {
            page(&client, get(&server, "/")).await;
        }
    })
    .await;
    assert!(report.connections().len() <= 64);
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

#[tokio::test]
async fn a_connection_that_is_gone_is_noticed_before_a_request_takes_it() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = over_legacy(authenticator(&server));
    page(&client, get(&server, "/")).await;
    server.close_idle();
    server.wait_for(|report| report.open() == 0).await;
    page(&client, get(&server, "/")).await;
    let report = server.report();
    let [_, second] = report.connections() else { panic!("{report}") };
    assert_eq!(statuses_on(second), [401, 200], "{report}");
}

// keep-alive race
#[tokio::test]
async fn a_post_on_a_connection_that_is_found_closed_goes_to_another_one() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = over_legacy(authenticator(&server));
    for round in 0..64 {
        page(&client, get(&server, "/")).await;
        server.close_idle();
        server.wait_for(|report| report.open() == 0).await;
        // Its end is noticed before, while, or after the request takes it.
        for _ in 0..round % 8 {
            tokio::task::yield_now().await;
        }
        page(&client, request("POST", server.uri("/post"), "twelve bytes")).await;
    }
    let report = server.report();
    let posts = report.legs().filter(|leg| leg.target == "/post" && leg.body_octets > 0).count();
    assert_eq!((posts, report.misplaced()), (64, 0), "{report}");
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
            page(&over_legacy(authenticator(&server)), get(&server, "/")).await;
            let report = server.report();
            assert_eq!((report.connections().len(), report.misplaced()), (2, 0), "{close:?} {leg}: {report}");
        }
    }
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
        let client = over_legacy(authenticator(&server));
        let request = tokio::spawn(client.request(get(&server, "/")));
        without_hanging(gate.held(1)).await;
        request.abort();
        page(&client, get(&server, "/")).await;
        let report = server.report();
        assert_eq!((report.connections().len(), report.misplaced()), (2, 0), "{report}");
    }
}

#[tokio::test]
async fn users_have_connections_of_their_own_and_a_wrong_password_is_tried_once() {
    let server = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    let client = over_legacy(authenticator(&server));
    for who in [alice(), bob(), alice(), bob()] {
        page(&client, acting_as(get(&server, "/"), who)).await;
    }
    let wrong = Credentials::password("alice", "wrong-pw");
    for _ in 0..3 {
        let response = client.clone().oneshot(acting_as(get(&server, "/"), wrong.clone())).await;
        let response = response.expect("a response");
        assert_eq!(response.status(), 401);
        text(response).await;
    }
    let report = server.report();
    assert!(report.connections().iter().all(|connection| users(connection).len() <= 1), "{report}");
    assert_eq!((report.attempts(), report.misplaced()), (3, 0), "{report}");
    client.shut_down().await;
    assert_eq!(client.connections(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_closed_here_is_closed_at_the_server() {
    for _ in 0..20 {
        let server = server([Offer::Ntlm]).start().await.expect("a server");
        let client = over_legacy(authenticator(&server));
        for _ in 0..8 {
            page(&client, get(&server, "/")).await;
        }
        client.close_idle();
        assert_eq!(client.connections(), (0, 0));
        without_hanging(server.wait_for(|report| report.open() == 0)).await;
    }
}

/// How many tasks there are on this runtime, the server's among them. The test itself is none.
fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Waits until no connection is open at the server and no more than these tasks are left.
async fn only_left(server: &Server, left: usize) {
    server.wait_for(|report| report.open() == 0).await;
    while tasks() > left {
        tokio::task::yield_now().await;
    }
}

/// 600 users send requests that follow each other quickly, and log out, or not. With a client between them
/// nothing is left but its one task, and without it nothing at all.
async fn six_hundred_users_leave_nothing(log_out: bool) {
    let users: Vec<_> = (0..600).map(|number| (format!("user{number}"), format!("{number}-pw"))).collect();
    let server = users.iter().fold(server([Offer::Ntlm]), |server, user| server.user(&user.0, &user.1));
    let server = server.start().await.expect("a server");
    let before = tasks();
    let client = over_legacy(builder());
    // From beside the runtime's threads: its tasks may be late when the next leg comes.
    for (turn, (name, password)) in users.into_iter().enumerate() {
        let user = Credentials::password(name, password);
        for _ in 0..3 {
            page(&client, acting_as(get(&server, "/"), user.clone())).await;
        }
        // The user is gone while the last answer is still to be read, or before its request was sent.
        let last = client.request(acting_as(get(&server, "/"), user.clone()));
        let unread = if turn % 2 == 0 { Some(last.await.expect("a response")) } else { None };
        if log_out {
            client.log_out(user);
        }
        drop(unread);
    }
    if log_out {
        without_hanging(only_left(&server, before + 1)).await;
        assert_eq!(client.connections(), (0, 0));
    } else {
        assert_ne!(client.connections(), (0, 0));
    }
    drop(client);
    without_hanging(only_left(&server, before)).await;
    let report = server.report();
    assert_eq!((report.misplaced(), report.refused()), (0, 0));
    assert!(report.handshakes() >= 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_who_log_out_leave_no_connection_and_no_task() {
    six_hundred_users_leave_nothing(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_dropped_leaves_no_connection_and_no_task() {
    six_hundred_users_leave_nothing(false).await;
}

#[tokio::test]
async fn a_login_ahead_spares_the_request_its_own() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = over_legacy(authenticator(&server));
    let login = without_hanging(client.authenticate(server.uri("/"))).await.expect("an answer");
    assert_eq!(login.expect("a login").scheme, "NTLM");
    assert!(client.authenticate(server.uri("/")).await.expect("an answer").is_none());
    let response = without_hanging(client.get(server.uri("/"))).await.expect("a response");
    assert_eq!(response.status(), 200);
    text(response).await;
    let report = server.report();
    assert_eq!(statuses(&report), [401, 401, 200, 200, 200], "{report}");
    let methods: Vec<_> = report.legs().map(|leg| leg.method.as_str()).collect();
    assert_eq!(methods, ["HEAD", "HEAD", "HEAD", "HEAD", "GET"], "{report}");
    assert_eq!(report.connections().len(), 1, "{report}");
}

#[tokio::test]
async fn a_login_ahead_that_is_refused_is_an_error() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let wrong = Credentials::password(USER, "wrong-pw");
    let client = over_legacy(builder().credentials(server.origin(), wrong));
    let error = without_hanging(client.authenticate(server.uri("/"))).await.expect_err("a refusal");
    assert!(error.is_refused(), "{error}");
    assert_eq!(error.origin(), Some(&server.origin()));
    assert_eq!(server.report().attempts(), 1);
}
