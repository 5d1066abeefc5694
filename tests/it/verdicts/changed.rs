//! The password changes while programs run.

use super::clients::{Asks, STACKS, carols, each_scheme, pass, seconds, unguarded};
use super::scripted::{Answer, Came, Scripted, Wants};

/// Every five seconds so many requests at once, for so many minutes.
async fn run(
    asks: &Asks,
    server: &Scripted,
    tasks: usize,
    minutes: usize,
    path: impl Fn(usize, usize) -> String + Clone + Send + 'static,
) {
    for turn in 0..minutes * 12 {
        let path = path.clone();
        asks.all(server, (tasks, 1), move |task, _| path(task, turn)).await;
        pass(seconds(5)).await;
    }
}

fn known(task: usize, _: usize) -> String {
    format!("/{task}")
}

fn never_seen(task: usize, turn: usize) -> String {
    format!("/{turn}/{task}")
}

/// A server where every request is a login.
async fn tiring(wants: Wants) -> Scripted {
    Scripted::start(wants, move |asked| match asked.came {
        Came::Right if wants.is_bound() => Answer::Last,
        _ => Answer::Usual,
    })
    .await
}

/// Connections that are logged in are lost all at once, and the password is another one by then.
async fn lost_connections(asks: &Asks, server: &Scripted) -> usize {
    let connections = 32;
    asks.get(server.uri("/0")).await.expect("a response");
    asks.all(server, (connections, 1), known).await;
    assert_eq!(server.seen().open, connections);
    pass(seconds(11)).await;
    server.change_password();
    asks.lose_connections(server).await;
    run(asks, server, connections, 3, known).await;
    server.seen().wrong()
}

#[tokio::test]
async fn after_a_change_logged_in_connections_that_end_together_cost_two_attempts() {
    for wants in [Wants::Ntlm, Wants::Negotiate] {
        for stack in STACKS {
            let server = Scripted::usual(wants).await;
            assert_eq!(lost_connections(&stack(carols(&server)), &server).await, 2, "{wants:?}");
        }
    }
    let server = Scripted::usual(Wants::Ntlm).await;
    let attempts = lost_connections(&Asks::over_hyper(unguarded(carols(&server))), &server).await;
    assert!(attempts > 1_000, "without the guard: {attempts}");
}

/// So many tasks have just been served when the password changes; then they go on.
async fn in_full_flow(asks: &Asks, server: &Scripted, tasks: usize, quiet: u64) {
    asks.get(server.uri("/0")).await.expect("a response");
    asks.all(server, (tasks, 2), known).await;
    pass(seconds(quiet)).await;
    assert_eq!(server.seen().wrong(), 0);
    server.change_password();
}

/// The first of Digest's refusals says nothing where others have sent a later count by then.
fn overtaken(wants: Wants) -> usize {
    usize::from(wants == Wants::Digest)
}

#[tokio::test]
async fn after_a_change_in_full_flow_one_attempt_follows_those_in_flight() {
    let tasks = 64;
    for (wants, stacks) in each_scheme() {
        for stack in stacks {
            let server = tiring(wants).await;
            let asks = stack(carols(&server));
            in_full_flow(&asks, &server, tasks, 0).await;
            run(&asks, &server, tasks, 1, known).await;
            let attempts = server.seen().wrong();
            assert!(attempts <= tasks + 1 + overtaken(wants), "{wants:?}: {attempts}");
        }
    }
}

#[tokio::test]
async fn after_a_change_and_ten_quiet_seconds_two_attempts_are_all() {
    let tasks = 64;
    for (wants, stacks) in each_scheme() {
        for stack in stacks {
            let server = tiring(wants).await;
            let asks = stack(carols(&server));
            in_full_flow(&asks, &server, tasks, 11).await;
            run(&asks, &server, tasks, 1, known).await;
            assert_eq!(server.seen().wrong(), 2, "{wants:?}");
        }
        let server = tiring(wants).await;
        let asks = Asks::over_hyper(unguarded(carols(&server)));
        in_full_flow(&asks, &server, tasks, 11).await;
        run(&asks, &server, tasks, 1, known).await;
        let attempts = server.seen().wrong();
        assert!(attempts > 700, "{wants:?}, without the guard: {attempts}");
    }
}

#[tokio::test]
async fn after_a_change_paths_never_seen_cost_two_attempts_more_than_are_in_flight() {
    let tasks = 64;
    for wants in Wants::ALL {
        let server = tiring(wants).await;
        let asks = Asks::over_hyper(carols(&server));
        in_full_flow(&asks, &server, tasks, 0).await;
        asks.all(&server, (tasks, 16), never_seen).await;
        let attempts = server.seen().wrong();
        assert!(attempts <= tasks + 2 + overtaken(wants), "{wants:?}: {attempts}");
    }
}

#[tokio::test]
async fn after_a_change_and_quiet_paths_never_seen_cost_three_attempts_and_six_in_half_an_hour() {
    let tasks = 16;
    for wants in Wants::ALL {
        let server = tiring(wants).await;
        let asks = Asks::over_hyper(carols(&server));
        in_full_flow(&asks, &server, tasks, 11).await;
        asks.all(&server, (tasks, 8), |task, turn| format!("/first/{turn}/{task}")).await;
        assert_eq!(server.seen().wrong(), 3, "{wants:?}");
        run(&asks, &server, tasks, 30, never_seen).await;
        let attempts = server.seen().wrong();
        assert!(attempts <= 6, "{wants:?}: {attempts}");
    }
}
