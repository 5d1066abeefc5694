//! Ending sessions: who was logged in before serves nobody afterwards, whatever is under way, through
//! each of the clients.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::client::hyper::ClientBuilder;
use legwork::client::legacy::Client as LegacyClient;
use legwork::client::reqwest::Client as ReqwestClient;
use legwork::credentials::credentials_fn;
use legwork::handshake::AuthenticatorBuilder;
use legwork::service::{BoxError, Error};
use legwork::testing::{DigestAcceptor, Offer, Report, Server};
use legwork::{Client, Credentials};
use tokio::task::JoinSet;

use crate::support::*;

/// A client, whatever it is made of.
trait Any: Clone + Send + Sync + 'static {
    fn build(builder: ClientBuilder) -> Self;
    fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Content>, Error>> + Send + 'static;
    fn close_idle(&self);
    fn connections(&self) -> (usize, usize);
}

type Content = UnsyncBoxBody<Bytes, BoxError>;
type OverLegacy = LegacyClient<HttpConnector, Full<Bytes>>;

impl Any for HttpClient {
    fn build(builder: ClientBuilder) -> Self {
        builder.build_http()
    }

    fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Content>, Error>> + Send + 'static {
        let response = self.request(request);
        async { Ok(response.await?.map(|body| body.map_err(Into::into).boxed_unsync())) }
    }

    fn close_idle(&self) {
        self.close_idle();
    }

    fn connections(&self) -> (usize, usize) {
        self.connections()
    }
}

impl Any for OverLegacy {
    fn build(builder: ClientBuilder) -> Self {
        builder.build_legacy(legacy::Client::builder(TokioExecutor::new()), HttpConnector::new())
    }

    fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Content>, Error>> + Send + 'static {
        let response = self.request(request);
        async { Ok(response.await?.map(|body| body.map_err(Into::into).boxed_unsync())) }
    }

    fn close_idle(&self) {
        self.close_idle();
    }

    fn connections(&self) -> (usize, usize) {
        self.connections()
    }
}

impl Any for ReqwestClient {
    fn build(builder: ClientBuilder) -> Self {
        builder.build_reqwest(settings).expect("settings that fit")
    }

    fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Content>, Error>> + Send + 'static {
        let who = request.extensions_mut().remove::<Credentials>();
        let again = self.request(request.method().clone(), request.uri().to_string());
        let again = match who {
            Some(who) => again.credentials(who),
            None => again,
        };
        let response = again.send();
        async { Ok(Response::from(response.await?).map(|body| body.map_err(Into::into).boxed_unsync())) }
    }

    fn close_idle(&self) {
        self.close_idle();
    }

    fn connections(&self) -> (usize, usize) {
        self.connections()
    }
}

macro_rules! over_each_client {
    ($($test:ident),* $(,)?) => {
        mod over_hyper {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test::<super::HttpClient>().await;
            })*
        }

        mod over_reqwest {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test::<super::ReqwestClient>().await;
            })*
        }

        mod over_legacy {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test::<super::OverLegacy>().await;
            })*
        }
    };
}

over_each_client! {
    closing_idle_connections_ends_the_session_of_a_user_who_changed,
    a_connection_that_was_handed_over_and_not_yet_used_is_not_used,
    the_users_of_64_tasks_change_all_the_time,
}

fn of<C: Any>(authenticator: AuthenticatorBuilder) -> C {
    C::build(Client::builder(authenticator.dangerous_secrets_over_plain_http(true).build()))
}

/// The head of a response to come, which is a 200.
async fn head<C: Any>(client: &C, request: Request<Full<Bytes>>) -> Response<Content> {
    let response = without_hanging(client.send(request)).await.expect("a response");
    assert_eq!(response.status(), 200);
    response
}

async fn page(response: Response<Content>) -> String {
    let octets = without_hanging(response.into_body().collect()).await.expect("a body").to_bytes();
    String::from_utf8(octets.to_vec()).expect("UTF-8")
}

async fn settled_at<C: Any>(client: &C, counts: (usize, usize)) {
    without_hanging(async {
        while client.connections() != counts {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn fetch<C: Any>(client: &C, request: Request<Full<Bytes>>) -> String {
    page(head(client, request).await).await
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
        client.close_idle();
        since.store(number, Ordering::SeqCst);
    }
    let requests: usize = without_hanging(tasks.join_all()).await.into_iter().sum();
    all_are_closed(&client, &server).await;
    let report = server.report();
    served_once(&report, requests);
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
