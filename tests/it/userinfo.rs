//! Userinfo in a request's URI: credentials for its origin, for each client.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::Client;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::redirect::{FollowRedirects, Redirected, Redirects};
use legwork::client::reqwest::Client as ReqwestClient;
use legwork::handshake::{AuthenticatorBuilder, Outcome};
use legwork::service::{BoxError, Error, ErrorKind};
use legwork::testing::{DigestAcceptor, Offer, Quirk, Report, Server, When};
use tower::ServiceExt;

use crate::support::*;

/// One of each kind.
enum Each {
    Hyper(HttpClient),
    Legacy(Client<Full<Bytes>>),
    /// By its own builder of requests, and by a request that was made elsewhere.
    Reqwest(ReqwestClient),
    ReqwestElsewhere(ReqwestClient),
}

impl Each {
    fn all(authenticator: impl Fn() -> AuthenticatorBuilder) -> [Self; 4] {
        let legacy = legacy::Client::builder(TokioExecutor::new());
        let over_legacy = Client::builder(authenticator().build()).build_legacy(legacy, HttpConnector::new());
        [
            Self::Hyper(build(Client::builder(authenticator().build()))),
            Self::Legacy(over_legacy),
            Self::Reqwest(over_reqwest(authenticator())),
            Self::ReqwestElsewhere(over_reqwest(authenticator())),
        ]
    }

    /// The status and the text that come for a `GET`.
    async fn get(&self, uri: &str) -> Result<(u16, String), Error> {
        let own = || request("GET", uri.parse().expect("a URI"), "");
        let response = match self {
            Self::Hyper(client) => {
                client.request(own()).await?.map(|body| BodyExt::boxed(body.map_err(BoxError::from)))
            }
            Self::Legacy(client) => {
                client.request(own()).await?.map(|body| BodyExt::boxed(body.map_err(BoxError::from)))
            }
            Self::Reqwest(client) => whole_of(client.get(uri).send().await?),
            Self::ReqwestElsewhere(client) => {
                let request = reqwest::Request::new(http::Method::GET, uri.parse().expect("a URL"));
                whole_of(client.execute(request).await?)
            }
        };
        let status = response.status().as_u16();
        let content = response.into_body().collect().await.expect("a content").to_bytes();
        Ok((status, String::from_utf8(content.to_vec()).expect("a text")))
    }
}

type Whole = http::Response<http_body_util::combinators::BoxBody<Bytes, BoxError>>;

fn whole_of(response: reqwest::Response) -> Whole {
    let shown = format!("{response:?}");
    assert!(!shown.contains("alice-pw"), "{shown}");
    http::Response::<reqwest::Body>::from(response).map(|body| BodyExt::boxed(body.map_err(BoxError::from)))
}

/// `path` of a server with this userinfo.
fn with(userinfo: &str, server: &Server, path: &str) -> String {
    format!("http://{userinfo}@{}{path}", server.address())
}

/// Nothing of a URI's userinfo is anywhere but in `Authorization`.
fn shows_no_userinfo(report: &Report) {
    for leg in report.legs() {
        assert!(!leg.target.contains('@'), "{report}");
        for (name, value) in &leg.headers {
            let text = String::from_utf8_lossy(value.as_bytes());
            assert!(!text.contains('@') && !text.contains("alice"), "{name}: {text}");
        }
        assert!(!leg.headers.contains_key(header::REFERER), "{report}");
    }
}

#[tokio::test]
async fn it_logs_in_when_it_is_challenged() {
    let digest = DigestAcceptor::new("a realm").user("alice", "alice-pw").user("bob", "bob-pw");
    let digest = Offer::judged("Digest", digest);
    for (offer, legs) in [(Offer::Ntlm, vec![401, 401, 200]), (digest, vec![401, 200])] {
        for each in 0..4 {
            let server = server_of_three([offer.clone()]).start().await.expect("a server");
            // It goes before the authenticator's own.
            let clients = Each::all(|| authenticator(&server));
            let (status, text) =
                clients[each].get(&with("alice:alice-pw", &server, "/a")).await.expect("one");
            assert!(status == 200 && text.starts_with("alice"), "{each}: {status} {text}");
            let report = server.report();
            assert_eq!(statuses(&report), legs, "{offer:?} {each}: {report}");
            assert!(report.legs().next().expect("a leg").authorization.is_none(), "{report}");
            shows_no_userinfo(&report);
            // The next request of the same user goes over the same connection, one of another does not.
            clients[each].get(&with("alice:alice-pw", &server, "/b")).await.expect("a response");
            assert_eq!(server.report().connections().len(), 1);
            let (_, text) = clients[each].get(&with("bob:bob-pw", &server, "/b")).await.expect("a response");
            assert!(text.starts_with("bob"), "{text}");
            assert_eq!(server.report().connections().len(), 2);
        }
    }
}

#[tokio::test]
async fn basic_is_sent_where_it_is_allowed_and_never_unasked() {
    for allowed in [false, true] {
        let server = server_of_three([Offer::basic("a realm")]).start().await.expect("a server");
        for each in Each::all(|| builder().dangerous_secrets_over_plain_http(allowed)) {
            let before = server.report().legs().count();
            let (status, _) = each.get(&with("alice:alice-pw", &server, "/")).await.expect("a response");
            let report = server.report();
            let sent: Vec<_> = report.legs().skip(before).map(|leg| leg.authorization.is_some()).collect();
            match allowed {
                false => assert_eq!((status, &*sent), (401, &[false][..]), "{report}"),
                true => assert_eq!((status, &*sent), (200, &[false, true][..]), "{report}"),
            }
            shows_no_userinfo(&report);
        }
    }
    let open = server_of_three([]).start().await.expect("a server");
    for each in Each::all(|| builder().dangerous_secrets_over_plain_http(true)) {
        assert_eq!(each.get(&with("alice:alice-pw", &open, "/")).await.expect("a response").0, 200);
    }
    assert!(open.report().legs().all(|leg| leg.authorization.is_none()), "{}", open.report());
}

#[tokio::test]
async fn characters_are_read_as_they_were_meant() {
    let server = server([Offer::Ntlm]).user("LAB\\dora", "p@:s%").start().await.expect("a server");
    for each in Each::all(builder) {
        let (status, _) = each.get(&with("LAB%5Cdora:p%40:s%", &server, "/")).await.expect("a response");
        assert_eq!(status, 200, "{}", server.report());
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_nothing_is_sent() {
    let server = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    for each in Each::all(|| authenticator(&server)) {
        let error = each.get(&with("alice:secret%FF", &server, "/")).await.expect_err("it is not UTF-8");
        assert!(matches!(error.kind(), ErrorKind::Request(_)) && !error.is_retryable(), "{error:?}");
        let shown = format!("{} {error:?}", whole(&error));
        assert!(shown.contains("%C3%A4") && shown.contains("Credentials"), "{shown}");
        assert!(!shown.contains("secret") && !shown.contains("alice"), "{shown}");
    }
    let client = over_reqwest(builder());
    // A URL takes it for a slash.
    let error = client.get(with("LAB\\alice:secret", &server, "/")).send().await.expect_err("a backslash");
    assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
    let shown = format!("{} {error:?}", whole(&error));
    assert!(shown.contains("%5C") && !shown.contains("secret") && !shown.contains("alice"), "{shown}");
    let request = client.get(with("alice:secret", &server, "/"));
    assert!(!format!("{request:?}").contains("secret"), "{request:?}");
    assert_eq!(server.report().legs().count(), 0, "{}", server.report());
}

#[tokio::test]
async fn what_the_caller_says_goes_before_it() {
    let server = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    let client = over_reqwest(authenticator(&server));
    let get = || client.get(with("alice:alice-pw", &server, "/"));
    let text = get().credentials(bob()).send().await.expect("a response").text().await.expect("a text");
    assert!(text.starts_with("bob"), "{text}");
    assert_eq!(get().anonymous().send().await.expect("a response").status(), 401);
    let own = get().with(|request| request.bearer_auth("own")).send().await.expect("a response");
    assert!(own.status() == 401 && own.extensions().get::<Outcome>().is_none());
}

#[tokio::test]
async fn it_follows_redirects_within_its_origin_alone() {
    let other = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    let to =
        |location: String| Quirk::Field(header::LOCATION, HeaderValue::from_str(&location).expect("one"));
    let first = server_of_three([Offer::Ntlm])
        .quirk_when(When::path("/status/302"), to("/status/307".to_owned()))
        .quirk_when(When::path("/status/307"), to(other.uri("/").to_string()))
        .start()
        .await
        .expect("a server");
    let uri = with("alice:alice-pw", &first, "/status/302");

    let client = FollowRedirects::<_, Full<Bytes>>::new(build(Client::builder(builder().build())));
    let response = client.request(request("GET", uri.parse().expect("a URI"), "")).await.expect("a response");
    assert_eq!(response.status(), 401);
    let redirected: &Redirected = response.extensions().get().expect("it says where it comes from");
    assert_eq!(redirected.uri, other.uri("/"));
    text(response).await;

    let client = over_reqwest(builder()).follow_redirects(Redirects::default());
    assert_eq!(client.get(&uri).send().await.expect("a response").status(), 401);
    let elsewhere = reqwest::Request::new(http::Method::GET, uri.parse().expect("a URL"));
    assert_eq!(client.clone().oneshot(elsewhere).await.expect("a response").status(), 401);

    assert!(other.report().legs().all(|leg| leg.authorization.is_none()), "{}", other.report());
    assert!(first.report().legs().any(|leg| leg.status.is_some_and(|status| status == 307)));
    shows_no_userinfo(&first.report());
    shows_no_userinfo(&other.report());
}

#[tokio::test]
async fn no_proxy_sees_it() {
    let proxy = server_of_three([Offer::basic("the origin's")]).start().await.expect("a server");
    let proxies = Proxies::all(proxy.origin().to_string().parse::<Proxy>().expect("a proxy"));
    let open = builder().dangerous_secrets_over_plain_http(true).build();
    let client: HttpClient = Client::builder(open).proxies(proxies).build_http();
    let uri = "http://alice:alice-pw@site.example/x".parse().expect("a URI");
    let response = client.request(request("GET", uri, "")).await.expect("a response");
    assert_eq!(response.status(), 200);
    text(response).await;
    let report = proxy.report();
    assert!(report.legs().all(|leg| leg.target == "http://site.example/x"), "{report}");
    assert!(report.legs().next().expect("a leg").authorization.is_none(), "{report}");
    shows_no_userinfo(&report);
}

#[tokio::test]
async fn an_upload_can_log_in_ahead_as_that_user() {
    let server = server_of_three([Offer::Ntlm]).start().await.expect("a server");
    let client = build(Client::builder(builder().build()));
    let uri: http::Uri = with("alice:alice-pw", &server, "/").parse().expect("a URI");
    assert!(client.authenticate(uri.clone()).await.expect("a login").is_some());
    let text = fetch(&client, request("POST", uri, "twelve bytes")).await;
    assert!(text.starts_with("alice") && text.ends_with("12 octets\n"), "{text}");
    assert_eq!(server.report().connections().len(), 1);
}
