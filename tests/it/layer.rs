//! The layer alone, over one connection of the caller's own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use legwork::channel_bindings::ChannelBindings;
use legwork::credentials::Anonymous;
use legwork::handshake::{Authenticator, HandshakeError, Outcome, Protocol, Renewal};
use legwork::mechanism::MutualAuthentication;
use legwork::service::{
    Authenticate, AuthenticateLayer, BoxError, ConnectionInfo, Environment, Error, ErrorKind, LegBody,
    LegError, Limits, MakeAuthenticate, Recorder,
};
use legwork::testing::{Close, Gate, Offer, Quirk, RefusalBody, Server, When};
use legwork::unversioned::testing::AuthenticateMessage;
use legwork::{Credentials, Origin};
use tower::{Layer, Service, ServiceExt};

use crate::leaf::{Leaf, origin_form, page, send};
use crate::support::*;

/// An authenticated connection to the server, with carol's password.
async fn connected(server: &Server) -> Authenticate<Leaf> {
    over(server, authenticator(server).build()).await
}

async fn over(server: &Server, authenticator: Authenticator) -> Authenticate<Leaf> {
    let layer = AuthenticateLayer::new(authenticator, ConnectionInfo::new(server.origin()));
    layer.layer(Leaf::connect(server).await)
}

/// A connection for requests that bring their own credentials.
async fn nobodys(server: &Server) -> Authenticate<Leaf> {
    over(server, builder().dangerous_secrets_over_plain_http(true).build()).await
}

fn as_user(path: &str, who: Credentials) -> Request<http_body_util::Full<bytes::Bytes>> {
    acting_as(origin_form("GET", path, ""), who)
}

#[tokio::test]
async fn the_layer_logs_in_over_one_connection() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        let server = server([offer]).start().await.expect("a server");
        let mut service = connected(&server).await;
        let response = send(&mut service, origin_form("GET", "/", "")).await.expect("a response");
        assert_eq!((response.status().as_u16(), login(&response).legs), (200, 3));
        page(response).await;
        let response = send(&mut service, origin_form("POST", "/", "body")).await.expect("a response");
        assert!(response.extensions().get::<Outcome>().is_none());
        assert!(page(response).await.ends_with("leg 4, 4 octets\n"));
        assert_eq!(statuses(&server.report()), [401, 401, 200, 200]);
    }
}

#[tokio::test]
async fn a_maker_makes_connections_that_log_in() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let authenticator = authenticator(&server).build();
    let connect = tower::service_fn(|()| async { Ok::<_, ErrorKind>(Leaf::connect(&server).await) });
    let describe = |(): &(), _: &Leaf| Ok(ConnectionInfo::new(server.origin()));
    let recorder = Recorder::new();
    let environment = Environment::tokio().observer(recorder.clone());
    let mut make = MakeAuthenticate::new(authenticator, connect, describe).environment(environment);
    assert_eq!(format!("{make:?}"), "MakeAuthenticate { .. }");
    for _ in 0..2 {
        let making = make.ready().await.expect("ready").call(());
        assert_eq!(format!("{making:?}"), "MakeFuture { .. }");
        let mut service = making.await.expect("a connection");
        let response = send(&mut service, origin_form("GET", "/", "")).await.expect("a response");
        assert_eq!(response.status(), 200);
        page(response).await;
    }
    let report = server.report();
    assert_eq!((report.connections().len(), report.handshakes()), (2, 2), "{report}");
    // The second one does not wait for a challenge.
    assert_eq!(recorder.take().legs().count(), 5);
}

#[tokio::test]
async fn over_http2_no_login_of_the_connection_is_begun() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let info = ConnectionInfo::new(server.origin()).protocol(Protocol::Http2);
    let mut service =
        AuthenticateLayer::new(authenticator(&server).build(), info).layer(Leaf::connect(&server).await);
    let error = send(&mut service, origin_form("GET", "/", "")).await.expect_err("no login");
    assert!(matches!(error.kind(), ErrorKind::NewConnectionNeeded(Renewal::Http1Needed)), "{error:?}");
    assert_eq!(statuses(&server.report()), [401]);
}

#[tokio::test]
async fn a_dropped_future_takes_the_connection_with_it() {
    for leg in [1, 2, 3] {
        let gate = Gate::closed();
        let held = Quirk::HeldBy(gate.clone());
        let server = server([Offer::Ntlm]).quirk_when(When::leg(leg), held).start().await.expect("a server");
        let mut service = connected(&server).await;
        let request = origin_form("GET", "/", "");
        let ready = ServiceExt::<Request<http_body_util::Full<bytes::Bytes>>>::ready(&mut service);
        let mut answer = Box::pin(ready.await.expect("ready").call(request));
        tokio::select! {
            _ = &mut answer => panic!("the answer is held"),
            () = gate.held(1) => {}
        }
        drop(answer);
        let error = send(&mut service, origin_form("GET", "/", "")).await.expect_err("gone");
        assert!(matches!(error.kind(), ErrorKind::ConnectionGone), "{error:?}");
        without_hanging(server.wait_for(|report| report.open() == 0)).await;
        assert_eq!(server.report().legs().count(), leg);
    }
}

#[tokio::test]
async fn a_body_whose_request_has_failed_is_read_no_further() {
    let unread = Arc::new(Mutex::new(None));
    let refuse = |request: Request<LegBody<Upload>>| {
        let unread = Arc::clone(&unread);
        async move {
            let mut body = request.into_body();
            for _ in 0..2 {
                body.frame().await.expect("a frame").expect("no error");
            }
            *unread.lock().expect("no panic") = Some(body);
            let response = Response::builder().status(401).header(WWW_AUTHENTICATE, "NTLM");
            Ok::<_, BoxError>(response.body(Full::<Bytes>::default()).expect("a response"))
        }
    };
    let origin: Origin = "http://mail.example".parse().expect("an origin");
    let authenticator = builder().credentials(origin.clone(), carol()).build();
    let layer = AuthenticateLayer::new(authenticator, ConnectionInfo::new(origin));
    let mut service = layer.layer(tower::service_fn(refuse));
    let upload = Request::post("/").body(Upload::of(3, 64 << 10)).expect("a request");
    let error = service.ready().await.expect("ready").call(upload).await.expect_err("too late");
    assert!(matches!(error.kind(), ErrorKind::BodyNotReplayable { .. }), "{error:?}");
    let mut body = unread.lock().expect("no panic").take().expect("the first leg's body");
    assert!(body.frame().await.expect("an end").is_err());
}

#[tokio::test]
async fn a_call_without_readiness_while_a_request_is_under_way_is_an_error() {
    let gate = Gate::closed();
    let server = server([Offer::Ntlm]).quirk(Quirk::HeldBy(gate.clone())).start().await.expect("a server");
    let mut service = connected(&server).await;
    let ready = ServiceExt::<Request<http_body_util::Full<bytes::Bytes>>>::ready(&mut service).await;
    let first = tokio::spawn(ready.expect("ready").call(origin_form("GET", "/", "")));
    without_hanging(gate.held(1)).await;
    let error = service.call(origin_form("GET", "/", "")).await.expect_err("lent out");
    assert!(matches!(error.kind(), ErrorKind::ConnectionGone), "{error:?}");
    gate.open();
    page(first.await.expect("no panic").expect("a response")).await;
    page(send(&mut service, origin_form("GET", "/", "")).await.expect("a response")).await;
    assert_eq!(server.report().connections().len(), 1);
}

#[tokio::test]
async fn what_needs_another_connection_says_so() {
    let quirks = [
        (1, Quirk::Close(Close::Announced), Renewal::ClosedAfterChallenge),
        (1, Quirk::Http10, Renewal::ClosedAfterChallenge),
        (2, Quirk::Close(Close::Announced), Renewal::ClosedInHandshake),
        (2, Quirk::Close(Close::WithoutAnswer), Renewal::ClosedInHandshake),
        (1, Quirk::RefusalBody(RefusalBody::Endless), Renewal::LongAnswer),
        (2, Quirk::RefusalBody(RefusalBody::Large(1 << 20)), Renewal::LongAnswer),
    ];
    for (leg, quirk, renewal) in quirks {
        let server =
            server([Offer::Ntlm]).quirk_when(When::leg(leg), quirk.clone()).start().await.expect("a server");
        let mut service = connected(&server).await;
        let error = without_hanging(send(&mut service, origin_form("GET", "/", ""))).await.expect_err("over");
        let says_so = matches!(error.kind(), ErrorKind::NewConnectionNeeded(why) if *why == renewal);
        assert!(says_so, "{quirk:?} in leg {leg}: {error:?}");
        let error = send(&mut service, origin_form("GET", "/", "")).await.expect_err("gone");
        assert!(matches!(error.kind(), ErrorKind::ConnectionGone), "{error:?}");
    }
}

#[tokio::test]
async fn bob_is_kept_off_alices_connection_and_alice_goes_on() {
    let server = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    let mut service = nobodys(&server).await;
    page(send(&mut service, as_user("/", alice())).await.expect("a response")).await;
    let mut anonymous = origin_form("GET", "/", "");
    anonymous.extensions_mut().insert(Anonymous);
    let mut callers_own = origin_form("GET", "/", "");
    callers_own.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer mine"));
    for other in [as_user("/", bob()), anonymous, callers_own, origin_form("GET", "/", "")] {
        let error = send(&mut service, other).await.expect_err("another's connection");
        let other = matches!(error.kind(), ErrorKind::NewConnectionNeeded(Renewal::OtherIdentity));
        assert!(other, "{error:?}");
    }
    page(send(&mut service, as_user("/", alice())).await.expect("a response")).await;
    let report = server.report();
    assert_eq!(users(&report.connections()[0]), ["alice".to_owned()].into());
    assert_eq!(statuses(&report), [401, 401, 200, 200], "{report}");
}

// curl CVE-2015-3148
#[tokio::test]
async fn a_negotiate_connection_counts_as_bound_until_the_server_has_shown_otherwise() {
    let server = server_of_three([Offer::Negotiate]).start().await.expect("a server");
    let authenticator = builder().declare(server.origin(), "Negotiate").expect("a known scheme").build();
    let mut service = over(&server, authenticator).await;
    // The page is open to everyone: alice's token was sent, and nobody says what became of it.
    page(send(&mut service, as_user("/public", alice())).await.expect("a response")).await;
    let error = send(&mut service, as_user("/public", bob())).await.expect_err("alice's connection");
    let other = matches!(error.kind(), ErrorKind::NewConnectionNeeded(Renewal::OtherIdentity));
    assert!(other, "{error:?}");
    assert_eq!(server.report().legs().count(), 1);
}

// curl CVE-2026-5545
#[tokio::test]
async fn bound_state_keeps_out_every_other_scheme() {
    let server = server_of_three([Offer::Negotiate, Offer::basic("lab")]).start().await.expect("a server");
    let mut service = nobodys(&server).await;
    page(send(&mut service, as_user("/", alice())).await.expect("a response")).await;
    let mut basic = origin_form("GET", "/", "");
    basic.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Basic Ym9iOmJvYi1wdw=="));
    let error = send(&mut service, basic).await.expect_err("alice's connection");
    assert!(matches!(error.kind(), ErrorKind::NewConnectionNeeded(Renewal::OtherIdentity)), "{error:?}");
}

#[tokio::test]
async fn a_request_bound_scheme_leaves_nobody_behind_on_the_connection() {
    let server = server_of_three([Offer::basic("lab")]).start().await.expect("a server");
    let mut service = nobodys(&server).await;
    for (who, name) in [(alice(), "alice"), (bob(), "bob"), (alice(), "alice")] {
        let response = send(&mut service, as_user("/", who)).await.expect("a response");
        assert!(page(response).await.starts_with(name));
    }
    let mut anonymous = origin_form("GET", "/", "");
    anonymous.extensions_mut().insert(Anonymous);
    let response = send(&mut service, anonymous).await.expect("a response");
    assert_eq!(response.status(), 401);
    assert_eq!(server.report().connections().len(), 1);
}

#[tokio::test]
async fn an_open_page_proves_nothing_of_its_server() {
    let server = server([Offer::Ntlm]).quirk(Quirk::Open).start().await.expect("a server");
    let required = authenticator(&server).mutual_authentication(MutualAuthentication::Required);
    let mut service = over(&server, required.build()).await;
    let error = send(&mut service, origin_form("GET", "/", "")).await.expect_err("there was no proof");
    assert!(matches!(error.kind(), ErrorKind::Handshake(HandshakeError::Unproven)), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_was_open_serves_each_user_by_the_login_of_that_user() {
    let server = server_of_three([Offer::Ntlm]).quirk_when(When::path("/open"), Quirk::Open);
    let server = server.start().await.expect("a server");
    let mut service = nobodys(&server).await;
    for who in [alice(), bob()] {
        page(send(&mut service, as_user("/open", who)).await.expect("a response")).await;
    }
    let response = send(&mut service, as_user("/", bob())).await.expect("a response");
    assert!(page(response).await.starts_with("bob"));
    assert_eq!(statuses(&server.report()), [200, 200, 401, 401, 200]);
}

#[tokio::test]
async fn a_callers_own_authorization_passes_the_layer_untouched() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let mut service = connected(&server).await;
    let mut request = origin_form("GET", "/", "");
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("NTLM bWluZQ=="));
    let response = send(&mut service, request).await.expect("a response");
    assert_eq!(response.status(), 401);
    assert!(response.extensions().get::<Outcome>().is_none());
    page(response).await;
    assert_eq!(server.report().legs().count(), 1);
}

#[tokio::test]
async fn anonymous_answers_no_challenge() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let mut service = connected(&server).await;
    let mut request = origin_form("GET", "/", "");
    request.extensions_mut().insert(Anonymous);
    let response = send(&mut service, request).await.expect("a response");
    assert_eq!(response.status(), 401);
    page(response).await;
    // Nobody has left nothing behind: the connection can still become carol's.
    let response = send(&mut service, origin_form("GET", "/", "")).await.expect("a response");
    assert_eq!(response.status(), 200);
}

// curl 3280, 3503; davmail 352; gss-ntlmssp 25
#[tokio::test]
async fn channel_bindings_satisfy_extended_protection() {
    let bindings = ChannelBindings::tls_server_end_point(&[7; 32]);
    for (offer, given, status) in [
        (Offer::Ntlm, Some(bindings.clone()), 200),
        (Offer::Negotiate, Some(bindings.clone()), 200),
        (Offer::Ntlm, Some(ChannelBindings::tls_server_end_point(&[8; 32])), 401),
        (Offer::Ntlm, None, 401),
    ] {
        let required = bindings.clone();
        let server = server([offer])
            .ntlm(move |acceptor| acceptor.require_channel_bindings(required.clone()))
            .start()
            .await
            .expect("a server");
        let mut info = ConnectionInfo::new(server.origin());
        if let Some(given) = given.clone() {
            info = info.channel_bindings(given);
        }
        let layer = AuthenticateLayer::new(authenticator(&server).build(), info);
        let mut service = layer.layer(Leaf::connect(&server).await);
        let response = send(&mut service, origin_form("GET", "/", "")).await.expect("a response");
        assert_eq!(response.status(), status, "{given:?}");
    }
}

#[tokio::test]
async fn channel_bindings_that_follow_are_taken_from_an_open_page_too() {
    let bindings = ChannelBindings::tls_server_end_point(&[7; 32]);
    let required = bindings.clone();
    let server = server([Offer::Ntlm])
        .ntlm(move |acceptor| acceptor.require_channel_bindings(required.clone()))
        .quirk_when(When::path("/open"), Quirk::Open);
    let server = server.start().await.expect("a server");
    // The service tells them once, with its first response.
    let untold = Arc::new(Mutex::new(Some(bindings)));
    let leaf = Leaf::connect(&server).await.map_response(move |mut response: Response<Incoming>| {
        if let Some(bindings) = untold.lock().expect("no panic").take() {
            response.extensions_mut().insert(bindings);
        }
        response
    });
    let info = ConnectionInfo::new(server.origin()).channel_bindings_follow();
    let mut service = AuthenticateLayer::new(authenticator(&server).build(), info).layer(leaf);
    for path in ["/open", "/"] {
        let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut service).await.expect("ready");
        let response = ready.call(origin_form("GET", path, "")).await.expect("a response");
        assert_eq!(response.status(), 200, "{path}");
        page(response).await;
    }
    assert_eq!(statuses(&server.report()), [200, 401, 401, 200]);
}

// curl 3280, 3503; davmail 352; gss-ntlmssp 25
#[tokio::test]
async fn without_channel_bindings_their_pair_is_left_out() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let message = third_message_of(&server, authenticator(&server).build()).await;
    assert_eq!(message.channel_bindings_hash(), None);
}

// dotnet 51980, 36644; corefx 33426
#[tokio::test]
async fn the_target_name_on_the_wire_is_the_default_or_the_override() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let message = third_message_of(&server, authenticator(&server).build()).await;
    assert_eq!(message.target_name().as_deref(), Some("HTTP/127.0.0.1"));
    let overridden = authenticator(&server).target_name(server.origin(), "HTTP/real.example").build();
    let message = third_message_of(&server, overridden).await;
    assert_eq!(message.target_name().as_deref(), Some("HTTP/real.example"));
}

async fn third_message_of(server: &Server, authenticator: Authenticator) -> AuthenticateMessage {
    let leaf = Leaf::connect(server).await;
    let sent = leaf.sent();
    let layer = AuthenticateLayer::new(authenticator, ConnectionInfo::new(server.origin()));
    let mut service = layer.layer(leaf);
    let response = send(&mut service, origin_form("GET", "/", "")).await.expect("a response");
    assert_eq!(response.status(), 200);
    let third = sent.last().expect("a third message");
    AuthenticateMessage::parse(&third).expect("an AUTHENTICATE message")
}

/// An origin whose every request is to carry a token, and what each connection makes of it.
async fn with_a_token(
    authenticator: &Authenticator,
    mut answer: impl FnMut() -> Result<u16, BoxError>,
) -> Result<u16, Error> {
    let origin = "https://api.example".parse().expect("an origin");
    let info = ConnectionInfo::new(origin);
    let connection = tower::service_fn(|leg: Request<LegBody<Full<Bytes>>>| {
        let answered = match leg.headers().contains_key(AUTHORIZATION) {
            true => answer(),
            false => Ok(401),
        };
        std::future::ready(answered.map(|status| {
            let response = Response::builder().status(status).header(WWW_AUTHENTICATE, "Bearer");
            response.body(Full::<Bytes>::default()).expect("a response")
        }))
    });
    let service = AuthenticateLayer::new(authenticator.clone(), info).layer(connection);
    service.oneshot(origin_form("GET", "/", "")).await.map(|response| response.status().as_u16())
}

#[tokio::test]
async fn a_connection_that_could_not_be_made_is_no_attempt_at_logging_in() {
    let origin: Origin = "https://api.example".parse().expect("an origin");
    for tries_count in [false, true] {
        let authenticator = builder().credentials(origin.clone(), Credentials::bearer_token("token")).build();
        for _ in 0..16 {
            let nobody = || match tries_count {
                true => Err("it broke".into()),
                false => Err(LegError::NotConnected("nobody listens".into()).into()),
            };
            match with_a_token(&authenticator, nobody).await {
                Ok(status) => assert_eq!((status, tries_count), (401, true), "the token rests"),
                Err(error) if tries_count => {
                    assert!(matches!(error.kind(), ErrorKind::Connection(_)), "{error:?}");
                }
                Err(error) => {
                    let ErrorKind::Connect(source) = error.kind() else { panic!("{error:?}") };
                    assert_eq!(source.to_string(), "nobody listens");
                }
            }
        }
        let status = with_a_token(&authenticator, || Ok(200)).await.expect("a response");
        assert_eq!(status, if tries_count { 401 } else { 200 });
    }
}

#[tokio::test]
async fn a_timer_bounds_the_legs_and_none_does_not() {
    let gate = Gate::closed();
    let held = Quirk::HeldBy(gate.clone());
    let server = server([Offer::Ntlm]).quirk_when(When::leg(2), held).start().await.expect("a server");
    let short = Limits::default().leg_timeout(Duration::from_millis(30));
    let layer = AuthenticateLayer::new(authenticator(&server).build(), ConnectionInfo::new(server.origin()))
        .environment(Environment::tokio().limits(short));
    let mut service = layer.layer(Leaf::connect(&server).await);
    let error = without_hanging(send(&mut service, origin_form("GET", "/", ""))).await.expect_err("slow");
    assert!(matches!(error.kind(), ErrorKind::Timeout(..)), "{error:?}");
}

#[test]
fn an_origin_of_a_target_is_what_a_maker_describes() {
    let uri: Uri = "http://HOST.example:8080/path".parse().expect("a URI");
    let origin = Origin::from_uri(&uri).expect("an origin");
    assert_eq!(origin.to_string(), "http://host.example:8080");
}
