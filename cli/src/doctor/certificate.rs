//! What a server's certificate says.

use legwork::channel_bindings::ChannelBindings;
use x509_cert::der::Decode;

use crate::doctor::facts::Certificate;

/// Reads a certificate in DER.
pub(crate) fn read(der: &[u8]) -> Option<Certificate> {
    let certificate = x509_cert::Certificate::from_der(der).ok()?;
    let fields = certificate.tbs_certificate();
    let validity = fields.validity();
    Some(Certificate {
        subject: fields.subject().to_string(),
        issuer: fields.issuer().to_string(),
        not_before: validity.not_before.to_date_time().to_string(),
        not_after: validity.not_after.to_date_time().to_string(),
    })
}

/// The kind of channel bindings that logins can be tied to it with, or why there are none.
pub(crate) fn channel_bindings(der: &[u8]) -> Result<&'static str, String> {
    match ChannelBindings::from_certificate(der) {
        Ok(_) => Ok("tls-server-end-point"),
        Err(error) => Err(error.to_string()),
    }
}
