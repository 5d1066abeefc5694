//! A client that does as it is told: one connection, one leg at a time.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::authorization::Authorization;
use crate::credentials::Credentials;
use crate::mechanism::ntlm::Ntlm;
use crate::mechanism::spnego::Spnego;
use crate::mechanism::{Initiate, Mechanism, Moment, SecurityContext, Step};
use crate::protection_space::Challenger;
use crate::testing::Server;

pub(super) struct Client(SendRequest<Full<Bytes>>);

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Result<Bytes, hyper::Error>,
}

impl Client {
    pub(super) async fn connect(server: &Server) -> Self {
        Self::over(TcpStream::connect(server.address()).await.expect("the server listens")).await
    }

    pub(super) async fn over(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(io)).await.expect("no IO yet");
        tokio::spawn(connection);
        Self(sender)
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(request(Method::GET, path)).await.expect("an answer")
    }

    pub(super) async fn get_with(&mut self, authorization: impl Into<Value>) -> Answer {
        let mut request = request(Method::GET, "/");
        request.headers_mut().insert(header::AUTHORIZATION, authorization.into().0);
        self.send(request).await.expect("an answer")
    }

    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, hyper::Error> {
        self.0.ready().await?;
        let (head, body) = self.0.send_request(request).await?.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes());
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// The head alone; the content is dropped unread.
    pub(super) async fn head_of(&mut self, path: &str) -> u16 {
        self.0.ready().await.expect("an open connection");
        self.0.send_request(request(Method::GET, path)).await.expect("an answer").status().as_u16()
    }

    /// Waits until the server has closed the connection.
    pub(super) async fn closed(mut self) {
        while self.0.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}

/// A field value, from a text or an [`Authorization`].
pub(super) struct Value(HeaderValue);

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(text.parse().expect("visible ASCII"))
    }
}

impl From<Authorization> for Value {
    fn from(authorization: Authorization) -> Self {
        Self(authorization.into_value())
    }
}

pub(super) fn request(method: Method, target: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(target).header(header::HOST, "lab");
    request.body(Full::default()).expect("a valid request")
}

impl Answer {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("visible ASCII"))
    }

    pub(super) fn challenges(&self) -> Vec<&str> {
        let values = self.headers.get_all(header::WWW_AUTHENTICATE).iter();
        values.map(|value| value.to_str().expect("visible ASCII")).collect()
    }

    /// The token in the only challenge.
    pub(super) fn token(&self, challenger: Challenger) -> Option<Vec<u8>> {
        let value = self.headers.get(challenger.challenge_field())?.to_str().expect("visible ASCII");
        let (_, token) = value.split_once(' ')?;
        Some(BASE64_STANDARD.decode(token).expect("base64"))
    }
}

pub(super) fn basic(user: &str, password: &str) -> Authorization {
    Authorization::token68("Basic", format!("{user}:{password}").as_bytes())
}

/// The client's side of a handshake.
pub(super) struct Handshake {
    scheme: &'static str,
    context: Option<Box<dyn SecurityContext>>,
}

impl Handshake {
    pub(super) fn ntlm(user: &str, password: &str) -> Self {
        Self::of("NTLM", &Ntlm::new(), user, password)
    }

    pub(super) fn negotiate(user: &str, password: &str) -> Self {
        Self::of("Negotiate", &Spnego::new(vec![Arc::new(Ntlm::new())]), user, password)
    }

    pub(super) fn of(scheme: &'static str, mechanism: &dyn Mechanism, user: &str, password: &str) -> Self {
        let credentials = Credentials::password(user, password);
        let arguments = Initiate::new("HTTP/127.0.0.1", credentials);
        let moment = Moment::new(SystemTime::now(), [7; 32]);
        Self { scheme, context: Some(mechanism.initiate(arguments, moment)) }
    }

    /// The next field value, if there is one to send.
    pub(super) fn step(&mut self, input: Option<&[u8]>) -> Option<Authorization> {
        let context = self.context.take().expect("an unfinished handshake");
        let token = match context.step(input).expect("a token that the mechanism takes") {
            Step::Continue { token, context, .. } => {
                self.context = Some(context);
                Some(token)
            }
            Step::Complete { token, .. } => token,
            step => panic!("{step:?}"),
        };
        Some(Authorization::token68(self.scheme, &token?))
    }

    /// Runs all legs and gives the last answer.
    pub(super) async fn run(mut self, client: &mut Client) -> Answer {
        let first = self.step(None).expect("initiators begin");
        let challenged = client.get_with(first).await;
        assert_eq!(challenged.status, 401, "{:?}", challenged.headers);
        let token = challenged.token(Challenger::Origin).expect("a token");
        let answer = client.get_with(self.step(Some(&token)).expect("a proof")).await;
        if let Some(token) = answer.token(Challenger::Origin).filter(|_| answer.status == 200) {
            assert!(self.step(Some(&token)).is_none(), "the final token ends the handshake");
        }
        answer
    }
}
