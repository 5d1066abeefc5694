//! Logins at servers that look at channel bindings, one for each kind of certificate.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use legwork::Client;
use legwork::channel_bindings::{AbsentChannelBindings, ChannelBindings, ChannelBindingsUse};
use legwork::handshake::AuthenticatorBuilder;
use legwork::service::BoxError;
use tokio::net::TcpStream;
use tower::Service;

use crate::support::*;

/// One for each kind of certificate.
const SERVERS: [&str; 7] = [
    "BINDINGS_SERVER",
    "BINDINGS_RSA256",
    "BINDINGS_RSA384",
    "BINDINGS_RSA512",
    "BINDINGS_RSA1",
    "BINDINGS_PSS",
    "BINDINGS_ED25519",
];

/// A user for each mechanism and scheme.
fn logins(site: &Site) -> Vec<(&'static str, AuthenticatorBuilder)> {
    #[allow(unused_mut, reason = "there is no Kerberos but on unix")]
    let mut logins = Vec::from(site.by_each_scheme(site.carol()));
    #[cfg(unix)]
    {
        use legwork::credentials::{Ambient, Credentials};
        use legwork::mechanism::gssapi::Gssapi;
        use legwork::scheme::Negotiate;

        let alice = Credentials::ambient(Ambient::new().cache(site.value("CCACHE")).stable());
        logins
            .push(("Kerberos", site.authenticator(alice).negotiate(Negotiate::kerberos(Gssapi::kerberos()))));
    }
    logins
}

// curl 3280, 3503; davmail 352; gss-ntlmssp 25
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn servers_that_require_bindings_let_in_by_each_kind_of_certificate() {
    for site in SERVERS.map(site) {
        for (by, authenticator) in logins(&site) {
            let client = site.client_with(authenticator);
            for path in ["/gss-require", "/gss-accept"] {
                let page = Page::get(&client, site.uri(path)).await;
                let seen = (page.status, page.bindings.as_str());
                assert_eq!(seen, (200, "bound"), "{by} at {}: {page:?}", site.uri(path));
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn servers_that_require_bindings_refuse_logins_with_none_and_with_others() {
    for site in SERVERS.map(site) {
        for (by, authenticator) in logins(&site) {
            let off = authenticator.channel_bindings(ChannelBindingsUse::Off);
            let page = Page::get(&site.client_with(off), site.uri("/gss-require")).await;
            assert_eq!(page.status, 401, "{by} at {}: {page:?}", site.uri("/"));
        }
        for (by, authenticator) in logins(&site) {
            let client = elsewhere(&site, authenticator);
            for path in ["/gss-require", "/gss-accept"] {
                let page = Page::get(&client, site.uri(path)).await;
                assert_eq!(page.status, 401, "{by} at {}: {page:?}", site.uri(path));
            }
        }
    }
}

/// A client whose connections have somebody in between.
pub(crate) fn elsewhere(site: &Site, authenticator: AuthenticatorBuilder) -> LabClient {
    let https = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(site.tls());
    let connector = Elsewhere(https.https_only().enable_http1().build());
    Client::with_connector(authenticator.build(), connector)
}

/// A connector whose connections claim the bindings of another server, as they would have with
/// somebody in between.
#[derive(Clone)]
struct Elsewhere(hyper_rustls::HttpsConnector<HttpConnector>);

impl Service<Uri> for Elsewhere {
    type Response = ElsewhereStream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<ElsewhereStream, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.0.call(target);
        Box::pin(async { connecting.await.map(ElsewhereStream) })
    }
}

struct ElsewhereStream(MaybeHttpsStream<TokioIo<TcpStream>>);

impl Connection for ElsewhereStream {
    fn connected(&self) -> Connected {
        self.0.connected().extra(ChannelBindings::tls_server_end_point(&[7; 32]))
    }
}

impl Read for ElsewhereStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for ElsewhereStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_login_without_bindings_gets_in_only_where_they_are_not_required() {
    let site = site("BINDINGS_SERVER");
    for (path, status, bindings) in
        [("/gss-require", 401, ""), ("/gss-accept", 200, "absent"), ("/gss-ignore", 200, "n/a")]
    {
        for (by, authenticator) in logins(&site) {
            let off = authenticator.channel_bindings(ChannelBindingsUse::Off);
            let page = Page::get(&site.client_with(off), site.uri(path)).await;
            assert_eq!((page.status, page.bindings.as_str()), (status, bindings), "{by} at {path}: {page:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_server_takes_zeros_for_bindings_that_are_absent() {
    let site = site("BINDINGS_SERVER");
    for (by, authenticator) in site.by_each_scheme(site.carol()) {
        let zeros = authenticator
            .channel_bindings(ChannelBindingsUse::Off)
            .absent_channel_bindings(AbsentChannelBindings::Zeros);
        let page = Page::get(&site.client_with(zeros), site.uri("/gss-accept")).await;
        assert_eq!((page.status, page.bindings.as_str()), (200, "absent"), "{by}: {page:?}");
    }
}

#[cfg(feature = "native-tls")]
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn the_systems_tls_tells_the_bindings_of_each_kind_of_certificate() {
    for site in SERVERS.map(site) {
        for (by, authenticator) in logins(&site) {
            // What is shown is which bindings it tells, not whom it trusts.
            let connector = native_tls::TlsConnector::builder().danger_accept_invalid_certs(true).build();
            let client = Client::builder(authenticator.build())
                .build_with_native_tls(connector.expect("the system's TLS"));
            let page = Page::get(&client, site.uri("/gss-require")).await;
            let seen = (page.status, page.bindings.as_str());
            assert_eq!(seen, (200, "bound"), "{by} at {}: {page:?}", site.uri("/"));
        }
    }
}
