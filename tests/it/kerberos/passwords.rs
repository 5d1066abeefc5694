//! Wrong passwords.

use legwork::mechanism::kerberos::Kerberos;
use legwork::mechanism::ntlm::Ntlm;
use legwork::scheme::{Negotiate, NtlmScheme, Schemes};
use legwork::testing::Offer;
use legwork::unversioned::testing::AccountState;
use tokio::task::JoinSet;

use super::*;

const ORIGINS: usize = 10;
const TASKS: usize = 64;

/// What may be tried with a password, from the strongest on.
fn everything(kerberos: Kerberos) -> Schemes {
    Schemes::from(Negotiate::kerberos_or_iakerb_or_ntlm(kerberos)).with(NtlmScheme::new(Ntlm::new()))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_at_ten_origins_fails_once_at_the_kdc() {
    for is_relayed in [false, true] {
        let kdc = kdc().await;
        let mut servers = Vec::new();
        for _ in 0..ORIGINS {
            servers.push(started(taking_all(&kdc.service(SERVICE))).await);
        }
        let kerberos = if is_relayed { Kerberos::new() } else { kerberos(&kdc) };
        let authenticator = Authenticator::builder().schemes(everything(kerberos));
        let wrong = Credentials::password(ALICE, "wrong-pw");
        let authenticator =
            servers.iter().fold(authenticator, |builder, server| at(server, builder, wrong.clone()));
        let client = over(authenticator);
        let mut tasks = JoinSet::new();
        for number in 0..TASKS {
            let (client, request) = (client.clone(), get(&servers[number % ORIGINS], "/"));
            tasks.spawn(async move {
                let response = client.request(request).await.expect("a response");
                assert!(refusal(&response).is_refusal(), "{:?}", refusal(&response));
                text(response).await;
            });
        }
        assert_eq!(without_hanging(tasks.join_all()).await.len(), TASKS);
        let report = kdc.report();
        assert_eq!((report.failures("alice"), report.as_tickets), (1, 0), "relayed: {is_relayed}");
        assert_eq!(report.relayed > 0, is_relayed);
        let attempts: usize = servers.iter().map(|server| server.report().attempts()).sum();
        assert_eq!(attempts, usize::from(is_relayed), "what a server sees of it");
        for server in &servers {
            let report = server.report();
            assert!(!tokens(&report).concat().contains("NTLM"), "{report}");
        }
    }
}

#[tokio::test]
async fn one_by_iakerb_of_clients_without_a_guard_in_common_fails_once_at_the_kdc() {
    let (kdc, kerberos) = (kdc().await, Kerberos::new());
    let (mut servers, mut tasks) = (Vec::new(), JoinSet::new());
    for _ in 0..5 {
        let server = serving(Offer::kerberos_and_iakerb(&kdc.service(SERVICE))).await;
        let negotiate = Negotiate::kerberos_or_iakerb(kerberos.clone());
        let wrong = Credentials::password(ALICE, "wrong-pw");
        let client = over(at(&server, Authenticator::builder().schemes(Schemes::from(negotiate)), wrong));
        for _ in 0..6 {
            let (client, request) = (client.clone(), get(&server, "/"));
            tasks.spawn(async move { client.request(request).await.expect("a response") });
        }
        servers.push(server);
    }
    for response in without_hanging(tasks.join_all()).await {
        assert!(refusal(&response).is_refusal(), "{:?}", refusal(&response));
    }
    assert_eq!(kdc.report().failures("alice"), 1);
}

#[tokio::test]
async fn one_that_is_changed_at_the_kdc_is_taken_again_when_it_is_told_so() {
    let kdc = kdc().await;
    let server = started(taking_all(&kdc.service(SERVICE))).await;
    let authenticator =
        at(&server, Authenticator::builder().schemes(everything(kerberos(&kdc))), alice()).build();
    let client = build(Client::builder(authenticator.clone()));
    kdc.set_password("alice", "new-pw");
    for _ in 0..3 {
        let response = client.request(get(&server, "/")).await.expect("a response");
        assert!(refusal(&response).is_refusal(), "{:?}", refusal(&response));
        text(response).await;
    }
    assert_eq!((kdc.report().failures("alice"), server.report().attempts()), (1, 0));
    kdc.set_password("alice", "alice-pw");
    authenticator.forget_refusals();
    fetch(&client, get(&server, "/")).await;
    assert_eq!((kdc.report().failures("alice"), granted(&kdc)), (1, (1, 1)));
}

#[tokio::test]
async fn a_locked_account_is_no_matter_for_a_weaker_mechanism() {
    for is_relayed in [false, true] {
        let kdc = kdc().await;
        kdc.set_account("alice", AccountState::Locked);
        let server = started(taking_all(&kdc.service(SERVICE))).await;
        let kerberos = if is_relayed { Kerberos::new() } else { kerberos(&kdc) };
        let client = over(at(&server, Authenticator::builder().schemes(everything(kerberos)), alice()));
        for _ in 0..2 {
            let response = client.request(get(&server, "/")).await.expect("a response");
            assert_eq!(response.status(), 401);
            let words = refusal(&response).to_string();
            assert!(words.contains("locked"), "{words}");
            text(response).await;
        }
        assert_eq!(kdc.report().as_requests, 1, "it says so before it looks at a password");
        assert!(!tokens(&server.report()).concat().contains("NTLM"), "{}", server.report());
    }
}
