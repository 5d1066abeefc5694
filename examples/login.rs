//! Logs in and draws the conversation: which connection carried what, leg by leg.
//!
//! `cargo run --example login` talks to a server inside the program; `-- --help` lists what else
//! there is, such as a URL and a user.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use http::{Method, Request, StatusCode, Uri};
use http_body_util::BodyExt;
use legwork::client::proxy::Proxies;
use legwork::handshake::{Login, Outcome};
use legwork::scheme::{Basic, Digest, Negotiate, NtlmScheme, Schemes, Scram};
use legwork::service::{Environment, Recorder, Recording};
use legwork::testing::{Offer, Server};
use legwork::{Authenticator, Client, Credentials, Origin};
use tokio::task::JoinSet;

use crate::advice::Failure;
use crate::arguments::{Arguments, SchemeName};
use crate::count::count;
use crate::output::{complain, print};
use crate::upload::Upload;

#[path = "login/advice.rs"]
mod advice;
#[path = "login/arguments.rs"]
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
#[path = "login/upload.rs"]
mod upload;

type LoginClient = Client<Upload>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return print(arguments::HELP),
        Err(misuse) => {
            complain(format_args!("{misuse} (--help lists what there is)"));
            return ExitCode::from(2);
        }
    };
    match run(arguments).await {
        Ok(text) => print(text),
        Err((text, failure)) => {
            print(text);
            complain(format_args!("\n{failure}"));
            ExitCode::FAILURE
        }
    }
}

/// What is to be printed, and why there was no login, if there was none.
async fn run(arguments: Arguments) -> Result<String, (String, Failure)> {
    let no_text = |failure| (String::new(), failure);
    let embedded = match &arguments.url {
        Some(_) => None,
        None => Some(embedded_server().await.map_err(|error| no_text(Failure::Embedded(error)))?),
    };
    let uri = match (&arguments.url, &embedded) {
        (_, Some(server)) => server.uri("/"),
        (url, None) => url.as_deref().unwrap_or_default().parse().map_err(|_| no_text(Failure::NotAUrl))?,
    };
    let recorder = Recorder::new();
    let client = client(&arguments, &uri, recorder.clone()).map_err(no_text)?;
    let begun = Instant::now();
    let result = converse(&client, &uri, &arguments).await;
    let seconds = begun.elapsed().as_secs_f64();
    let recording = recorder.take();
    // Without a userinfo, which may have a password.
    let origin = Origin::from_uri(&uri).map_err(|_| no_text(Failure::NotAUrl))?;
    let text = format!("{} at {origin}{}\n\n{recording}", arguments.user_name(), uri.path());
    match result {
        Ok(tally) => Ok(format!("{text}\n{}\n", tally.sentence(&recording, seconds))),
        Err(failure) => Err((text, failure)),
    }
}

async fn embedded_server() -> std::io::Result<Server> {
    Server::builder()
        .user(arguments::EMBEDDED_USER, arguments::EMBEDDED_PASSWORD)
        .offer(Offer::Negotiate)
        .offer(Offer::Ntlm)
        .offer(Offer::basic("the embedded server"))
        .start()
        .await
}

fn client(arguments: &Arguments, uri: &Uri, recorder: Recorder) -> Result<LoginClient, Failure> {
    let origin = Origin::from_uri(uri).map_err(|_| Failure::NotAUrl)?;
    let mut authenticator = Authenticator::builder()
        .dangerous_secrets_over_plain_http(arguments.insecure_basic)
        .dangerous_secrets_to_plain_http_proxies(arguments.insecure_basic);
    if let Some((name, password)) = arguments.user().map_err(Failure::Password)? {
        authenticator = authenticator.credentials(origin, Credentials::password(name, password));
    }
    if let Some(scheme) = arguments.scheme {
        authenticator = authenticator.schemes(the_scheme(scheme));
    }
    let environment = Environment::tokio().observer(recorder);
    let mut builder = Client::builder(authenticator.build()).environment(environment);
    builder = match arguments.proxy.as_deref() {
        None => builder,
        Some("env") => builder.proxies(Proxies::from_env().map_err(Failure::Proxy)?),
        Some(proxy) => builder.proxies(Proxies::all(proxy.parse().map_err(Failure::Proxy)?)),
    };
    match &arguments.ca {
        Some(file) => Ok(builder.build_with_tls(trust::trusting(file).map_err(Failure::Tls)?)),
        None => builder.build_https().map_err(|error| Failure::Tls(error.into())),
    }
}

fn the_scheme(name: SchemeName) -> Schemes {
    match name {
        SchemeName::Negotiate => Negotiate::default().into(),
        SchemeName::Ntlm => NtlmScheme::default().into(),
        SchemeName::Digest => Digest::default().into(),
        SchemeName::Scram => Scram::new().into(),
        SchemeName::Basic => Basic::default().into(),
    }
}

/// Sends all requests.
async fn converse(client: &LoginClient, uri: &Uri, arguments: &Arguments) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    if let Some(file) = &arguments.upload {
        drop(Upload::open(file).await.map_err(Failure::File)?); // that it is there
        // A body that is too large to be kept must not meet the challenge.
        tally.login = client.authenticate(uri.clone()).await?;
    }
    let left = Arc::new(AtomicUsize::new(arguments.requests));
    let mut tasks = JoinSet::new();
    for _ in 0..arguments.concurrency.min(arguments.requests) {
        let (client, uri, upload) = (client.clone(), uri.clone(), arguments.upload.clone());
        tasks.spawn(send_some(client, uri, upload, Arc::clone(&left)));
    }
    while let Some(done) = tasks.join_next().await {
        tally.add(done.expect("no task panics")?);
    }
    Ok(tally)
}

/// One task: sends requests until none are left.
async fn send_some(
    client: LoginClient,
    uri: Uri,
    upload: Option<String>,
    left: Arc<AtomicUsize>,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let take_one = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    while take_one().is_ok() {
        let mut request = Request::new(Upload::default());
        *request.uri_mut() = uri.clone();
        if let Some(file) = &upload {
            *request.method_mut() = Method::POST;
            *request.body_mut() = Upload::open(file).await.map_err(Failure::File)?;
            tally.uploaded += request.body().octets();
        }
        let mut response = client.request(request).await?;
        match response.extensions_mut().remove() {
            Some(Outcome::Refused(refusal)) => return Err(Failure::Refused(refusal)),
            Some(Outcome::LoggedIn(login)) => tally.login = Some(login),
            _ => {}
        }
        *tally.statuses.entry(response.status()).or_default() += 1;
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(Failure::Response)?;
        }
    }
    Ok(tally)
}

/// What came of the requests.
#[derive(Default)]
struct Tally {
    login: Option<Login>,
    statuses: BTreeMap<StatusCode, usize>,
    uploaded: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.login = self.login.take().or(other.login);
        self.uploaded += other.uploaded;
        for (status, requests) in other.statuses {
            *self.statuses.entry(status).or_default() += requests;
        }
    }

    fn sentence(&self, recording: &Recording, seconds: f64) -> String {
        let who = match &self.login {
            Some(login) => {
                let principal = login.principal.as_deref().unwrap_or("somebody");
                let by = match login.scheme == login.mechanism {
                    true => login.scheme.to_owned(),
                    false => format!("{} ({})", login.scheme, login.mechanism),
                };
                format!("Logged in as {principal} by {by}")
            }
            None => "No login was asked for".to_owned(),
        };
        let connections = recording.legs().map(|leg| leg.connection).max().unwrap_or_default();
        let answers: Vec<_> =
            self.statuses.iter().map(|(status, requests)| format!("{requests} × {status}")).collect();
        let uploaded = match self.uploaded {
            0 => String::new(),
            octets => format!(" {octets} octets uploaded."),
        };
        format!(
            "{who}: {} on {}, {seconds:.3} s.\nAnswers: {}.{uploaded}",
            count(recording.legs().count(), "leg"),
            count(connections as usize, "connection"),
            answers.join(", "),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn example(arguments: &[&str]) -> Result<String, (String, String)> {
        let arguments = Arguments::parse(arguments.iter().map(|argument| (*argument).to_owned()));
        run(arguments.expect("known arguments").expect("no call for help"))
            .await
            .map_err(|(text, failure)| (text, failure.to_string()))
    }

    #[tokio::test]
    async fn without_arguments_a_login_is_drawn() {
        let text = example(&[]).await.expect("a login");
        for part in [
            "connection 1",
            "├─ GET / ──",
            "Negotiate, NTLM, Basic",
            "NTLM NEGOTIATE",
            "NTLM CHALLENGE",
            "NTLM AUTHENTICATE",
            "200 OK",
            "by Negotiate (NTLM): 3 legs on 1 connection",
        ] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }

    #[tokio::test]
    async fn a_body_is_uploaded_after_the_login() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let text = example(&["--upload", file, "--scheme", "ntlm", "-n", "3"]).await.expect("a login");
        for part in
            ["├─ HEAD / ──", "├─ POST / ──", "2 more like it", "by NTLM: 6 legs on 1 connection", "3 × 200"]
        {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }

    #[tokio::test]
    async fn a_failure_says_why_and_what_to_try() {
        let (_, basic) = example(&["--scheme", "basic"]).await.expect_err("plain http");
        assert!(basic.contains("--insecure-basic"), "{basic}");
        let (_, url) = example(&["not a url"]).await.expect_err("no URL");
        assert!(url.contains("https://"), "{url}");
        let (_, refused) = example(&["http://127.0.0.1:1/"]).await.expect_err("nobody there");
        assert!(refused.contains("Nobody answers"), "{refused}");
    }
}
