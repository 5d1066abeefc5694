use crate::client::blocking::BlockingSteps;
use crate::client::runtime::TokioTimer;
use crate::service::Environment;

/// Over tokio, with the feature `client`.
impl Environment {
    /// Creates an environment with tokio's timers, [`BlockingSteps`] of its own, and with the feature `kerberos`
    #[cfg_attr(feature = "kerberos", doc = "[`KdcSockets`](crate::client::KdcSockets).")]
    #[cfg_attr(not(feature = "kerberos"), doc = "`KdcSockets`.")]
    pub fn tokio() -> Self {
        let environment = Self::new().timer(TokioTimer).blocking(BlockingSteps::default());
        #[cfg(feature = "kerberos")]
        let environment = environment.kdc_transport(crate::client::kdc::KdcSockets::new());
        environment
    }
}
