//! Logs in by Kerberos and draws the conversation: with the tickets of whoever has run `kinit`,
//! with a keytab, or with a name and a password.
//!
//! `cargo run --example kerberos -- https://intranet.example/`; without a URL it lists what else
//! there is.

#[cfg(unix)]
#[path = "login/diagram.rs"]
mod diagram;

#[cfg(not(unix))]
fn main() {
    eprintln!("Kerberos by GSS-API is a unix system's. On Windows the example login has it, by SSPI.");
}

#[cfg(unix)]
#[tokio::main]
async fn main() -> std::process::ExitCode {
    use std::process::ExitCode;

    match kerberos::Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => match kerberos::run(arguments).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("\nNot logged in: {error}");
                ExitCode::FAILURE
            }
        },
        Ok(None) => {
            print!("{}", kerberos::HELP);
            ExitCode::SUCCESS
        }
        Err(misuse) => {
            eprintln!("{misuse}\n\n{}", kerberos::HELP);
            ExitCode::from(2)
        }
    }
}

#[cfg(unix)]
mod kerberos {
    use std::error::Error;
    use std::sync::Arc;

    use bytes::Bytes;
    use http::Uri;
    use http_body_util::{BodyExt, Full};
    use legwork::credentials::Ambient;
    use legwork::handshake::Outcome;
    use legwork::mechanism::gssapi::Gssapi;
    use legwork::mechanism::{Delegation, MutualAuthentication};
    use legwork::scheme::Negotiate;
    use legwork::{Authenticator, Client, Credentials, Origin};
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use rustls::{ClientConfig, RootCertStore};

    use crate::diagram::{Diagram, Legs, count};

    pub(crate) const HELP: &str = "\
Logs in by Kerberos and draws the conversation.

    kerberos [OPTION]... URL

Without --user or --keytab it is whoever has run kinit (klist shows it).

    --user NAME        user or user@REALM; the password is in the environment variable
                       LEGWORK_PASSWORD, or is asked for
    --keytab NAME      log in by a keytab, such as FILE:/etc/service.keytab
    --principal NAME   as this principal, of those in the ticket caches or the keytab
    --target NAME      the service principal name, such as HTTP/web01.corp.example
    --delegate         let the server act as you
    --mutual           refuse servers that do not prove who they are
    --or-ntlm          NTLM where Kerberos cannot start, or where the server picks it
    --library PATH     this GSS-API library
    --ca FILE.pem      trust these certificate authorities, and not those of the system
";

    /// What the command line says.
    #[derive(Default)]
    pub(crate) struct Arguments {
        url: String,
        user: Option<String>,
        keytab: Option<String>,
        principal: Option<String>,
        target: Option<String>,
        library: Option<String>,
        ca: Option<String>,
        delegate: bool,
        mutual: bool,
        or_ntlm: bool,
    }

    impl Arguments {
        /// `None` is a call for help; an error says which argument is not understood.
        pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
            let mut arguments = Self::default();
            while let Some(word) = words.next() {
                let place = match word.as_str() {
                    "--help" => return Ok(None),
                    "--delegate" => {
                        arguments.delegate = true;
                        continue;
                    }
                    "--mutual" => {
                        arguments.mutual = true;
                        continue;
                    }
                    "--or-ntlm" => {
                        arguments.or_ntlm = true;
                        continue;
                    }
                    "--user" => &mut arguments.user,
                    "--keytab" => &mut arguments.keytab,
                    "--principal" => &mut arguments.principal,
                    "--target" => &mut arguments.target,
                    "--library" => &mut arguments.library,
                    "--ca" => &mut arguments.ca,
                    url if !url.starts_with('-') => {
                        arguments.url = word;
                        continue;
                    }
                    _ => return Err(format!("{word} is not understood")),
                };
                *place = Some(words.next().ok_or_else(|| format!("{word} wants a value"))?);
            }
            Ok((!arguments.url.is_empty()).then_some(arguments))
        }

        fn credentials(&self) -> std::io::Result<Credentials> {
            if let Some(user) = &self.user {
                let password = match std::env::var("LEGWORK_PASSWORD") {
                    Ok(password) => password,
                    Err(_) => rpassword::prompt_password(format!("Password of {user}: "))?,
                };
                return Ok(Credentials::password(user, password));
            }
            let mut ambient = Ambient::new().stable();
            if let Some(keytab) = &self.keytab {
                ambient = ambient.client_keytab(keytab);
            }
            if let Some(principal) = &self.principal {
                ambient = ambient.principal(principal);
            }
            Ok(Credentials::ambient(ambient))
        }

        fn negotiate(&self) -> Negotiate {
            let kerberos = match &self.library {
                Some(path) => Gssapi::kerberos().with_library(path),
                None => Gssapi::kerberos(),
            };
            match self.or_ntlm {
                true => Negotiate::kerberos_or_ntlm(kerberos),
                false => Negotiate::kerberos(kerberos),
            }
        }

        fn tls(&self) -> Result<Option<ClientConfig>, Box<dyn Error + Send + Sync>> {
            let Some(file) = &self.ca else { return Ok(None) };
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(file)? {
                roots.add(certificate?)?;
            }
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config =
                ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
            Ok(Some(config.with_root_certificates(roots).with_no_client_auth()))
        }
    }

    pub(crate) async fn run(arguments: Arguments) -> Result<(), Box<dyn Error + Send + Sync>> {
        let uri: Uri = arguments.url.parse()?;
        let origin = Origin::from_uri(&uri)?;
        let mut authenticator = Authenticator::builder()
            .schemes([])
            .negotiate(arguments.negotiate())
            .credentials(origin.clone(), arguments.credentials()?);
        if let Some(target) = arguments.target.as_deref() {
            authenticator = authenticator.target_name(origin.clone(), target);
        }
        if arguments.delegate {
            authenticator = authenticator.delegation(origin.clone(), Delegation::On);
        }
        if arguments.mutual {
            authenticator = authenticator.mutual_authentication(MutualAuthentication::Required);
        }
        let authenticator = authenticator.build();
        let target = authenticator.target_name(&origin);
        let legs = Legs::default();
        let builder = Client::builder(authenticator).observer(legs.clone());
        let client = match arguments.tls()? {
            Some(config) => builder.build_with_tls::<Full<Bytes>>(config),
            None => builder.build_https()?,
        };

        println!("{target} at {uri}\n");
        let response = client.get(uri).await;
        let legs = legs.take();
        print!("{}", Diagram(&legs));
        let response = response?;
        let status = response.status();
        match response.extensions().get() {
            Some(Outcome::LoggedIn(login)) => println!(
                "\nLogged in as {} by {} ({}), {}: {}, {status}.",
                login.principal.as_deref().unwrap_or("somebody"),
                login.scheme,
                login.mechanism,
                if login.mutual {
                    "and the server has proven who it is"
                } else {
                    "the server has not proven who it is"
                },
                count(legs.len(), "leg"),
            ),
            Some(Outcome::Refused(refusal)) => return Err(refusal.to_string().into()),
            _ => println!("\nNo login was asked for: {status}."),
        }
        response.into_body().collect().await?;
        Ok(())
    }
}
