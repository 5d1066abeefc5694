//! Logs in and draws the conversation: which connection carried what, leg by leg.
//!
//! `cargo run --example login` talks to a server inside the program; `-- --help` lists what else
//! there is, such as a URL and a user.

use std::process::ExitCode;

use http::Uri;
use http_body_util::{BodyExt, Empty};
use legwork::bytes::Bytes;
use legwork::handshake::{Login, Outcome};
use legwork::scheme::{Basic, Digest, Negotiate, NtlmScheme, Schemes, Scram};
use legwork::service::{BoxError, Environment, Recorder};
use legwork::testing::{Offer, Server};
use legwork::{Authenticator, Client, Credentials, Origin};

use crate::chain::chain;
use crate::count::count;
use crate::output::{complain, print};
use crate::password::password;

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

const HELP: &str = "\
Logs in over HTTP and draws the conversation.

    login [OPTION]... [URL]

Without a URL the server is one inside the program, which knows LAB\\carol.

    --user NAME        user, DOMAIN\\user or user@domain; the password is in the environment
                       variable LEGWORK_PASSWORD, or is asked for, or is the first line of stdin
    --scheme NAME      negotiate, scram, ntlm, digest or basic; otherwise the strongest that the server offers
    --ca FILE.pem      trust these certificate authorities, and not those of the system
    --help             this text

The program legwork (cargo install legwork-cli) has more options, and says what to try when there is no login.
";

const EMBEDDED_USER: &str = "LAB\\carol";
const EMBEDDED_PASSWORD: &str = "carol-pw";

/// What the command line says.
#[derive(Default)]
struct Arguments {
    url: Option<String>,
    user: Option<String>,
    schemes: Option<Schemes>,
    ca: Option<String>,
}

impl Arguments {
    /// `None` is a call for help; an error says which argument is not understood.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--user" => arguments.user = Some(value()?),
                "--scheme" => arguments.schemes = Some(scheme(&value()?)?),
                "--ca" => arguments.ca = Some(value()?),
                option if option.starts_with('-') => return Err(format!("{option} is not known")),
                _ if arguments.url.is_some() => return Err("there is more than one URL".to_owned()),
                _ => arguments.url = Some(word),
            }
        }
        Ok(Some(arguments))
    }
}

fn scheme(name: &str) -> Result<Schemes, String> {
    match name.to_ascii_lowercase().as_str() {
        "negotiate" => Ok(Negotiate::default().into()),
        "ntlm" => Ok(NtlmScheme::default().into()),
        "digest" => Ok(Digest::default().into()),
        "scram" => Ok(Scram::new().into()),
        "basic" => Ok(Basic::default().into()),
        _ => Err(format!("{name} is none of negotiate, scram, ntlm, digest and basic")),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return print(HELP),
        Err(misuse) => {
            complain(format_args!("{misuse} (--help lists what there is)"));
            return ExitCode::from(2);
        }
    };
    let recorder = Recorder::new();
    let result = run(arguments, recorder.clone()).await;
    let drawn = recorder.take();
    match result {
        Ok(sentence) => print(format_args!("{drawn}\n{sentence}\n")),
        Err(error) => {
            print(drawn);
            complain(chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// What came of it, in a sentence; or why there was no login.
async fn run(arguments: Arguments, recorder: Recorder) -> Result<String, BoxError> {
    let embedded = match &arguments.url {
        Some(_) => None,
        None => Some(embedded_server().await?),
    };
    let (uri, user) = match (&arguments.url, &embedded) {
        (_, Some(server)) => {
            (server.uri("/"), Some((EMBEDDED_USER.to_owned(), EMBEDDED_PASSWORD.to_owned())))
        }
        (url, None) => {
            let uri: Uri = url.as_deref().unwrap_or_default().parse()?;
            let with_password =
                |name: String| Ok::<_, BoxError>((name.clone(), password(&name, "LEGWORK_PASSWORD")?));
            (uri, arguments.user.map(with_password).transpose()?)
        }
    };

    let mut authenticator = Authenticator::builder();
    if let Some((name, password)) = user {
        authenticator =
            authenticator.credentials(Origin::from_uri(&uri)?, Credentials::password(name, password));
    }
    if let Some(schemes) = arguments.schemes {
        authenticator = authenticator.schemes(schemes);
    }
    let builder =
        Client::builder(authenticator.build()).environment(Environment::tokio().observer(recorder.clone()));
    let client: Client<Empty<Bytes>> = match &arguments.ca {
        Some(file) => builder.build_with_tls(trust::trusting(file)?),
        None => builder.build_https()?,
    };

    let mut response = client.get(uri).await?;
    let outcome = response.extensions_mut().remove();
    let status = response.status();
    response.into_body().collect().await?;
    let who = match outcome {
        Some(Outcome::LoggedIn(login)) => logged_in(&login),
        Some(Outcome::Refused(refusal)) => return Err(refusal.to_string().into()),
        _ => "No login was asked for".to_owned(),
    };
    let recording = recorder.recording();
    let connections = recording.legs().map(|leg| leg.connection).max().unwrap_or_default();
    let legs = count(recording.legs().count(), "leg");
    Ok(format!("{who}: {legs} on {}, {status}.", count(connections as usize, "connection")))
}

fn logged_in(login: &Login) -> String {
    let principal = login.principal.as_deref().unwrap_or("somebody");
    match login.scheme == login.mechanism {
        true => format!("Logged in as {principal} by {}", login.scheme),
        false => format!("Logged in as {principal} by {} ({})", login.scheme, login.mechanism),
    }
}

async fn embedded_server() -> std::io::Result<Server> {
    Server::builder()
        .user(EMBEDDED_USER, EMBEDDED_PASSWORD)
        .offer(Offer::Negotiate)
        .offer(Offer::Ntlm)
        .offer(Offer::basic("the embedded server"))
        .start()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn example(arguments: &[&str]) -> (String, Result<String, String>) {
        let arguments = Arguments::parse(arguments.iter().map(|argument| (*argument).to_owned()));
        let recorder = Recorder::new();
        let result =
            run(arguments.expect("known arguments").expect("no call for help"), recorder.clone()).await;
        (recorder.take().to_string(), result.map_err(|error| chain(&*error)))
    }

    #[tokio::test]
    async fn without_arguments_a_login_is_drawn() {
        let (drawn, result) = example(&[]).await;
        for part in [
            "connection 1",
            "├─ GET / ──",
            "Negotiate, NTLM, Basic",
            "NTLM NEGOTIATE",
            "NTLM CHALLENGE",
            "NTLM AUTHENTICATE",
            "200 OK",
        ] {
            assert!(drawn.contains(part), "{part} is missing:\n{drawn}");
        }
        let sentence = result.expect("a login");
        assert_eq!(sentence, "Logged in as LAB\\carol by Negotiate (NTLM): 3 legs on 1 connection, 200 OK.");
    }

    #[tokio::test]
    async fn the_scheme_that_is_named_is_the_one_that_is_used() {
        let (_, result) = example(&["--scheme", "ntlm"]).await;
        assert!(result.expect("a login").contains("by NTLM: 3 legs"));
        let (_, result) = example(&["--scheme", "basic"]).await;
        let why = result.expect_err("plain http");
        assert!(why.contains("without TLS"), "{why}");
    }

    #[tokio::test]
    async fn a_failure_says_why() {
        let (_, result) = example(&["not a url"]).await;
        result.expect_err("no URL");
        let (_, result) = example(&["http://127.0.0.1:1/"]).await;
        let why = result.expect_err("nobody there");
        assert!(why.contains("Connection refused"), "{why}");
    }
}
