//! Logs in by Kerberos and draws the conversation.
//!
//! `cargo run --example kerberos` needs nothing: a server and a KDC are inside the program. It logs in twice, by Kerberos and by
//! IAKERB, where the server asks the KDC. `-- --help` lists what else there is: with a URL, the tickets of whoever has run `kinit`,
//! a keytab, or a name and a password.

use std::fmt::Write;
use std::process::ExitCode;

use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt, Full};
use legwork::handshake::{AuthenticatorBuilder, Outcome};
use legwork::mechanism::kerberos::Kerberos;
use legwork::mechanism::{Delegation, MutualAuthentication};
use legwork::scheme::{Negotiate, Schemes};
use legwork::service::{BoxError, Environment, Recorder};
use legwork::testing::{Kdc, Offer, Server};
use legwork::{Authenticator, Client, Credentials, Origin};

use crate::arguments::{Arguments, HELP};
use crate::chain::chain;
use crate::count::count;
use crate::output::{complain, print};
use crate::trust::trusting;

#[path = "kerberos/arguments.rs"]
mod arguments;
#[path = "shared/chain.rs"]
mod chain;
#[path = "shared/count.rs"]
mod count;
#[path = "shared/output.rs"]
mod output;
#[path = "shared/password.rs"]
mod password;
#[path = "shared/trust.rs"]
mod trust;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return print(HELP),
        Err(misuse) => {
            complain(format_args!("{misuse}\n\n{HELP}"));
            return ExitCode::from(2);
        }
    };
    let mut text = String::new();
    let result = match &arguments.url {
        Some(url) => at_url(url, &arguments, &mut text).await,
        None => inside_the_program(&mut text).await,
    };
    match result {
        Ok(()) => print(text),
        Err(error) => {
            print(text);
            complain(format_args!("\nNot logged in: {}", chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

/// The same password twice: the program asks the KDC, and has the server ask it.
async fn inside_the_program(text: &mut String) -> Result<(), BoxError> {
    const SERVICE: &str = "HTTP/www.lab.test";
    let kdc = Kdc::builder("LAB.TEST").user("carol", "carol-pw").service(SERVICE).start().await?;
    let offer = Offer::kerberos_and_iakerb(&kdc.service(SERVICE));
    let server = Server::builder().offer(offer).start().await?;
    let with_kdc = Kerberos::new().kdc("LAB.TEST", [kdc.address().to_string()]);
    for (what, kerberos) in [
        ("Kerberos: the KDC is in reach", with_kdc),
        ("\nIAKERB: no KDC is in reach, and the server asks one", Kerberos::new()),
    ] {
        writeln!(text, "{what}\n")?;
        let before = kdc.report();
        let authenticator = Authenticator::builder()
            .schemes(Schemes::from(Negotiate::kerberos_or_iakerb(kerberos)))
            .credentials(server.origin(), Credentials::password("carol@LAB.TEST", "carol-pw"))
            // It has no name, and there are no tickets for addresses.
            .target_name(server.origin(), SERVICE);
        let recorder = Recorder::new();
        let environment = Environment::tokio().observer(recorder.clone());
        let client = Client::builder(authenticator.build()).environment(environment).build_http();
        log_in(&client, server.uri("/"), &recorder, text).await?;
        let after = kdc.report();
        let relayed = after.relayed - before.relayed;
        let all = after.as_requests + after.tgs_requests - before.as_requests - before.tgs_requests;
        writeln!(
            text,
            "The KDC was asked {} by the program and {} by the server.",
            count(all - relayed, "time"),
            count(relayed, "time"),
        )?;
    }
    Ok(())
}

/// A server elsewhere.
async fn at_url(url: &str, arguments: &Arguments, text: &mut String) -> Result<(), BoxError> {
    let uri: Uri = url.parse()?;
    let origin = Origin::from_uri(&uri)?;
    let authenticator = authenticator(&origin, arguments)?.build();
    let target = authenticator.target_name(&origin);
    let recorder = Recorder::new();
    let builder = Client::builder(authenticator).environment(Environment::tokio().observer(recorder.clone()));
    let client = match &arguments.ca {
        Some(file) => builder.build_with_tls(trusting(file)?),
        None => builder.build_https()?,
    };
    // Without a userinfo, which may have a password.
    writeln!(text, "{target} at {origin}{}\n", uri.path())?;
    log_in(&client, uri, &recorder, text).await
}

fn authenticator(origin: &Origin, arguments: &Arguments) -> Result<AuthenticatorBuilder, BoxError> {
    let mut authenticator = Authenticator::builder()
        .schemes(Schemes::from(arguments.negotiate()?))
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
    Ok(authenticator)
}

/// Draws what comes of a request, whether it ends well or not.
async fn log_in(
    client: &Client<Full<Bytes>>,
    uri: Uri,
    recorder: &Recorder,
    text: &mut String,
) -> Result<(), BoxError> {
    let response = client.get(uri).await;
    let recording = recorder.take();
    write!(text, "{recording}")?;
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
            count(recording.legs().count(), "leg"),
        )?,
        Some(Outcome::Refused(refusal)) => return Err(refusal.to_string().into()),
        _ => writeln!(text, "\nNo login was asked for: {status}.")?,
    }
    response.into_body().collect().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_arguments_both_logins_are_drawn() {
        let mut text = String::new();
        inside_the_program(&mut text).await.expect("two logins");
        for part in [
            "Negotiate: SPNEGO NegTokenInit with Kerberos AP-REQ",
            "as carol@LAB.TEST by Negotiate (Kerberos), and the server has proven who it is: 2 legs, 200 OK.",
            "The KDC was asked 3 times by the program and 0 times by the server.",
            "Negotiate: SPNEGO NegTokenInit with IAKERB message",
            "by Negotiate (IAKERB), and the server has proven who it is: 5 legs, 200 OK.",
            "The KDC was asked 0 times by the program and 3 times by the server.",
        ] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        for (words, complaint) in [
            (&["--kdc", "LAB.TEST", "http://host/"][..], "REALM=HOST[:PORT]"),
            (&["--iakerb", "http://host/"], "want --user"),
            (&["--iakerb", "--user", "a", "--keytab", "k", "http://host/"], "--keytab is for GSS-API"),
            (&["http://host/", "http://other/"], "more than one URL"),
            (&["--user"], "--user wants a value"),
        ] {
            let parsed = Arguments::parse(words.iter().map(|word| (*word).to_owned()));
            let Err(said) = parsed else { panic!("{words:?}") };
            assert!(said.contains(complaint), "{said}");
        }
    }
}
