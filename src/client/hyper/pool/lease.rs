//! Connections on loan.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::client::hyper::connection::Connection;
use crate::client::hyper::pool::Pool;
use crate::client::hyper::pool::host::Host;
use crate::service::{Channel, Line};

/// A connection that belongs to the pool: idle in it, leased, or held by a response's body. Made
/// once per connection, it has one owner at a time.
pub(in crate::client::hyper) struct Pooled<B> {
    pool: Weak<Pool<B>>,
    pub(super) host: Arc<Host>,
    /// Out while a request is on it. The lock is never taken; it lets a body that holds the
    /// connection be `Sync`.
    channel: Mutex<Option<Channel<Connection<B>>>>,
}

/// A place in the pool's limits, without a connection in it. Dropped, it is free again.
pub(in crate::client::hyper) struct Permit<'a, B> {
    pool: &'a Arc<Pool<B>>,
    host: Option<Arc<Host>>,
}

/// A connection checked out for one request. Dropped, it is closed and its place is free again.
pub(in crate::client::hyper) struct Lease<'a, B> {
    pool: &'a Pool<B>,
    connection: Option<Box<Pooled<B>>>,
}

impl<B> Pooled<B> {
    fn channel(&mut self) -> &mut Option<Channel<Connection<B>>> {
        self.channel.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closed(&mut self) -> bool {
        self.channel().as_ref().is_none_or(|channel| channel.service.is_closed())
    }
}

impl<'a, B> Permit<'a, B> {
    pub(super) fn new(pool: &'a Arc<Pool<B>>, host: Arc<Host>) -> Self {
        Self { pool, host: Some(host) }
    }

    pub(in crate::client::hyper) fn host(&self) -> &Host {
        self.host.as_ref().expect("it is spent by value")
    }

    /// The connection that was made on this permit.
    pub(in crate::client::hyper) fn connected(mut self, channel: Channel<Connection<B>>) -> Lease<'a, B> {
        let connection = Pooled {
            pool: Arc::downgrade(self.pool),
            host: self.host.take().expect("it is spent by value"),
            channel: Mutex::new(Some(channel)),
        };
        Lease::new(self.pool, Box::new(connection))
    }
}

impl<B> Drop for Permit<'_, B> {
    fn drop(&mut self) {
        if let Some(host) = &self.host {
            self.pool.free(host);
        }
    }
}

impl<'a, B> Lease<'a, B> {
    pub(super) fn new(pool: &'a Pool<B>, connection: Box<Pooled<B>>) -> Self {
        Self { pool, connection: Some(connection) }
    }

    /// Takes the channel out for a request; the rest keeps the place.
    pub(in crate::client::hyper) fn channel(&mut self) -> Channel<Connection<B>> {
        let connection = self.connection.as_mut().expect("it is given back by value");
        connection.channel().take().expect("a connection is whole until a request is on it")
    }

    pub(in crate::client::hyper) fn host(&self) -> &Host {
        &self.connection.as_ref().expect("it is given back by value").host
    }

    /// Puts the channel back in.
    fn whole(mut self, channel: Channel<Connection<B>>) -> Box<Pooled<B>> {
        let mut connection = self.connection.take().expect("it is given back by value");
        *connection.channel() = Some(channel);
        connection
    }
}

impl<B: Send + 'static> Lease<'_, B> {
    /// Parks the channel until the response's body has ended.
    pub(in crate::client::hyper) fn park(self, channel: Channel<Connection<B>>) -> Box<dyn Parked> {
        self.whole(channel)
    }
}

impl<B> Drop for Lease<'_, B> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.free(&connection.host);
        }
    }
}

/// A leased connection, as a response's body sees it.
pub(in crate::client::hyper) trait Parked: Send + Sync {
    /// The response has been read to its end: the connection can go on.
    fn release(self: Box<Self>);
    /// It has not: the connection is closed.
    fn discard(self: Box<Self>);
}

impl<B: Send + 'static> Parked for Pooled<B> {
    fn release(mut self: Box<Self>) {
        let Some(pool) = self.pool.upgrade() else { return };
        let Some(channel) = self.channel() else { return };
        if channel.is_reusable() && channel.service.is_ready() {
            channel.state.ready = true;
            pool.put_back(self);
        } else if !channel.is_reusable() || channel.service.is_closed() {
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
