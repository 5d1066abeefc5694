//! Where credentials go, and how often.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderValue;
use http::header::{AUTHORIZATION, PROXY_AUTHENTICATE};
use legwork::credentials::{
    Anonymous, CredentialsFuture, CredentialsProvider, CredentialsQuery, OriginPatterns,
};
use legwork::handshake::{Outcome, Why};
use legwork::mechanism::ntlm::Ntlm;
use legwork::mechanism::{
    Binding, Established, Initiate, Mechanism, MechanismError, Moment, SecurityContext, Step,
};
use legwork::scheme::{Negotiate, NtlmScheme, Schemes};
use legwork::service::ErrorKind;
use legwork::testing::{Accept, Acceptor, Close, Gate, Offer, Quirk, Server, When};
use legwork::{Client, Credentials};
use tokio::task::JoinSet;

use crate::support::*;

fn wrong() -> Credentials {
    Credentials::password(USER, "wrong-pw")
}

fn client_with(server: &Server, credentials: Credentials) -> HttpClient {
    build(Client::builder(builder().credentials(server.origin(), credentials).build()))
}

// curl CVE-2018-1000007, 2022-27774, 2022-27776, 2025-14524, 2026-3783
#[tokio::test]
async fn credentials_belong_to_one_origin() {
    let ours = server([Offer::Ntlm]).start().await.expect("a server");
    let other = server([Offer::Negotiate, Offer::Ntlm, Offer::basic("lab")]).start().await.expect("a server");
    let authenticator = authenticator(&ours).dangerous_secrets_over_plain_http(true).build();
    let client = build(Client::builder(authenticator));
    fetch(&client, get(&ours, "/")).await;
    let response = client.request(get(&other, "/")).await.expect("a response");
    assert_eq!(response.status(), 401);
    assert!(refusal(&response).tried.iter().all(|tried| tried.why == Why::NoCredentials));
    let report = other.report();
    assert!(report.legs().all(|leg| leg.authorization.is_none()), "{report}");
}

#[tokio::test]
async fn a_declared_pattern_holds_for_all_its_hosts_but_for_an_origin_that_is_declared_itself() {
    let mut servers = Vec::new();
    for _ in 0..3 {
        let offers = [Offer::Negotiate, Offer::Ntlm, Offer::basic("lab")];
        servers.push(server(offers).start().await.expect("a server"));
    }
    let host = servers[0].origin().host().to_owned();
    let mut builder = builder()
        .declare(servers[2].origin(), "Basic")
        .and_then(|it| it.declare(host.parse::<OriginPatterns>().expect("a host"), "NTLM"))
        .expect("known schemes")
        .dangerous_secrets_over_plain_http(true);
    for server in &servers {
        builder = builder.credentials(server.origin(), carol());
    }
    let client = build(Client::builder(builder.build()));
    for (server, scheme, expected) in [
        (&servers[0], "NTLM", &[401, 200][..]),
        (&servers[1], "NTLM", &[401, 200]),
        (&servers[2], "Basic", &[200]),
    ] {
        fetch(&client, get(server, "/")).await;
        let report = server.report();
        assert_eq!(statuses(&report), expected, "{report}");
        let first = report.legs().next().and_then(|leg| leg.authorization.as_ref()).expect("a first token");
        assert_eq!(first.scheme, scheme, "{report}");
    }
}

// dotnet 51701
#[tokio::test]
async fn basic_goes_over_plain_http_only_when_asked_for_by_name() {
    let server = server([Offer::basic("lab")]).start().await.expect("a server");
    let response = client(&server).request(get(&server, "/")).await.expect("a response");
    assert_eq!(response.status(), 401);
    assert_eq!(refusal(&response).tried[0].why, Why::RevealsSecret);
    assert!(server.report().legs().all(|leg| leg.authorization.is_none()));

    let authenticator = authenticator(&server).dangerous_secrets_over_plain_http(true).build();
    let client = build(Client::builder(authenticator));
    for _ in 0..2 {
        fetch(&client, get(&server, "/")).await;
    }
    let report = server.report();
    assert_eq!(statuses_on(&report.connections()[1]), [401, 200, 200], "{report}");
}

// dotnet 51701
#[tokio::test]
async fn no_further_scheme_gets_a_password_that_was_refused() {
    let offers = [Offer::Negotiate, Offer::Ntlm, Offer::basic("lab")];
    let server = server(offers).start().await.expect("a server");
    let authenticator =
        builder().credentials(server.origin(), wrong()).dangerous_secrets_over_plain_http(true).build();
    let client = build(Client::builder(authenticator));
    for turn in 0..3 {
        let response = client.request(get(&server, "/")).await.expect("a response");
        assert_eq!(response.status(), 401);
        let tried = &refusal(&response).tried;
        assert!(!tried.is_empty(), "turn {turn}");
        text(response).await;
    }
    let report = server.report();
    assert_eq!(report.attempts(), 1, "{report}");
    let schemes: Vec<_> = report.legs().filter_map(|leg| leg.authorization.as_ref()).collect();
    assert!(schemes.iter().all(|seen| seen.scheme == "Negotiate"), "{report}");
}

// px 234
#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_password_is_tried_once_whatever_the_concurrency() {
    let offers = [
        vec![Offer::Ntlm],
        vec![Offer::Negotiate],
        vec![Offer::basic("lab")],
        vec![Offer::Negotiate, Offer::Ntlm, Offer::basic("lab")],
    ];
    for offers in offers {
        for tasks in [1, 8, 64] {
            let server = Arc::new(server(offers.clone()).start().await.expect("a server"));
            let authenticator = builder()
                .credentials(server.origin(), wrong())
                .dangerous_secrets_over_plain_http(true)
                .build();
            let client = build(Client::builder(authenticator));
            all_are_refused(&client, &server, tasks, 2).await;
            assert_eq!(server.report().attempts(), 1, "{tasks} tasks, {offers:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_password_is_tried_again_when_it_changes_or_is_forgiven() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client_with(&server, wrong());
    let refused = |why: Why| {
        let (client, request) = (client.clone(), get(&server, "/"));
        async move {
            let response = client.request(request).await.expect("a response");
            assert_eq!((response.status().as_u16(), &refusal(&response).tried[0].why), (401, &why));
            text(response).await;
        }
    };
    refused(Why::Refused(None)).await;
    refused(Why::RefusedBefore).await;
    assert_eq!(server.report().attempts(), 1);
    client.authenticator().forget_refusals();
    refused(Why::Refused(None)).await;
    assert_eq!(server.report().attempts(), 2);
    fetch(&client, acting_as(get(&server, "/"), carol())).await;
}

#[tokio::test]
async fn without_the_guard_every_request_tries_for_itself() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let authenticator = builder().credentials(server.origin(), wrong()).lockout_guard(false).build();
    let client = build(Client::builder(authenticator));
    for _ in 0..3 {
        text(client.request(get(&server, "/")).await.expect("a response")).await;
    }
    assert_eq!(server.report().attempts(), 3);
}

#[tokio::test]
async fn others_wait_for_the_one_that_tries_and_go_on_when_it_is_dropped() {
    let gate = Gate::closed();
    let server = server_holding_the_first_proof(&gate).await;
    let client = client(&server);
    let first = tokio::spawn(client.request(get(&server, "/first")));
    without_hanging(gate.held(1)).await;
    let others: Vec<_> = (0..4).map(|_| tokio::spawn(client.request(get(&server, "/other")))).collect();
    first.abort();
    assert!(first.await.is_err());
    for other in others {
        let response = without_hanging(other).await.expect("no panic").expect("a response");
        assert_eq!(response.status(), 200);
        text(response).await;
    }
    let report = server.report();
    assert_eq!(report.misplaced(), 0, "{report}");
}

// IIS 401.3 (an ACL)
#[tokio::test]
async fn a_401_after_the_credentials_were_proven_is_that_requests_answer_and_poisons_nothing() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        let server = server([offer]).start().await.expect("a server");
        let client = client(&server);
        fetch(&client, get(&server, "/")).await;
        for _ in 0..2 {
            let response = client.request(get(&server, "/denied")).await.expect("a response");
            assert_eq!(response.status(), 401);
            let why = &refusal(&response).tried.last().expect("something was tried").why;
            assert_eq!(*why, Why::Denied);
            text(response).await;
            fetch(&client, get(&server, "/")).await;
        }
    }
}

// curl 876/1384, dotnet 119298
#[tokio::test]
async fn when_a_mechanism_cannot_even_start_the_next_scheme_is_tried() {
    #[derive(Debug)]
    struct NoTicket;
    impl Mechanism for NoTicket {
        fn name(&self) -> &'static str {
            "Kerberos"
        }
        fn oid(&self) -> &'static [u8] {
            &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02]
        }
        fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> {
            Box::new(NoContext)
        }
    }
    struct NoContext;
    impl SecurityContext for NoContext {
        fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
            Err(MechanismError::new(legwork::mechanism::ErrorKind::Credentials, "there is no ticket"))
        }
    }
    let server = server([Offer::Negotiate, Offer::Ntlm]).start().await.expect("a server");
    let schemes = Schemes::new().with(Negotiate::new(NoTicket)).with(NtlmScheme::new(Ntlm::new()));
    let client = build(Client::builder(authenticator(&server).schemes(schemes.clone()).build()));
    let response = client.request(get(&server, "/")).await.expect("a response");
    assert_eq!((response.status().as_u16(), login(&response).scheme), (200, "NTLM"));
    text(response).await;
    fetch(&client, get(&server, "/")).await;

    let alone = server_alone().await;
    let client = build(Client::builder(authenticator(&alone).schemes(schemes).build()));
    let response = client.request(get(&alone, "/")).await.expect("a response");
    let Why::CannotStart(why) = &refusal(&response).tried[0].why else { panic!("{response:?}") };
    assert!(why.contains("there is no ticket"), "{why}");
}

async fn server_alone() -> Server {
    server([Offer::Negotiate]).start().await.expect("a server")
}

// Firefox, Chromium
#[tokio::test]
async fn a_407_on_a_direct_connection_is_no_proxy_challenge() {
    let server = server([Offer::Ntlm])
        .quirk_when(
            When::path("/status/407"),
            Quirk::Field(PROXY_AUTHENTICATE, HeaderValue::from_static("NTLM")),
        )
        .start()
        .await
        .expect("a server");
    let authenticator = authenticator(&server).proxy_credentials(server.origin(), carol()).build();
    let client = build(Client::builder(authenticator));
    fetch(&client, get(&server, "/")).await;
    let response = client.request(get(&server, "/status/407")).await.expect("a response");
    assert_eq!(response.status(), 407);
    assert!(response.extensions().get::<Outcome>().is_none());
    text(response).await;
    let report = server.report();
    assert!(report.legs().all(|leg| leg.proxy_authorization.is_none()), "{report}");
    assert_eq!(report.legs().filter(|leg| leg.target == "/status/407").count(), 1);
}

#[tokio::test]
async fn a_callers_own_authorization_passes_untouched() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    let mut request = get(&server, "/");
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer mine"));
    let response = client.request(request).await.expect("a response");
    assert_eq!(response.status(), 401);
    text(response).await;
    let report = server.report();
    assert_eq!(report.legs().count(), 1, "{report}");
    let seen = report.legs().next().and_then(|leg| leg.authorization.clone()).expect("it was sent");
    assert_eq!(seen.scheme, "Bearer");
}

// Apache HttpClient's SPNEGO pools
#[tokio::test]
async fn a_provider_is_an_identity_whoever_it_names() {
    let server = server_of_three([Offer::Negotiate]).start().await.expect("a server");
    let asked = Arc::new(AtomicUsize::new(0));
    let authenticator = builder().provider(Counting(Arc::clone(&asked))).build();
    let client = build(Client::builder(authenticator));
    for _ in 0..3 {
        fetch(&client, get(&server, "/")).await;
    }
    // The same user named by the request itself is another identity to the pool: on the safe side.
    fetch(&client, acting_as(get(&server, "/"), carol())).await;
    fetch(&client, acting_as(get(&server, "/"), bob())).await;
    let report = server.report();
    assert_eq!(report.connections().len(), 3, "{report}");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "once a connection, not once a request");
}

struct Counting(Arc<AtomicUsize>);

impl CredentialsProvider for Counting {
    fn credentials(&self, _: CredentialsQuery<'_>) -> CredentialsFuture {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            tokio::task::yield_now().await;
            Ok(Some(carol()))
        })
    }
}

#[tokio::test]
async fn a_provider_that_fails_is_the_requests_error() {
    struct Broken;
    impl CredentialsProvider for Broken {
        fn credentials(&self, _: CredentialsQuery<'_>) -> CredentialsFuture {
            Box::pin(async { Err("the vault is sealed".into()) })
        }
    }
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = build(Client::builder(builder().provider(Broken).build()));
    let error = client.request(get(&server, "/")).await.expect_err("the vault's error");
    assert!(matches!(error.kind(), ErrorKind::Credentials(_)));
    assert!(whole(&error).contains("the vault is sealed"), "{}", whole(&error));
    assert_eq!(client.connections(), (0, 0));
}

// dotnet 51980, 36644; corefx 33426
#[test]
fn the_target_name_is_the_host_without_its_port_unless_it_is_overridden() {
    let [plain, port, alias] = ["http://host.example", "http://host.example:8080", "https://alias.example"]
        .map(|origin| origin.parse::<legwork::Origin>().expect("an origin"));
    let authenticator = builder().target_name(alias.clone(), "HTTP/real.example").build();
    assert_eq!(&*authenticator.target_name(&plain), "HTTP/host.example");
    assert_eq!(&*authenticator.target_name(&port), "HTTP/host.example");
    assert_eq!(&*authenticator.target_name(&alias), "HTTP/real.example");
}

// curl CVE-2018-14618
#[tokio::test]
async fn an_oversized_name_or_password_is_a_clear_error() {
    let huge = "x".repeat(1 << 20);
    for offer in [Offer::Ntlm, Offer::Negotiate, Offer::basic("lab")] {
        for credentials in [Credentials::password(USER, &*huge), Credentials::password(&*huge, "pw")] {
            let server = server([offer.clone()]).start().await.expect("a server");
            let authenticator = builder()
                .credentials(server.origin(), credentials)
                .dangerous_secrets_over_plain_http(true)
                .build();
            let client = build(Client::builder(authenticator));
            let result = without_hanging(client.request(get(&server, "/"))).await;
            match result {
                Ok(response) => assert!(response.status().is_client_error(), "{offer:?}"),
                Err(error) => assert!(!whole(&error).contains("xxxx"), "{offer:?}: {error:?}"),
            }
        }
    }
}

// IIS 401.3 (an ACL)
#[tokio::test]
async fn a_401_with_the_mechanisms_own_consent_proves_the_credentials() {
    let server = server([Offer::Negotiate]).start().await.expect("a server");
    let client = client(&server);
    let response = client.request(get(&server, "/denied")).await.expect("a response");
    assert_eq!(response.status(), 401);
    assert_eq!(refusal(&response).tried[0].why, Why::Denied);
    text(response).await;
    fetch(&client, get(&server, "/")).await;
}

// Apache HttpClient's SPNEGO pools
#[tokio::test]
async fn a_scheme_that_cannot_name_its_principal_still_yields_an_identity() {
    #[derive(Debug)]
    struct Nameless;
    impl Mechanism for Nameless {
        fn name(&self) -> &'static str {
            "Nameless"
        }
        fn oid(&self) -> &'static [u8] {
            &[0x2a]
        }
        fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> {
            Box::new(Nameless)
        }
    }
    impl SecurityContext for Nameless {
        fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
            let established = Established::new("Nameless", None, Binding::Connection);
            Ok(Step::Complete { token: Some(b"somebody".to_vec()), established })
        }
    }
    impl Acceptor for Nameless {
        fn step(&mut self, _: &[u8]) -> Accept {
            Accept::Accepted { user: "somebody".to_owned(), token: None, integrity: None }
        }
    }

    let server = server([Offer::custom("Negotiate", || Nameless)]).start().await.expect("a server");
    let schemes = Negotiate::new(Nameless);
    let client = build(Client::builder(authenticator(&server).schemes(schemes).build()));
    let response = client.request(acting_as(get(&server, "/alice"), alice())).await.expect("a response");
    assert_eq!(login(&response).principal, None);
    text(response).await;
    fetch(&client, acting_as(get(&server, "/bob"), bob())).await;
    fetch(&client, get(&server, "/carol")).await;
    let mut nobodys = get(&server, "/public/nobody");
    nobodys.extensions_mut().insert(Anonymous);
    fetch(&client, nobodys).await;
    let report = server.report();
    assert_eq!(report.connections().len(), 4, "{report}");
    fetch(&client, acting_as(get(&server, "/alice"), alice())).await;
    assert_eq!(server.report().connections().len(), 4);
}

// px 234
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_up_on_a_wrong_password_sees_it_twice_at_the_most() {
    let hangs_up = Quirk::Close(Close::WithoutAnswer);
    let server = server([Offer::Ntlm])
        .quirk_when(When::leg(3), hangs_up.clone())
        .quirk_when(When::leg(2).connections(2..), hangs_up)
        .start()
        .await
        .expect("a server");
    let server = Arc::new(server);
    let client = client_with(&server, wrong());
    let mut set = JoinSet::new();
    for _ in 0..64 {
        let (client, request) = (client.clone(), get(&server, "/"));
        set.spawn(async move {
            if let Ok(response) = without_hanging(client.request(request)).await {
                assert_eq!(response.status(), 401);
                text(response).await;
            }
        });
    }
    while let Some(done) = set.join_next().await {
        done.expect("no task fails");
    }
    assert!(server.report().attempts() <= 2, "{}", server.report());
}
