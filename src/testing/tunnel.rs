//! A proxy's tunnels.

use std::sync::Arc;

use http::{StatusCode, Uri};
use hyper::upgrade::OnUpgrade;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::open::OpenConnection;
use super::shared::Command;
use super::upgraded::leave_to;

/// A connection to where a `CONNECT` wants to.
pub(super) struct TunnelEnd {
    origin: TcpStream,
}

impl TunnelEnd {
    /// Connects to the authority of a request's target; gives a status if that cannot be.
    pub(super) async fn to(target: &Uri) -> Result<Self, StatusCode> {
        let authority = target.authority().ok_or(StatusCode::BAD_REQUEST)?;
        let origin = TcpStream::connect(authority.as_str()).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        let _ = origin.set_nodelay(true);
        Ok(Self { origin })
    }

    /// Carries octets in both directions once the client has its answer.
    pub(super) fn carry(
        mut self,
        client: OnUpgrade,
        open: Arc<OpenConnection>,
        commands: watch::Receiver<Command>,
    ) {
        leave_to(client, open, commands, |mut client| async move {
            let _ = copy_bidirectional(&mut client, &mut self.origin).await;
        });
    }
}
