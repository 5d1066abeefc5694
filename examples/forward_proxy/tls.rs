//! Whom to trust as an upstream proxy that is spoken to by TLS.

use std::sync::Arc;

use legwork::service::BoxError;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_platform_verifier::BuilderVerifierExt;

use crate::trust;

/// Trusts the certificate authorities in a PEM file and no others, or those of the system.
pub(crate) fn trusting(authorities: Option<&str>) -> Result<ClientConfig, BoxError> {
    if let Some(file) = authorities {
        return trust::trusting(file);
    }
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_platform_verifier()?.with_no_client_auth())
}
