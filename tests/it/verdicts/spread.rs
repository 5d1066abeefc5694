//! One password in many places.

use std::sync::Arc;

use legwork::Credentials;
use tokio::task::JoinSet;

use super::clients::{Asks, unguarded};
use super::scripted::{Answer, Came, Scripted, Wants};
use crate::support::{self, USER, without_hanging};

/// A server that closes the connection on which a wrong password came, without an answer or with one.
async fn hosts(wants: Wants, answer: fn() -> Answer) -> Vec<Scripted> {
    let mut hosts = Vec::new();
    for _ in 0..20 {
        let host = Scripted::start(wants, move |asked| match asked.came {
            Came::Wrong => answer(),
            _ => Answer::Usual,
        });
        hosts.push(host.await);
    }
    hosts
}

/// Asks all of them at once, so often.
async fn everywhere(hosts: &[Scripted], rounds: usize, is_guarded: bool) -> usize {
    let domain_wide = Credentials::password(USER, "wrong-pw");
    let authenticator = hosts
        .iter()
        .fold(support::builder(), |builder, host| builder.credentials(host.origin(), domain_wide.clone()))
        .dangerous_secrets_over_plain_http(true);
    let asks = Asks::over_hyper(if is_guarded { authenticator } else { unguarded(authenticator) });
    let mut set = JoinSet::new();
    for host in hosts {
        for _ in 0..4 {
            let (asks, uri) = (asks.clone(), host.uri("/"));
            set.spawn(async move {
                for _ in 0..rounds {
                    if let Ok(told) = without_hanging(asks.get(uri.clone())).await {
                        assert_eq!(told.status, 401);
                    }
                }
            });
        }
    }
    set.join_all().await;
    hosts.iter().map(|host| host.seen().attempts.len()).sum()
}

#[tokio::test]
async fn one_wrong_password_at_20_hosts_at_once_is_tried_twice() {
    let answers: [fn() -> Answer; 3] =
        [|| Answer::Usual, || Answer::HangUp, || Answer::Status(401, Vec::new(), false)];
    for wants in Wants::ALL {
        for answer in answers {
            let attempts = everywhere(&hosts(wants, answer).await, 3, true).await;
            assert!(attempts <= 2, "{wants:?} {:?}: {attempts}", answer());
        }
        let attempts = everywhere(&hosts(wants, || Answer::Usual).await, 1, false).await;
        assert!(attempts >= 20, "{wants:?}, without the guard: {attempts}");
    }
}

#[tokio::test]
async fn a_wrong_password_at_one_host_does_not_bar_other_passwords_at_the_others() {
    let wrong = Scripted::usual(Wants::Ntlm).await;
    let right = Arc::new(Scripted::usual(Wants::Ntlm).await);
    let authenticator = support::builder()
        .credentials(wrong.origin(), Credentials::password(USER, "wrong-pw"))
        .credentials(right.origin(), support::carol());
    let asks = Asks::over_hyper(authenticator);
    for _ in 0..3 {
        assert_eq!(asks.get(wrong.uri("/")).await.expect("a response").status, 401);
        assert_eq!(asks.get(right.uri("/")).await.expect("a response").status, 200);
    }
    assert_eq!((wrong.seen().attempts.len(), right.seen().attempts.len()), (1, 1));
}
