//! Connections that carry many requests at a time.

use super::*;

const SECURE: &str = "https://site.example/";

/// Where a connection over TLS may carry many.
fn sharing(places: usize) -> Arc<Pool<Ready>> {
    Pool::new(PoolLimits { per_origin: places, wait_timeout: TIMEOUT, ..PoolLimits::default() }, true)
}

async fn ask<'a>(pool: &'a Arc<Pool<Ready>>, uri: &str, fresh: bool) -> Checkout<'a, Ready> {
    let uri = uri.parse::<Uri>().expect("a URI");
    let wanted = WantedConnection { uri: &uri, identity: &Identity::None, via: None };
    pool.checkout(wanted, fresh).await.expect("in time")
}

async fn permit<'a>(pool: &'a Arc<Pool<Ready>>, uri: &str) -> Permit<'a, Ready> {
    let Checkout::Connect(permit) = ask(pool, uri, false).await else { panic!("there is none yet") };
    permit
}

async fn branch<'a>(pool: &'a Arc<Pool<Ready>>, fresh: bool) -> Lease<'a, Ready> {
    let Checkout::Lease(branch) = ask(pool, SECURE, fresh).await else { panic!("there is one to share") };
    branch
}

type Asking<'a> = Pin<Box<dyn Future<Output = Checkout<'a, Ready>> + 'a>>;

fn asking<'a>(pool: &'a Arc<Pool<Ready>>, uri: &'a str) -> Asking<'a> {
    Box::pin(ask(pool, uri, false))
}

/// What these have, after one look at each.
async fn poll<'a>(asking: &mut [Asking<'a>]) -> Vec<Checkout<'a, Ready>> {
    let mut had = Vec::new();
    for one in asking {
        let now = std::future::poll_fn(|cx| Poll::Ready(one.as_mut().poll(cx))).await;
        if let Poll::Ready(checkout) = now {
            had.push(checkout);
        }
    }
    had
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_go_on_at_once_whatever_the_first_connection_turns_out_to_be() {
    for streams in [1, 2, 3] {
        let pool = sharing(64);
        let first = permit(&pool, SECURE).await;
        let mut waiting = [(); 2].map(|()| asking(&pool, SECURE));
        assert!(poll(&mut waiting).await.is_empty(), "one connection may carry all");
        let _first = connected_by(first, Ready::carrying(streams));
        let had = poll(&mut waiting).await;
        let leases = had.iter().filter(|had| matches!(had, Checkout::Lease(_))).count();
        assert_eq!(leases, streams - 1);
        // Of those that go on over HTTP/2, the next one is made for all that are left.
        assert_eq!(had.len(), 2, "{streams}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_one_to_share_over_plain_http() {
    let pool = sharing(64);
    let _first = permit(&pool, SITE).await;
    let mut second = [asking(&pool, SITE)];
    assert!(matches!(poll(&mut second).await[..], [Checkout::Connect(_)]));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_has_a_branch_of_what_turned_out_to_carry_many() {
    let pool = sharing(1);
    let first = permit(&pool, SITE).await;
    let mut second = [asking(&pool, SITE)];
    assert!(poll(&mut second).await.is_empty());
    let _first = connected_by(first, Ready::carrying(2));
    assert!(matches!(poll(&mut second).await[..], [Checkout::Lease(_)]));
}

#[tokio::test(start_paused = true)]
async fn a_connection_carries_as_many_as_it_can_and_is_idle_after_the_last() {
    let pool = sharing(1);
    let permit = permit(&pool, SECURE).await;
    let mut leases = vec![connected_by(permit, Ready::carrying(3))];
    for _ in 0..2 {
        leases.push(branch(&pool, false).await);
    }
    let mut fourth = [asking(&pool, SECURE)];
    assert!(poll(&mut fourth).await.is_empty(), "it carries three");
    give_back(leases.remove(0));
    let Some(Checkout::Lease(fourth)) = poll(&mut fourth).await.pop() else { panic!("there is room") };
    leases.push(fourth);
    for lease in leases {
        assert_eq!(pool.counts(), (1, 0));
        give_back(lease);
    }
    assert_eq!(pool.counts(), (1, 1));
    // Idle, it is leased by branches again.
    let leases = [branch(&pool, false).await, branch(&pool, false).await];
    leases.into_iter().for_each(give_back);
    assert_eq!(pool.counts(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_branch_is_for_those_too_that_want_a_fresh_connection() {
    let pool = sharing(64);
    let first = connected_by(permit(&pool, SECURE).await, Ready::carrying(2));
    give_back(branch(&pool, true).await);
    give_back(first);
    assert_eq!(pool.counts(), (1, 1));
    give_back(branch(&pool, true).await);
    assert_eq!(pool.counts(), (1, 1));
    // What carries one request may have been closed in its idle time.
    let pool = sharing(64);
    give_back(connected(permit(&pool, SECURE).await));
    assert!(matches!(ask(&pool, SECURE, true).await, Checkout::Connect(_)));
}

#[tokio::test(start_paused = true)]
async fn what_a_branch_leaves_is_the_next_ones_and_the_connection_is_no_new_one() {
    let pool = sharing(64);
    let mut first = connected_by(permit(&pool, SECURE).await, Ready::carrying(3));
    let mut channel = first.channel();
    channel.state.ready = true;
    first.park(channel).release();
    let mut leases = [branch(&pool, false).await, branch(&pool, false).await];
    let is_used = |lease: &mut Lease<'_, Ready>| {
        let channel = lease.channel();
        (channel.state.ready, channel.state.used)
    };
    assert_eq!(leases.each_mut().map(is_used), [(true, false), (false, true)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_shared_and_has_ended_leaves_its_place_with_the_last_branch() {
    let pool = sharing(64);
    let mut first = connected_by(permit(&pool, SECURE).await, Ready::carrying(2));
    let second = branch(&pool, false).await;
    let channel = first.channel();
    channel.service.ended().store(true, Relaxed);
    first.park(channel).release();
    assert_eq!(pool.counts(), (1, 0));
    drop(second);
    assert_eq!(pool.counts(), (0, 0));
}
