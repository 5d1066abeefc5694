//! Servers and proxies that answer a wrong password in ways of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Request;
use http_body_util::Full;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::tunnel::{Tunnel, TunnelError, TunnelErrorKind};
use legwork::handshake::{AuthenticatorBuilder, Refusal};
use legwork::protection_space::Challenger;
use legwork::service::ErrorKind;
use legwork::{Client, Credentials};
use tokio::task::JoinSet;

use super::clients::{Asks, STACKS, carols, mistaken, pass, seconds, unguarded};
use super::scripted::{Answer, Came, REALM, Scripted, Wants};
use crate::support::{self, USER, without_hanging};

/// As express-ntlm does it: 403 to a wrong password, and the connection is as it was.
async fn forbidding(wants: Wants) -> Scripted {
    Scripted::start(wants, |asked| match asked.came {
        Came::Wrong => Answer::status(403),
        _ => Answer::Usual,
    })
    .await
}

#[tokio::test]
async fn a_wrong_password_that_is_answered_with_403_is_tried_once_and_told_as_refused() {
    for (tasks, requests) in [(1, 64), (8, 8), (64, 1)] {
        for stack in STACKS {
            let server = forbidding(Wants::Ntlm).await;
            let asks = stack(mistaken(&server));
            for told in asks.all(&server, (tasks, requests), |task, turn| format!("/{task}/{turn}")).await {
                assert_eq!(told.status, 401, "{told:?}");
                assert_eq!(told.refusal().challenger, Challenger::Origin);
                assert!(!told.refusal().tried.is_empty(), "{told:?}");
            }
            assert_eq!(server.seen().attempts.len(), 1, "{tasks} tasks");
        }
    }
    let server = forbidding(Wants::Ntlm).await;
    let asks = Asks::over_hyper(unguarded(mistaken(&server)));
    asks.all(&server, (8, 8), |_, _| "/".into()).await;
    let attempts = server.seen().attempts.len();
    assert!(attempts > 16, "without the guard: {attempts}");
}

#[tokio::test]
async fn a_password_that_has_become_wrong_and_is_answered_with_403_is_tried_twice() {
    let server = forbidding(Wants::Ntlm).await;
    let asks = Asks::over_hyper(carols(&server));
    asks.all(&server, (32, 2), |task, _| format!("/{task}")).await;
    pass(seconds(11)).await;
    server.change_password();
    asks.lose_connections(&server).await;
    for _ in 0..20 {
        asks.all(&server, (32, 1), |task, _| format!("/{task}")).await;
        pass(seconds(5)).await;
    }
    assert_eq!(server.seen().wrong(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_after_the_database_behind_the_login_was_away() {
    for wants in Wants::ALL {
        for is_guarded in [true, false] {
            let is_away = Arc::new(AtomicBool::new(true));
            let away = Arc::clone(&is_away);
            let server = Scripted::start(wants, move |asked| match asked.came {
                Came::Right | Came::Wrong if away.load(Ordering::SeqCst) => Answer::status(500),
                _ => Answer::Usual,
            })
            .await;
            let asks = Asks::over_hyper(mistaken(&server).lockout_guard(is_guarded));
            asks.all(&server, (8, 2), |_, _| "/".into()).await;
            let before = server.seen().attempts.len();
            is_away.store(false, Ordering::SeqCst);
            for told in asks.all(&server, (8, 2), |_, _| "/".into()).await {
                assert_eq!(told.status, 401, "{wants:?}");
                assert!(!told.refusal().tried.is_empty(), "{wants:?}");
            }
            let since = server.seen().attempts.len() - before;
            match is_guarded {
                // A login that is the connection's was refused by what came next on it.
                true => assert_eq!(since, usize::from(!wants.is_bound()), "{wants:?}: {before}"),
                false => assert!(since > 8, "{wants:?}, without the guard: {since}"),
            }
        }
    }
}

/// What proxies answer a wrong password with.
fn refusals() -> [Answer; 3] {
    let field = |field: String| Answer::Status(401, vec![field], true);
    [
        // px
        Answer::Status(401, Vec::new(), false),
        // tinyproxy
        field(format!("WWW-Authenticate: Basic realm=\"{REALM}\"")),
        field(format!("Proxy-Authenticate: Basic realm=\"{REALM}\"")),
    ]
}

async fn refusing_proxy(wants: Wants, refusal: Answer) -> Scripted {
    Scripted::proxy(wants, move |asked| match asked.came {
        Came::Wrong => refusal.clone(),
        _ => Answer::Usual,
    })
    .await
}

fn at_proxy(proxy: &Scripted) -> AuthenticatorBuilder {
    support::builder()
        .proxy_credentials(proxy.origin(), Credentials::password(USER, "wrong-pw"))
        .dangerous_secrets_to_plain_http_proxies(true)
}

/// So many requests through the proxy, and what is told of each.
async fn through(proxy: &Scripted, authenticator: AuthenticatorBuilder, requests: usize) -> Vec<Refusal> {
    let builder = Client::builder(authenticator.build()).proxies(Proxies::all(Proxy::new(proxy.origin())));
    let asks = Asks::over(builder);
    let mut set = JoinSet::new();
    for task in 0..requests {
        let asks = asks.clone();
        set.spawn(async move {
            let told = asks.get(format!("http://site.example/{task}")).await.expect("a response");
            assert!([401, 407].contains(&told.status), "{told:?}");
            told.refusal().clone()
        });
    }
    set.join_all().await
}

#[tokio::test]
async fn a_wrong_password_that_a_proxy_answers_with_401_is_tried_once_and_the_proxy_is_named() {
    let [px, tinyproxy, named] = refusals();
    let by_basic = [px.clone(), tinyproxy, named.clone()];
    for (wants, refusals) in [(Wants::Basic, &by_basic[..]), (Wants::Ntlm, &[px, named])] {
        for refusal in refusals {
            let proxy = refusing_proxy(wants, refusal.clone()).await;
            for told in through(&proxy, at_proxy(&proxy), 32).await {
                assert_eq!(told.challenger, Challenger::Proxy, "{wants:?} {refusal:?}");
            }
            assert_eq!(proxy.seen().attempts.len(), 1, "{wants:?} {refusal:?}");

            let proxy = refusing_proxy(wants, refusal.clone()).await;
            through(&proxy, unguarded(at_proxy(&proxy)), 32).await;
            assert_eq!(proxy.seen().attempts.len(), 32, "{wants:?}, without the guard");
        }
    }
}

#[tokio::test]
async fn a_wrong_password_at_a_tunnel_that_a_proxy_answers_with_401_is_tried_once() {
    for wants in [Wants::Basic, Wants::Ntlm] {
        for refusal in refusals() {
            let proxy = refusing_proxy(wants, refusal.clone()).await;
            let authenticator = at_proxy(&proxy).build();
            let tunnel = Tunnel::builder(proxy.origin(), authenticator.clone()).build_http();
            let client: Client<Full<bytes::Bytes>> =
                Client::builder(authenticator).max_per_origin(32).build(tunnel);
            let mut set = JoinSet::new();
            for _ in 0..32 {
                let request = Request::get("http://site.example/").body(Full::default()).expect("a request");
                let answer = client.request(request);
                set.spawn(async move {
                    let error = without_hanging(answer).await.expect_err("no tunnel");
                    let ErrorKind::Connect(error) = error.kind() else { panic!("{error:?}") };
                    let error: &TunnelError = error.downcast_ref().expect("the tunnel's");
                    let TunnelErrorKind::Answered { refusal: Some(refusal), .. } = error.kind() else {
                        panic!("{error:?}")
                    };
                    refusal.challenger
                });
            }
            assert_eq!(set.join_all().await, [Challenger::Proxy; 32], "{wants:?} {refusal:?}");
            assert_eq!(proxy.seen().attempts.len(), 1, "{wants:?} {refusal:?}");
        }
    }
}
