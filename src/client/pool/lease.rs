//! Connections on loan.

use std::sync::{Arc, Weak};
use std::time::Duration;

#[cfg(test)]
use crate::client::planted::Fault;
use crate::client::pool::host::{Generation, Host};
use crate::client::pool::poolable::Poolable;
use crate::client::pool::pooled::{Home, LeaseKind, Pooled};
use crate::client::runtime::in_runtime;
use crate::service::Channel;

/// For how long a request waits for what moves its connection to see that the last response has ended.
pub(super) const SETTLING: Duration = Duration::from_millis(100);

/// A place in the pool's limits, without a connection in it. Dropped, it is free again.
pub(in crate::client) struct Permit<'a, L: Poolable> {
    home: &'a dyn Home<L>,
    /// The same, for as long as the connection is there.
    of_connection: Weak<dyn Home<L>>,
    host: Option<Arc<Host>>,
    generation: Generation,
}

/// A connection checked out for one request. Dropped, it is closed and its place is free again.
pub(in crate::client) struct Lease<'a, L: Poolable> {
    home: &'a dyn Home<L>,
    connection: Option<Box<Pooled<L>>>,
}

impl<'a, L: Poolable> Permit<'a, L> {
    pub(super) fn new<H: Home<L> + 'static>(home: &'a Arc<H>, host: Arc<Host>, generation: Generation) -> Self
    where
        L: 'static,
    {
        // Weak in the connection: a response's body may still be read after the client is gone, and must not keep its
        // pool alive.
        let of_connection: Weak<H> = Arc::downgrade(home);
        Self { home: &**home, of_connection, host: Some(host), generation }
    }

    pub(in crate::client) fn host(&self) -> &Host {
        self.host.as_ref().expect("it is spent by value")
    }

    /// The connection that was made on this permit.
    pub(in crate::client) fn connected(mut self, channel: Channel<L>) -> Lease<'a, L> {
        let host = self.host.take().expect("it is spent by value");
        let connection = Pooled::new(self.of_connection.clone(), host, self.generation, channel);
        Lease::new(self.home, self.home.connected(connection))
    }

    /// No connection could be made.
    pub(in crate::client) fn failed(mut self) {
        // Taken, so that the drop that follows does not free the place a second time.
        if let Some(host) = self.host.take() {
            self.home.failed(&host, self.generation);
        }
    }
}

impl<L: Poolable> Drop for Permit<'_, L> {
    fn drop(&mut self) {
        if let Some(host) = &self.host {
            self.home.give_up(host, self.generation);
        }
    }
}

impl<'a, L: Poolable> Lease<'a, L> {
    pub(super) fn new(home: &'a dyn Home<L>, connection: Box<Pooled<L>>) -> Self {
        Self { home, connection: Some(connection) }
    }

    pub(super) fn is_retired(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_retired())
    }

    /// Takes the channel out for a request; the rest keeps the place.
    #[inline]
    pub(in crate::client) fn channel(&mut self) -> Channel<L> {
        let connection = self.connection.as_mut().expect("it is given back by value");
        let channel = connection.channel().take().expect("a connection is whole until a request is on it");
        #[cfg(test)]
        if Fault::PutBackUnfinished.is_planted() {
            *connection.channel() = channel.service.branch().map(|twin| channel.beside(twin));
        }
        channel
    }

    /// Whether what moves the connection has yet to see that its last response has ended.
    #[inline]
    pub(in crate::client) fn is_early(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_early)
    }

    /// Waits for that, which takes a moment as a rule. Where it takes longer, the connection is closed: it may be about to end, and
    /// its server in no hurry.
    pub(in crate::client) async fn settled(mut self) -> Option<Self> {
        if self.is_early() {
            in_runtime().ok()?;
            self.ready_within(SETTLING).await?;
        }
        Some(self)
    }

    /// Waits for so long until another request can be sent; `None` if none can by then, or ever.
    async fn ready_within(&mut self, limit: Duration) -> Option<()> {
        let connection = self.connection.as_mut()?;
        let channel = connection.channel().as_mut()?;
        let ready = std::future::poll_fn(|cx| channel.service.poll_ready(cx));
        tokio::time::timeout(limit, ready).await.ok()?.ok()?;
        channel.state.ready = true;
        connection.is_early = false;
        Some(())
    }

    pub(in crate::client) fn host(&self) -> &Host {
        &self.connection.as_ref().expect("it is given back by value").host
    }

    /// Puts the channel back in.
    #[inline]
    fn whole(self, channel: Channel<L>) -> Box<Pooled<L>> {
        let mut connection = self.into_pooled();
        *connection.channel() = Some(channel);
        connection
    }

    /// What the lease is of, which outlives it.
    #[inline]
    fn into_pooled(mut self) -> Box<Pooled<L>> {
        self.connection.take().expect("it is given back by value")
    }
}

impl<L: Poolable + Send + 'static> Lease<'_, L> {
    /// Parks the channel until the response's body has ended.
    pub(in crate::client) fn park(self, channel: Channel<L>) -> Box<dyn Parked> {
        self.whole(channel)
    }

    /// Parks only the place until then: the connection is its caller's from now on.
    pub(in crate::client) fn park_place(self) -> Box<dyn Parked> {
        self.into_pooled()
    }
}

impl<L: Poolable> Drop for Lease<'_, L> {
    #[inline]
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            #[cfg(test)]
            if Fault::PutBackUnfinished.is_planted() {
                return self.home.put_back(connection);
            }
            close(self.home, connection);
        }
    }
}

/// A lease has ended with its connection.
fn close<L: Poolable>(home: &dyn Home<L>, mut connection: Box<Pooled<L>>) {
    match connection.kind {
        LeaseKind::Branch(_) => {
            // The branch ends; the connection goes on with the others.
            *connection.channel() = None;
            home.put_back(connection);
        }
        LeaseKind::Exclusive | LeaseKind::Shared(_) => home.free(&connection.host),
    }
}

/// A leased connection, as a response's body sees it.
pub(in crate::client) trait Parked: Send + Sync {
    /// The response has been read to its end: the connection can go on.
    fn release(self: Box<Self>);
    /// It has not: the connection is closed.
    fn discard(self: Box<Self>);
}

impl<L: Poolable + Send + 'static> Parked for Pooled<L> {
    fn release(mut self: Box<Self>) {
        let Some(home) = self.home() else { return };
        // A connection that has changed its protocol has only its place here.
        let Some(channel) = self.channel() else { return self.discard() };
        channel.service.rest();
        // Reusable is the login's word, ready the protocol's: a connection may be free with a login that failed
        // half-way, and the other way round.
        let is_ready = channel.service.is_ready();
        if channel.is_reusable() && (is_ready || channel.service.is_about_to_be_ready()) {
            // At once, though its own task may not have seen the end: a request that follows this one would find nothing,
            // and make another connection with another login.
            channel.state.ready = is_ready;
            home.put_back(self);
        } else if !channel.is_reusable() || channel.service.is_closed() || self.is_retired() {
            drop(Lease::new(&*home, self));
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // It is still writing the request.
            runtime.spawn(async move {
                // A lease again, so that the place is free however this task ends: with its runtime, for instance.
                let mut lease = Lease::new(&*home, self);
                if lease.ready_within(home.idle_timeout()).await.is_some() {
                    home.put_back(lease.into_pooled());
                }
            });
        } else {
            drop(Lease::new(&*home, self));
        }
    }

    fn discard(self: Box<Self>) {
        if let Some(home) = self.home() {
            drop(Lease::new(&*home, self));
        }
    }
}
