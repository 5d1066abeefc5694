//! Logins that get no answer.

use std::sync::Arc;

use legwork::Client;
use legwork::service::{Environment, Limits};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::clients::{Asks, STACKS, carols, mistaken, pass, seconds, unguarded};
use super::scripted::{Answer, Came, Scripted, Wants};
use crate::support::without_hanging;

async fn silent(wants: Wants) -> Scripted {
    Scripted::start(wants, |asked| match asked.came {
        Came::Right | Came::Wrong => Answer::Silence,
        Came::Bare | Came::Known => Answer::Usual,
    })
    .await
}

#[tokio::test]
async fn a_server_that_falls_silent_at_a_login_sees_two_of_16_tasks() {
    for (wants, stack) in Wants::ALL
        .into_iter()
        .map(|wants| (wants, STACKS[0]))
        .chain([(Wants::Ntlm, STACKS[1]), (Wants::Ntlm, STACKS[2])])
    {
        let server = silent(wants).await;
        let asks = stack(mistaken(&server));
        let mut tasks = JoinSet::new();
        for _ in 0..16 {
            let answer = asks.begin(server.uri("/"));
            tasks.spawn(async move { answer.await.expect("no panic").expect("a response") });
        }
        // Digest's asks for another challenge before, which is surely the latest.
        let bare = 16 + usize::from(wants == Wants::Digest);
        server.until(|seen| seen.attempts.len() == 1 && seen.bare == bare).await;
        pass(seconds(6)).await;
        server.until(|seen| seen.attempts.len() == 2).await;
        pass(seconds(30)).await;
        for _ in 0..14 {
            let told = without_hanging(tasks.join_next()).await.expect("one is left").expect("no panic");
            assert!(told.status == 401 && told.is_paused(), "{told:?}");
        }
        assert_eq!(server.seen().attempts.len(), 2, "{wants:?}");
    }
    let server = silent(Wants::Ntlm).await;
    let asks = Asks::over_hyper(unguarded(mistaken(&server)));
    let _all = Vec::from_iter((0..16).map(|_| asks.begin(server.uri("/"))));
    server.until(|seen| seen.attempts.len() == 16).await;
}

/// Callers that wait no longer than until the login is out.
async fn impatient(asks: &Asks, server: &Scripted, callers: usize) -> usize {
    for _ in 0..callers {
        let before = server.seen().attempts.len();
        let mut request = asks.begin(server.uri("/"));
        tokio::select! {
            told = &mut request => {
                let told = told.expect("no panic").expect("a response");
                assert!(told.status == 401 && told.is_paused(), "{told:?}");
            }
            _ = server.until(|seen| seen.attempts.len() > before) => {
                request.abort();
                assert!(request.await.is_err());
            }
        }
    }
    server.seen().attempts.len()
}

#[tokio::test]
async fn callers_that_give_up_too_early_cost_two_attempts() {
    for wants in Wants::ALL {
        for stack in STACKS {
            let server = silent(wants).await;
            assert_eq!(impatient(&stack(carols(&server)), &server, 8).await, 2, "{wants:?}");
        }
        let server = silent(wants).await;
        let attempts = impatient(&Asks::over_hyper(unguarded(carols(&server))), &server, 8).await;
        assert_eq!(attempts, 8, "{wants:?}, without the guard");
    }
}

#[tokio::test]
async fn a_right_password_is_served_after_two_connections_that_were_lost_at_its_login() {
    for wants in Wants::ALL {
        for stack in STACKS {
            let server = Scripted::start(wants, |asked| match asked.came {
                Came::Right if asked.attempt <= 2 => Answer::HangUp,
                _ => Answer::Usual,
            })
            .await;
            let asks = stack(carols(&server));
            for _ in 0..3 {
                match asks.get(server.uri("/")).await {
                    Ok(told) => assert!(told.is_paused(), "{wants:?}: {told:?}"),
                    Err(_) => assert!(server.seen().attempts.len() <= 2, "{wants:?}"),
                }
            }
            assert_eq!(server.seen().attempts.len(), 2, "{wants:?}");
            pass(seconds(31)).await;
            let told = asks.get(server.uri("/")).await.expect("a response");
            assert_eq!(told.status, 200, "{wants:?}: {told:?}");
            for told in asks.all(&server, (8, 2), |task, turn| format!("/{task}/{turn}")).await {
                assert_eq!(told.status, 200, "{wants:?}: {told:?}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_fails_who_waits_for_a_first_request_that_takes_its_time() {
    for wants in Wants::ALL {
        let gate = Arc::new(Semaphore::new(0));
        let held = Arc::clone(&gate);
        let server = Scripted::start(wants, move |asked| match asked.came {
            Came::Right if asked.attempt == 1 => Answer::Held(Arc::clone(&held)),
            _ => Answer::Usual,
        })
        .await;
        let limits = Limits::default().handshake_timeout(seconds(3));
        let asks = Asks::over(
            Client::builder(carols(&server).build()).environment(Environment::tokio().limits(limits)),
        );
        let first = asks.begin(server.uri("/slow"));
        server.until(|seen| seen.held == 1).await;
        let others = Vec::from_iter((0..4).map(|_| asks.begin(server.uri("/"))));
        server.until(|seen| seen.connections == 5).await;
        // Longer than a handshake may take: they wait for the first.
        pass(seconds(4)).await;
        assert!(others.iter().all(|other| !other.is_finished()), "{wants:?}");
        // One more may try.
        pass(seconds(2)).await;
        for other in others {
            let told = without_hanging(other).await.expect("no panic").expect("a response");
            assert_eq!(told.status, 200, "{wants:?}: {told:?}");
        }
        gate.add_permits(1);
        let told = without_hanging(first).await.expect("no panic").expect("a response");
        assert_eq!(told.status, 200, "{wants:?}");
    }
}
