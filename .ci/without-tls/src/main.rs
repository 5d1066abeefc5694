//! What our own tests, with all features, do not see.

use http_body_util::{BodyExt, Empty};
use legwork::bytes::Bytes;
use legwork::handshake::Outcome;
use legwork::service::{BoxError, ErrorKind};
use legwork::testing::{Offer, Server};
use legwork::{Authenticator, Client, Credentials};

fn main() -> Result<(), BoxError> {
    that_we_are_in_its_tree_makes_no_programs_reqwest_panic()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(a_client_logs_in_where_there_are_no_spans())
}

fn that_we_are_in_its_tree_makes_no_programs_reqwest_panic() -> Result<(), BoxError> {
    drop(reqwest::Client::new());
    drop(Client::builder(Authenticator::builder().build()).build_reqwest(reqwest::Client::builder)?);
    Ok(())
}

/// Nobody can look on then, and requests go another way through the client.
async fn a_client_logs_in_where_there_are_no_spans() -> Result<(), BoxError> {
    let server = Server::builder().user("LAB\\carol", "carol-pw").offer(Offer::Ntlm).start().await?;
    let carol = Credentials::password("LAB\\carol", "carol-pw");
    let authenticator = Authenticator::builder().credentials(server.origin(), carol).build();
    let client: Client<Empty<Bytes>> = Client::builder(authenticator).build_http();
    assert!(client.authenticator().provider().is_some());

    let connections = async || {
        let mut response = client.get(server.uri("/")).await?;
        let outcome = response.extensions_mut().remove();
        assert!(response.status().is_success(), "{outcome:?}");
        response.into_body().collect().await?;
        Ok::<_, BoxError>((matches!(outcome, Some(Outcome::LoggedIn(_))), client.connections()))
    };
    assert_eq!(connections().await?, (true, (1, 1)));
    assert_eq!(connections().await?, (false, (1, 1)), "the connection is logged in");
    client.close_idle();
    assert_eq!(client.connections(), (0, 0));
    let login = client.authenticate(server.uri("/")).await?;
    assert_eq!(login.map(|login| login.scheme), Some("NTLM"));
    client.log_out(server.origin());
    assert_eq!(client.connections(), (0, 0));
    assert_eq!(connections().await?, (true, (1, 1)));
    client.shut_down().await;
    assert_eq!(client.connections(), (0, 0));
    let refused = client.get(server.uri("/")).await;
    assert!(refused.is_err_and(|error| matches!(error.kind(), ErrorKind::ShutDown)));
    Ok(())
}
