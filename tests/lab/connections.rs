//! Many requests over few connections.

use std::collections::HashSet;

use http::Uri;
use legwork::Client;
use legwork::credentials::{Anonymous, Credentials};
use tokio::task::JoinSet;

use crate::support::*;

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn the_second_request_rides_the_connection_without_a_header() {
    for site in sites() {
        for (scheme, authenticator) in site.by_each_scheme(site.carol()) {
            let mark = format!("second-{}-{scheme}", site.scheme);
            let client = site.client_with(authenticator);
            let first = Page::get(&client, site.uri(&format!("/ntlm/?{mark}"))).await;
            assert_eq!(statuses(&site.log(&mark, 3).await), [401, 401, 200], "{mark}");

            let second = Page::get(&client, site.uri(&format!("/ntlm/two.html?{mark}"))).await;
            assert_eq!(second.text, "second from /ntlm\n", "{mark}");
            assert_eq!(second.user, "LAB\\carol", "{mark}");
            assert!(second.outcome.is_none(), "{mark}: no handshake: {second:?}");
            assert_eq!(second.port, first.port, "{mark}");
            let log = site.log(&mark, 4).await;
            // A header would have thrown the login away and been answered 401.
            assert_eq!(statuses(&log), [401, 401, 200, 200], "{mark}");
            assert!(log.iter().all(|line| line.port == first.port), "{mark}: {log:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn sixty_four_tasks_at_once_all_get_in() {
    for site in sites() {
        let mark = format!("crowd-{}", site.scheme);
        let client = site.client(site.carol());
        let mut tasks = JoinSet::new();
        for _ in 0..64 {
            let (client, uri) = (client.clone(), site.uri(&format!("/ntlm/?{mark}")));
            tasks.spawn(async move {
                for _ in 0..20 {
                    let page = Page::get(&client, uri.clone()).await;
                    assert_eq!((page.status, page.user.as_str()), (200, "LAB\\carol"), "{page:?}");
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("no task fails");
        }
        let served = |log: &[Logged]| log.iter().filter(|line| line.status == 200).count();
        let log = site.log_where(&mark, |log| served(log) >= 64 * 20).await;
        let (served, ports) = (served(&log), log.iter().map(|line| line.port).collect::<HashSet<_>>());
        assert_eq!(served, 64 * 20, "{mark}");
        assert!(log.len() - served <= 2 * ports.len(), "{mark}: no more than one handshake a connection");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn two_users_at_once_never_share_a_connection() {
    for site in sites() {
        let authenticator = site.authenticator(site.carol()).build();
        // Far fewer places than tasks: one user's idle connections must give way to the other's.
        let client = site.build(Client::builder(authenticator).max_per_origin(6));
        let mark = format!("two-users-{}", site.scheme);
        let mut tasks = JoinSet::new();
        for i in 0..48 {
            let who = Who::each(&site)[i % 3].clone();
            let uri = site.uri(&format!("/ntlm/?{mark}-{}", who.name()));
            tasks.spawn(ten_requests(client.clone(), uri, who));
        }
        tasks.join_all().await;
        for connection in site.connections(&mark, 48 * 10).await {
            assert!(connection.iter().all(|request| request.mark == connection[0].mark), "{connection:?}");
        }
    }
}

/// Who sends a request, and how the client is told.
#[derive(Clone)]
pub(crate) enum Who {
    /// The client's own user.
    Carol,
    /// The user in the request's extensions.
    Dave(Credentials),
    Nobody,
}

impl Who {
    pub(crate) fn each(site: &Site) -> [Self; 3] {
        [Self::Carol, Self::Dave(site.dave()), Self::Nobody]
    }

    /// In a mark.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Carol => "carol",
            Self::Dave(_) => "dave",
            Self::Nobody => "nobody",
        }
    }

    /// Whom Apache serves.
    fn user(&self) -> &'static str {
        match self {
            Self::Carol => "LAB\\carol",
            Self::Dave(_) => "LAB\\dave",
            Self::Nobody => "",
        }
    }
}

/// Gives the ports that the ten requests came to Apache by.
pub(crate) async fn ten_requests(client: Client<Body>, uri: Uri, who: Who) -> Vec<u16> {
    let status = if matches!(who, Who::Nobody) { 401 } else { 200 };
    let mut ports = Vec::new();
    for _ in 0..10 {
        let mut request = get(uri.clone());
        match &who {
            Who::Carol => {}
            Who::Dave(credentials) => drop(request.extensions_mut().insert(credentials.clone())),
            Who::Nobody => drop(request.extensions_mut().insert(Anonymous)),
        }
        let page = Page::of(&client, request).await;
        assert_eq!((page.user.as_str(), page.status), (who.user(), status), "{page:?}");
        ports.push(page.port);
    }
    ports
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn survives_apaches_limit_of_a_hundred_requests_a_connection() {
    for site in sites() {
        for (scheme, authenticator) in site.by_each_scheme(site.carol()) {
            let mark = format!("hundred-{}-{scheme}", site.scheme);
            let (client, uri) = (site.client_with(authenticator), site.uri(&format!("/ntlm/?{mark}")));
            for i in 0..250 {
                let page = Page::get(&client, uri.clone()).await;
                assert_eq!((page.status, page.user.as_str()), (200, "LAB\\carol"), "{mark} {i}: {page:?}");
            }
            let log = site.log(&mark, 250 + 4).await;
            let ports: HashSet<_> = log.iter().map(|line| line.port).collect();
            assert_eq!(ports.len(), 3, "{mark}");
            // A bare one for the first connection, and one with a challenge's token for each.
            assert_eq!(log.len(), 250 + 1 + 3, "{mark}");
        }
    }
}
