use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use crate::handshake::Authenticator;
use crate::service::authenticate::Authenticate;
use crate::service::channel::{Channel, ConnectionInfo};
use crate::service::environment::{Blocking, Environment, Limits, Timer};
use crate::service::observe::Observer;

/// Makes a connection authenticate itself. One layer serves connections to one origin; see
/// [`MakeAuthenticate`](crate::service::MakeAuthenticate) for a maker of connections to many.
#[derive(Clone)]
pub struct AuthenticateLayer {
    authenticator: Authenticator,
    environment: Arc<Environment>,
    info: ConnectionInfo,
}

impl AuthenticateLayer {
    /// A layer without timers: nothing times out. A login whose server says nothing then holds up others
    /// with the same credentials until it is given up.
    pub fn new(authenticator: Authenticator, info: ConnectionInfo) -> Self {
        Self::builder().build(authenticator, info)
    }

    /// For timers, limits, and threads for blocking steps.
    pub fn builder() -> LayerBuilder {
        LayerBuilder { environment: Environment::default() }
    }

    pub(super) fn authenticate<S>(&self, connection: S, info: &ConnectionInfo) -> Authenticate<S> {
        let channel = Channel::new(connection, &self.authenticator, Arc::clone(&self.environment), info);
        Authenticate::new(self.authenticator.clone(), channel, info)
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, connection: S) -> Authenticate<S> {
        self.authenticate(connection, &self.info)
    }
}

impl fmt::Debug for AuthenticateLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticateLayer").field("info", &self.info).finish_non_exhaustive()
    }
}

/// Builds an [`AuthenticateLayer`].
pub struct LayerBuilder {
    environment: Environment,
}

impl LayerBuilder {
    /// Timers, without which nothing times out.
    #[must_use]
    pub fn timer(mut self, timer: impl Timer + 'static) -> Self {
        self.environment.timer = Some(Arc::new(timer));
        self
    }

    /// Where mechanism steps run that may block.
    #[must_use]
    pub fn blocking(mut self, blocking: impl Blocking + 'static) -> Self {
        self.environment.blocking = Some(Arc::new(blocking));
        self
    }

    /// Who is told of the legs.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.environment.observer = Some(Arc::new(observer));
        self
    }

    /// Bounds on each handshake.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.environment.limits = limits;
        self
    }

    /// The layer.
    pub fn build(self, authenticator: Authenticator, info: ConnectionInfo) -> AuthenticateLayer {
        AuthenticateLayer { authenticator, environment: Arc::new(self.environment), info }
    }
}

impl fmt::Debug for LayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerBuilder").field("environment", &self.environment).finish()
    }
}
