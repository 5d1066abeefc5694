//! Logs in by Kerberos and draws the conversation: with the tickets of whoever has run `kinit`,
//! with a keytab, or with a name and a password.
//!
//! `cargo run --example kerberos -- https://intranet.example/`; without a URL it lists what else
//! there is.

#[cfg(unix)]
#[path = "shared/chain.rs"]
mod chain;
#[cfg(unix)]
#[path = "shared/diagram.rs"]
mod diagram;
#[cfg(unix)]
#[path = "shared/output.rs"]
mod output;
#[cfg(unix)]
#[path = "shared/password.rs"]
mod password;
#[cfg(unix)]
#[path = "shared/trust.rs"]
mod trust;

#[cfg(not(unix))]
fn main() {
    eprintln!("Kerberos by GSS-API is a unix system's. On Windows the example login has it, by SSPI.");
}

#[cfg(unix)]
#[tokio::main]
async fn main() -> std::process::ExitCode {
    use std::process::ExitCode;

    use crate::chain::chain;
    use crate::output::{complain, print};

    match kerberos::Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => match kerberos::run(arguments).await {
            Ok(text) => print(text),
            Err((text, error)) => {
                print(text);
                complain(format_args!("\nNot logged in: {}", chain(&*error)));
                ExitCode::FAILURE
            }
        },
        Ok(None) => print(kerberos::HELP),
        Err(misuse) => {
            complain(format_args!("{misuse}\n\n{}", kerberos::HELP));
            ExitCode::from(2)
        }
    }
}

#[cfg(unix)]
mod kerberos {
    use std::fmt::Write;

    use bytes::Bytes;
    use http::Uri;
    use http_body_util::{BodyExt, Full};
    use legwork::credentials::Ambient;
    use legwork::handshake::Outcome;
    use legwork::mechanism::gssapi::Gssapi;
    use legwork::mechanism::{Delegation, MutualAuthentication};
    use legwork::scheme::{Negotiate, Schemes};
    use legwork::service::{BoxError, Environment};
    use legwork::{Authenticator, Client, Credentials, Origin};

    use crate::diagram::{Diagram, Legs, count};
    use crate::password::password;
    use crate::trust::trusting;

    pub(crate) const HELP: &str = "\
Logs in by Kerberos and draws the conversation.

    kerberos [OPTION]... URL

Without --user or --keytab it is whoever has run kinit (klist shows it).

    --user NAME        user or user@REALM; the password is in the environment variable
                       LEGWORK_PASSWORD, or is asked for, or is the first line of stdin
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
                    "--help" | "-h" => return Ok(None),
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
                        if !arguments.url.is_empty() {
                            return Err("there is more than one URL".to_owned());
                        }
                        arguments.url = word;
                        continue;
                    }
                    _ => return Err(format!("{word} is not known")),
                };
                *place = Some(words.next().ok_or_else(|| format!("{word} wants a value"))?);
            }
            Ok((!arguments.url.is_empty()).then_some(arguments))
        }

        fn credentials(&self) -> Result<Credentials, String> {
            if let Some(user) = &self.user {
                return Ok(Credentials::password(user, password(user, "LEGWORK_PASSWORD")?));
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
    }

    /// What is to be printed, and why there was no login, if there was none.
    pub(crate) async fn run(arguments: Arguments) -> Result<String, (String, BoxError)> {
        let mut text = String::new();
        match log_in(arguments, &mut text).await {
            Ok(()) => Ok(text),
            Err(error) => Err((text, error)),
        }
    }

    async fn log_in(arguments: Arguments, text: &mut String) -> Result<(), BoxError> {
        let uri: Uri = arguments.url.parse()?;
        let origin = Origin::from_uri(&uri)?;
        let mut authenticator = Authenticator::builder()
            .schemes(Schemes::new())
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
        let builder = Client::builder(authenticator).environment(Environment::tokio().observer(legs.clone()));
        let client = match &arguments.ca {
            Some(file) => builder.build_with_tls::<Full<Bytes>>(trusting(file)?),
            None => builder.build_https()?,
        };

        // Without a userinfo, which may have a password.
        writeln!(text, "{target} at {origin}{}\n", uri.path())?;
        let response = client.get(uri).await;
        let legs = legs.take();
        write!(text, "{}", Diagram(&legs))?;
        let response = response?;
        let status = response.status();
        match response.extensions().get() {
            Some(Outcome::LoggedIn(login)) => writeln!(
                text,
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
            )?,
            Some(Outcome::Refused(refusal)) => return Err(refusal.to_string().into()),
            _ => writeln!(text, "\nNo login was asked for: {status}.")?,
        }
        response.into_body().collect().await?;
        Ok(())
    }
}
