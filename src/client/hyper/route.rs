//! The way to an origin: straight, by way of a proxy, or by a tunnel through it.

use std::sync::Arc;

use http::{Request, Uri, header};
use http_body::Body;
use hyper::client::conn::http1;

use crate::client::dispatch::{Reach, Settings};
use crate::client::hyper::connect::{Connect, extra};
use crate::client::hyper::connection::Connection;
use crate::client::hyper::secure::{Secure, Transport};
use crate::client::pool::Host;
use crate::client::proxy::Proxies;
use crate::client::tunnel::opening::{Opening, authority};
use crate::client::tunnel::{TunnelError, TunnelErrorKind};
use crate::handshake::{Authenticator, Identity};
use crate::protection_space::{Challenger, Origin};
use crate::service::{BoxError, ConnectionInfo, ErrorKind};

/// All the ways that a client has.
pub(super) struct Ways<C> {
    /// Connects to origins, and to proxies.
    pub(super) connector: C,
    pub(super) proxies: Option<Proxies>,
    /// What speaks TLS with the origins behind tunnels.
    pub(super) tls: Option<Arc<dyn Secure>>,
}

impl<C, B> Reach<Connection<B>> for Ways<C>
where
    C: Connect,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    async fn reach(
        &self,
        settings: &Settings,
        host: &Host,
    ) -> Result<(Connection<B>, ConnectionInfo), BoxError> {
        let mut connector = self.connector.clone();
        let info = ConnectionInfo::new(host.origin.clone());
        match &host.key.proxy {
            None => connection(connector.connect(host.target.clone()).await?, info).await,
            Some((proxy, _)) if host.is_forwarded() => {
                connection(connector.connect(proxy.to_uri()).await?, info.proxy(proxy.clone())).await
            }
            Some((proxy, identity)) => {
                let target = authority(&host.origin);
                let failed = |kind| TunnelError::new(proxy.clone(), target.clone(), kind);
                let tls = self.tls.as_ref().ok_or_else(|| failed(TunnelErrorKind::NoTls))?;
                let opening = Opening {
                    connector: &self.connector,
                    authenticator: &settings.authenticator,
                    environment: &settings.environment,
                    max_restarts: settings.max_restarts,
                };
                let tunnel = opening.open(proxy, identity, &target).await.map_err(failed)?;
                connection(tls.secure(Box::new(tunnel), host.target.clone()).await?, info).await
            }
        }
    }

    /// What is for a proxy's eyes stays in the request for that proxy alone.
    fn via<R>(
        &self,
        authenticator: &Authenticator,
        uri: &Uri,
        request: &mut Request<R>,
    ) -> Result<Option<Box<(Origin, Identity)>>, ErrorKind> {
        let Some(proxies) = &self.proxies else { return Ok(None) };
        let proxy = proxies.of(uri).map_err(|error| ErrorKind::Proxy(error.into()))?;
        let identity = Identity::of(request, Challenger::Proxy, authenticator);
        if proxy.is_none() || uri.scheme() != Some(&http::uri::Scheme::HTTP) {
            request.headers_mut().remove(header::PROXY_AUTHORIZATION);
        }
        let Some(proxy) = proxy else { return Ok(None) };
        let identity = match (identity, proxy.own_credentials()) {
            (requests @ (Identity::CallersOwn(_) | Identity::Credentials(_)), _) => requests,
            (_, Some(credentials)) => Identity::Credentials(credentials.clone()),
            (everyones, None) => everyones,
        };
        Ok(Some(Box::new((proxy.origin().clone(), identity))))
    }
}

/// HTTP/1.1 on a transport.
async fn connection<T, B>(
    io: T,
    mut info: ConnectionInfo,
) -> Result<(Connection<B>, ConnectionInfo), BoxError>
where
    T: Transport + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    info.channel_bindings = extra(&io);
    let (sender, connection) = http1::handshake(io).await?;
    tokio::spawn(async move {
        // Its errors reach the requests on it.
        let _ = connection.with_upgrades().await;
    });
    Ok((Connection::new(sender), info))
}
