//! Connections that belong to the pool.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::client::pool::host::{Generation, Host};
use crate::client::pool::poolable::Poolable;
use crate::service::Channel;

/// A connection that belongs to the pool: idle in it, leased, or held by a response's body. Made
/// once per connection, it has one owner at a time; where the connection is shared, each lease is a
/// branch of it.
pub(in crate::client) struct Pooled<L> {
    home: Weak<dyn Home<L>>,
    pub(super) host: Arc<Host>,
    /// When the making of it began.
    generation: Generation,
    pub(super) kind: LeaseKind,
    /// It was leased before what moves it had seen the end of its last response.
    pub(super) is_early: bool,
    /// Out while a request is on it. The lock is never taken; it lets a body that holds the
    /// connection be `Sync`.
    channel: Mutex<Option<Channel<L>>>,
    /// Of a shared connection: what its branches have left, for further ones.
    grafts: Mutex<Vec<Channel<L>>>,
}

/// How a connection is leased.
#[derive(Clone, Copy)]
pub(super) enum LeaseKind {
    /// To one request at a time.
    Exclusive,
    /// By branches. Told from others by its number.
    Shared(u64),
    /// It is a branch of the connection with this number.
    Branch(u64),
}

/// The pool, as its connections on loan know it.
pub(super) trait Home<L>: Send + Sync {
    /// A connection was made: what is leased of it.
    fn connected(&self, connection: Box<Pooled<L>>) -> Box<Pooled<L>>;

    /// A connection could not be made.
    fn failed(&self, host: &Host, since: Generation);

    /// A connection is not made after all.
    fn give_up(&self, host: &Host, since: Generation);

    /// Takes back a lease that has ended.
    fn put_back(&self, connection: Box<Pooled<L>>);

    /// A place has become free.
    fn free(&self, host: &Host);

    /// For how long a connection may be idle.
    fn idle_timeout(&self) -> Duration;
}

impl<L> Pooled<L> {
    /// A connection to this host that was just made.
    pub(super) fn new(
        home: Weak<dyn Home<L>>,
        host: Arc<Host>,
        generation: Generation,
        channel: Channel<L>,
    ) -> Box<Self> {
        Box::new(Self {
            home,
            host,
            generation,
            kind: LeaseKind::Exclusive,
            is_early: false,
            channel: Mutex::new(Some(channel)),
            grafts: Mutex::default(),
        })
    }

    /// The pool, as long as there is one.
    pub(super) fn home(&self) -> Option<Arc<dyn Home<L>>> {
        self.home.upgrade()
    }

    pub(super) fn channel(&mut self) -> &mut Option<Channel<L>> {
        self.channel.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether whoever uses it now is the last to do so.
    #[inline]
    pub(super) fn is_retired(&self) -> bool {
        self.generation != self.host.generation()
    }

    pub(super) fn is_closed(&mut self) -> bool
    where
        L: Poolable,
    {
        self.channel().as_ref().is_none_or(|channel| channel.service.is_closed())
    }

    /// It may have been put back a moment too early.
    #[inline]
    pub(super) fn look_whether_it_is_ready(&mut self)
    where
        L: Poolable,
    {
        let is_exclusive = matches!(self.kind, LeaseKind::Exclusive);
        let Some(channel) = self.channel() else { return };
        channel.state.ready = channel.state.ready || channel.service.is_ready();
        let is_ready = channel.state.ready;
        self.is_early = is_exclusive && !is_ready;
    }

    /// Whether it takes requests beside others.
    pub(super) fn carries_many(&mut self) -> bool
    where
        L: Poolable,
    {
        self.takes_more_than(1)
    }

    /// Whether it takes a request beside so many others.
    pub(super) fn takes_more_than(&mut self, others: usize) -> bool
    where
        L: Poolable,
    {
        let takes_more =
            |channel: &Channel<L>| !channel.service.is_closed() && others < channel.service.streams();
        self.channel().as_ref().is_some_and(takes_more)
    }

    /// A branch of a shared connection.
    pub(super) fn branch(&mut self) -> Option<Box<Self>>
    where
        L: Poolable,
    {
        let LeaseKind::Shared(number) = self.kind else { return None };
        let grafts = self.grafts.get_mut().unwrap_or_else(PoisonError::into_inner);
        let channel = self.channel.get_mut().unwrap_or_else(PoisonError::into_inner).as_ref()?;
        let channel = match grafts.pop() {
            Some(channel) => channel,
            None => channel.beside(channel.service.branch()?),
        };
        Some(Box::new(Self {
            home: self.home.clone(),
            host: Arc::clone(&self.host),
            generation: self.generation,
            kind: LeaseKind::Branch(number),
            is_early: false,
            channel: Mutex::new(Some(channel)),
            grafts: Mutex::default(),
        }))
    }

    /// Keeps what a branch has left.
    pub(super) fn graft(&mut self, branch: &mut Self) {
        if let (Some(left), Some(own)) = (branch.channel().take(), self.channel()) {
            own.state.used = true;
            self.grafts.get_mut().unwrap_or_else(PoisonError::into_inner).push(left);
        }
    }
}
