//! `legwork get`: one request, logged in.

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Empty};
use legwork::service::Environment;
use legwork::{Authenticator, Client, Origin};
use tokio::io::AsyncWriteExt;

use crate::account::{Account, Who};
use crate::chain::chain;
use crate::exit::Exit;
use crate::output::complain;
use crate::way::Way;

/// Gets a page, or sends something there, and logs in where that is asked for
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// What to get
    url: String,
    #[command(flatten)]
    account: Account,
    #[command(flatten)]
    way: Way,
}

pub(crate) async fn run(arguments: Arguments) -> Exit {
    match send(arguments).await {
        Ok(()) => Exit::Done,
        Err((exit, why)) => {
            complain(format_args!("legwork: {why}"));
            exit
        }
    }
}

async fn send(arguments: Arguments) -> Result<(), (Exit, String)> {
    let uri: http::Uri = arguments.url.parse().map_err(|_| (Exit::Url, "that is no URL".to_owned()))?;
    let origin = Origin::from_uri(&uri).map_err(|error| (Exit::Url, chain(&error)))?;
    let authenticator = Authenticator::builder();
    let authenticator = match arguments.account.who().map_err(|why| (Exit::Usage, why))? {
        Who::Nobody => authenticator,
        Who::Known(credentials) => authenticator.credentials(origin, credentials),
        Who::Netrc(netrc) => authenticator.provider(netrc),
    };
    let client: Client<Empty<Bytes>> = Client::builder(authenticator.build())
        .environment(Environment::tokio())
        .proxies(arguments.way.proxies().map_err(|why| (Exit::Url, why))?)
        .build_with_tls(arguments.way.tls().map_err(|why| (Exit::Tls, why))?);
    let response = client.get(uri).await.map_err(|error| (Exit::Connect, chain(&error)))?;
    let mut body = response.into_body();
    let mut stdout = tokio::io::stdout();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| (Exit::Answer, chain(&error)))?;
        if let Ok(data) = frame.into_data() {
            stdout.write_all(&data).await.map_err(|error| (Exit::File, chain(&error)))?;
        }
    }
    stdout.flush().await.map_err(|error| (Exit::File, chain(&error)))
}
