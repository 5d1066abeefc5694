//! Who waits for a change.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

/// Those that wait for the same change. Each has a number of its own, by which they are told, once.
#[derive(Debug, Default)]
pub(super) struct TurnQueue(BTreeMap<u64, Option<Waker>>);

impl TurnQueue {
    pub(super) fn join(&mut self, number: u64) {
        self.0.insert(number, None);
    }

    /// Ready where the change has come.
    pub(super) fn poll(&mut self, number: u64, cx: &Context<'_>) -> Poll<()> {
        match self.0.get_mut(&number) {
            None => Poll::Ready(()),
            Some(Some(waker)) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            Some(none) => {
                *none = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Waits no longer. What a waker holds may end with it, and come back here: it is to be dropped
    /// without a lock.
    pub(super) fn leave(&mut self, number: u64) -> Option<Waker> {
        self.0.remove(&number).flatten()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells all of them in turn, without a lock.
    pub(super) fn wake(self) {
        self.0.into_values().flatten().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn those_that_wait_are_woken_and_those_that_left_are_not() {
        let woken = [(); 3].map(|()| Arc::<Woken>::default());
        let mut queue = TurnQueue::default();
        for number in 0..3 {
            queue.join(number);
        }
        let mut poll = |number: u64, by: usize| {
            let waker = Waker::from(Arc::clone(&woken[by]));
            queue.poll(number, &Context::from_waker(&waker))
        };
        assert_eq!(poll(3, 0), Poll::Ready(()), "it has not joined");
        // The second is polled by one task, and then by another.
        for (number, by) in [(0, 0), (1, 0), (1, 1), (2, 2)] {
            assert_eq!(poll(number, by), Poll::Pending);
        }
        drop(queue.leave(2));
        assert!(!queue.is_empty());
        queue.wake();
        assert_eq!(woken.map(|woken| woken.0.load(Relaxed)), [1, 1, 0]);
    }
}
