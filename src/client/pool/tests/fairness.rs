//! Who gets what becomes free: tasks of several users, in a time that the test makes up.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Wake, Waker};

use super::*;
use crate::Credentials;

/// Where a task sends its requests, and as whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Who {
    user: usize,
    site: usize,
}

impl Who {
    fn user(user: usize) -> Self {
        Self { user, site: 0 }
    }

    fn uri(self) -> Uri {
        format!("http://site{}.example/", self.site).parse().expect("a URI")
    }

    fn identity(self) -> Identity {
        Identity::Credentials(Credentials::password(format!("user{}", self.user), "pw"))
    }
}

async fn ask(pool: &Arc<Pool<Ready>>, who: Who) -> Result<Checkout<'_, Ready>, ErrorKind> {
    let wanted = WantedConnection { uri: &who.uri(), identity: &who.identity(), via: None };
    pool.checkout(wanted, false).await
}

type Asking<'a> = Pin<Box<dyn Future<Output = Result<Checkout<'a, Ready>, ErrorKind>> + 'a>>;

/// Notes which task is to look again.
struct Note {
    task: usize,
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(self.task);
    }
}

/// A request that waits.
struct Waits<'a> {
    asking: Asking<'a>,
    /// How many leases had ended when it came, and how many requests waited.
    came: usize,
    before: usize,
}

/// What came of a crowd.
#[derive(Debug, Default)]
struct Outcome {
    connects: usize,
    /// Requests that were served, of each task.
    served: Vec<usize>,
    /// By how many ended leases anybody waited longer than for as many as waited before it.
    latest: usize,
}

/// Each task asks, stays for as long as `stays` says, and asks again; until so many leases have ended.
fn crowd(limits: PoolLimits, tasks: &[Who], ends: usize, mut stays: impl FnMut(usize) -> u64) -> Outcome {
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Does {
        Leave,
        Ask,
    }

    let pool = Pool::new(limits, false);
    let woken = Arc::new(Mutex::new(Vec::new()));
    let wakers: Vec<Waker> =
        (0..tasks.len()).map(|task| Arc::new(Note { task, woken: Arc::clone(&woken) }).into()).collect();
    let mut outcome = Outcome { served: vec![0; tasks.len()], ..Outcome::default() };
    let mut next: BinaryHeap<_> = (0..tasks.len()).map(|task| Reverse((0, Does::Ask, task))).collect();
    let mut leases: Vec<Option<Lease<'_, Ready>>> = Vec::new();
    leases.resize_with(tasks.len(), || None);
    let mut waiting: HashMap<usize, Waits<'_>> = HashMap::new();
    let mut lines: HashMap<Who, VecDeque<usize>> = HashMap::new();
    let mut ended = 0;
    while let Some(Reverse((now, does, task))) = next.pop() {
        match does {
            Does::Leave => {
                give_back(leases[task].take().expect("it has one"));
                ended += 1;
                next.push(Reverse((now, Does::Ask, task)));
            }
            Does::Ask => {
                let before = waiting.len();
                waiting
                    .insert(task, Waits { asking: Box::pin(ask(&pool, tasks[task])), came: ended, before });
                lines.entry(tasks[task]).or_default().push_back(task);
                woken.lock().expect("not poisoned").push(task);
            }
        }
        if ended == ends {
            break;
        }
        for task in std::mem::take(&mut *woken.lock().expect("not poisoned")) {
            let Some(waits) = waiting.get_mut(&task) else { continue };
            let mut cx = Context::from_waker(&wakers[task]);
            let Poll::Ready(granted) = waits.asking.as_mut().poll(&mut cx) else { continue };
            let first = lines.get_mut(&tasks[task]).and_then(VecDeque::pop_front);
            assert_eq!(first, Some(task), "first come, first served among those of {:?}", tasks[task]);
            outcome.latest = outcome.latest.max((ended - waits.came).saturating_sub(waits.before));
            outcome.served[task] += 1;
            waiting.remove(&task);
            let (lease, takes) = match granted.expect("it is in time") {
                Checkout::Lease(lease) => (lease, 1),
                Checkout::Connect(permit) => {
                    outcome.connects += 1;
                    (connected(permit), 4)
                }
            };
            leases[task] = Some(lease);
            next.push(Reverse((now + takes * stays(task), Does::Leave, task)));
        }
    }
    drop(waiting);
    outcome
}

fn places(per_origin: usize, total: usize) -> PoolLimits {
    PoolLimits {
        per_origin,
        total,
        idle_per_origin: per_origin,
        wait_timeout: TIMEOUT,
        ..PoolLimits::default()
    }
}

/// Numbers that look random, the same each time.
fn chance(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

#[tokio::test(start_paused = true)]
async fn users_keep_their_connections_whatever_their_requests_take() {
    for (tasks, spread) in
        [65, 66, 80, 128, 256, 1024].into_iter().flat_map(|tasks| [(tasks, 1), (tasks, 10)])
    {
        let mut chance = chance(tasks as u64);
        let all = Vec::from_iter((0..tasks).map(|task| Who::user(task % 4)));
        let outcome = crowd(places(64, 512), &all, tasks * 20, |_| 10 + chance(10 * spread));
        assert!((64..=192).contains(&outcome.connects), "{tasks} tasks, {spread}: {}", outcome.connects);
        assert!(outcome.latest <= tasks + 64, "{tasks} tasks, {spread}: {}", outcome.latest);
    }
}

#[tokio::test(start_paused = true)]
async fn one_request_beside_a_thousand_of_somebody_else_is_served_in_its_turn() {
    for limits in [places(64, 512), places(8, 8), places(1, 512), places(64, 1)] {
        let all = Vec::from_iter((0..1001).map(|task| Who::user(usize::from(task > 0))));
        let outcome = crowd(limits, &all, 20_000, |_| 10);
        // Each time, about a thousand are before it: for one round it may be passed by, not for a second one.
        assert!(outcome.served[0] >= 8, "{limits:?}: {}", outcome.served[0]);
        assert!(outcome.latest <= 1001 + 64, "{limits:?}: {}", outcome.latest);
        let least = outcome.served.iter().min();
        assert!(least.is_some_and(|least| *least >= 8), "{limits:?}: {least:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_one_slow_connection_gets_another_place_when_it_is_due() {
    let all = Vec::from_iter((0..72).map(|task| Who::user(usize::from(task > 1))));
    // The first request of the lone user takes for ever, and another one waits beside it.
    let outcome = crowd(places(64, 512), &all, 20_000, |task| if task == 0 { 1 << 40 } else { 10 });
    assert!(outcome.served[1] >= 200, "{}", outcome.served[1]);
    assert!(outcome.latest <= 72 + 64, "{}", outcome.latest);
}

#[tokio::test(start_paused = true)]
async fn no_origin_starves_where_all_share_the_places() {
    for total in [1, 2, 8, 64] {
        for few in [1, 4] {
            // Two origins, of which one is asked for by many.
            let who = |task: usize| Who { user: task % 2, site: usize::from(task >= few) };
            let all = Vec::from_iter((0..few + 300).map(who));
            let outcome = crowd(places(64, total), &all, 9_000, |_| 10);
            assert!(outcome.latest <= all.len() + total, "{total} places: {}", outcome.latest);
            let least = outcome.served.iter().min();
            assert!(least.is_some_and(|least| *least >= 9), "{total} places, {few}: {least:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_origin_does_not_take_places_from_the_users_of_another() {
    // The limit of the slow origin is its own: what happens at the fast one makes nobody due there.
    let slow = (0..32).map(|task| Who { user: task % 4, site: 0 });
    let fast = (0..32).map(|task| Who { user: task % 4, site: 1 });
    let all = Vec::from_iter(slow.chain(fast));
    let mut chance = chance(7);
    let outcome = crowd(places(16, 512), &all, 40_000, |task| match all[task].site {
        0 => 1000 + chance(100),
        _ => 1 + chance(2),
    });
    assert!(outcome.connects <= 3 * 32, "{}", outcome.connects);
}

/// A lease for this user, which there is without waiting.
async fn leased(pool: &Arc<Pool<Ready>>, who: Who) -> Lease<'_, Ready> {
    match ask(pool, who).await.expect("there is room") {
        Checkout::Lease(lease) => lease,
        Checkout::Connect(permit) => connected(permit),
    }
}

fn is_pending(asking: &mut Asking<'_>) -> bool {
    asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_just_given_back_is_spared_for_a_moment() {
    let pool = Pool::new(places(2, 512), false);
    let (alice, bob) = (Who::user(0), Who::user(1));
    let alices = leased(&pool, alice).await;
    let bobs = leased(&pool, bob).await;
    let mut second: Asking<'_> = Box::pin(ask(&pool, alice));
    assert!(is_pending(&mut second));
    give_back(bobs);
    assert!(is_pending(&mut second), "it is spared");
    // Bob takes it again: nobody has to log in.
    let bobs = leased(&pool, bob).await;
    assert_eq!(pool.counts(), (2, 0));
    give_back(alices);
    let Checkout::Lease(alices) = second.await.expect("it is free") else { panic!("it is her own") };

    // This time Bob does not come back for his.
    let mut second: Asking<'_> = Box::pin(ask(&pool, alice));
    assert!(is_pending(&mut second));
    give_back(bobs);
    let begun = Instant::now();
    let Checkout::Connect(permit) = second.await.expect("in time") else { panic!("it takes Bob's place") };
    assert!((FIRST_LOOK..FIRST_LOOK * 4).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    drop((permit, alices));
    assert_eq!(pool.counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_idle_while_others_came_back_is_taken_at_once() {
    let pool = Pool::new(places(8, 512), false);
    let (alice, bob) = (Who::user(0), Who::user(1));
    let _alices = leased(&pool, alice).await;
    let mut bobs = Vec::new();
    for _ in 0..7 {
        bobs.push(leased(&pool, bob).await);
    }
    bobs.into_iter().for_each(give_back);
    assert_eq!(pool.counts(), (8, 7));
    let mut second: Asking<'_> = Box::pin(ask(&pool, alice));
    assert!(!is_pending(&mut second), "nobody has wanted the oldest");
}

#[tokio::test(start_paused = true)]
async fn who_has_no_connection_waits_for_none_of_its_own() {
    let pool = Pool::new(places(2, 512), false);
    let (alice, bob) = (Who::user(0), Who::user(1));
    let alices = [leased(&pool, alice).await, leased(&pool, alice).await];
    let mut bobs: Asking<'_> = Box::pin(ask(&pool, bob));
    assert!(is_pending(&mut bobs));
    let [first, _second] = alices;
    give_back(first);
    assert_eq!((waiting(&pool), pool.counts()), (0, (2, 0)));
    assert!(!is_pending(&mut bobs), "it has the place");
}

#[tokio::test(start_paused = true)]
async fn what_a_waiter_was_granted_and_did_not_take_goes_to_the_next() {
    let pool = Pool::new(places(1, 512), false);
    let (alice, bob) = (Who::user(0), Who::user(1));
    let first = leased(&pool, alice).await;
    let mut all: Vec<Asking<'_>> =
        [alice, bob, alice].map(|who| Box::pin(ask(&pool, who)) as Asking<'_>).into();
    assert!(all.iter_mut().all(is_pending));
    give_back(first);
    // Alice's second request has the connection, and does not look.
    drop(all.remove(0));
    assert!(is_pending(&mut all[0]), "Alice's third can use it as it is");
    drop(all.remove(1));
    assert!(!is_pending(&mut all[0]), "now it is Bob's place");
    drop(all);
    assert_eq!((waiting(&pool), pool.counts()), (0, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn connections_that_ended_while_they_were_idle_leave_their_places_to_those_that_wait() {
    let pool = Pool::new(places(5, 512), false);
    let (alice, bob) = (Who::user(0), Who::user(1));
    let _alices = [leased(&pool, alice).await, leased(&pool, alice).await, leased(&pool, alice).await];
    let bobs = [leased(&pool, bob).await, leased(&pool, bob).await];
    let mut second: Asking<'_> = Box::pin(ask(&pool, alice));
    assert!(is_pending(&mut second));
    for mut lease in bobs {
        let channel = lease.channel();
        let ended = channel.service.ended();
        lease.park(channel).release();
        ended.store(true, Relaxed);
    }
    assert!(is_pending(&mut second), "they came back a moment ago");
    // Bob finds both of them closed: one place is for him, one for her.
    let _bobs = leased(&pool, bob).await;
    assert_eq!((waiting(&pool), pool.counts()), (0, (5, 0)));
    assert!(!is_pending(&mut second));
}

#[tokio::test(start_paused = true)]
async fn whoever_has_waited_for_long_takes_what_is_left_alone_as_soon_as_others_do() {
    let pool = Pool::new(places(2, 512), false);
    let (alice, bob) = (Who::user(0), Who::user(1));
    for waits in [20, 320, 1280, 5000].map(Duration::from_millis) {
        let _alices = leased(&pool, alice).await;
        let bobs = leased(&pool, bob).await;
        let mut second: Asking<'_> = Box::pin(ask(&pool, alice));
        assert!(tokio::time::timeout(waits, &mut second).await.is_err());
        give_back(bobs);
        let begun = Instant::now();
        assert!(matches!(second.await, Ok(Checkout::Connect(_))), "Bob's place");
        assert!(begun.elapsed() <= 2 * LONGEST_PAUSE, "{waits:?}: {:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn the_place_of_a_connection_that_is_one_too_many_is_for_those_that_wait() {
    let pool = Pool::new(PoolLimits { idle_per_origin: 0, ..places(64, 2) }, false);
    let (alice, bob) = (Who::user(0), Who { user: 1, site: 1 });
    let _alices = leased(&pool, alice).await;
    let bobs = leased(&pool, bob).await;
    let mut second: Asking<'_> = Box::pin(ask(&pool, alice));
    assert!(is_pending(&mut second));
    give_back(bobs);
    assert_eq!((waiting(&pool), pool.counts()), (0, (2, 0)));
    assert!(!is_pending(&mut second), "nobody else can use the place");
}

#[tokio::test(start_paused = true)]
async fn as_many_as_may_be_idle_are_spared_though_somebody_waits() {
    let pool = Pool::new(PoolLimits { idle_per_origin: 1, ..places(2, 512) }, false);
    let (alice, bob) = (Who::user(0), Who::user(1));
    let _alices = leased(&pool, alice).await;
    let bobs = leased(&pool, bob).await;
    let mut second: Asking<'_> = Box::pin(ask(&pool, alice));
    assert!(is_pending(&mut second));
    give_back(bobs);
    assert_eq!((waiting(&pool), pool.counts()), (1, (2, 1)));
    assert!(is_pending(&mut second));
}

#[tokio::test(start_paused = true)]
async fn an_origin_has_no_more_connections_than_it_may_whatever_is_idle_at_another() {
    let pool = Pool::new(places(1, 512), false);
    let (alice, bob) = (Who::user(0), Who::user(1));
    give_back(leased(&pool, Who { site: 1, ..alice }).await);
    let alices = leased(&pool, alice).await;
    let mut bobs: Asking<'_> = Box::pin(ask(&pool, bob));
    assert!(is_pending(&mut bobs));
    assert_eq!((waiting(&pool), pool.counts()), (1, (2, 1)));
    give_back(alices);
    assert!(!is_pending(&mut bobs), "he has the place of hers");
}

#[tokio::test(start_paused = true)]
async fn of_one_users_requests_the_first_takes_the_place_that_others_leave_idle() {
    let pool = Pool::new(places(2, 512), false);
    let (alice, bob) = (Who::user(0), Who::user(1));
    let _alices = leased(&pool, alice).await;
    let bobs = leased(&pool, bob).await;
    let [mut first, mut second] = [(); 2].map(|()| Box::pin(ask(&pool, alice)) as Asking<'_>);
    assert!(is_pending(&mut first) && is_pending(&mut second));
    give_back(bobs);
    for _ in 0..4 {
        tokio::time::advance(LONGEST_PAUSE).await;
        assert!(is_pending(&mut second), "it looks while the first does not");
    }
    let mut looks = 0;
    while is_pending(&mut first) {
        tokio::time::advance(LONGEST_PAUSE).await;
        looks += 1;
        assert!(looks <= 2, "nobody else has wanted it");
    }
}
