//! Each scheme by way of each client: over hyper, over reqwest, over hyper-util's legacy client.

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::client::connect::ChannelBound;
use legwork::handshake::AuthenticatorBuilder;
use legwork::scheme::{Basic, Digest, NtlmScheme, Scheme};
use legwork::{Client, Credentials, Outcome};

use crate::support::{LabClient, Page, Site, sites};

/// A scheme, where it is wanted, and how many legs a login takes.
struct Case {
    name: &'static str,
    path: &'static str,
    credentials: fn(&Site) -> Credentials,
    user: &'static str,
    scheme: fn(AuthenticatorBuilder) -> AuthenticatorBuilder,
    legs: u32,
}

fn only(builder: AuthenticatorBuilder, scheme: impl Scheme + 'static) -> AuthenticatorBuilder {
    builder.schemes(scheme)
}

fn cases() -> Vec<Case> {
    let case =
        |name, path, credentials, user, scheme, legs| Case { name, path, credentials, user, scheme, legs };
    let mut cases = vec![
        case("NTLM", "/all/", Site::carol, "LAB\\carol", |it| only(it, NtlmScheme::default()), 3),
        case("Negotiate", "/ntlm/", Site::carol, "LAB\\carol", |it| it, 3),
        case("Digest", "/digest/", Site::user, "user", |it| only(it, Digest::default()), 2),
        case(
            "Basic",
            "/basic/",
            Site::user,
            "user",
            |it| only(it, Basic::default()).dangerous_secrets_over_plain_http(true),
            2,
        ),
    ];
    cases.extend(kerberos());
    cases
}

#[cfg(unix)]
fn kerberos() -> Option<Case> {
    use legwork::credentials::Ambient;
    use legwork::mechanism::gssapi::Gssapi;
    use legwork::scheme::Negotiate;

    Some(Case {
        name: "Negotiate",
        path: "/krb/",
        credentials: |site| Credentials::ambient(Ambient::new().cache(site.value("CCACHE")).stable()),
        user: "alice@LAB.TEST",
        scheme: |it| it.negotiate(Negotiate::kerberos(Gssapi::kerberos())),
        legs: 2,
    })
}

#[cfg(not(unix))]
fn kerberos() -> Option<Case> {
    None
}

impl Case {
    fn authenticator(&self, site: &Site) -> legwork::Authenticator {
        (self.scheme)(site.authenticator((self.credentials)(site))).build()
    }

    fn uri(&self, site: &Site) -> http::Uri {
        site.uri(self.path)
    }

    /// The first page of a login, and the one behind it.
    fn check(&self, site: &Site, client: &str, page: &Page, outcome: Option<&Outcome>, is_first: bool) {
        let what = format!("{} by {client} over {}: {page:?}", self.name, site.scheme);
        assert_eq!((page.status, page.user.as_str()), (200, self.user), "{what}");
        match outcome {
            Some(Outcome::LoggedIn(login)) if is_first => {
                assert_eq!((login.scheme, login.legs), (self.name, self.legs), "{what}");
            }
            _ => assert!(!is_first, "{what}"),
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn every_scheme_logs_in_over_hyper() {
    for site in sites() {
        for case in cases() {
            let client: LabClient = site.build(Client::builder(case.authenticator(&site)));
            for is_first in [true, false] {
                let page = Page::get(&client, case.uri(&site)).await;
                case.check(&site, "hyper", &page, page.outcome.as_ref(), is_first);
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn every_scheme_logs_in_over_reqwest() {
    for site in sites() {
        for case in cases() {
            let tls = site.tls();
            let settings = move || reqwest::Client::builder().tls_backend_preconfigured(tls.clone());
            let client =
                Client::builder(case.authenticator(&site)).build_reqwest(settings).expect("settings");
            for is_first in [true, false] {
                let response = client.get(case.uri(&site).to_string()).send().await.expect("a response");
                let page = Page::read(http::Response::from(response)).await;
                case.check(&site, "reqwest", &page, page.outcome.as_ref(), is_first);
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn every_scheme_logs_in_over_the_legacy_client() {
    for site in sites() {
        for case in cases() {
            let mut http = HttpConnector::new();
            http.enforce_http(false);
            http.set_nodelay(true);
            let https = ChannelBound::new(hyper_rustls::HttpsConnector::from((http, site.tls())));
            let settings = legacy::Client::builder(TokioExecutor::new());
            let client = Client::builder(case.authenticator(&site)).build_legacy(settings, https);
            for is_first in [true, false] {
                let request = http::Request::get(case.uri(&site)).body(Full::<Bytes>::default());
                let response = client.request(request.expect("a request")).await.expect("a response");
                let page = Page::read(response).await;
                case.check(&site, "the legacy client", &page, page.outcome.as_ref(), is_first);
            }
        }
    }
}
