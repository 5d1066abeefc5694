//! Connections on loan.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::client::pool::host::{Generation, Host};
use crate::client::pool::{Leaf, Pool};
use crate::service::Channel;

/// A connection that belongs to the pool: idle in it, leased, or held by a response's body. Made
/// once per connection, it has one owner at a time; where the connection is shared, each lease is a
/// branch of it.
pub(in crate::client) struct Pooled<L> {
    pool: Weak<Pool<L>>,
    pub(super) host: Arc<Host>,
    /// When the making of it began.
    generation: Generation,
    pub(super) kind: Kind,
    /// Out while a request is on it. The lock is never taken; it lets a body that holds the
    /// connection be `Sync`.
    channel: Mutex<Option<Channel<L>>>,
    /// Of a shared connection: what its branches have left, for further ones.
    grafts: Mutex<Vec<Channel<L>>>,
}

/// How a connection is leased.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// To one request at a time.
    Exclusive,
    /// By branches. Told from others by its number.
    Shared(u64),
    /// It is a branch of the connection with this number.
    Branch(u64),
}

/// A place in the pool's limits, without a connection in it. Dropped, it is free again.
pub(in crate::client) struct Permit<'a, L: Leaf> {
    pool: &'a Arc<Pool<L>>,
    host: Option<Arc<Host>>,
    generation: Generation,
}

/// A connection checked out for one request. Dropped, it is closed and its place is free again.
pub(in crate::client) struct Lease<'a, L: Leaf> {
    pool: &'a Pool<L>,
    connection: Option<Box<Pooled<L>>>,
}

impl<L> Pooled<L> {
    fn channel(&mut self) -> &mut Option<Channel<L>> {
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
        L: Leaf,
    {
        self.channel().as_ref().is_none_or(|channel| channel.service.is_closed())
    }

    /// Whether it takes requests beside others.
    pub(super) fn carries_many(&mut self) -> bool
    where
        L: Leaf,
    {
        self.takes_more_than(1)
    }

    /// Whether it takes a request beside so many others.
    pub(super) fn takes_more_than(&mut self, others: usize) -> bool
    where
        L: Leaf,
    {
        let takes_more =
            |channel: &Channel<L>| !channel.service.is_closed() && others < channel.service.streams();
        self.channel().as_ref().is_some_and(takes_more)
    }

    /// A branch of a shared connection.
    pub(super) fn branch(&mut self) -> Option<Box<Self>>
    where
        L: Leaf,
    {
        let Kind::Shared(number) = self.kind else { return None };
        let grafts = self.grafts.get_mut().unwrap_or_else(PoisonError::into_inner);
        let channel = self.channel.get_mut().unwrap_or_else(PoisonError::into_inner).as_ref()?;
        let channel = match grafts.pop() {
            Some(channel) => channel,
            None => channel.beside(channel.service.branch()?),
        };
        Some(Box::new(Self {
            pool: self.pool.clone(),
            host: Arc::clone(&self.host),
            generation: self.generation,
            kind: Kind::Branch(number),
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

impl<'a, L: Leaf> Permit<'a, L> {
    pub(super) fn new(pool: &'a Arc<Pool<L>>, host: Arc<Host>, generation: Generation) -> Self {
        Self { pool, host: Some(host), generation }
    }

    pub(in crate::client) fn host(&self) -> &Host {
        self.host.as_ref().expect("it is spent by value")
    }

    /// The connection that was made on this permit.
    pub(in crate::client) fn connected(mut self, channel: Channel<L>) -> Lease<'a, L> {
        let connection = Pooled {
            pool: Arc::downgrade(self.pool),
            host: self.host.take().expect("it is spent by value"),
            generation: self.generation,
            kind: Kind::Exclusive,
            channel: Mutex::new(Some(channel)),
            grafts: Mutex::default(),
        };
        self.pool.connected(Box::new(connection))
    }

    /// There is no connection to be had.
    pub(in crate::client) fn failed(mut self) {
        if let Some(host) = self.host.take() {
            self.pool.failed(&host, self.generation);
        }
    }
}

impl<L: Leaf> Drop for Permit<'_, L> {
    fn drop(&mut self) {
        if let Some(host) = &self.host {
            self.pool.give_up(host, self.generation);
        }
    }
}

impl<'a, L: Leaf> Lease<'a, L> {
    pub(super) fn new(pool: &'a Pool<L>, connection: Box<Pooled<L>>) -> Self {
        Self { pool, connection: Some(connection) }
    }

    pub(super) fn is_retired(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_retired())
    }

    /// Takes the channel out for a request; the rest keeps the place.
    pub(in crate::client) fn channel(&mut self) -> Channel<L> {
        let connection = self.connection.as_mut().expect("it is given back by value");
        connection.channel().take().expect("a connection is whole until a request is on it")
    }

    pub(in crate::client) fn host(&self) -> &Host {
        &self.connection.as_ref().expect("it is given back by value").host
    }

    /// Puts the channel back in.
    fn whole(mut self, channel: Channel<L>) -> Box<Pooled<L>> {
        let mut connection = self.connection.take().expect("it is given back by value");
        *connection.channel() = Some(channel);
        connection
    }
}

impl<L: Leaf + Send + 'static> Lease<'_, L> {
    /// Parks the channel until the response's body has ended.
    pub(in crate::client) fn park(self, channel: Channel<L>) -> Box<dyn Parked> {
        self.whole(channel)
    }

    /// Parks the place alone until then: the connection is its caller's from now on.
    pub(in crate::client) fn park_place(mut self) -> Box<dyn Parked> {
        self.connection.take().expect("it is given back by value")
    }
}

impl<L: Leaf> Drop for Lease<'_, L> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        match connection.kind {
            Kind::Branch(_) => {
                *connection.channel() = None;
                self.pool.put_back(connection);
            }
            Kind::Exclusive | Kind::Shared(_) => self.pool.free(&connection.host),
        }
    }
}

/// A leased connection, as a response's body sees it.
pub(in crate::client) trait Parked: Send + Sync {
    /// The response has been read to its end: the connection can go on.
    fn release(self: Box<Self>);
    /// It has not: the connection is closed.
    fn discard(self: Box<Self>);
}

impl<L: Leaf + Send + 'static> Parked for Pooled<L> {
    fn release(mut self: Box<Self>) {
        let Some(pool) = self.pool.upgrade() else { return };
        let Some(channel) = self.channel() else { return self.discard() };
        channel.service.rest();
        if channel.is_reusable() && channel.service.is_ready() {
            channel.state.ready = true;
            pool.put_back(self);
        } else if !channel.is_reusable() || channel.service.is_closed() || self.is_retired() {
            drop(Lease::new(&pool, self));
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // The connection's own task has not yet seen the end: a moment, as a rule.
            runtime.spawn(async move {
                let mut lease = Lease::new(&pool, self);
                let mut channel = lease.channel();
                let ready = std::future::poll_fn(|cx| channel.service.poll_ready(cx));
                if let Ok(Ok(())) = tokio::time::timeout(pool.limits.idle_timeout, ready).await {
                    pool.put_back(lease.whole(channel));
                }
            });
        } else {
            drop(Lease::new(&pool, self));
        }
    }

    fn discard(self: Box<Self>) {
        if let Some(pool) = self.pool.upgrade() {
            drop(Lease::new(&pool, self));
        }
    }
}
