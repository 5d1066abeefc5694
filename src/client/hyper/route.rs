//! The way to an origin: straight, by way of a proxy, or by a tunnel through it.

use std::sync::Arc;

use http::{Request, Uri, header};
use http_body::Body;
use hyper::client::conn::http1;

use crate::client::hyper::connect::{Connect, extra};
use crate::client::hyper::connection::Connection;
use crate::client::hyper::dispatch::Shared;
use crate::client::hyper::pool::Host;
use crate::client::hyper::secure::Transport;
use crate::client::tunnel::opening::{Opening, authority};
use crate::client::tunnel::{TunnelError, TunnelErrorKind};
use crate::handshake::Identity;
use crate::protection_space::{Challenger, Origin};
use crate::service::{BoxError, Channel, ConnectionInfo, ErrorKind};

impl<C, B> Shared<C, B> {
    /// The proxy that a request goes through, and who logs in there. What is for a proxy's eyes
    /// stays in the request for that proxy alone.
    pub(super) fn via(
        &self,
        uri: &Uri,
        request: &mut Request<B>,
    ) -> Result<Option<Box<(Origin, Identity)>>, ErrorKind> {
        let Some(proxies) = &self.proxies else { return Ok(None) };
        let proxy = proxies.of(uri).map_err(|error| ErrorKind::Proxy(error.into()))?;
        let identity = Identity::of(request, Challenger::Proxy, &self.authenticator);
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

impl<C, B> Shared<C, B>
where
    C: Connect,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// A new connection on the way to `host`.
    pub(super) async fn reach(&self, host: &Host) -> Result<Channel<Connection<B>>, BoxError> {
        let mut connector = self.connector.clone();
        let info = ConnectionInfo::new(host.origin.clone());
        match &host.key.proxy {
            None => {
                let io = connector.connect(host.target.clone()).await?;
                self.channel(io, info).await
            }
            Some((proxy, _)) if host.is_forwarded() => {
                let io = connector.connect(proxy.to_uri()).await?;
                self.channel(io, info.proxy(proxy.clone())).await
            }
            Some((proxy, identity)) => {
                let target = authority(&host.origin);
                let failed = |kind| TunnelError::new(proxy.clone(), target.clone(), kind);
                let tls = self.tls.as_ref().ok_or_else(|| failed(TunnelErrorKind::NoTls))?;
                let tunnel = self.opening().open(proxy, identity, &target).await.map_err(failed)?;
                let io = tls.secure(Box::new(tunnel), host.target.clone()).await?;
                self.channel(io, info).await
            }
        }
    }

    fn opening(&self) -> Opening<'_, C> {
        Opening {
            connector: &self.connector,
            authenticator: &self.authenticator,
            environment: &self.environment,
            max_restarts: self.max_restarts,
        }
    }

    /// HTTP/1.1 on a transport.
    async fn channel<T: Transport + 'static>(
        &self,
        io: T,
        mut info: ConnectionInfo,
    ) -> Result<Channel<Connection<B>>, BoxError> {
        info.channel_bindings = extra(&io);
        let (sender, connection) = http1::handshake(io).await?;
        tokio::spawn(async move {
            // Its errors reach the requests on it.
            let _ = connection.with_upgrades().await;
        });
        let environment = Arc::clone(&self.environment);
        Ok(Channel::new(Connection::new(sender), &self.authenticator, environment, &info))
    }
}
