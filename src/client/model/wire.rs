//! Connections that the model answers, and what a server would see on them.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};

use crate::client::dispatch::{MakeConnection, Settings};
use crate::client::planted::Fault;
use crate::client::pool::{Host, Poolable};
use crate::service::{BoxError, ConnectionInfo, ErrorKind, LegBody, LegService};

/// What the server holds of a connection's login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Login {
    #[default]
    None,
    /// This user was given a challenge, which has this number.
    Challenged(char, u32),
    Done(char),
}

/// What a leg carries of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Said {
    Nothing,
    Hello,
    /// The secret, made for the challenge of this connection with this number.
    Proof(usize, u32),
}

/// A leg that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leg {
    pub(super) task: usize,
    pub(super) user: char,
    pub(super) said: Said,
}

/// Where a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    #[default]
    Connecting,
    Open,
    Closed,
}

#[derive(Default)]
pub(super) struct Connection {
    pub(super) stage: Stage,
    pub(super) login: Login,
    pub(super) leg: Option<Leg>,
    /// The request whose answer's content is under way.
    pub(super) content_of: Option<usize>,
    /// A request on it was dropped before its answer had ended: nothing else may go over it.
    pub(super) is_left: bool,
    failed_to_connect: bool,
    answer: Option<Response<Content>>,
    handles: usize,
    waker: Option<Waker>,
}

/// All connections, as their servers see them.
#[derive(Default)]
pub(super) struct Wire {
    pub(super) connections: Vec<Connection>,
    challenges: u32,
    /// Wrong things that were seen.
    pub(super) violations: Vec<String>,
    /// Users whose password was accepted, and how often it was refused before that.
    pub(super) accepted: Vec<char>,
    pub(super) refused: HashMap<char, u32>,
}

/// The same for all who take part.
#[derive(Clone, Default)]
pub(super) struct SharedWire(Arc<Mutex<Wire>>);

impl SharedWire {
    pub(super) fn lock(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire {
    /// The connection that was begun is there, or cannot be made.
    pub(super) fn connect(&mut self, number: usize, succeeds: bool) {
        let connection = &mut self.connections[number];
        connection.stage = if succeeds { Stage::Open } else { Stage::Closed };
        connection.failed_to_connect = !succeeds;
        connection.wake();
    }

    /// The server answers as it should.
    pub(super) fn answer(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        let leg = connection.leg.take().expect("there is a leg to answer");
        let challenge = match (leg.said, connection.login) {
            (Said::Hello, _) => {
                self.challenges += 1;
                connection.login = Login::Challenged(leg.user, self.challenges);
                Some(format!("{number} {}", self.challenges))
            }
            (Said::Proof(on, challenge), Login::Challenged(user, last))
                if (on, challenge) == (number, last) =>
            {
                connection.login = Login::Done(user);
                self.accepted.push(user);
                None
            }
            (Said::Nothing, Login::Done(_)) => None,
            (Said::Nothing, _) => Some(String::new()),
            (Said::Proof(..), _) => {
                self.violations.push(format!("{leg:?} went astray to connection {number}"));
                Some(String::new())
            }
        };
        let connection = &mut self.connections[number];
        match challenge {
            Some(token) => connection.unauthorized(leg, &token),
            None => connection.serve(leg, number),
        }
    }

    /// The server challenges anew, whatever it has been shown.
    pub(super) fn challenge(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        let leg = connection.leg.take().expect("there is a leg to answer");
        connection.login = Login::None;
        if matches!(leg.said, Said::Proof(..)) {
            *self.refused.entry(leg.user).or_default() += 1;
        }
        self.connections[number].unauthorized(leg, "");
    }

    /// The server closes the connection.
    pub(super) fn close(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        connection.stage = Stage::Closed;
        connection.leg = None;
        connection.wake();
    }

    /// The last of an answer's content arrives.
    pub(super) fn end_content(&mut self, number: usize) {
        self.connections[number].content_of = None;
        self.connections[number].wake();
    }
}

impl Connection {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn unauthorized(&mut self, leg: Leg, token: &str) {
        let value = format!("NTLM {}", BASE64_STANDARD.encode(token));
        let response = Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header(WWW_AUTHENTICATE, value.trim_end())
            .header("x-task", leg.task)
            .body(Content { wire: None, number: 0 });
        self.answer = Some(response.expect("a response"));
        self.wake();
    }

    fn serve(&mut self, leg: Leg, number: usize) {
        self.content_of = Some(leg.task);
        let response = Response::builder().header("x-task", leg.task).body(Content { wire: None, number });
        self.answer = Some(response.expect("a response"));
        self.wake();
    }

    /// Whether a request can go over it that is the only one.
    pub(super) fn is_free(&self) -> bool {
        self.stage == Stage::Open && self.leg.is_none() && self.content_of.is_none() && self.answer.is_none()
    }

    /// Whether an answer is on its way that nobody has taken.
    pub(super) fn has_answer(&self) -> bool {
        self.answer.is_some()
    }

    /// Whether the client has it, or is making it.
    pub(super) fn is_held(&self) -> bool {
        self.handles > 0 || self.stage == Stage::Connecting
    }
}

/// The client's end of a connection.
pub(super) struct ClientEnd {
    wire: SharedWire,
    number: usize,
}

impl ClientEnd {
    fn new(wire: &SharedWire, number: usize) -> Self {
        wire.lock().connections[number].handles += 1;
        Self { wire: wire.clone(), number }
    }
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        let mut wire = self.wire.lock();
        let connection = &mut wire.connections[self.number];
        connection.handles -= 1;
        if connection.handles == 0 {
            (connection.stage, connection.leg, connection.content_of) = (Stage::Closed, None, None);
        }
    }
}

impl Poolable for ClientEnd {
    type Extra = ();

    fn branch(&self) -> Option<Self> {
        Fault::PutBackUnfinished.is_planted().then(|| Self::new(&self.wire, self.number))
    }

    fn is_ready(&self) -> bool {
        !self.is_closed()
    }

    fn is_closed(&self) -> bool {
        self.wire.lock().connections[self.number].stage == Stage::Closed
    }

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(if self.is_closed() { Err("the server has closed".into()) } else { Ok(()) })
    }
}

/// A leg that is out. Dropped before its answer came, it leaves the connection unusable.
pub(super) struct LegOut {
    wire: SharedWire,
    number: usize,
    is_answered: bool,
}

impl Drop for LegOut {
    fn drop(&mut self) {
        if !self.is_answered {
            self.wire.lock().connections[self.number].is_left = true;
        }
    }
}

impl<B> LegService<B> for ClientEnd {
    type Leg = LegOut;
    type Received = Content;
    type Error = BoxError;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poolable::poll_ready(self, cx)
    }

    fn send(&mut self, request: Request<LegBody<B>>) -> LegOut {
        let mut wire = self.wire.lock();
        let wire = &mut *wire;
        let number = self.number;
        let connection = &mut wire.connections[number];
        let leg = Leg::of(request.headers());
        if connection.stage == Stage::Open {
            let what = match connection.login {
                _ if connection.is_left => Some("after a request that was given up"),
                _ if !connection.is_free() => Some("beside another request"),
                Login::Challenged(user, _) | Login::Done(user) if user != leg.user => {
                    Some("with another's login")
                }
                _ => None,
            };
            let what = what.map(|what| format!("{leg:?} goes over connection {number} {what}"));
            wire.violations.extend(what);
            connection.leg = Some(leg);
        }
        LegOut { wire: self.wire.clone(), number, is_answered: false }
    }

    fn poll_response(
        &mut self,
        mut leg: Pin<&mut LegOut>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Content>, BoxError>> {
        let mut wire = self.wire.lock();
        let connection = &mut wire.connections[self.number];
        if let Some(mut answer) = connection.answer.take() {
            leg.is_answered = true;
            if connection.content_of.is_some() {
                answer.body_mut().wire = Some(self.wire.clone());
            }
            return Poll::Ready(Ok(answer));
        }
        if connection.stage == Stage::Closed {
            leg.is_answered = true;
            return Poll::Ready(Err("the server has closed".into()));
        }
        connection.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Leg {
    fn of(fields: &HeaderMap) -> Self {
        let field = |name: &str| fields.get(name).and_then(|value| value.to_str().ok());
        let said = field(AUTHORIZATION.as_str()).map(|value| {
            let token = value.strip_prefix("NTLM ").expect("by NTLM");
            String::from_utf8(BASE64_STANDARD.decode(token).expect("base64")).expect("UTF-8")
        });
        let said = match said.as_deref().map(|said| said.split(' ').collect::<Vec<_>>()).as_deref() {
            None => Said::Nothing,
            Some(["hello"]) => Said::Hello,
            Some(["proof", on, challenge]) => {
                Said::Proof(on.parse().expect("a number"), challenge.parse().expect("a number"))
            }
            Some(other) => panic!("{other:?} is none of the mechanism's tokens"),
        };
        let user = field("x-user").and_then(|user| user.chars().next()).expect("a user");
        Self { task: field("x-task").and_then(|task| task.parse().ok()).expect("a number"), user, said }
    }
}

/// The content of an answer: none, or what ends when the model says so.
pub(super) struct Content {
    wire: Option<SharedWire>,
    number: usize,
}

impl Body for Content {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(shared) = self.wire.clone() else { return Poll::Ready(None) };
        let mut wire = shared.lock();
        let connection = &mut wire.connections[self.number];
        match (connection.content_of, connection.stage) {
            (None, _) => {
                self.wire = None;
                Poll::Ready(None)
            }
            (Some(_), Stage::Closed) => Poll::Ready(Some(Err("the content has broken off".into()))),
            (Some(_), _) => {
                connection.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.wire.is_none()
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        let Some(shared) = self.wire.take() else { return };
        let mut wire = shared.lock();
        let connection = &mut wire.connections[self.number];
        connection.is_left |= connection.content_of.take().is_some();
    }
}

/// Makes connections, when the model says so.
pub(super) struct Connector(pub(super) SharedWire);

impl MakeConnection<ClientEnd> for Connector {
    async fn make_connection(
        &self,
        _: &Settings,
        host: &Host,
    ) -> Result<(ClientEnd, ConnectionInfo), ErrorKind> {
        let number = {
            let mut wire = self.0.lock();
            wire.connections.push(Connection::default());
            wire.connections.len() - 1
        };
        let connecting = Connecting { wire: &self.0, number };
        poll_fn(|cx| {
            let mut wire = self.0.lock();
            let connection = &mut wire.connections[number];
            if connection.stage == Stage::Connecting {
                connection.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        drop(connecting);
        if self.0.lock().connections[number].failed_to_connect {
            return Err(ErrorKind::Connect("nobody listens".into()));
        }
        Ok((ClientEnd::new(&self.0, number), ConnectionInfo::new(host.origin.clone())))
    }
}

/// A connection that is being made. Dropped before it is there, it will never be.
struct Connecting<'a> {
    wire: &'a SharedWire,
    number: usize,
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        let mut wire = self.wire.lock();
        let connection = &mut wire.connections[self.number];
        if connection.stage == Stage::Connecting {
            connection.stage = Stage::Closed;
        }
    }
}
