//! `static-login URL USER REALM KDC CA.pem`: logs in by Kerberos, with the password in `LEGWORK_PASSWORD`.

use std::error::Error;

use bytes::Bytes;
use http_body_util::Empty;
use legwork::handshake::Outcome;
use legwork::mechanism::kerberos::Kerberos;
use legwork::scheme::Negotiate;
use legwork::{Authenticator, Client, Credentials, Origin};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, user, realm, kdc, ca] = &arguments[..] else { return Err("URL USER REALM KDC CA.pem".into()) };
    let password = std::env::var("LEGWORK_PASSWORD")?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    let provider = rustls::crypto::ring::default_provider();
    let tls = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();

    let uri: legwork::http::Uri = url.parse()?;
    let authenticator = Authenticator::builder()
        .schemes(Negotiate::kerberos(Kerberos::new().kdc(realm, [kdc])))
        .credentials(Origin::from_uri(&uri)?, Credentials::password(user, password))
        .build();
    let client = Client::builder(authenticator).build_with_tls::<Empty<Bytes>>(tls);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let response = runtime.block_on(client.get(uri))?;
    match response.extensions().get() {
        Some(Outcome::LoggedIn(login)) => {
            let user = login.principal.as_deref().unwrap_or("somebody");
            println!("{} as {user} by {}, mutual: {}", response.status(), login.mechanism, login.mutual);
            Ok(())
        }
        outcome => Err(format!("{}: {outcome:?}", response.status()).into()),
    }
}
