//! The three clients under one name, for tests that hold for each of them.

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::client::reqwest::Client as ReqwestClient;
use legwork::client::{ClientBuilder, LogOut};
use legwork::credentials::Anonymous;
use legwork::handshake::AuthenticatorBuilder;
use legwork::service::{BoxError, Error};
use legwork::{Client, Credentials};

use crate::support::*;

/// A client, whatever it is made of.
pub(crate) trait Any: Clone + Send + Sync + 'static {
    fn build(builder: ClientBuilder) -> Self;
    fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Content>, Error>> + Send + 'static;
    fn close_idle(&self);
    fn log_out(&self, who: impl Into<LogOut>);
    fn connections(&self) -> (usize, usize);
    fn shut_down(&self) -> impl Future<Output = ()> + Send;
}

pub(crate) type Content = UnsyncBoxBody<Bytes, BoxError>;

/// The same client over other connections.
#[derive(Clone)]
pub(crate) struct OverLegacy(HttpClient);

impl Any for HttpClient {
    fn build(builder: ClientBuilder) -> Self {
        builder.build_http()
    }

    fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Content>, Error>> + Send + 'static {
        let response = self.request(request);
        async { Ok(response.await?.map(|body| body.map_err(Into::into).boxed_unsync())) }
    }

    fn close_idle(&self) {
        self.close_idle();
    }

    fn log_out(&self, who: impl Into<LogOut>) {
        self.log_out(who);
    }

    fn connections(&self) -> (usize, usize) {
        self.connections()
    }

    async fn shut_down(&self) {
        self.shut_down().await;
    }
}

impl Any for OverLegacy {
    fn build(builder: ClientBuilder) -> Self {
        Self(builder.build_legacy(legacy::Client::builder(TokioExecutor::new()), HttpConnector::new()))
    }

    fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Content>, Error>> + Send + 'static {
        Any::send(&self.0, request)
    }

    fn close_idle(&self) {
        self.0.close_idle();
    }

    fn log_out(&self, who: impl Into<LogOut>) {
        self.0.log_out(who);
    }

    fn connections(&self) -> (usize, usize) {
        self.0.connections()
    }

    async fn shut_down(&self) {
        self.0.shut_down().await;
    }
}

impl Any for ReqwestClient {
    fn build(builder: ClientBuilder) -> Self {
        builder.build_reqwest(settings).expect("settings that fit")
    }

    fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Content>, Error>> + Send + 'static {
        let who = request.extensions_mut().remove::<Credentials>();
        let again = self
            .request(request.method().clone(), request.uri().to_string())
            .headers(std::mem::take(request.headers_mut()));
        let again = match (who, request.extensions_mut().remove::<Anonymous>()) {
            (Some(who), _) => again.credentials(who),
            (None, Some(Anonymous)) => again.anonymous(),
            (None, None) => again,
        };
        let again = match request.body().is_end_stream() {
            true => again,
            false => again.body(reqwest::Body::wrap(request.into_body())),
        };
        let response = again.send();
        async { Ok(Response::from(response.await?).map(|body| body.map_err(Into::into).boxed_unsync())) }
    }

    fn close_idle(&self) {
        self.close_idle();
    }

    fn log_out(&self, who: impl Into<LogOut>) {
        self.log_out(who);
    }

    fn connections(&self) -> (usize, usize) {
        self.connections()
    }

    async fn shut_down(&self) {
        self.shut_down().await;
    }
}

/// A module of tests for each client, out of functions that are generic over it.
macro_rules! over_each_client {
    ($($test:ident),* $(,)?) => {
        mod over_hyper {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test::<super::HttpClient>().await;
            })*
        }

        mod over_reqwest {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test::<super::ReqwestClient>().await;
            })*
        }

        mod over_legacy {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test::<super::OverLegacy>().await;
            })*
        }
    };
}

pub(crate) use over_each_client;

pub(crate) fn of<C: Any>(authenticator: AuthenticatorBuilder) -> C {
    C::build(Client::builder(authenticator.dangerous_secrets_over_plain_http(true).build()))
}

/// The head of a response to come, which is a 200.
pub(crate) async fn head<C: Any>(client: &C, request: Request<Full<Bytes>>) -> Response<Content> {
    let response = without_hanging(client.send(request)).await.expect("a response");
    assert_eq!(response.status(), 200);
    response
}

pub(crate) async fn page(response: Response<Content>) -> String {
    let octets = without_hanging(response.into_body().collect()).await.expect("a body").to_bytes();
    String::from_utf8(octets.to_vec()).expect("UTF-8")
}

pub(crate) async fn settled_at<C: Any>(client: &C, counts: (usize, usize)) {
    without_hanging(async {
        while client.connections() != counts {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

pub(crate) async fn fetch<C: Any>(client: &C, request: Request<Full<Bytes>>) -> String {
    page(head(client, request).await).await
}
