//! Waiting for a place, by a clock that the test sets.

mod fairness;
mod idle;
mod sharing;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, Sleep, advance};

use crate::client::pool::state::FEW_HOSTS;
use crate::client::pool::{
    Checkout, FIRST_LOOK, LONGEST_PAUSE, Lease, Permit, Pool, PoolLimits, Poolable, WantedConnection,
};
use crate::handshake::{Authenticator, Identity};
use crate::service::{BoxError, Channel, ConnectionInfo, Environment, ErrorKind};

/// A connection that is ready, unless it rests, until the test ends it.
struct Ready {
    ended: Arc<AtomicBool>,
    streams: usize,
    rests: Option<Pin<Box<Sleep>>>,
    /// It rests for nothing that its next request could be in the way of.
    is_written: bool,
}

impl Default for Ready {
    fn default() -> Self {
        Self::carrying(1)
    }
}

impl Ready {
    /// It carries so many requests at a time.
    fn carrying(streams: usize) -> Self {
        Self { ended: Arc::default(), streams, rests: None, is_written: false }
    }

    /// It is ready only after this.
    fn after(rest: Duration) -> Self {
        Self { rests: Some(Box::pin(tokio::time::sleep(rest))), ..Self::default() }
    }

    /// What ends it.
    fn ended(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ended)
    }
}

impl Poolable for Ready {
    type Extra = ();

    fn streams(&self) -> usize {
        self.streams
    }

    fn branch(&self) -> Option<Self> {
        Some(Self { ended: self.ended(), ..Self::carrying(self.streams) })
    }

    fn is_ready(&self) -> bool {
        !self.is_closed() && self.rests.as_ref().is_none_or(|rest| rest.is_elapsed())
    }

    fn is_about_to_be_ready(&self) -> bool {
        self.is_written && !self.is_closed()
    }

    fn is_closed(&self) -> bool {
        self.ended.load(Relaxed)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.rests {
            Some(rest) => rest.as_mut().poll(cx).map(Ok),
            None => Poll::Ready(Ok(())),
        }
    }
}

const TIMEOUT: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

const SITE: &str = "http://site.example/";

fn pool(places: usize) -> Arc<Pool<Ready>> {
    let limits = PoolLimits { per_origin: places, wait_timeout: TIMEOUT, ..PoolLimits::default() };
    Pool::new(limits, false)
}

async fn checkout(pool: &Arc<Pool<Ready>>) -> Result<Checkout<'_, Ready>, ErrorKind> {
    checkout_at(pool, SITE).await
}

async fn checkout_at<'a>(pool: &'a Arc<Pool<Ready>>, uri: &str) -> Result<Checkout<'a, Ready>, ErrorKind> {
    let uri = uri.parse::<Uri>().expect("a URI");
    let wanted = WantedConnection { uri: &uri, identity: &Identity::None, via: None };
    pool.checkout(wanted, false).await
}

async fn lease(pool: &Arc<Pool<Ready>>) -> Result<Lease<'_, Ready>, ErrorKind> {
    Ok(match checkout(pool).await? {
        Checkout::Lease(lease) => lease,
        Checkout::Connect(permit) => connected(permit),
    })
}

fn connected(permit: Permit<'_, Ready>) -> Lease<'_, Ready> {
    connected_by(permit, Ready::default())
}

fn connected_by(permit: Permit<'_, Ready>, connection: Ready) -> Lease<'_, Ready> {
    let info = ConnectionInfo::new(SITE.parse().expect("an origin"));
    let authenticator = Authenticator::builder().build();
    let environment = Arc::<Environment>::default();
    permit.connected(Channel::new(connection, &authenticator, environment, &info))
}

fn give_back(mut lease: Lease<'_, Ready>) {
    let channel = lease.channel();
    lease.park(channel).release();
}

/// Waits for a connection, uses it for this long, and tells whether it got one.
fn visit(pool: &Arc<Pool<Ready>>, stays: Duration) -> JoinHandle<bool> {
    let pool = Arc::clone(pool);
    tokio::spawn(async move {
        match lease(&pool).await {
            Ok(leased) => {
                tokio::time::sleep(stays).await;
                give_back(leased);
                true
            }
            Err(kind) => {
                let is_its = matches!(kind, ErrorKind::Timeout("waiting for a free connection", TIMEOUT));
                assert!(is_its, "{kind:?}");
                false
            }
        }
    })
}

async fn served(visits: Vec<JoinHandle<bool>>) -> usize {
    let mut served = 0;
    for visit in visits {
        served += usize::from(visit.await.expect("no panic"));
    }
    served
}

fn waiting(pool: &Pool<Ready>) -> usize {
    pool.lock().queue.len()
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_too_long_leaves_the_queue_and_the_others_are_served_in_order() {
    let pool = pool(1);
    let first = lease(&pool).await.expect("there is room");
    let early = Vec::from_iter((0..32).map(|_| visit(&pool, SECOND)));
    yield_now().await;
    advance(TIMEOUT / 2).await;
    let late = Vec::from_iter((0..4).map(|_| visit(&pool, SECOND)));
    yield_now().await;
    assert_eq!(waiting(&pool), 36);
    assert_eq!(served(early).await, 0);
    assert_eq!((waiting(&pool), pool.counts()), (4, (1, 0)));

    let begun = Instant::now();
    give_back(first);
    assert_eq!(served(late).await, 4);
    assert_eq!(begun.elapsed(), SECOND * 4, "one after the other");
    assert_eq!((waiting(&pool), pool.counts()), (0, (1, 1)));
    give_back(lease(&pool).await.expect("it is free"));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_nobody_takes_in_time_goes_to_the_next() {
    let pool = pool(1);
    let connecting = checkout(&pool).await.expect("there is room");
    let mut late = Box::pin(checkout(&pool));
    assert!(std::future::poll_fn(|cx| Poll::Ready(late.as_mut().poll(cx).is_pending())).await);
    let next = visit(&pool, SECOND);
    yield_now().await;
    // Whoever is first in the queue is given the place, and is dropped without having looked.
    drop(connecting);
    advance(TIMEOUT / 2).await;
    assert_eq!((waiting(&pool), pool.counts()), (1, (1, 0)));
    drop(late);
    assert!(next.await.expect("no panic"), "it was given the place");
    assert_eq!((waiting(&pool), pool.counts()), (0, (1, 1)));
}

#[tokio::test(start_paused = true)]
async fn what_comes_together_with_the_end_of_the_time_is_taken() {
    let pool = pool(1);
    let first = lease(&pool).await.expect("there is room");
    let mut waits = Box::pin(lease(&pool));
    assert!(std::future::poll_fn(|cx| Poll::Ready(waits.as_mut().poll(cx).is_pending())).await);
    give_back(first);
    advance(TIMEOUT * 2).await;
    give_back(waits.await.expect("it was given the connection"));
    assert_eq!((waiting(&pool), pool.counts()), (0, (1, 1)));
}

#[tokio::test(start_paused = true)]
async fn no_place_is_lost_among_many_that_wait_for_different_times() {
    let pool = pool(4);
    let mut visits = Vec::new();
    for task in 0..1000_u32 {
        visits.push(visit(&pool, Duration::from_millis(u64::from(task * 37 % 400))));
        if task % 5 == 0 {
            visits.swap_remove((task * 13) as usize % visits.len()).abort();
        }
        advance(Duration::from_millis(u64::from(task % 20))).await;
    }
    let all = visits.len();
    let served = served(visits).await;
    assert!((1..all).contains(&served), "{served} of {all}");
    assert_eq!((waiting(&pool), pool.counts()), (0, (4, 4)));
    let last = Vec::from_iter((0..8).map(|_| visit(&pool, SECOND)));
    assert_eq!(self::served(last).await, 8);
}

#[tokio::test(start_paused = true)]
async fn hosts_that_nobody_uses_are_forgotten_and_those_in_use_are_not() {
    let pool = pool(1);
    give_back(lease(&pool).await.expect("there is room"));
    let held = checkout_at(&pool, "http://held.example/").await.expect("there is room");
    let other = checkout_at(&pool, "http://other.example/").await.expect("there is room");
    let mut most = 0;
    for number in 0..1000 {
        drop(checkout_at(&pool, &format!("http://host{number}.example/")).await.expect("there is room"));
        let state = pool.lock();
        assert_eq!(state.hosts.len(), state.origins.len());
        most = most.max(state.hosts.len());
    }
    // Three are left each time.
    assert_eq!(most, FEW_HOSTS + 2 * 3 + 1);
    let Checkout::Lease(leased) = checkout(&pool).await.expect("it is idle") else {
        panic!("its host was forgotten")
    };
    let mut waits = Box::pin(checkout_at(&pool, "http://held.example/"));
    assert!(
        std::future::poll_fn(|cx| Poll::Ready(waits.as_mut().poll(cx).is_pending())).await,
        "its place is taken"
    );
    drop((leased, held, other));
    assert!(matches!(waits.await, Ok(Checkout::Connect(_))));
}

#[tokio::test(start_paused = true)]
async fn a_host_is_the_same_however_it_is_spelt() {
    let pool = pool(1);
    give_back(lease(&pool).await.expect("there is room"));
    for uri in ["HTTP://SITE.EXAMPLE/", "http://site.example:80/a", "http://Site.example?b"] {
        match checkout_at(&pool, uri).await {
            Ok(Checkout::Lease(leased)) => give_back(leased),
            _ => panic!("{uri} is not known"),
        }
    }
    assert_eq!(pool.lock().hosts.len(), 1);
    // Over TLS it is another one.
    assert!(matches!(checkout_at(&pool, "https://site.example/").await, Ok(Checkout::Connect(_))));
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_for_one_to_share_connect_all_at_once_where_its_server_cannot_be_reached() {
    for (is_reached, at_once) in [(true, 1), (false, 2)] {
        let pool = Pool::new(PoolLimits { wait_timeout: TIMEOUT, ..PoolLimits::default() }, true);
        let secure = "https://site.example/";
        let Ok(Checkout::Connect(first)) = checkout_at(&pool, secure).await else { panic!("there is room") };
        let mut waiting = [(); 2].map(|()| Box::pin(checkout_at(&pool, secure)));
        let mut permits = Vec::new();
        let mut poll = async || {
            std::future::poll_fn(|cx| {
                for waits in &mut waiting {
                    if let Poll::Ready(permit) = waits.as_mut().poll(cx) {
                        permits.push(permit.expect("there is room"));
                    }
                }
                Poll::Ready(permits.len())
            })
            .await
        };
        assert_eq!(poll().await, 0, "one connection may carry all");
        match is_reached {
            true => drop(first),
            false => first.failed(),
        }
        assert_eq!(poll().await, at_once);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_spoken_to_gets_the_path_and_a_proxy_in_between_the_whole_uri() {
    let pool = pool(4);
    let proxy = ("http://proxy.example:3128".parse().expect("an origin"), Identity::None);
    for (uri, via, target) in [
        ("http://site.example/a?b", None, "/a?b"),
        ("http://site.example/a?b", Some(&proxy), "http://site.example/a?b"),
        ("https://site.example/a?b", Some(&proxy), "/a?b"),
    ] {
        let uri = uri.parse::<Uri>().expect("a URI");
        let wanted = WantedConnection { uri: &uri, identity: &Identity::None, via };
        let Ok(Checkout::Connect(permit)) = pool.checkout(wanted, false).await else {
            panic!("{uri} is new")
        };
        assert_eq!(permit.host().target_of(&uri), target);
    }
}
