//! Connections that have changed protocols (RFC 9110, section 7.8).

use std::future::Future;
use std::sync::Arc;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{copy, split};
use tokio::sync::watch;

use super::open::OpenConnection;
use super::shared::Command;

/// Leaves a connection to `work` once the client has its answer. Until the end, it counts as open.
pub(super) fn leave_to<F>(
    client: OnUpgrade,
    open: Arc<OpenConnection>,
    mut commands: watch::Receiver<Command>,
    work: impl FnOnce(TokioIo<Upgraded>) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send,
{
    tokio::spawn(async move {
        let Ok(client) = client.await else { return };
        tokio::select! {
            () = work(TokioIo::new(client)) => {}
            _ = commands.wait_for(|command| *command == Command::Stop) => {}
        }
        drop(open);
    });
}

/// Sends back what comes, until the client has no more to say.
pub(super) async fn echo(client: TokioIo<Upgraded>) {
    let (mut from, mut to) = split(client);
    let _ = copy(&mut from, &mut to).await;
}
