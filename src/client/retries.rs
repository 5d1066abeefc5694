//! How often one request may move to another connection.

use crate::service::{Error, FailedRequest, PreparedRequest, Retry};

/// Counts the connections that failed a request, by the grounds on which it may move on.
pub(super) struct Retries {
    unsent: u32,
    closed: u32,
    restarts: u32,
    limits: RetryLimits,
}

/// How often a request may move on.
pub(super) struct RetryLimits {
    /// From connections that were found dead before anything of it was sent.
    pub(super) unsent: u32,
    /// To begin its handshake again.
    pub(super) restarts: u32,
}

/// From connections that were closed before they answered.
const MAX_CLOSED: u32 = 1;

impl Retries {
    pub(super) fn within(limits: RetryLimits) -> Self {
        Self { unsent: 0, closed: 0, restarts: 0, limits }
    }

    /// The request, to be sent again, and on which grounds.
    ///
    /// # Errors
    ///
    /// What failed it, where it cannot be sent again or has been often enough.
    pub(super) fn again<B>(
        &mut self,
        failure: FailedRequest<B>,
    ) -> Result<(Retry, PreparedRequest<B>), Error> {
        let FailedRequest { error, retry } = failure;
        let Some((grounds, prepared)) = retry else { return Err(error) };
        let (tries, limit) = match grounds {
            Retry::Unsent => (&mut self.unsent, self.limits.unsent),
            Retry::Closed => (&mut self.closed, MAX_CLOSED),
            Retry::Renew => (&mut self.restarts, self.limits.restarts),
        };
        if *tries >= limit {
            return Err(error);
        }
        *tries += 1;
        Ok((grounds, prepared))
    }
}
