//! Any of the clients over hyper, over reqwest and over hyper-util's legacy client, for tests of what they have in common.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::handshake::AuthenticatorBuilder;
use legwork::service::BoxError;
use legwork::{Client, Credentials};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::*;

/// Each of the three clients, by one name.
#[derive(Clone)]
pub(crate) enum AnyClient {
    Hyper(LabClient),
    Reqwest(legwork::client::reqwest::Client),
    Legacy(legwork::Client<Full<Bytes>>),
}

impl AnyClient {
    pub(crate) fn hyper(authenticator: AuthenticatorBuilder) -> Self {
        Self::Hyper(Client::builder(authenticator.build()).build_with_tls(no_tls()))
    }

    pub(crate) fn reqwest(authenticator: AuthenticatorBuilder) -> Self {
        let tls = no_tls();
        let settings = move || reqwest::Client::builder().tls_backend_preconfigured(tls.clone());
        Self::Reqwest(Client::builder(authenticator.build()).build_reqwest(settings).expect("settings"))
    }

    pub(crate) fn legacy(authenticator: AuthenticatorBuilder) -> Self {
        let settings = legacy::Client::builder(TokioExecutor::new());
        Self::Legacy(Client::builder(authenticator.build()).build_legacy(settings, HttpConnector::new()))
    }

    /// The response, whose body holds the connection until it is read.
    pub(crate) async fn send(&self, uri: Uri, credentials: Option<Credentials>) -> Response<Body> {
        self.try_send(uri, credentials).await.expect("a response")
    }

    pub(crate) async fn try_send(
        &self,
        uri: Uri,
        credentials: Option<Credentials>,
    ) -> Result<Response<Body>, BoxError> {
        match self {
            Self::Hyper(client) => {
                let mut request = get(uri);
                credentials.map(|credentials| request.extensions_mut().insert(credentials));
                let response = client.request(request).await?;
                Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
            }
            Self::Reqwest(client) => {
                let mut request = client.get(uri.to_string());
                if let Some(credentials) = credentials {
                    request = request.credentials(credentials);
                }
                let response = http::Response::from(request.send().await?);
                Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
            }
            Self::Legacy(client) => {
                let mut request = Request::get(uri).body(Full::default()).expect("a request");
                credentials.map(|credentials| request.extensions_mut().insert(credentials));
                let response = client.request(request).await?;
                Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
            }
        }
    }

    pub(crate) async fn get(&self, uri: Uri) -> Page {
        Page::read(self.send(uri, None).await).await
    }

    pub(crate) fn close_idle(&self) {
        match self {
            Self::Hyper(client) => client.close_idle(),
            Self::Reqwest(client) => client.close_idle(),
            Self::Legacy(client) => client.close_idle(),
        }
    }

    pub(crate) fn idle(&self) -> usize {
        let (_, idle) = match self {
            Self::Hyper(client) => client.connections(),
            Self::Reqwest(client) => client.connections(),
            Self::Legacy(client) => client.connections(),
        };
        idle
    }

    /// What so many tasks get that send so many requests each, one after the other.
    pub(crate) async fn crowd(&self, tasks: usize, requests: usize, uri: &Uri) -> Vec<Page> {
        let mut crowd = JoinSet::new();
        for _ in 0..tasks {
            let (client, uri) = (self.clone(), uri.clone());
            crowd.spawn(async move {
                let mut pages = Vec::new();
                for _ in 0..requests {
                    pages.push(client.get(uri.clone()).await);
                }
                pages
            });
        }
        crowd.join_all().await.into_iter().flatten().collect()
    }

    /// So many connections, each logged in for itself, and idle.
    pub(crate) async fn log_in(&self, connections: usize, uri: &Uri) {
        let all_have_one = Arc::new(Barrier::new(connections));
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (client, uri, all_have_one) = (self.clone(), uri.clone(), Arc::clone(&all_have_one));
            tasks.spawn(async move {
                let response = client.send(uri, None).await;
                all_have_one.wait().await;
                Page::read(response).await
            });
        }
        for page in tasks.join_all().await {
            assert_eq!(page.status, 200, "{page:?}");
        }
        // A connection is idle a moment after its body has ended.
        let begun = Instant::now();
        while self.idle() < connections {
            assert!(begun.elapsed() < Duration::from_secs(10), "only {} are idle", self.idle());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub(crate) type Make = fn(AuthenticatorBuilder) -> AnyClient;

pub(crate) const CLIENTS: [(&str, Make); 3] =
    [("hyper", AnyClient::hyper), ("reqwest", AnyClient::reqwest), ("legacy", AnyClient::legacy)];

/// For plain http only.
pub(crate) fn no_tls() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let roots = rustls::RootCertStore::empty();
    versions.expect("ring knows them").with_root_certificates(roots).with_no_client_auth()
}
