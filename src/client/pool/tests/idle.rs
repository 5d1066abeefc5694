//! Connections that nobody uses: how long they are kept, how many, and who may have them.

use super::*;
use crate::client::pool::lease::SETTLING;

/// Looked through every two seconds.
const IDLE: Duration = Duration::from_secs(8);
const MOMENT: Duration = Duration::from_millis(1);

fn swept() -> Arc<Pool<Ready>> {
    let limits = PoolLimits { idle_timeout: IDLE, wait_timeout: TIMEOUT, ..PoolLimits::default() };
    let pool = Pool::new(limits, false);
    pool.keep_swept();
    pool
}

async fn is_pending<T>(future: &mut Pin<Box<impl Future<Output = T>>>) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

/// Sleeps, and lets the sweep of that moment go first.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
    yield_now().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_is_kept_for_the_timeout_and_a_sweep_longer_at_the_most() {
    let pool = swept();
    // As each request does.
    pool.keep_swept();
    for sooner_than_a_sweep in [SECOND * 2 - MOMENT, SECOND, MOMENT, SECOND * 2 - MOMENT] {
        give_back(lease(&pool).await.expect("there is room"));
        pass(IDLE - MOMENT).await;
        assert_eq!(pool.counts(), (1, 1), "{sooner_than_a_sweep:?}");
        pass(SECOND * 2 + MOMENT).await;
        assert_eq!(pool.counts(), (0, 0), "{sooner_than_a_sweep:?}");
        pass(SECOND * 2 - sooner_than_a_sweep).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_while_it_was_idle_goes_with_the_next_sweep() {
    let pool = swept();
    let mut leased = [lease(&pool).await.expect("there is room"), lease(&pool).await.expect("there is room")];
    let channel = leased[0].channel();
    let ended = channel.service.ended();
    let [first, second] = leased;
    first.park(channel).release();
    give_back(second);
    ended.store(true, Relaxed);
    assert_eq!(pool.counts(), (2, 2));
    pass(SECOND * 2).await;
    assert_eq!(pool.counts(), (1, 1));
}

#[test]
fn it_is_swept_by_the_next_runtime_once_the_first_has_ended() {
    let runtime = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().expect("a runtime")
    };
    let pool = runtime().block_on(async { swept() });
    runtime().block_on(async {
        pool.keep_swept();
        give_back(lease(&pool).await.expect("there is room"));
        pass(IDLE + SECOND * 3).await;
        assert_eq!(pool.counts(), (0, 0));
    });
}

#[tokio::test(start_paused = true)]
async fn nobody_sweeps_a_pool_that_is_gone() {
    let pool = swept();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks(), 1);
    drop(pool);
    yield_now().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_is_leased_without_waiting() {
    let pool = pool(1);
    let uri = SITE.parse::<Uri>().expect("a URI");
    let wanted = WantedConnection { uri: &uri, identity: &Identity::None, via: None };
    let idle = || pool.checkout_idle(wanted);
    assert!(matches!(idle(), Ok(None)), "there is none");
    give_back(lease(&pool).await.expect("there is room"));
    let leased = idle().expect("the pool is open").expect("it is idle");
    assert!(matches!(idle(), Ok(None)), "it is in use");
    drop(leased);
    pool.shut_down().await;
    assert!(matches!(idle(), Err(ErrorKind::ShutDown)));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_retired_before_it_was_taken_is_not_used() {
    let pool = pool(1);
    let first = lease(&pool).await.expect("there is room");
    let mut waits = Box::pin(checkout(&pool));
    assert!(is_pending(&mut waits).await);
    give_back(first);
    assert_eq!((waiting(&pool), pool.counts()), (0, (1, 0)), "it was given the connection");
    pool.retire(|_| true);
    let Checkout::Connect(permit) = waits.await.expect("in time") else { panic!("it is of before") };
    // Nor is one that is in use meanwhile.
    let leased = connected(permit);
    pool.retire(|_| true);
    give_back(leased);
    assert_eq!(pool.counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_the_last_connection_however_its_use_ends() {
    let ends: [fn(Lease<'_, Ready>); 2] = [give_back, |lease| drop(lease)];
    for end in ends {
        let pool = pool(2);
        give_back(lease(&pool).await.expect("there is room"));
        let leased = [lease(&pool).await.expect("it is idle"), lease(&pool).await.expect("there is room")];
        let mut shut_down = Box::pin(pool.shut_down());
        assert!(is_pending(&mut shut_down).await);
        let [first, second] = leased;
        end(first);
        assert!(is_pending(&mut shut_down).await, "the second is in use");
        end(second);
        assert!(!is_pending(&mut shut_down).await);
        assert!(matches!(checkout(&pool).await, Err(ErrorKind::ShutDown)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_rests_after_its_use_is_idle_as_soon_as_it_is_ready_and_not_waited_for_longer_than_that() {
    for (rest, left) in [(SECOND, (1, 1)), (IDLE * 2, (0, 0))] {
        let pool = swept();
        let Ok(Checkout::Connect(permit)) = checkout(&pool).await else { panic!("there is room") };
        give_back(connected_by(permit, Ready::after(rest)));
        pass(MOMENT).await;
        assert_eq!(pool.counts(), (1, 0), "it rests");
        pass(rest.min(IDLE)).await;
        assert_eq!(pool.counts(), left, "{rest:?}");
    }
}

/// One that is given back, written and not ready before this time has passed, and is leased again.
async fn early(pool: &Arc<Pool<Ready>>, rest: Duration) -> Lease<'_, Ready> {
    let mut leased = lease(pool).await.expect("there is room");
    let mut channel = leased.channel();
    channel.service = Ready { is_written: true, ..Ready::after(rest) };
    leased.park(channel).release();
    assert_eq!(pool.counts(), (1, 1), "at once");
    let leased = lease(pool).await.expect("it is there");
    assert_eq!(pool.counts(), (1, 0));
    leased
}

#[tokio::test(start_paused = true)]
async fn what_is_about_to_be_ready_is_leased_at_once_and_waited_for() {
    let pool = pool(1);
    let leased = early(&pool, SETTLING - MOMENT).await;
    assert!(leased.is_early());
    let mut leased = leased.settled().await.expect("it is ready in time");
    assert!(!leased.is_early() && leased.channel().state.ready);
}

#[tokio::test(start_paused = true)]
async fn what_turns_out_to_be_ready_is_not_waited_for() {
    let pool = pool(1);
    let mut leased = lease(&pool).await.expect("there is room");
    let mut channel = leased.channel();
    channel.service = Ready { is_written: true, ..Ready::after(MOMENT) };
    let is_ready = std::future::poll_fn(|cx| Poll::Ready(channel.service.poll_ready(cx).is_ready())).await;
    assert!(!is_ready, "its time has begun");
    leased.park(channel).release();
    pass(SECOND).await;
    let mut leased = lease(&pool).await.expect("it is there");
    assert!(!leased.is_early() && leased.channel().state.ready);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ready_soon_is_closed_and_its_place_is_free() {
    let pool = pool(1);
    let leased = early(&pool, SETTLING + MOMENT).await;
    assert!(leased.settled().await.is_none());
    assert_eq!(pool.counts(), (0, 0));
    assert!(matches!(checkout(&pool).await, Ok(Checkout::Connect(_))));
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_are_told_of_a_shutdown_at_once() {
    let pool = pool(1);
    let _in_use = lease(&pool).await.expect("there is room");
    let mut waits = [(); 2].map(|()| Box::pin(checkout(&pool)));
    for waits in &mut waits {
        assert!(is_pending(waits).await);
    }
    let mut shut_down = Box::pin(pool.shut_down());
    assert!(is_pending(&mut shut_down).await, "one is in use");
    for waits in waits {
        let told = waits.await;
        assert!(matches!(told, Err(ErrorKind::ShutDown)), "{:?}", told.err());
    }
    assert_eq!(waiting(&pool), 0);
}
