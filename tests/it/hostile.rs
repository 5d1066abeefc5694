//! Servers that mean no good, or have bad days: each ends in an answer or a clear error, and none
//! in a hang.

use std::time::Duration;

use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;
use legwork::Client;
use legwork::handshake::{HandshakeError, Renewal};
use legwork::service::{Environment, Error, ErrorKind, Limits};
use legwork::testing::{Close, Gate, Offer, Quirk, RefusalBody, When};
use legwork::unversioned::testing::Fault;

use crate::support::*;

const FAULTS: [Fault; 5] =
    [Fault::LeftOut, Fault::NotBase64, Fault::Garbage, Fault::Truncated, Fault::HostileLengths];

// curl CVE-2018-16890, 2019-3822, 2017-8816, 2018-14618; libsoup CVE-2026-0719
#[tokio::test]
async fn hostile_challenge_messages_end_in_a_clear_error() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        for fault in FAULTS {
            let server =
                server([offer.clone()]).quirk(Quirk::ChallengeToken(fault)).start().await.expect("a server");
            let client = client(&server);
            let what = format!("{offer:?}, {fault:?}");
            let result = without_hanging(client.request(get(&server, "/"))).await;
            match result {
                Ok(response) => {
                    assert_eq!(response.status(), 401, "{what}");
                    assert!(!refusal(&response).tried.is_empty(), "{what}");
                    text(response).await;
                }
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Handshake(_)), "{what}: {error:?}");
                    assert!(std::error::Error::source(&error).is_some(), "{what}: {}", whole(&error));
                }
            }
            let report = server.report();
            assert_eq!((report.attempts(), report.misplaced()), (0, 0), "{what}: {report}");
            assert!(report.legs().count() <= 8, "{what}: {report}");
            assert_eq!(settled(&client).await, client.connections().1);
        }
    }
}

// Apache HttpClient CVE-2026-40542, AsyncHttpClient 2235
#[tokio::test]
async fn a_wrong_final_token_fails_the_exchange() {
    for fault in [Fault::WrongMic, Fault::NotBase64, Fault::Garbage, Fault::Truncated, Fault::HostileLengths]
    {
        let server =
            server([Offer::Negotiate]).quirk(Quirk::FinalToken(fault)).start().await.expect("a server");
        let client = client(&server);
        let error = without_hanging(client.request(get(&server, "/"))).await.expect_err("no proof");
        let final_token = matches!(error.kind(), ErrorKind::Handshake(HandshakeError::FinalToken(_)));
        assert!(final_token, "{fault:?}: {error:?}");
        assert_eq!(settled(&client).await, 0, "the connection is not trusted any further");
    }
}

// HTTPCLIENT-1142, 1383; gokrb5; .NET
#[tokio::test]
async fn endless_401s_end() {
    for (offer, quirk) in [
        (Offer::Ntlm, Quirk::ChallengeAgain),
        (Offer::Negotiate, Quirk::ChallengeAgain),
        (Offer::Ntlm, Quirk::Deny),
        (Offer::Negotiate, Quirk::Deny),
        (Offer::basic("lab"), Quirk::Deny),
        (Offer::Verbatim("Negotiate"), Quirk::JoinedChallenges),
        (Offer::Verbatim("NTLM"), Quirk::JoinedChallenges),
        (Offer::Verbatim("NTLM TlRMTVNTUAAC"), Quirk::JoinedChallenges),
        (Offer::Verbatim("Basic realm=\"a\", Basic realm=\"b\", Basic realm=\"c\""), Quirk::JoinedChallenges),
        (Offer::Verbatim("NTLM ,,, =\"\" NTLM"), Quirk::JoinedChallenges),
    ] {
        let server = server([offer.clone()]).quirk(quirk.clone()).start().await.expect("a server");
        let authenticator = authenticator(&server).dangerous_secrets_over_plain_http(true).build();
        let client = build(Client::builder(authenticator));
        for _ in 0..3 {
            match without_hanging(client.request(get(&server, "/"))).await {
                Ok(response) => {
                    assert_eq!(response.status(), 401);
                    text(response).await;
                }
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Handshake(_)), "{offer:?} {error:?}");
                }
            }
        }
        let report = server.report();
        assert!(report.legs().count() <= 24, "{offer:?} {quirk:?}: {report}");
        assert!(report.attempts() <= 3, "{offer:?} {quirk:?}: {report}");
    }
}

#[tokio::test]
async fn a_scheme_that_never_finishes_ends_after_the_legs_it_may_take() {
    use legwork::mechanism::{
        Expects, Initiate, Mechanism, MechanismError, Moment, Proves, SecurityContext, Step,
    };
    use legwork::scheme::Negotiate;
    use legwork::testing::{Accept, Acceptor};

    #[derive(Debug)]
    struct Endless;
    impl Mechanism for Endless {
        fn name(&self) -> &'static str {
            "Endless"
        }
        fn oid(&self) -> &'static [u8] {
            &[0x2a]
        }
        fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> {
            Box::new(Endless)
        }
    }
    impl SecurityContext for Endless {
        fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
            let token = b"more".to_vec();
            Ok(Step::Continue { token, context: self, expects: Expects::Challenge, proves: Proves::Nothing })
        }
    }
    impl Acceptor for Endless {
        fn step(&mut self, token: &[u8]) -> Accept {
            Accept::Continue(token.to_vec())
        }
    }

    let server = server([Offer::custom("Negotiate", || Endless)]).start().await.expect("a server");
    let schemes = Negotiate::new(Endless);
    let client = build(Client::builder(authenticator(&server).schemes(schemes).max_legs(7).build()));
    let error = without_hanging(client.request(get(&server, "/"))).await.expect_err("it has to end");
    let bounded = matches!(error.kind(), ErrorKind::Handshake(HandshakeError::TooManyLegs(7)));
    assert!(bounded, "{error:?}");
    assert_eq!(server.report().legs().count(), 7);
}

fn too_long(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NewConnectionNeeded(Renewal::LongAnswer))
}

// many
#[tokio::test]
async fn a_401_body_past_the_cap_closes_the_connection_and_starts_over() {
    for body in [RefusalBody::Endless, RefusalBody::Large(1 << 20), RefusalBody::Large((64 << 10) + 1)] {
        let server = server([Offer::Ntlm])
            .quirk_when(When::always().connections(..=1), Quirk::RefusalBody(body.clone()))
            .start()
            .await
            .expect("a server");
        without_hanging(fetch(&client(&server), get(&server, "/"))).await;
        let report = server.report();
        assert_eq!(statuses_on(&report.connections()[0]), [401], "{body:?}: {report}");
        assert_eq!(statuses_on(&report.connections()[1]), [401, 200], "{body:?}: {report}");
    }
}

// many
#[tokio::test]
async fn a_401_body_within_the_cap_keeps_the_connection() {
    for octets in [1, 8 << 10, 64 << 10] {
        let large = Quirk::RefusalBody(RefusalBody::Large(octets));
        let server = server([Offer::Ntlm]).quirk(large).start().await.expect("a server");
        without_hanging(fetch(&client(&server), get(&server, "/"))).await;
        assert_eq!(server.report().connections().len(), 1, "{octets}: {}", server.report());
    }
}

// many
#[tokio::test]
async fn a_401_body_that_never_ends_is_given_up_in_time() {
    let gate = Gate::closed();
    let server = server([Offer::Ntlm])
        .quirk_when(When::always().connections(..=1), Quirk::RefusalBody(RefusalBody::HeldBy(gate)))
        .start()
        .await
        .expect("a server");
    let limits = Limits::default().drain_timeout(Duration::from_millis(100));
    let client = build(
        Client::builder(authenticator(&server).build()).environment(Environment::tokio().limits(limits)),
    );
    without_hanging(fetch(&client, get(&server, "/"))).await;
    let report = server.report();
    assert_eq!(statuses_on(&report.connections()[0]), [401], "{report}");
    assert!(report.connections().len() > 1 && report.misplaced() == 0, "{report}");
}

// many
#[tokio::test]
async fn endless_401_bodies_everywhere_end_in_an_error_that_says_so() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        for body in [RefusalBody::Endless, RefusalBody::Large(10 << 20)] {
            let server =
                server([offer.clone()]).quirk(Quirk::RefusalBody(body)).start().await.expect("a server");
            let client = client(&server);
            let error = without_hanging(client.request(get(&server, "/"))).await.expect_err("no way in");
            assert!(too_long(&error), "{error:?}");
            let report = server.report();
            assert_eq!(report.connections().len(), 4, "three restarts: {report}");
            assert_eq!((report.attempts(), client.connections()), (0, (0, 0)));
        }
    }
}

#[tokio::test]
async fn a_trickled_head_of_a_leg_is_given_up_in_time() {
    let server = server([Offer::Ntlm])
        .quirk_when(When::leg(2), Quirk::TrickledHead(Duration::from_millis(20)))
        .start()
        .await
        .expect("a server");
    let limits = Limits::default().leg_timeout(Duration::from_millis(100));
    let client = build(
        Client::builder(authenticator(&server).build()).environment(Environment::tokio().limits(limits)),
    );
    let error = without_hanging(client.request(get(&server, "/"))).await.expect_err("too slow");
    assert!(matches!(error.kind(), ErrorKind::Timeout(..)), "{error:?}");
    assert_eq!(client.connections(), (0, 0));
}

#[tokio::test]
async fn a_trickled_head_that_comes_in_time_is_read() {
    let server = server([Offer::Ntlm])
        .quirk(Quirk::TrickledHead(Duration::from_micros(50)))
        .start()
        .await
        .expect("a server");
    without_hanging(fetch(&client(&server), get(&server, "/"))).await;
}

#[tokio::test]
async fn odd_challenges_beside_a_good_one_do_no_harm() {
    for odd in ["", ",,,", "=", "NTLM =", "\"", "Basic realm=\"never ends", "Negotiate !!!", "\u{7f}"] {
        let Ok(value) = HeaderValue::from_bytes(odd.as_bytes()) else { continue };
        let server = server([Offer::Ntlm])
            .quirk_when(When::leg(1), Quirk::Field(WWW_AUTHENTICATE, value))
            .start()
            .await
            .expect("a server");
        without_hanging(fetch(&client(&server), get(&server, "/"))).await;
        let report = server.report();
        assert_eq!(report.handshakes(), 1, "{odd:?}: {report}");
    }
}

#[tokio::test]
async fn joined_challenges_are_read_apart() {
    let server = server([Offer::basic("a, b"), Offer::Negotiate, Offer::Ntlm])
        .quirk(Quirk::JoinedChallenges)
        .start()
        .await
        .expect("a server");
    let response = client(&server).request(get(&server, "/")).await.expect("a response");
    assert_eq!(login(&response).scheme, "Negotiate");
    text(response).await;
}

#[tokio::test]
async fn a_server_that_dies_in_a_401s_body_is_started_over_on_another_connection() {
    let server = server([Offer::Ntlm])
        .quirk_when(When::leg(2).connections(..=1), Quirk::RefusalBody(RefusalBody::Large(1000)))
        .quirk_when(When::leg(2).connections(..=1), Quirk::Close(Close::Unannounced))
        .start()
        .await
        .expect("a server");
    without_hanging(fetch(&client(&server), get(&server, "/"))).await;
    assert_eq!(server.report().misplaced(), 0);
}

// go-ntlmssp
#[tokio::test]
async fn a_bare_challenge_after_a_failed_handshake_moves_to_a_new_connection() {
    let server =
        server_of_three([Offer::Ntlm]).quirk(Quirk::BareAfterFailure).start().await.expect("a server");
    let client = client(&server);
    let wrong = legwork::Credentials::password(USER, "wrong-pw");
    text(client.request(acting_as(get(&server, "/"), wrong)).await.expect("a response")).await;
    fetch(&client, get(&server, "/")).await;
    assert_eq!(server.report().attempts(), 2);
}
