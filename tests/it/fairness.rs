//! Several users share fewer places than they have requests: who logs in how often, and who waits.

use std::sync::Arc;

use legwork::testing::{Builder, Gate, Offer, Quirk, Server, When};
use legwork::{Client, Credentials};

use crate::support::*;

/// A server for users with the numbers up to this one.
fn server_for(users: usize) -> Builder {
    let builder = (0..users)
        .fold(Server::builder(), |builder, user| builder.user(&format!("user{user}"), &format!("pw{user}")));
    builder.offer(Offer::Ntlm)
}

async fn server_of(users: usize) -> Server {
    server_for(users).start().await.expect("a server")
}

/// For two users. One page waits behind the gate, once somebody has logged in.
async fn server_holding(gate: &Gate) -> Server {
    let held = Quirk::HeldBy(gate.clone());
    server_for(2).quirk_when(When::leg(3).with_path("/held"), held).start().await.expect("a server")
}

fn user(number: usize) -> Credentials {
    Credentials::password(format!("user{number}"), format!("pw{number}"))
}

/// So many tasks, whose users take turns, send 20 requests each over so many places. Tells how many
/// handshakes that took.
async fn handshakes(users: usize, places: usize, tasks: usize) -> usize {
    let server = Arc::new(server_of(users).await);
    let client = build(Client::builder(builder().build()).max_per_origin(places).max_idle_per_origin(places));
    let mut all = Vec::new();
    for task in 0..tasks {
        let (client, server) = (client.clone(), Arc::clone(&server));
        all.push(tokio::spawn(async move {
            for _ in 0..20 {
                fetch(&client, acting_as(get(&server, "/"), user(task % users))).await;
            }
        }));
    }
    for task in all {
        without_hanging(task).await.expect("no task fails");
    }
    let report = server.report();
    assert_eq!((report.misplaced(), report.refused()), (0, 0));
    println!("{users} users, {places} places, {tasks} tasks: {}", report.handshakes());
    report.handshakes()
}

#[tokio::test(flavor = "multi_thread")]
async fn four_users_log_in_a_few_times_for_each_place_however_many_tasks_they_have() {
    for tasks in [65, 128, 256, 1024] {
        let handshakes = handshakes(4, 64, tasks).await;
        assert!((64..=64 * 3).contains(&handshakes), "{tasks} tasks: {handshakes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn few_places_are_shared_as_well() {
    for (users, places, tasks) in [(2, 8, 9), (4, 4, 5), (4, 4, 64), (16, 8, 64)] {
        let handshakes = handshakes(users, places, tasks).await;
        // Where a place is all that a user has, it changes hands when others are due: after more than two
        // rounds of all requests that wait.
        assert!(
            handshakes <= tasks * 20 * 2 / 5,
            "{users} users, {places} places, {tasks} tasks: {handshakes}"
        );
    }
}

#[tokio::test]
async fn one_request_gets_its_place_beside_a_thousand_of_another_user() {
    let gate = Gate::closed();
    let server = Arc::new(server_holding(&gate).await);
    let client = build(Client::builder(builder().build()).max_per_origin(2));
    let held: Vec<_> =
        (0..2).map(|_| tokio::spawn(client.request(acting_as(get(&server, "/held"), user(0))))).collect();
    without_hanging(gate.held(2)).await;
    let mut waiting = Vec::new();
    for number in 0..1000 {
        let who = if number == 500 { user(1) } else { user(0) };
        let request = acting_as(get(&server, &format!("/{number}")), who);
        let client = client.clone();
        waiting.push(tokio::spawn(begun(async move { fetch(&client, request).await }).await));
    }
    gate.open();
    for all in held {
        text(without_hanging(all).await.expect("no panic").expect("a response")).await;
    }
    for request in waiting {
        without_hanging(request).await.expect("no panic");
    }
    let report = server.report();
    let of = |number: usize| users(&report.connections()[number]);
    assert_eq!((of(0), of(1)), (["user0".to_owned()].into(), ["user0".to_owned()].into()));
    // The one request had a connection of its own, and the place came back to the others at most once.
    assert!((3..=4).contains(&report.handshakes()), "{}", report.handshakes());
}

#[tokio::test]
async fn a_connection_that_ends_while_it_is_handed_over_costs_nobody_a_request() {
    let gate = Gate::closed();
    let server = Arc::new(server_holding(&gate).await);
    let client = build(Client::builder(builder().build()).max_per_origin(1));
    let first = tokio::spawn(client.request(acting_as(get(&server, "/held"), user(0))));
    without_hanging(gate.held(1)).await;
    let mut second = begun(client.request(acting_as(get(&server, "/second"), user(0)))).await;
    let third = begun(client.request(acting_as(get(&server, "/third"), user(1)))).await;
    gate.open();
    // It is given to the second request, which does not look before its end has come.
    text(without_hanging(first).await.expect("no panic").expect("a response")).await;
    server.close_idle();
    without_hanging(server.wait_for(|report| report.open() == 0)).await;
    let second = tokio::spawn(async move { text(second.as_mut().await.expect("a response")).await });
    text(without_hanging(third).await.expect("a response")).await;
    without_hanging(second).await.expect("no panic");
    let report = server.report();
    assert_eq!((report.handshakes(), report.open()), (3, 1), "{report}");
    assert_eq!((settled(&client).await, client.connections()), (1, (1, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn origins_that_share_all_places_are_served_in_turn() {
    for total in [1, 8] {
        let servers = [Arc::new(server_of(1).await), Arc::new(server_of(1).await)];
        let client = build(Client::builder(builder().build()).max_total(total));
        let mut all = Vec::new();
        // One of them has many requests, and the other one a few.
        for task in 0..40 {
            let (client, server) = (client.clone(), Arc::clone(&servers[usize::from(task % 10 == 0)]));
            all.push(tokio::spawn(async move {
                for _ in 0..10 {
                    fetch(&client, acting_as(get(&server, "/"), user(0))).await;
                }
            }));
        }
        for task in all {
            without_hanging(task).await.expect("no task fails");
        }
        let handshakes: usize = servers.iter().map(|server| server.report().handshakes()).sum();
        // Nobody waits longer than for two rounds of the others, and takes the place of one then.
        assert!((2..=400 / 4).contains(&handshakes), "{total} places: {handshakes}");
        assert!(client.connections().0 <= total);
    }
}
