//! The clients that the requests go by, which share what is known of passwords.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use legwork::handshake::{Authenticator, LockoutBounds};
use legwork::mechanism::kerberos::Kerberos;
use legwork::scheme::Negotiate;
use legwork::service::{BoxError, Error};
use legwork::{Client, Origin};

use crate::script::Draw;
use crate::server::{Manner, REALM, SERVICE, Server};
use crate::settings::{connector, reqwest_settings};

pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

#[derive(Clone)]
pub(crate) struct Clients {
    hyper: Client<Full<Bytes>>,
    legacy: Client<Full<Bytes>>,
    reqwest: legwork::client::reqwest::Client,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Via {
    Hyper,
    Legacy,
    Reqwest,
}

impl Via {
    pub(crate) fn drawn(draw: &mut Draw) -> Self {
        match draw.below(4) {
            0 | 1 => Self::Hyper,
            2 => Self::Legacy,
            _ => Self::Reqwest,
        }
    }
}

impl Clients {
    pub(crate) fn new(server: &Server) -> Self {
        let authenticator = authenticator(server);
        let limited = |connections| {
            Client::builder(authenticator.clone()).max_total(connections).max_per_origin(connections / 4)
        };
        let settings = legacy::Client::builder(TokioExecutor::new());
        Self {
            hyper: limited(100).build_http(),
            legacy: limited(50).build_legacy(settings, connector()),
            reqwest: limited(50).build_reqwest(reqwest_settings).expect("settings that fit"),
        }
    }

    pub(crate) async fn send(
        &self,
        via: Via,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, Error> {
        match via {
            Via::Hyper => self.hyper.request(request).await.map(boxed),
            Via::Legacy => self.legacy.request(request).await.map(boxed),
            Via::Reqwest => {
                let request = request.map(reqwest::Body::wrap);
                let request = reqwest::Request::try_from(request).expect("a URL");
                self.reqwest.execute(request).await.map(|response| boxed(response.into()))
            }
        }
    }

    /// How many connections there are, and how many of them are idle.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let all = [self.hyper.connections(), self.legacy.connections(), self.reqwest.connections()];
        all.into_iter().fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1))
    }

    pub(crate) fn close_idle(&self) {
        self.hyper.close_idle();
        self.legacy.close_idle();
        self.reqwest.close_idle();
    }
}

fn boxed<B>(response: Response<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

fn authenticator(server: &Server) -> Authenticator {
    // What is cut off or given up in the middle of a login says nothing of a password, and here it happens all the time.
    let mut bounds = LockoutBounds::default();
    (bounds.undecided, bounds.undecided_accepted) = (u32::MAX, u32::MAX);
    let kerberos = Kerberos::new().kdc(REALM, [server.kdc().to_string()]);
    let origin: Origin = format!("http://{}", server.address(Manner::Kerberos)).parse().expect("an origin");
    Authenticator::builder()
        .negotiate(Negotiate::kerberos_or_ntlm(kerberos))
        .target_name(origin, SERVICE)
        .dangerous_secrets_over_plain_http(true)
        .lockout_bounds(bounds)
        .build()
}
