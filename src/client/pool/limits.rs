use std::time::Duration;

/// How many connections there are, and for how long.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct PoolLimits {
    pub(in crate::client) per_origin: usize,
    pub(in crate::client) total: usize,
    pub(in crate::client) idle_per_origin: usize,
    pub(in crate::client) idle_timeout: Duration,
    /// How long a request waits for a place.
    pub(in crate::client) wait_timeout: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            per_origin: 64,
            total: 512,
            idle_per_origin: 64,
            idle_timeout: Duration::from_secs(90),
            // As long as the handshake of the request before may take.
            wait_timeout: Duration::from_secs(120),
        }
    }
}
