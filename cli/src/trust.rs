//! Whom to trust.

use std::path::Path;
use std::sync::Arc;

use legwork::service::BoxError;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::chain::chain;

/// Trusts the certificate authorities in a PEM file and no others, or those of the system, or (`insecure`) anybody.
pub(crate) fn trusting(authorities: Option<&Path>, insecure: bool) -> Result<ClientConfig, BoxError> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let all_alike = |refused| Arc::new(AllAlike { provider, refused });
    let builder = match (authorities, insecure) {
        (_, true) => builder.dangerous().with_custom_certificate_verifier(all_alike(None)),
        (Some(file), false) => builder.with_root_certificates(read(file)?),
        // A system without any, such as a bare container, still speaks plain http.
        (None, false) => match builder.clone().with_platform_verifier() {
            Ok(builder) => builder,
            Err(error) => builder.dangerous().with_custom_certificate_verifier(all_alike(Some(error))),
        },
    };
    Ok(builder.with_no_client_auth())
}

/// What is said where the system has no certificate authorities.
pub(crate) const NO_AUTHORITIES: &str = "the system names no certificate authorities";

fn read(file: &Path) -> Result<RootCertStore, String> {
    let cannot =
        |error: &(dyn std::error::Error + 'static)| format!("--ca {}: {}", file.display(), chain(error));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| cannot(&error))? {
        roots.add(certificate.map_err(|error| cannot(&error))?).map_err(|error| cannot(&error))?;
    }
    if roots.is_empty() {
        return Err(format!(
            "--ca {}: there is no certificate in it (in PEM one begins with -----BEGIN CERTIFICATE-----)",
            file.display()
        ));
    }
    Ok(roots)
}

/// Takes any certificate or, for a reason, none. The key of one that is taken must still have signed the handshake.
#[derive(Debug)]
struct AllAlike {
    provider: Arc<CryptoProvider>,
    refused: Option<rustls::Error>,
}

impl ServerCertVerifier for AllAlike {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.refused {
            None => Ok(ServerCertVerified::assertion()),
            Some(error) => Err(rustls::Error::General(format!("{NO_AUTHORITIES} ({error})"))),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
