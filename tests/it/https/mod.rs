//! Logins over TLS that are tied to it: to a server that looks at channel bindings.

mod http2;
mod kerberos;
mod lanes;
#[cfg(feature = "native-tls")]
mod native;
mod redirected;
mod streams;
mod tunnelled;
mod upgraded;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::connect::HttpConnector;
use legwork::channel_bindings::{AbsentChannelBindings, ChannelBindings, ChannelBindingsUse};
use legwork::client::connect::ChannelBound;
use legwork::handshake::AuthenticatorBuilder;
use legwork::testing::{Builder, Offer, Report, Server, Verdict};
use legwork::unversioned::testing::SentBindings;
use legwork::{Client, Origin};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::*;

/// A certificate of `tests/vectors/certificates` and its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Certificate {
    name: &'static str,
    der: &'static [u8],
    key: &'static [u8],
}

macro_rules! certificate {
    ($name:literal, $key:literal) => {
        Certificate {
            name: $name,
            der: include_bytes!(concat!("../../vectors/certificates/", $name, ".der")),
            key: include_bytes!(concat!("../../vectors/certificates/", $key, ".key.der")),
        }
    };
}

const RSA: Certificate = certificate!("rsa-sha256", "rsa");
pub(crate) const ECDSA: Certificate = certificate!("ecdsa-sha256", "ecdsa");

#[cfg(feature = "native-tls")]
const RSA_SHA1: Certificate = certificate!("rsa-sha1", "rsa");

/// Those that rustls trusts: all but the one signed with SHA-1.
const CERTIFICATES: [Certificate; 6] = [
    ECDSA,
    RSA,
    certificate!("rsa-sha384", "rsa"),
    certificate!("rsa-sha512", "rsa"),
    certificate!("rsa-pss-sha384", "rsa"),
    certificate!("ed25519", "ed25519"),
];

impl Certificate {
    fn bindings(self) -> ChannelBindings {
        ChannelBindings::from_certificate(self.der).expect(self.name)
    }

    /// TLS with this certificate, which agrees to one of these protocols (ALPN).
    fn acceptor(self, protocols: &[&str]) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(self.key).expect("a key");
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the usual versions")
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(self.der)], key)
            .expect(self.name);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// The embedded server behind TLS.
pub(crate) struct Https {
    pub(crate) server: Arc<Server>,
    address: SocketAddr,
    resumed: Arc<AtomicUsize>,
}

impl Https {
    async fn start(builder: Builder, certificate: Certificate) -> Self {
        Self::offering(builder, certificate, &[]).await
    }

    /// One that agrees to one of these protocols (ALPN).
    pub(crate) async fn offering(builder: Builder, certificate: Certificate, protocols: &[&str]) -> Self {
        let server = Arc::new(builder.start().await.expect("a server"));
        let acceptor = certificate.acceptor(protocols);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it listens");
        let resumed = Arc::new(AtomicUsize::new(0));
        let (behind, count) = (Arc::clone(&server), Arc::clone(&resumed));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (accepting, behind, count) = (acceptor.accept(stream), behind.clone(), count.clone());
                tokio::spawn(async move {
                    // A client that does not trust the certificate is none of the tests' business here.
                    let Ok(stream) = accepting.await else { return };
                    if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    match stream.get_ref().1.alpn_protocol() {
                        Some(b"h2") => behind.serve_http2_connection(stream),
                        _ => behind.serve_connection(stream),
                    }
                });
            }
        });
        Self { server, address, resumed }
    }

    pub(crate) fn uri(&self, path: &str) -> Uri {
        format!("https://{}{path}", self.address).parse().expect("a URI")
    }

    fn authenticator(&self) -> AuthenticatorBuilder {
        let origin = Origin::from_uri(&self.uri("/")).expect("an origin");
        builder().credentials(origin, carol())
    }

    fn get(&self) -> Request<Full<Bytes>> {
        request("GET", self.uri("/"), "")
    }

    fn report(&self) -> Report {
        self.server.report()
    }

    /// What the logins said of channel bindings, in order.
    fn sent(&self) -> Vec<SentBindings> {
        let report = self.report();
        report.legs().filter_map(|leg| leg.authorization.as_ref()?.channel_bindings).collect()
    }
}

/// TLS settings that trust these certificates and no others.
pub(crate) fn trusting(certificates: impl IntoIterator<Item = Certificate>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(CertificateDer::from(certificate.der)).expect(certificate.name);
    }
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the usual versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn client(authenticator: AuthenticatorBuilder) -> Client<Full<Bytes>> {
    Client::builder(authenticator.build()).build_with_tls(trusting(CERTIFICATES))
}

fn requiring(offer: Offer, bindings: ChannelBindings) -> Builder {
    server([offer]).ntlm(move |acceptor| acceptor.require_channel_bindings(bindings.clone()))
}

/// Why the last login was refused.
fn why(report: &Report) -> Option<String> {
    report.legs().filter_map(|leg| leg.authorization.as_ref()).last().and_then(|seen| match &seen.verdict {
        Verdict::Refused { why } => Some(why.clone()),
        _ => None,
    })
}

// curl 3280, 3503; davmail 352; gss-ntlmssp 25
#[tokio::test]
async fn logins_are_bound_to_each_kind_of_certificate() {
    for certificate in CERTIFICATES {
        for offer in [Offer::Ntlm, Offer::Negotiate] {
            let https = Https::start(requiring(offer, certificate.bindings()), certificate).await;
            let client = client(https.authenticator());
            let response = client.request(https.get()).await.expect(certificate.name);
            assert_eq!(response.status(), 200, "{}: {}", certificate.name, https.report());
            assert_eq!(login(&response).mechanism, "NTLM");
            text(response).await;
            assert!(https.sent()[0].are(&certificate.bindings()), "{}", certificate.name);
        }
    }
}

#[tokio::test]
async fn a_resumed_session_is_bound_as_the_first_one_was() {
    let https = Https::start(requiring(Offer::Ntlm, ECDSA.bindings()), ECDSA).await;
    let client = client(https.authenticator());
    for connection in 1..=3 {
        let response = client.request(https.get()).await.expect("a response");
        assert_eq!(response.status(), 200, "{}", https.report());
        text(response).await;
        assert_eq!(settled(&client).await, 1);
        https.server.close_idle();
        https.server.wait_for(|report| report.open() == 0).await;
        assert_eq!(https.report().connections().len(), connection);
    }
    assert_eq!(https.resumed.load(Ordering::SeqCst), 2);
    assert!(https.sent().iter().all(|sent| sent.are(&ECDSA.bindings())), "{}", https.report());
}

#[tokio::test]
async fn a_login_that_is_passed_on_to_another_server_is_refused() {
    // The client sees one certificate; the server behind has another.
    let https = Https::start(requiring(Offer::Ntlm, RSA.bindings()), ECDSA).await;
    let response = client(https.authenticator()).request(https.get()).await.expect("a response");
    assert_eq!(response.status(), 401);
    refusal(&response);
    let complaint = "the channel bindings are those of another connection";
    assert_eq!(why(&https.report()).as_deref(), Some(complaint));
}

#[tokio::test]
async fn bindings_that_are_off_are_not_sent() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        let https = Https::start(requiring(offer, ECDSA.bindings()), ECDSA).await;
        let off = https.authenticator().channel_bindings(ChannelBindingsUse::Off);
        let response = client(off).request(https.get()).await.expect("a response");
        assert_eq!(response.status(), 401);
        let complaint = "channel bindings are required, and there are none";
        assert_eq!(why(&https.report()).as_deref(), Some(complaint));
    }

    let accepting = |acceptor: legwork::unversioned::testing::NtlmAcceptor| {
        acceptor.accept_channel_bindings(RSA.bindings())
    };
    let https = Https::start(server([Offer::Ntlm]).ntlm(accepting), ECDSA).await;
    let off = https.authenticator().channel_bindings(ChannelBindingsUse::Off);
    let response = client(off).request(https.get()).await.expect("a response");
    assert_eq!(response.status(), 200, "{}", https.report());
}

#[tokio::test]
async fn zeros_are_sent_in_place_of_absent_bindings_where_that_is_wanted() {
    let zeros = |authenticator: AuthenticatorBuilder| {
        authenticator.absent_channel_bindings(AbsentChannelBindings::Zeros)
    };
    let https = Https::start(server([Offer::Negotiate]), ECDSA).await;
    for authenticator in
        [zeros(https.authenticator()), zeros(https.authenticator()).channel_bindings(ChannelBindingsUse::Off)]
    {
        text(client(authenticator).request(https.get()).await.expect("a response")).await;
    }
    let [bound, zero] = https.sent()[..] else { panic!("{}", https.report()) };
    assert!(bound.are(&ECDSA.bindings()));
    assert_eq!(zero, SentBindings::Zeros);

    let plain = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(zeros(authenticator(&plain)));
    let response = client.request(get(&plain, "/")).await.expect("a response");
    assert_eq!(response.status(), 200);
    let report = plain.report();
    let seen = report.legs().last().and_then(|leg| leg.authorization.as_ref()).expect("a proof");
    assert_eq!(seen.channel_bindings, Some(SentBindings::Zeros));
}

#[tokio::test]
async fn a_connector_of_the_callers_own_tells_its_bindings_once_it_is_wrapped() {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let connector = hyper_rustls::HttpsConnector::from((http, trusting([ECDSA])));
    let https = Https::start(requiring(Offer::Ntlm, ECDSA.bindings()), ECDSA).await;

    let bare: Client<Full<Bytes>> = Client::with_connector(https.authenticator().build(), connector.clone());
    let response = bare.request(https.get()).await.expect("a response");
    assert_eq!(response.status(), 401);
    let bound = ChannelBound::new(connector);
    let wrapped: Client<Full<Bytes>> = Client::with_connector(https.authenticator().build(), bound);
    let response = wrapped.request(https.get()).await.expect("a response");
    assert_eq!(response.status(), 200, "{}", https.report());
}
