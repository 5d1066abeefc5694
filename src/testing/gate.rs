//! Holding answers back until the test says so.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::{Semaphore, watch};

/// A gate that answers wait behind, so that a test decides what is concurrent with what.
///
/// Clones are handles of the same gate. It begins closed.
///
/// ```
/// # use legwork::testing::{Gate, Quirk, Server};
/// # async fn example() -> std::io::Result<()> {
/// let gate = Gate::closed();
/// let server = Server::builder().quirk(Quirk::HeldBy(gate.clone())).start().await?;
/// // … start eight requests …
/// gate.held(8).await; // all eight have arrived, none is answered
/// gate.open();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Gate(Arc<GateInner>);

struct GateInner {
    permits: Semaphore,
    held: watch::Sender<usize>,
}

impl Gate {
    /// Creates a closed gate.
    pub fn closed() -> Self {
        Self(Arc::new(GateInner { permits: Semaphore::new(0), held: watch::Sender::new(0) }))
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.0.permits.close();
    }

    /// Lets `answers` more through.
    pub fn admit(&self, answers: usize) {
        self.0.permits.add_permits(answers);
    }

    /// Waits until at least `answers` are held back at the same time.
    pub async fn held(&self, answers: usize) {
        let mut held = self.0.held.subscribe();
        held.wait_for(|held| *held >= answers).await.expect("the gate itself keeps the sender");
    }

    /// Waits to be let through; gives its place up when dropped.
    ///
    /// It is in the queue before it counts as held: whoever was held first is let through first.
    pub(super) async fn pass(&self) {
        let mut passing = pin!(self.0.permits.acquire());
        let passed = match poll_fn(|cx| Poll::Ready(passing.as_mut().poll(cx))).await {
            Poll::Ready(passed) => passed,
            Poll::Pending => {
                self.0.held.send_modify(|held| *held += 1);
                let _place = HeldPlace(&self.0);
                passing.await
            }
        };
        // An error means that the gate stays open.
        if let Ok(permit) = passed {
            permit.forget();
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("open", &self.0.permits.is_closed())
            .field("held", &*self.0.held.borrow())
            .finish()
    }
}

struct HeldPlace<'a>(&'a GateInner);

impl Drop for HeldPlace<'_> {
    fn drop(&mut self) {
        self.0.held.send_modify(|held| *held -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn who_goes_away_is_not_held_any_more() {
        let gate = Gate::closed();
        let held = || *gate.0.held.borrow();
        {
            let (mut first, mut second) = (pin!(gate.pass()), pin!(gate.pass()));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(first.as_mut().poll(&mut cx).is_pending() && second.as_mut().poll(&mut cx).is_pending());
            assert_eq!(held(), 2);
            gate.admit(1);
            assert!(first.as_mut().poll(&mut cx).is_ready());
            assert_eq!(held(), 1);
        }
        assert_eq!(held(), 0);
    }
}
