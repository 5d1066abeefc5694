//! Faults that the model has to find.

use std::cell::Cell;

thread_local! {
    static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The pool's key has no identity in it.
    NoIdentityInKey,
    /// A lease that is dropped in the middle of a request goes back into the pool.
    PutBackUnfinished,
    /// A waiter is served and not woken.
    WaiterNotWoken,
}

impl Fault {
    pub(super) fn is_planted(self) -> bool {
        PLANTED.get() == Some(self)
    }

    /// Plants it in this thread, in place of whatever was.
    pub(super) fn plant(fault: Option<Self>) {
        PLANTED.set(fault);
    }
}
