//! Logins by Windows' own mechanisms, which are the default there.

use std::sync::Arc;

use legwork::credentials::{Ambient, Credentials};
use legwork::handshake::Why;
use legwork::mechanism::sspi::Sspi;
use legwork::scheme::{Negotiate, NtlmScheme};
use legwork::testing::{Offer, Server};
use legwork::{Authenticator, Client};
use tokio::task::JoinSet;

use crate::support::*;

fn by_sspi(server: &Server, credentials: Credentials) -> HttpClient {
    build(Client::builder(Authenticator::builder().credentials(server.origin(), credentials).build()))
}

#[tokio::test]
async fn ntlm_and_negotiate_of_the_system_log_in() {
    for (offer, scheme) in [(Offer::Ntlm, "NTLM"), (Offer::Negotiate, "Negotiate")] {
        let server = server([offer]).start().await.expect("a server");
        let client = by_sspi(&server, carol());
        let response = client.request(get(&server, "/")).await.expect("a response");
        assert_eq!(response.status(), 200, "{}", server.report());
        let login = login(&response);
        assert_eq!((login.scheme, login.mechanism, login.legs), (scheme, "NTLM", 3));
        assert_eq!(login.principal.as_deref(), Some(USER));
        text(response).await;
        fetch(&client, get(&server, "/two")).await;
        assert_eq!(statuses(&server.report()), [401, 401, 200, 200], "the connection is logged in");
    }
}

#[tokio::test]
async fn a_password_beyond_ascii_logs_in_by_the_system() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        let server = server([offer]).user("LAB\\dave", "Pässwörd").start().await.expect("a server");
        let client = by_sspi(&server, Credentials::password("LAB\\dave", "Pässwörd"));
        fetch(&client, get(&server, "/")).await;
        assert_eq!(server.report().refused(), 0);
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_once_and_said_so() {
    let server = server([Offer::Negotiate, Offer::Ntlm]).start().await.expect("a server");
    let client = by_sspi(&server, Credentials::password(USER, "wrong-pw"));
    let response = client.request(get(&server, "/")).await.expect("a response");
    assert_eq!(response.status(), 401);
    let tried = &refusal(&response).tried;
    assert_eq!(tried[0].scheme, "Negotiate");
    assert!(matches!(tried[0].why, Why::Refused(_)), "{tried:?}");
    assert_eq!(server.report().attempts(), 1, "no other scheme gets it");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_256_tasks_succeeds_by_the_system() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        let server = Arc::new(server([offer]).start().await.expect("a server"));
        let client = by_sspi(&server, carol());
        let mut tasks = JoinSet::new();
        for _ in 0..256 {
            let (client, server) = (client.clone(), Arc::clone(&server));
            tasks.spawn(async move { fetch(&client, get(&server, "/")).await });
        }
        assert_eq!(tasks.join_all().await.len(), 256);
        let report = server.report();
        assert_eq!((report.misplaced(), report.refused()), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once_by_256_tasks_by_the_system() {
    let server = Arc::new(server([Offer::Negotiate, Offer::Ntlm]).start().await.expect("a server"));
    let client = by_sspi(&server, Credentials::password(USER, "wrong-pw"));
    all_are_refused(&client, &server, 256, 1).await;
    assert_eq!(server.report().attempts(), 1);
}

#[tokio::test]
async fn the_logged_on_user_goes_to_listed_origins_and_to_no_other() {
    let server = server([Offer::Negotiate, Offer::Ntlm]).start().await.expect("a server");
    let authenticator = Authenticator::builder()
        .negotiate(Negotiate::new(Sspi::negotiate()))
        .ntlm(NtlmScheme::new(Sspi::ntlm()))
        .ambient(Ambient::new(), "https://elsewhere.example".parse().expect("an origin"))
        .build();
    let client = build(Client::builder(authenticator));
    let response = client.request(get(&server, "/")).await.expect("a response");
    assert_eq!(response.status(), 401);
    assert_eq!(server.report().attempts(), 0);
    assert!(server.report().legs().all(|leg| leg.authorization.is_none()));
}
