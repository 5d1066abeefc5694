//! `legwork get`: one request, logged in.

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Empty};
use legwork::service::Environment;
use legwork::{Client, Origin, Outcome};
use tokio::io::AsyncWriteExt;

use crate::account::{Account, Who};
use crate::advice::{self, Advice};
use crate::exit::Exit;
use crate::output::complain;
use crate::policy::Policy;
use crate::way::Way;

/// Gets a page, or sends something there, and logs in where that is asked for
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// What to get
    url: String,
    #[command(flatten)]
    account: Account,
    #[command(flatten)]
    policy: Policy,
    #[command(flatten)]
    way: Way,
}

pub(crate) async fn run(arguments: Arguments) -> Exit {
    match send(arguments).await {
        Ok(exit) => exit,
        Err(advice) => {
            complain(format_args!("legwork: {advice}"));
            advice.exit
        }
    }
}

async fn send(arguments: Arguments) -> Result<Exit, Advice> {
    let uri: http::Uri = arguments.url.parse().map_err(|_| advice::on_no_url())?;
    let origin = Origin::from_uri(&uri).map_err(|_| advice::on_no_url())?;
    let authenticator = arguments.policy.authenticator(&origin);
    let misuse = |why: String| Advice::new(Exit::Usage, why, "");
    let authenticator = match arguments.account.who().map_err(misuse)? {
        Who::Nobody => authenticator,
        Who::Known(credentials) => authenticator.credentials(origin, credentials),
        Who::Netrc(netrc) => authenticator.provider(netrc),
    };
    let client: Client<Empty<Bytes>> = Client::builder(authenticator.build())
        .environment(Environment::tokio())
        .proxies(arguments.way.proxies().map_err(misuse)?)
        .build_with_tls(arguments.way.tls().map_err(misuse)?);
    let response = client.get(uri).await.map_err(|error| advice::on_error(&error))?;
    let refusal = match response.extensions().get() {
        Some(Outcome::Refused(refusal)) => Some(advice::on_refusal(refusal)),
        _ => None,
    };
    let mut body = response.into_body();
    let mut stdout = tokio::io::stdout();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| advice::on_broken_content(&error))?;
        if let Ok(data) = frame.into_data() {
            stdout.write_all(&data).await.map_err(unwritten)?;
        }
    }
    stdout.flush().await.map_err(unwritten)?;
    refusal.map_or(Ok(Exit::Done), Err)
}

fn unwritten(error: std::io::Error) -> Advice {
    Advice::new(Exit::File, format!("cannot write to stdout: {error}"), "")
}
