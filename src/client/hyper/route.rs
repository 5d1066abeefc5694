//! The way to an origin: straight, by way of a proxy, or by a tunnel through it.

use std::sync::Arc;

use http::{Request, Uri, header};
use http_body::Body;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};

use crate::client::connect::connector::{Connect, channel_bindings};
use crate::client::connect::secure::{Secure, Transport};
use crate::client::connection::HyperConnection;
use crate::client::connection::http1::ConnectionTask;
#[cfg(feature = "http2")]
use crate::client::connection::http2::{self, Common};
use crate::client::connection::to_proxy::ToProxy;
use crate::client::dispatch::{MakeConnection, Settings};
use crate::client::pool::Host;
use crate::client::proxy::{Proxies, Proxy};
use crate::client::tunnel::opening::{TunnelOpening, authority};
use crate::client::tunnel::{TunnelError, TunnelErrorKind};
#[cfg(feature = "http2")]
use crate::handshake::Protocol;
use crate::handshake::{Authenticator, HttpVersion, Identity};
use crate::protection_space::{Challenger, Origin};
use crate::service::{BoxError, ConnectionInfo, ErrorKind, LegBody};

/// All the ways that a client has.
pub(super) struct MakeHyperConnection<C> {
    /// The highest that is spoken.
    pub(super) version: HttpVersion,
    /// How HTTP/1 is spoken.
    pub(super) http1: http1::Builder,
    /// Connects to origins, and to proxies.
    pub(super) connector: C,
    /// The same for origins that may be spoken to by any version. Without it, only the connector
    /// knows what will be spoken.
    pub(super) any: Option<C>,
    pub(super) proxies: Option<Proxies>,
    /// What speaks TLS with the origins behind tunnels.
    pub(super) tls: Option<Arc<dyn Secure>>,
}

impl<C, B> MakeConnection<HyperConnection<B>> for MakeHyperConnection<C>
where
    C: Connect,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    async fn make_connection(
        &self,
        settings: &Settings,
        host: &Host,
    ) -> Result<(HyperConnection<B>, ConnectionInfo), ErrorKind> {
        self.connect(settings, host).await.map_err(ErrorKind::Connect)
    }

    /// Tells which proxy the request goes to, and as whom. Only that proxy sees `Proxy-Authorization`.
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

    fn proxy(&self, uri: &Uri) -> Option<&Origin> {
        self.proxy_of(uri).map(Proxy::origin)
    }
}

impl<C> MakeHyperConnection<C> {
    fn proxy_of(&self, uri: &Uri) -> Option<&Proxy> {
        self.proxies.as_ref()?.of(uri).ok().flatten()
    }
}

impl<C: Connect> MakeHyperConnection<C> {
    /// A connection on the way to `host`.
    async fn connect<B>(
        &self,
        settings: &Settings,
        host: &Host,
    ) -> Result<(HyperConnection<B>, ConnectionInfo), BoxError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let info = ConnectionInfo::new(host.origin.clone());
        let version = match self.version {
            HttpVersion::Any => settings.authenticator.version(&host.origin),
            HttpVersion::Http1 => HttpVersion::Http1,
        };
        match &host.key.proxy {
            None => {
                let mut connector = match (version, &self.any) {
                    (HttpVersion::Any, Some(any)) => any.clone(),
                    _ => self.connector.clone(),
                };
                self.connection(connector.connect(host.target.clone()).await?, info, settings, host).await
            }
            Some((proxy, _)) if host.is_forwarded() => {
                let io = self.connector.clone().connect(proxy.to_uri()).await?;
                let mut info = info.proxy(proxy.clone());
                info.channel_bindings = channel_bindings(&io);
                let (io, requests) = ToProxy::new(io);
                let (sender, task) = spawn(&self.http1, io).await?;
                Ok((HyperConnection::to_proxy(sender, requests, Some(task)), info))
            }
            Some((proxy, identity)) => {
                let target = authority(&host.origin);
                let failed = |kind| TunnelError::new(proxy.clone(), target.clone(), kind);
                let tls = self.tls.as_ref().ok_or_else(|| failed(TunnelErrorKind::NoTls))?;
                let opening = TunnelOpening {
                    connector: &self.connector,
                    authenticator: &settings.authenticator,
                    environment: &settings.environment,
                    http1: &self.http1,
                };
                let fields = self.proxy_of(&host.target).map(Proxy::own_connect_fields).cloned();
                let fields = fields.unwrap_or_default();
                let tunnel = opening.open(proxy, identity, &fields, &target).await.map_err(failed)?;
                let io = tls.secure(Box::new(tunnel), host.target.clone(), version).await?;
                self.connection(io, info, settings, host).await
            }
        }
    }

    /// What the transport to an origin has agreed to, as far as it is spoken here.
    #[cfg_attr(not(feature = "http2"), expect(unused_mut, unused_variables))]
    async fn connection<T, B>(
        &self,
        io: T,
        mut info: ConnectionInfo,
        settings: &Settings,
        host: &Host,
    ) -> Result<(HyperConnection<B>, ConnectionInfo), BoxError>
    where
        T: Transport + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        #[cfg(feature = "http2")]
        if self.version == HttpVersion::Any && io.connected().is_negotiated_h2() {
            let memory = || settings.authenticator.memory(Challenger::Origin, &host.origin);
            info.protocol = if self.any.is_some() { Protocol::Http2 } else { Protocol::Http2Alone };
            info.channel_bindings = channel_bindings(&io);
            let memory = (info.protocol == Protocol::Http2).then(memory);
            return Ok((http2::connection(io, Common::new(&host.target, memory)).await?, info));
        }
        connection(&self.http1, io, info).await
    }
}

/// HTTP/1.1 on a transport.
async fn connection<T, B>(
    http1: &http1::Builder,
    io: T,
    mut info: ConnectionInfo,
) -> Result<(HyperConnection<B>, ConnectionInfo), BoxError>
where
    T: Transport + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    info.channel_bindings = channel_bindings(&io);
    let (sender, task) = spawn(http1, io).await?;
    Ok((HyperConnection::new(sender, task), info))
}

/// What sends requests on a transport, and the task that moves it.
async fn spawn<T, B>(
    http1: &http1::Builder,
    io: T,
) -> Result<(http1::SendRequest<LegBody<B>>, ConnectionTask), hyper::Error>
where
    T: Read + Write + Unpin + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let (sender, connection) = http1.handshake(io).await?;
    // As it is: around it, a block would hold it twice. Its errors reach the requests on it.
    let task = tokio::spawn(connection.with_upgrades());
    Ok((sender, task))
}
