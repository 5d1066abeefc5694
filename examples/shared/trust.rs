//! Certificate authorities from a file.

use std::error::Error;
use std::sync::Arc;

use legwork::service::BoxError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::chain::chain;

/// TLS settings that trust the certificate authorities in a PEM file and no others.
pub(crate) fn trusting(file: &str) -> Result<ClientConfig, BoxError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(authorities(file)?).with_no_client_auth())
}

fn authorities(file: &str) -> Result<RootCertStore, String> {
    let cannot_read = |error: &(dyn Error + 'static)| format!("cannot read CA file {file}: {}", chain(error));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| cannot_read(&error))? {
        roots.add(certificate.map_err(|error| cannot_read(&error))?).map_err(|error| cannot_read(&error))?;
    }
    if roots.is_empty() {
        return Err(format!(
            "CA file {file} has no certificate in it (in PEM one begins with -----BEGIN CERTIFICATE-----)"
        ));
    }
    Ok(roots)
}
