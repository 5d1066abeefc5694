//! Connections on loan.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::client::hyper::connection::Connection;
use crate::client::hyper::pool::Pool;
use crate::client::hyper::pool::host::Host;
use crate::service::Channel;

/// A connection that belongs to the pool, idle or leased. Made once per connection; a response's
/// body holds on to it without naming `B`.
pub(in crate::client::hyper) struct Pooled<B> {
    pool: Weak<Pool<B>>,
    pub(super) host: Arc<Host>,
    channel: Mutex<Option<Channel<Connection<B>>>>,
}

/// A place in the pool's limits, with or without a connection in it. Dropped, it is free again.
pub(in crate::client::hyper) struct Permit<B> {
    pool: Arc<Pool<B>>,
    pub(in crate::client::hyper) host: Arc<Host>,
    spent: bool,
}

/// A connection checked out for one request.
pub(in crate::client::hyper) struct Lease<B> {
    connection: Arc<Pooled<B>>,
    permit: Permit<B>,
    pub(in crate::client::hyper) channel: Channel<Connection<B>>,
}

impl<B> Pooled<B> {
    fn take(&self) -> Option<Channel<Connection<B>>> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the channel can take the next request where it is.
    fn is_ready_at_home(&self) -> bool {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = channel.as_mut().filter(|channel| channel.is_reusable() && channel.service.is_ready());
        ready.map(|channel| channel.state.ready = true).is_some()
    }

    fn fill(&self, channel: Channel<Connection<B>>) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = Some(channel);
    }

    pub(super) fn is_closed(&self) -> bool {
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        channel.as_ref().is_none_or(|channel| channel.service.is_closed())
    }
}

impl<B> Permit<B> {
    pub(super) fn new(pool: Arc<Pool<B>>, host: Arc<Host>) -> Self {
        Self { pool, host, spent: false }
    }

    /// The connection that was made on this permit.
    pub(in crate::client::hyper) fn connected(self, channel: Channel<Connection<B>>) -> Lease<B> {
        let connection = Arc::new(Pooled {
            pool: Arc::downgrade(&self.pool),
            host: Arc::clone(&self.host),
            channel: Mutex::new(None),
        });
        Lease { connection, permit: self, channel }
    }

    fn spend(mut self) {
        self.spent = true;
    }
}

impl<B> Drop for Permit<B> {
    fn drop(&mut self) {
        if !self.spent {
            self.pool.free(&self.host);
        }
    }
}

impl<B> Lease<B> {
    /// A connection that was idle.
    pub(super) fn new(connection: Arc<Pooled<B>>, permit: Permit<B>) -> Self {
        let channel = connection.take().expect("an idle connection is whole");
        Self { connection, permit, channel }
    }

    /// Takes the channel out for a conversation; the rest keeps the place.
    pub(in crate::client::hyper) fn split(self) -> (Channel<Connection<B>>, Place<B>) {
        (self.channel, Place { connection: self.connection, permit: self.permit })
    }
}

/// A lease whose channel is in a conversation.
pub(in crate::client::hyper) struct Place<B> {
    connection: Arc<Pooled<B>>,
    pub(in crate::client::hyper) permit: Permit<B>,
}

impl<B: Send + 'static> Place<B> {
    /// Parks the channel until the response's body has ended.
    pub(in crate::client::hyper) fn park(self, channel: Channel<Connection<B>>) -> Arc<dyn Parked> {
        self.connection.fill(channel);
        self.permit.spend();
        self.connection
    }
}

/// A leased connection, as a response's body sees it.
pub(in crate::client::hyper) trait Parked: Send + Sync {
    /// The response has been read to its end: the connection can go on.
    fn release(self: Arc<Self>);
    /// It has not: the connection is closed.
    fn discard(&self);
}

impl<B: Send + 'static> Parked for Pooled<B> {
    fn release(self: Arc<Self>) {
        let Some(pool) = self.pool.upgrade() else { return };
        if self.is_ready_at_home() {
            return pool.put_back(self);
        }
        let Some(channel) = self.take() else { return };
        if !channel.is_reusable() || channel.service.is_closed() {
            drop(channel);
            pool.free(&self.host);
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // The connection's own task has not yet seen the end: a moment, as a rule.
            let permit = pool.permit(Arc::clone(&self.host));
            let patience = pool.limits.idle_timeout;
            runtime.spawn(async move {
                let ready = std::future::poll_fn(|cx| channel.service.poll_ready(cx));
                if let Ok(Ok(())) = tokio::time::timeout(patience, ready).await {
                    permit.spend();
                    self.fill(channel);
                    pool.put_back(self);
                }
            });
        } else {
            drop(channel);
            pool.free(&self.host);
        }
    }

    fn discard(&self) {
        if let Some(channel) = self.take() {
            drop(channel);
            if let Some(pool) = self.pool.upgrade() {
                pool.free(&self.host);
            }
        }
    }
}
