use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use crate::handshake::Authenticator;
use crate::service::authenticate::Authenticate;
use crate::service::channel::{Channel, ConnectionInfo};
use crate::service::environment::Environment;

/// Makes a connection authenticate itself. One layer serves connections to one origin; see
/// [`MakeAuthenticate`](crate::service::MakeAuthenticate) for a maker of connections to many.
///
/// ```
/// use legwork::Authenticator;
/// use legwork::service::{AuthenticateLayer, ConnectionInfo, Environment, Limits};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let info = ConnectionInfo::new("https://mail.example".parse()?);
/// let layer = AuthenticateLayer::new(Authenticator::builder().build(), info)
///     .environment(Environment::new().limits(Limits::default().replay(1024 * 1024)));
/// # let _ = layer; Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AuthenticateLayer {
    login: LogIn,
    info: ConnectionInfo,
}

impl AuthenticateLayer {
    /// Creates a layer in an [environment](Self::environment) without timers: nothing times out.
    pub fn new(authenticator: Authenticator, info: ConnectionInfo) -> Self {
        Self { login: LogIn::new(authenticator), info }
    }

    /// Sets the timers, limits, observer, and threads for steps that may block.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.login.set_environment(environment);
        self
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, connection: S) -> Authenticate<S> {
        self.login.on(connection, &self.info)
    }
}

impl fmt::Debug for AuthenticateLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticateLayer").field("info", &self.info).finish_non_exhaustive()
    }
}

/// How connections log in, whatever they are to.
#[derive(Clone)]
pub(super) struct LogIn {
    authenticator: Authenticator,
    environment: Arc<Environment>,
}

impl LogIn {
    pub(super) fn new(authenticator: Authenticator) -> Self {
        let mut login = Self { authenticator, environment: Arc::default() };
        login.set_environment(Environment::new());
        login
    }

    /// There is no other connection for a request to begin again on.
    pub(super) fn set_environment(&mut self, mut environment: Environment) {
        environment.limits.restarts = 0;
        self.environment = Arc::new(environment);
    }

    pub(super) fn on<S>(&self, connection: S, info: &ConnectionInfo) -> Authenticate<S> {
        let channel = Channel::new(connection, &self.authenticator, Arc::clone(&self.environment), info);
        Authenticate::new(self.authenticator.clone(), channel, info)
    }
}
