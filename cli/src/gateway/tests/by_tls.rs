//! An upstream proxy that is spoken to by TLS.

use legwork::unversioned::testing::SentBindings;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::*;

pub(super) const CERTIFICATE: &[u8] = include_bytes!("../../../tests/certificates/ecdsa-sha256.der");
const KEY: &[u8] = include_bytes!("../../../tests/certificates/ecdsa.key.der");

/// TLS in front of a server.
pub(super) async fn behind_tls(server: Arc<Server>) -> Origin {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the usual versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(CERTIFICATE)],
            PrivateKeyDer::try_from(KEY).expect("a key"),
        )
        .expect("a certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("https://{}", listener.local_addr().expect("it listens"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Whoever does not trust it has gone.
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            server.serve_connection(stream);
        }
    });
    origin.parse().expect("an origin")
}

#[tokio::test]
#[cfg_attr(windows, ignore = "wine refuses channel bindings in the first call of the system's NTLM")]
async fn the_login_at_a_trusted_one_is_tied_to_its_tls() {
    let builder = upstream(Offer::Ntlm).page("a page");
    let (server, echo) = (Arc::new(builder.start().await.expect("a server")), echo().await);
    let origin = behind_tls(Arc::clone(&server)).await;
    let carol = Credentials::password(USER, PASSWORD);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(CERTIFICATE)).expect("a certificate");
    let limits = Limits::default();
    let authenticator = || Authenticator::builder().proxy_credentials(origin.clone(), carol.clone());
    let proxy = Running::through(all(origin.clone()), authenticator(), tls(roots), limits).await;

    let mut tunnel = proxy.tunnel(echo).await;
    echoes(&mut tunnel, "hello").await;
    tunnel.shutdown().await.expect("ended");
    assert_eq!(without_hanging(tunnel.read(&mut [0])).await.expect("no error"), 0);
    let page = proxy.answer(&plain::get("/")).await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("a page"), "{page}");
    let report = server.report();
    let bindings: Vec<_> =
        report.legs().filter_map(|leg| leg.proxy_authorization.as_ref()?.channel_bindings).collect();
    assert!(matches!(bindings[..], [SentBindings::Hash(_), SentBindings::Hash(_)]), "{bindings:?}");

    let untrusting = Running::at(origin.clone(), authenticator(), limits).await;
    let answer = untrusting.answer(&connect(echo)).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("certificate"), "{answer}");
}
