//! Logs in over reqwest: a page, and JSON in a `POST`, on one connection.
//!
//! `cargo run --example reqwest` talks to a server inside the program. For your own, put its origin,
//! your user and `https` in place of it.

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;

use legwork::client::redirect::Redirects;
use legwork::client::reqwest::platform_tls;
use legwork::handshake::Outcome;
use legwork::service::BoxError;
use legwork::testing::{Offer, Server};
use legwork::{Authenticator, Client, Credentials};
use reqwest::cookie::Jar;
use serde_json::json;

use crate::chain::chain;
use crate::output::{complain, print};

#[path = "shared/chain.rs"]
mod chain;
#[path = "shared/output.rs"]
mod output;

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(argument) = std::env::args().nth(1) {
        complain(format_args!("{argument} is not known: there are no arguments"));
        return ExitCode::from(2);
    }
    match run().await {
        Ok(text) => print(text),
        Err(error) => {
            complain(chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// What is to be printed.
async fn run() -> Result<String, BoxError> {
    let (user, password) = ("LAB\\carol", "carol-pw");
    let server = Server::builder().user(user, password).offer(Offer::Negotiate).offer(Offer::Ntlm);
    let server = server.start().await?;

    // Carol's password is for this origin, and goes nowhere else.
    let carol = Credentials::password(user, password);
    let authenticator = Authenticator::builder().credentials(server.origin(), carol).build();

    // The settings of each connection. What is costly, or shared by all of them, is made once.
    let (tls, jar) = (platform_tls()?, Arc::new(Jar::default()));
    let settings = move || {
        let builder = reqwest::Client::builder().tls_backend_preconfigured(tls.clone());
        builder.cookie_provider(Arc::clone(&jar)).gzip(true)
    };
    let client = Client::builder(authenticator).build_reqwest(settings)?;
    let client = client.follow_redirects(Redirects::default());

    let mut text = String::new();
    let page = client.get(server.uri("/page").to_string()).send().await?;
    match page.extensions().get() {
        Some(Outcome::LoggedIn(login)) => {
            writeln!(text, "Logged in by {} in {} legs.", login.scheme, login.legs)?;
        }
        // A wrong password, say: the server's 401 is the response.
        Some(Outcome::Refused(refusal)) => writeln!(text, "Not logged in: {refusal}.")?,
        _ => writeln!(text, "No login was asked for.")?,
    }
    writeln!(text, "{}: {}", page.status(), page.text().await?.trim_end())?;

    let order = json!({ "article": "desk", "number": 2 });
    let request = client.post(server.uri("/orders").to_string()).json(&order);
    let answer = request.send().await?.error_for_status()?;
    writeln!(text, "{}: {}", answer.status(), answer.text().await?.trim_end())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_connection_serves_both_requests() {
        let text = run().await.expect("a login");
        let expected = "\
            Logged in by Negotiate in 3 legs.\n\
            200 OK: LAB\\carol on connection 1, leg 3, 0 octets\n\
            200 OK: LAB\\carol on connection 1, leg 4, 29 octets\n";
        assert_eq!(text, expected);
    }
}
