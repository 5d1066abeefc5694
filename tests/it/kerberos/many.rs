//! Many tasks at once.

use std::sync::Arc;

use legwork::handshake::AuthenticatorBuilder;
use legwork::mechanism::kerberos::Kerberos;
use legwork::scheme::Negotiate;
use legwork::testing::{Gate, Kdc, Offer, Quirk, Server, When};
use legwork::unversioned::testing::KdcFault;
use tokio::task::JoinSet;

use super::*;

/// So many tasks send one request each, and the KDC is asked once for each ticket.
async fn one_exchange_for_all(kdc: &Kdc, kerberos: Kerberos, tasks: usize) {
    let server = Arc::new(serving(Offer::kerberos_and_iakerb(&kdc.service(SERVICE))).await);
    let client = over(by(&server, Negotiate::kerberos_or_iakerb(kerberos)));
    let asked = Arc::clone(&server);
    let served = all_are_served(&server, tasks, 1, move || {
        let (client, server) = (client.clone(), Arc::clone(&asked));
        async move {
            fetch(&client, get(&server, "/")).await;
        }
    });
    without_hanging(served).await;
    let report = kdc.report();
    assert_eq!((report.as_tickets, report.tgs_tickets), (1, 1));
    assert_eq!((report.as_requests, report.tgs_requests), (2, 1), "without a timestamp, and with one");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_tasks_ask_the_kdc_once() {
    let kdc = kdc().await;
    one_exchange_for_all(&kdc, kerberos(&kdc), 64).await;
    assert_eq!((kdc.report().packets(), kdc.report().relayed), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_tasks_have_the_server_ask_the_kdc_once() {
    let kdc = kdc().await;
    one_exchange_for_all(&kdc, Kerberos::new(), 64).await;
    assert_eq!((kdc.report().packets(), kdc.report().relayed), (0, 3));
}

#[tokio::test]
async fn who_leads_is_dropped_in_the_middle_and_eight_others_go_on() {
    let kdc = lab().fault(KdcFault::Silent).start().await.expect("a port");
    let server = serving(Offer::kerberos(&kdc.service(SERVICE))).await;
    let client = of_nine(by(&server, Negotiate::kerberos(kerberos(&kdc))));
    let leader = tokio::spawn(client.request(get(&server, "/")));
    without_hanging(kdc.wait_for(|report| report.datagrams > 0)).await;
    let waiting = eight_wait(&client, &server).await;
    kdc.set_fault(None);
    leader.abort();
    assert_eq!(without_hanging(waiting.join_all()).await.len(), 8);
    assert!(leader.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(granted(&kdc), (1, 1));
}

#[tokio::test]
async fn whose_server_is_asking_a_kdc_is_dropped_and_eight_others_go_on() {
    // The KDC's first answer, the one with the first ticket, and the one with the other.
    for leg in 2..=4 {
        let (kdc, gate) = (kdc().await, Gate::closed());
        let held = Quirk::HeldBy(gate.clone());
        let server = Server::builder()
            .offer(Offer::kerberos_and_iakerb(&kdc.service(SERVICE)))
            .quirk_when(When::leg(leg).connections(..=1), held);
        let server = started(server).await;
        let client = of_nine(by(&server, Negotiate::kerberos_or_iakerb(Kerberos::new())));
        let leader = tokio::spawn(client.request(get(&server, "/")));
        without_hanging(gate.held(1)).await;
        let waiting = eight_wait(&client, &server).await;
        leader.abort();
        assert_eq!(without_hanging(waiting.join_all()).await.len(), 8);
        assert!(leader.await.is_err_and(|error| error.is_cancelled()));
        let report = kdc.report();
        assert_eq!(
            (report.tgs_tickets, report.failures("alice")),
            (if leg == 4 { 2 } else { 1 }, 0),
            "{leg}"
        );
    }
}

fn of_nine(authenticator: AuthenticatorBuilder) -> HttpClient {
    build(Client::builder(authenticator.build()).environment(patient()).max_per_origin(9))
}

/// Each has a connection, and nothing to say on it while another one logs in.
async fn eight_wait(client: &HttpClient, server: &Server) -> JoinSet<String> {
    let mut waiting = JoinSet::new();
    for _ in 0..8 {
        let (client, request) = (client.clone(), get(server, "/"));
        waiting.spawn(async move { fetch(&client, request).await });
    }
    without_hanging(server.wait_for(|report| report.connections().len() == 9)).await;
    waiting
}
