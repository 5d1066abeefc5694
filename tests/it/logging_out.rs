//! Logging out: who was logged in before serves nobody afterwards, whatever is under way, through
//! each of the clients.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderValue, header};
use http_body_util::Full;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::redirect::FollowRedirects;
use legwork::client::redirect::Redirects;
use legwork::client::reqwest::Client as ReqwestClient;
use legwork::credentials::{ProxyCredentials, credentials_fn};
use legwork::handshake::{AuthenticatorBuilder, Identity};
use legwork::protection_space::Challenger;
use legwork::testing::{DigestAcceptor, Gate, Offer, Quirk, Report, Server, When};
use legwork::{Client, Credentials};
use tokio::task::JoinSet;

use crate::any_client::{Any, OverLegacy, fetch, head, of, over_each_client, page, settled_at};
use crate::support::*;

over_each_client! {
    closing_idle_connections_ends_the_session_of_a_user_who_changed,
    logging_out_ends_the_session_of_a_user_who_changed,
    a_login_under_way_ends_with_its_request,
    a_login_whose_credentials_are_being_looked_for_ends_with_its_request,
    alice_goes_and_bob_stays,
    one_origin_goes_and_the_other_stays,
    those_who_wait_for_a_place_go_on,
    a_connection_that_was_handed_over_and_not_yet_used_is_not_used,
    the_users_of_64_tasks_change_all_the_time,
    users_of_64_tasks_are_logged_out_all_the_time,
}

/// Names one user at a time.
#[derive(Clone)]
struct Changing(Arc<Mutex<Credentials>>);

impl Changing {
    fn new(first: Credentials) -> Self {
        Self(Arc::new(Mutex::new(first)))
    }

    fn change_to(&self, next: Credentials) {
        *self.0.lock().expect("no panic") = next;
    }

    fn authenticator(&self) -> AuthenticatorBuilder {
        let changing = self.clone();
        builder().provider(credentials_fn(move |_| {
            let now = changing.0.lock().expect("no panic").clone();
            async { Ok(Some(now)) }
        }))
    }
}

/// Logins of the connection and of each request.
fn offers() -> [Offer; 4] {
    let digest = DigestAcceptor::new("lab").user("alice", "alice-pw").user("bob", "bob-pw");
    [Offer::Ntlm, Offer::Negotiate, Offer::basic("lab"), Offer::judged("Digest", digest)]
}

/// The old user's response has come, and its content has not been read, when the user changes and
/// `end` is called.
async fn a_user_changes<C: Any>(offer: Offer, end: impl Fn(&C, &Server)) {
    let server = server_of_three([offer]).start().await.expect("a server");
    let who = Changing::new(alice());
    let client: C = of(who.authenticator());
    assert!(fetch(&client, get(&server, "/idle")).await.starts_with("alice"));
    settled_at(&client, (1, 1)).await;
    let old = head(&client, get(&server, "/old")).await;
    who.change_to(bob());
    end(&client, &server);
    assert!(page(old).await.starts_with("alice"), "what is under way ends as it would");
    assert!(fetch(&client, get(&server, "/new")).await.starts_with("bob"));
    let report = without_hanging(server.wait_for(|report| report.open() == 1)).await;
    let [first, second] = report.connections() else { panic!("{report}") };
    assert_eq!((users(first), users(second)), (["alice".into()].into(), ["bob".into()].into()), "{report}");
    assert!(first.closed && targets_on(second).iter().all(|target| *target == "/new"), "{report}");
    assert_eq!(report.refused(), 0, "{report}");
}

async fn closing_idle_connections_ends_the_session_of_a_user_who_changed<C: Any>() {
    for offer in offers() {
        a_user_changes(offer, |client: &C, _| client.close_idle()).await;
    }
}

async fn logging_out_ends_the_session_of_a_user_who_changed<C: Any>() {
    for offer in offers() {
        a_user_changes(offer.clone(), |client: &C, _| client.log_out(alice())).await;
        a_user_changes(offer, |client: &C, server| client.log_out(server.origin())).await;
    }
}

async fn a_login_under_way_ends_with_its_request<C: Any>() {
    for leg in 1..=3 {
        let gate = Gate::closed();
        let server = server_of_three([Offer::Ntlm])
            .quirk_when(When::leg(leg).connections(..=1), Quirk::HeldBy(gate.clone()))
            .start()
            .await
            .expect("a server");
        let client: C = of(builder());
        let first = tokio::spawn(client.send(acting_as(get(&server, "/first"), alice())));
        without_hanging(gate.held(1)).await;
        client.log_out(Identity::Credentials(alice()));
        gate.open();
        let first = first.await.expect("no panic").expect("a response");
        assert!(page(first).await.starts_with("alice"));
        assert!(fetch(&client, acting_as(get(&server, "/second"), alice())).await.starts_with("alice"));
        let report = without_hanging(server.wait_for(|report| report.open() == 1)).await;
        let [first, second] = report.connections() else { panic!("{leg}: {report}") };
        assert_eq!(targets_on(first), ["/first"; 3], "{report}");
        assert!(first.closed && targets_on(second).iter().all(|target| *target == "/second"), "{report}");
    }
}

async fn a_login_whose_credentials_are_being_looked_for_ends_with_its_request<C: Any>() {
    let server = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    let (asked, answer) =
        (Arc::new(tokio::sync::Semaphore::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let who = Changing::new(alice());
    let provider = {
        let (who, asked, answer) = (who.clone(), Arc::clone(&asked), Arc::clone(&answer));
        credentials_fn(move |_| {
            // Looked up before the user changes, and answered after that.
            let found = who.0.lock().expect("no panic").clone();
            asked.add_permits(1);
            let answer = Arc::clone(&answer);
            async move {
                let _answered = answer.acquire().await?;
                Ok(Some(found))
            }
        })
    };
    let client: C = of(builder().provider(provider));
    let first = tokio::spawn(client.send(get(&server, "/first")));
    without_hanging(asked.acquire()).await.expect("it is open").forget();
    who.change_to(bob());
    client.log_out(alice());
    answer.add_permits(1);
    let first = first.await.expect("no panic").expect("a response");
    assert!(page(first).await.starts_with("alice"));
    assert!(fetch(&client, get(&server, "/second")).await.starts_with("bob"));
    let report = server.report();
    assert_eq!(report.connections().len(), 2, "{report}");
}

async fn alice_goes_and_bob_stays<C: Any>() {
    let server = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    let client: C = of(builder());
    let as_alice = |path| acting_as(get(&server, path), alice());
    let as_bob = |path| acting_as(get(&server, path), bob());
    // Each has one connection that is idle and one in use.
    let (alices, bobs) = (head(&client, as_alice("/1")).await, head(&client, as_bob("/2")).await);
    fetch(&client, as_alice("/3")).await;
    fetch(&client, as_bob("/4")).await;
    client.log_out(alice());
    without_hanging(server.wait_for(|report| report.connections()[2].closed)).await;
    assert_eq!(server.report().open(), 3);
    page(alices).await;
    page(bobs).await;
    without_hanging(server.wait_for(|report| report.connections()[0].closed)).await;
    settled_at(&client, (2, 2)).await;
    for (path, bobs) in [("/5", head(&client, as_bob("/5")).await), ("/6", head(&client, as_bob("/6")).await)]
    {
        assert!(page(bobs).await.starts_with("bob"), "{path}");
    }
    fetch(&client, as_alice("/7")).await;
    let report = server.report();
    let targets: Vec<_> = report
        .connections()
        .iter()
        .map(|connection| *targets_on(connection).last().expect("a leg"))
        .collect();
    assert_eq!(targets.len(), 5, "{report}");
    assert_eq!((targets[0], targets[2], targets[4]), ("/1", "/3", "/7"), "{report}");
    assert_eq!(report.handshakes(), 5, "{report}");
    assert_eq!(report.open(), 3, "{report}");
}

async fn one_origin_goes_and_the_other_stays<C: Any>() {
    let (one, two) = (
        server_of_three([Offer::Ntlm]).start().await.expect("a server"),
        server_of_three([Offer::Ntlm]).start().await.expect("a server"),
    );
    let client: C = of(builder());
    for server in [&one, &two] {
        for who in [alice(), bob()] {
            fetch(&client, acting_as(get(server, "/before"), who)).await;
        }
    }
    client.log_out(one.origin());
    without_hanging(one.wait_for(|report| report.open() == 0)).await;
    for server in [&one, &two] {
        for who in [alice(), bob()] {
            fetch(&client, acting_as(get(server, "/after"), who)).await;
        }
    }
    let (one, two) = (one.report(), two.report());
    assert_eq!((one.connections().len(), two.connections().len()), (4, 2), "{one}{two}");
    assert_eq!((one.open(), two.open()), (2, 2), "{one}{two}");
}

async fn those_who_wait_for_a_place_go_on<C: Any>() {
    let server = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    let client = Client::builder(builder().build()).max_per_origin(1);
    let client = C::build(client);
    let old = head(&client, acting_as(get(&server, "/old"), alice())).await;
    let mut waiting = Vec::new();
    for (path, name, who) in [("/2", "alice", alice()), ("/3", "bob", bob()), ("/4", "alice", alice())] {
        waiting.push((name, tokio::spawn(begun(client.send(acting_as(get(&server, path), who))).await)));
    }
    client.log_out(alice());
    assert_eq!(client.connections(), (1, 0));
    page(old).await;
    // Alice's second one can use her connection as it is, and comes before Bob's.
    waiting.swap(1, 2);
    for (name, waiting) in waiting {
        let response = without_hanging(waiting).await.expect("no panic").expect("a response");
        assert!(page(response).await.starts_with(name));
    }
    let report = server.report();
    assert_eq!(targets_on(&report.connections()[0]), ["/old"; 3], "{report}");
    assert_eq!((report.connections().len(), report.misplaced()), (3, 0), "{report}");
    all_are_closed(&client, &server).await;
}

async fn a_connection_that_was_handed_over_and_not_yet_used_is_not_used<C: Any>() {
    let server = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    let who = Changing::new(alice());
    let client = C::build(Client::builder(who.authenticator().build()).max_per_origin(1));
    let old = head(&client, get(&server, "/old")).await;
    let waiting = begun(client.send(get(&server, "/waiting"))).await;
    // The connection comes back and is given to who waits for it, who has not looked yet.
    page(old).await;
    who.change_to(bob());
    client.close_idle();
    let served = without_hanging(waiting).await.expect("a response");
    assert!(page(served).await.starts_with("bob"));
    let report = server.report();
    assert_eq!(targets_on(&report.connections()[0]), ["/old"; 3], "{report}");
    all_are_closed(&client, &server).await;
}

/// The user at the provider changes all the time; no request is served as one from before it began.
async fn the_users_of_64_tasks_change_all_the_time<C: Any>() {
    const USERS: usize = 40;
    let user = |number: usize| Credentials::password(format!("u{number}."), "a-pw");
    let server = (0..USERS).fold(Server::builder().offer(Offer::Ntlm), |server, number| {
        server.user(&format!("u{number}."), "a-pw")
    });
    let server = Arc::new(server.start().await.expect("a server"));
    let who = Changing::new(user(0));
    let builder = Client::builder(who.authenticator().build()).max_per_origin(12);
    let client = C::build(builder);
    let since = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let (client, server, since) = (client.clone(), Arc::clone(&server), Arc::clone(&since));
        tasks.spawn(async move {
            let mut requests = 0;
            loop {
                let oldest = since.load(Ordering::SeqCst);
                let page = fetch(&client, get(&server, "/")).await;
                let served = page[1..].split('.').next().and_then(|number| number.parse::<usize>().ok());
                assert!(served.is_some_and(|served| served >= oldest), "{oldest}: {page}");
                requests += 1;
                if oldest == USERS - 1 {
                    return requests;
                }
            }
        });
    }
    for number in 1..USERS {
        // Some have been served as the one before.
        let seen = server.report().legs().count();
        without_hanging(server.wait_for(|report| report.legs().count() >= seen + 64)).await;
        who.change_to(user(number));
        match number % 4 {
            0 => client.close_idle(),
            1 => client.log_out(user(number - 1)),
            2 => client.log_out(server.origin()),
            _ => client.log_out(Identity::Credentials(alice())),
        }
        // Who logged out somebody else has changed nothing yet.
        if number % 4 != 3 {
            since.store(number, Ordering::SeqCst);
        }
    }
    client.close_idle();
    since.store(USERS - 1, Ordering::SeqCst);
    let requests: usize = without_hanging(tasks.join_all()).await.into_iter().sum();
    all_are_closed(&client, &server).await;
    let report = server.report();
    served_once(&report, requests);
}

async fn users_of_64_tasks_are_logged_out_all_the_time<C: Any>() {
    let server = Arc::new(server_of_three([Offer::Negotiate]).start().await.expect("a server"));
    let client = C::build(Client::builder(authenticator(&server).build()).max_per_origin(9));
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let (client, server) = (client.clone(), Arc::clone(&server));
        tasks.spawn(async move {
            for turn in 0..20 {
                let request = get(&server, "/");
                let (request, name) = match (task + turn) % 3 {
                    0 => (acting_as(request, alice()), "alice"),
                    1 => (acting_as(request, bob()), "bob"),
                    _ => (request, USER),
                };
                let page = fetch(&client, request).await;
                assert!(page.starts_with(name), "{name}: {page}");
            }
        });
    }
    let mut random = 1_u32;
    while !tasks.is_empty() {
        // Xorshift.
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        match random % 5 {
            0 => client.close_idle(),
            1 => client.log_out(alice()),
            2 => client.log_out(Identity::Credentials(bob())),
            3 => client.log_out(server.origin()),
            _ => client.log_out(carol()),
        }
        let some = std::time::Duration::from_millis(u64::from(random % 8));
        while let Ok(Some(done)) = tokio::time::timeout(some, tasks.join_next()).await {
            done.expect("no task fails");
        }
    }
    all_are_closed(&client, &server).await;
    let report = server.report();
    served_once(&report, 64 * 20);
    assert!(report.connections().iter().all(|connection| users(connection).len() <= 1), "{report}");
}

/// Closes the client's connections, and no place in its limits is lost.
async fn all_are_closed<C: Any>(client: &C, server: &Server) {
    client.close_idle();
    settled_at(client, (0, 0)).await;
    without_hanging(server.wait_for(|report| report.open() == 0)).await;
}

fn served_once(report: &Report, requests: usize) {
    let served = report.legs().filter(|leg| leg.status.is_some_and(|status| status == 200)).count();
    assert_eq!((served, report.misplaced(), report.refused()), (requests, 0, 0));
}

/// Who logs in at the proxy alone is logged out, too, and so is everybody behind it.
#[tokio::test]
async fn a_login_at_the_proxy_is_one() {
    let proxy = server_of_three([])
        .offer_as(Challenger::Proxy, Offer::Ntlm)
        .quirk(proxy_support())
        .start()
        .await
        .expect("a server");
    let proxies = Proxies::all(Proxy::new(proxy.origin()));
    let client: HttpClient = Client::builder(builder().build()).proxies(proxies).build_http();
    let request = |path: &str, who: Credentials| {
        let mut request = request("GET", format!("http://site.example{path}").parse().expect("a URI"), "");
        request.extensions_mut().insert(ProxyCredentials(who));
        request
    };
    for who in [alice(), bob()] {
        fetch(&client, request("/before", who)).await;
    }
    let alices = head(&client, request("/under-way", alice())).await;
    client.log_out(alice());
    page(alices).await;
    let report = without_hanging(proxy.wait_for(|report| report.open() == 1)).await;
    assert!(!report.connections()[1].closed, "{report}");
    for who in [alice(), bob()] {
        fetch(&client, request("/after", who)).await;
    }
    assert_eq!(proxy.report().connections().len(), 3, "{}", proxy.report());
    client.log_out(proxy.origin());
    without_hanging(proxy.wait_for(|report| report.open() == 0)).await;
    assert_eq!(client.connections(), (0, 0));
}

#[tokio::test]
async fn a_redirect_leads_to_a_new_connection_too() {
    let gate = Gate::closed();
    let other = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    let location = HeaderValue::from_str(&other.uri("/").to_string()).expect("a value");
    let when = || When::path("/status/302");
    let first = server([])
        .quirk_when(when(), Quirk::Field(header::LOCATION, location))
        .quirk_when(when(), Quirk::HeldBy(gate.clone()))
        .start()
        .await
        .expect("a server");
    let who = Changing::new(alice());
    let client: HttpClient = of(who.authenticator());
    let following = FollowRedirects::<_, Full<Bytes>>::new(client.clone());
    let over_reqwest: ReqwestClient = of(who.authenticator());
    let over_reqwest = over_reqwest.follow_redirects(Redirects::default());

    fetch(&client, get(&other, "/")).await;
    fetch(&over_reqwest, get(&other, "/")).await;
    let by_hyper = tokio::spawn(following.request(get(&first, "/status/302")));
    let by_reqwest = tokio::spawn(over_reqwest.get(url(&first, "/status/302")).send());
    without_hanging(gate.held(2)).await;
    who.change_to(bob());
    following.inner().log_out(other.origin());
    over_reqwest.log_out(other.origin());
    gate.open();
    let by_hyper = text(by_hyper.await.expect("no panic").expect("a response")).await;
    let by_reqwest = by_reqwest.await.expect("no panic").expect("a response").text().await.expect("a text");
    assert!(by_hyper.starts_with("bob") && by_reqwest.starts_with("bob"), "{by_hyper}{by_reqwest}");
    assert_eq!(other.report().connections().len(), 4, "{}", other.report());
}
