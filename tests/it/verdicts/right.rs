//! A right password is never barred.

use std::sync::Arc;

use legwork::testing::Offer;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use legwork::Client;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::protection_space::Challenger;

use super::clients::{Asks, STACKS, Told, carols, each_scheme, mistaken, pass, seconds, unguarded};
use super::scripted::{Answer, Came, Scripted, Wants};
use crate::support::{self, without_hanging};

/// Good and barred paths in turn, by eight tasks; which barred one each time is `barred`'s to say.
async fn amid(asks: &Asks, server: &Scripted, barred: fn(usize, usize) -> String) -> (Vec<Told>, Vec<Told>) {
    let mut set = JoinSet::new();
    for task in 0..8 {
        let asks = asks.clone();
        let uris = Vec::from_iter((0..13).map(|turn| {
            (server.uri(&format!("/good/{}", (task + turn) % 10)), server.uri(&barred(task, turn)))
        }));
        set.spawn(async move {
            let mut told = Vec::new();
            for (good, barred) in uris {
                told.push((
                    asks.get(good).await.expect("a response"),
                    asks.get(barred).await.expect("a response"),
                ));
            }
            told
        });
    }
    set.join_all().await.concat().into_iter().unzip()
}

#[tokio::test]
async fn barred_paths_keep_nobody_from_those_that_are_open_to_the_user() {
    let barred: [fn(usize, usize) -> String; 2] =
        [|_, _| "/barred".into(), |task, turn| format!("/barred/{task}/{turn}")];
    for (wants, stacks) in each_scheme() {
        for stack in stacks {
            for barred in barred {
                let server = Scripted::start(wants, |asked| match asked.came {
                    Came::Right if asked.attempt <= 10 => Answer::Last,
                    Came::Right | Came::Known if asked.path.starts_with("/barred") => Answer::Challenge,
                    _ => Answer::Usual,
                })
                .await;
                let asks = stack(carols(&server));
                asks.all(&server, (1, 10), |_, turn| format!("/good/{turn}")).await;
                let (good, barred) = amid(&asks, &server, barred).await;
                for told in good {
                    assert_eq!((told.status, told.is_paused()), (200, false), "{wants:?}: {told:?}");
                }
                assert!(barred.iter().all(|told| told.status == 401), "{wants:?}");
            }
        }
    }
}

/// Legs of a hundred requests by eight tasks, all of which are answered with 403.
async fn forbidden(asks: &Asks, server: &Scripted, wants: Wants) -> (usize, usize) {
    for told in asks.all(server, (8, 13), |task, turn| format!("/{task}/{turn}")).await {
        assert_eq!((told.status, told.is_paused()), (403, false), "{wants:?}: {told:?}");
    }
    let seen = server.seen();
    (seen.legs, seen.connections)
}

#[tokio::test]
async fn a_user_who_may_do_nothing_is_not_taken_for_a_wrong_password() {
    for wants in [Wants::Basic, Wants::Digest, Wants::Ntlm] {
        let start = || {
            Scripted::start(wants, |asked| match asked.came {
                Came::Right | Came::Known => Answer::status(403),
                _ => Answer::Usual,
            })
        };
        for stack in STACKS {
            let server = start().await;
            let (legs, connections) = forbidden(&stack(carols(&server)), &server, wants).await;
            let logins = match wants.is_bound() {
                // The first login is asked about once more.
                true => 2 * connections + 1,
                // Among others, Digest's first login asks for a challenge that is surely the latest.
                false => connections + usize::from(wants == Wants::Digest),
            };
            assert!(legs <= 8 * 13 + logins, "{wants:?}: {legs} legs on {connections} connections");
            assert_eq!(server.seen().wrong(), 0);
        }
    }
}

#[tokio::test]
async fn a_declared_login_that_nobody_asks_for_holds_nobody_up() {
    for stack in STACKS {
        let server = Scripted::start(Wants::Basic, |_| Answer::status(200)).await;
        let asks = stack(carols(&server).declare(server.origin(), "Basic").expect("a known scheme"));
        for told in asks.all(&server, (64, 3), |task, turn| format!("/{task}/{turn}")).await {
            assert_eq!(told.status, 200, "{told:?}");
        }
        let seen = server.seen();
        assert_eq!((seen.legs, seen.attempts.len()), (64 * 3, 64 * 3), "each with its login, by one leg");
    }
}

#[tokio::test]
async fn a_wrong_declared_password_is_checked_once_more_than_was_in_flight() {
    let tasks = 16;
    let attempts = |server: &Scripted| {
        server.seen().attempts.iter().filter(|(path, _)| path.starts_with("/private")).count()
    };
    let start = || {
        Scripted::start(Wants::Basic, |asked| match asked.path {
            path if path.starts_with("/public") => Answer::status(200),
            _ => Answer::Usual,
        })
    };
    for stack in STACKS {
        let server = start().await;
        let asks = stack(mistaken(&server).declare(server.origin(), "Basic").expect("a known scheme"));
        for told in asks.all(&server, (tasks, 4), |task, turn| format!("/public/{task}/{turn}")).await {
            assert_eq!(told.status, 200);
        }
        for told in asks.all(&server, (tasks, 8), |task, turn| format!("/private/{task}/{turn}")).await {
            assert_eq!(told.status, 401);
        }
        assert!(attempts(&server) <= tasks + 1, "{}", attempts(&server));
        for told in asks.all(&server, (tasks, 4), |task, turn| format!("/public/{task}/{turn}")).await {
            assert_eq!(told.status, 200);
        }
        let before = server.seen().attempts.len();
        asks.all(&server, (tasks, 4), |_, _| "/public".into()).await;
        assert_eq!(server.seen().attempts.len(), before, "nobody speaks first any more");
    }
    let server = start().await;
    let asks = Asks::over_hyper(
        unguarded(mistaken(&server)).declare(server.origin(), "Basic").expect("a known scheme"),
    );
    asks.all(&server, (tasks, 8), |_, _| "/private".into()).await;
    assert!(attempts(&server) > 2 * tasks, "without the guard: {}", attempts(&server));
}

#[tokio::test]
async fn of_a_thousand_requests_at_the_start_one_tries_and_then_all_go() {
    for (wants, stacks) in each_scheme() {
        for stack in stacks {
            let gate = Arc::new(Semaphore::new(0));
            let held = Arc::clone(&gate);
            let server = Scripted::start(wants, move |asked| match asked.came {
                Came::Right if asked.attempt == 1 => Answer::Held(Arc::clone(&held)),
                _ => Answer::Usual,
            })
            .await;
            let asks = stack(carols(&server));
            let all = Vec::from_iter((0..1_000).map(|_| asks.begin(server.uri("/"))));
            server.until(|seen| seen.held == 1 && seen.bare >= 32).await;
            assert_eq!(server.seen().attempts.len(), 1, "{wants:?}");
            gate.add_permits(1);
            for one in all {
                let told = without_hanging(one).await.expect("no panic").expect("a response");
                assert_eq!(told.status, 200, "{wants:?}: {told:?}");
            }
        }
    }
}

#[tokio::test]
async fn long_polls_after_quiet_are_all_sent_within_half_a_minute() {
    for wants in Wants::ALL {
        let gate = Arc::new(Semaphore::new(0));
        let held = Arc::clone(&gate);
        let server = Scripted::start(wants, move |asked| match asked.came {
            Came::Right | Came::Known if asked.path == "/poll" => Answer::Held(Arc::clone(&held)),
            _ => Answer::Usual,
        })
        .await;
        let asks = Asks::over_hyper(carols(&server));
        asks.get(server.uri("/")).await.expect("a response");
        pass(seconds(11)).await;
        asks.lose_connections(&server).await;
        let polls = Vec::from_iter((0..64).map(|_| asks.begin(server.uri("/poll"))));
        let mut sent = 1;
        server.until(|seen| seen.held == 1).await;
        for _ in 0..6 {
            pass(seconds(5)).await;
            sent *= 2;
            server.until(|seen| seen.held >= sent.min(64)).await;
        }
        gate.add_permits(64);
        for poll in polls {
            let told = without_hanging(poll).await.expect("no panic").expect("a response");
            assert_eq!(told.status, 200, "{wants:?}: {told:?}");
        }
    }
}

#[tokio::test]
async fn connections_that_end_just_as_they_are_used_again_do_not_add_up() {
    for wants in Wants::ALL {
        for stack in STACKS {
            let server = Scripted::usual(wants).await;
            let asks = stack(carols(&server));
            for turn in 0..12 {
                let told = asks.get(server.uri(&format!("/{turn}"))).await.expect("a response");
                assert_eq!(told.status, 200, "{wants:?}: {told:?}");
                // The client does not know yet.
                server.close_idle().await;
            }
        }
    }
}

#[tokio::test]
async fn a_proxy_and_an_origin_that_both_want_logins_never_stand_still() {
    for tasks in [2, 8, 64] {
        let server = support::server_of_three([Offer::basic("the origin")])
            .offer_as(Challenger::Proxy, Offer::basic("the proxy"))
            .start()
            .await
            .expect("a server");
        let authenticator = support::builder()
            .credentials("http://site.example".parse().expect("an origin"), support::bob())
            .proxy_credentials(server.origin(), support::alice())
            .dangerous_secrets_over_plain_http(true)
            .dangerous_secrets_to_plain_http_proxies(true);
        let proxies = Proxies::all(Proxy::new(server.origin()));
        let asks = Asks::over(Client::builder(authenticator.build()).proxies(proxies));
        let mut set = JoinSet::new();
        for task in 0..tasks {
            let asks = asks.clone();
            set.spawn(async move {
                for turn in 0..4 {
                    let told = asks.get(format!("http://site.example/{task}/{turn}")).await;
                    assert_eq!(told.as_ref().map(|told| told.status).ok(), Some(200), "{told:?}");
                }
            });
        }
        // Nobody puts the clock forward for them.
        without_hanging(set.join_all()).await;
        assert_eq!(server.report().refused(), 0);
    }
}
