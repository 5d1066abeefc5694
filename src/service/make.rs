use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::handshake::Authenticator;
use crate::service::authenticate::Authenticate;
use crate::service::channel::ConnectionInfo;
use crate::service::environment::Environment;
use crate::service::layer::LogIn;

/// Makes connections that authenticate themselves, out of a maker of connections
/// (tower's `MakeService`).
///
/// `describe` says what each new connection is to, from the target and the connection: its
/// origin, and the channel bindings where it has TLS. There is an example in the [module's
/// documentation](crate::service#any-other-client).
pub struct MakeAuthenticate<M, D> {
    login: LogIn,
    make: M,
    describe: D,
}

impl<M, D> MakeAuthenticate<M, D> {
    /// Wraps each connection of `make`, with the info that `describe` gives, as an
    /// [`AuthenticateLayer`](crate::service::AuthenticateLayer) does.
    pub fn new(authenticator: Authenticator, make: M, describe: D) -> Self {
        Self { login: LogIn::new(authenticator), make, describe }
    }

    /// Sets the timers, limits, observer, and threads for steps that may block. Default: none, and nothing times
    /// out. A connection that cannot be made is not told to the observer: what it would have led to is known to
    /// `describe` alone, which needs it.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.login.set_environment(environment);
        self
    }
}

impl<M, D, T> Service<T> for MakeAuthenticate<M, D>
where
    M: Service<T>,
    D: Fn(&T, &M::Response) -> Result<ConnectionInfo, M::Error> + Clone,
    T: Clone,
{
    type Response = Authenticate<M::Response>;
    type Error = M::Error;
    type Future = MakeFuture<M::Future, D, T>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), M::Error>> {
        self.make.poll_ready(cx)
    }

    fn call(&mut self, target: T) -> Self::Future {
        let connecting = self.make.call(target.clone());
        MakeFuture { connecting, target, login: self.login.clone(), describe: self.describe.clone() }
    }
}

impl<M, D> fmt::Debug for MakeAuthenticate<M, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MakeAuthenticate").finish_non_exhaustive()
    }
}

pin_project! {
    /// Resolves to a connection that authenticates itself.
    pub struct MakeFuture<F, D, T> {
        #[pin]
        connecting: F,
        target: T,
        login: LogIn,
        describe: D,
    }
}

impl<F, D, T, S, E> Future for MakeFuture<F, D, T>
where
    F: Future<Output = Result<S, E>>,
    D: Fn(&T, &S) -> Result<ConnectionInfo, E>,
{
    type Output = Result<Authenticate<S>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let connection = ready!(this.connecting.poll(cx))?;
        let info = (this.describe)(this.target, &connection)?;
        Poll::Ready(Ok(this.login.on(connection, &info)))
    }
}

impl<F, D, T> fmt::Debug for MakeFuture<F, D, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MakeFuture").finish_non_exhaustive()
    }
}
