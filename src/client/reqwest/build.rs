//! Builds reqwest clients, and says why one cannot be built.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A client of these settings. reqwest panics where it was built without a crypto provider and none has
/// been installed: that is an error here.
pub(super) fn build(make: impl FnOnce() -> reqwest::ClientBuilder) -> Result<reqwest::Client, BuildError> {
    // What is half made is dropped with the panic.
    match catch_unwind(AssertUnwindSafe(|| make().build())) {
        Ok(built) => built.map_err(BuildError::Settings),
        Err(payload) => Err(BuildError::Panic(message(&*payload).to_owned())),
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason was given")
}

/// Why a client over reqwest could not be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// reqwest cannot build a client with these settings.
    Settings(reqwest::Error),
    /// reqwest, or the closure that makes the settings, panicked with this message. reqwest does so
    /// where it has TLS through rustls without a crypto provider: give it TLS by `tls_backend_preconfigured`, as
    /// with [`platform_tls`](crate::client::reqwest::platform_tls), or install a provider.
    Panic(String),
    /// The builder was given [proxies](crate::client::ClientBuilder::proxies), of which reqwest
    /// knows nothing. [`Client`](crate::Client) goes through proxies.
    Proxies,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(_) => f.write_str("reqwest cannot build a client with these settings"),
            Self::Panic(message) => write!(f, "reqwest panicked on these settings: {message}"),
            Self::Proxies => f.write_str(
                "a client over reqwest goes through no proxy: leave out proxies(), or build the hyper client",
            ),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Settings(error) => Some(error),
            Self::Panic(_) | Self::Proxies => None,
        }
    }
}
