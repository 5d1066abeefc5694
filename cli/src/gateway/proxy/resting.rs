//! Proxies that could not be reached, and are not asked for a while unless there is no other.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::route::Named;

/// How long, as with Chromium.
pub(super) const PAUSE: Duration = Duration::from_secs(5 * 60);
/// How many are known at a time; a script may name as many as it likes.
const PROXIES: usize = 256;

/// Until when each of them rests.
#[derive(Default)]
pub(super) struct Resting(Mutex<HashMap<Named, Instant>>);

impl Resting {
    /// Has a proxy rest. The straight way never does: another origin may be within its reach.
    pub(super) fn add(&self, way: &Named) {
        if *way == Named::Direct {
            return;
        }
        let now = Instant::now();
        let mut resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.len() >= PROXIES {
            resting.retain(|_, until| now < *until);
        }
        if resting.len() < PROXIES {
            resting.insert(way.clone(), now + PAUSE);
        }
    }

    /// A proxy has been reached.
    pub(super) fn remove(&self, way: &Named) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(way);
    }

    /// The ways in the order in which they are to be tried: those that rest come last.
    pub(super) fn sort(&self, ways: &mut [Named]) {
        let now = Instant::now();
        let resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ways.sort_by_key(|way| resting.get(way).is_some_and(|until| now < *until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_proxy_rests_and_comes_back() {
        let proxy = |name: &str| Named::Proxy(format!("http://{name}").parse().expect("an origin"));
        let ways = [proxy("a"), proxy("b"), Named::Direct];
        let resting = Resting::default();
        let order = || {
            let mut ways = ways.clone();
            resting.sort(&mut ways);
            ways
        };
        assert_eq!(order(), ways);
        resting.add(&ways[0]);
        resting.add(&Named::Direct);
        assert_eq!(order(), [proxy("b"), Named::Direct, proxy("a")]);
        resting.add(&ways[1]);
        assert_eq!(order(), [Named::Direct, proxy("a"), proxy("b")]);
        resting.remove(&ways[1]);
        assert_eq!(order(), [proxy("b"), Named::Direct, proxy("a")]);
        tokio::time::advance(PAUSE).await;
        assert_eq!(order(), ways);
    }

    #[tokio::test(start_paused = true)]
    async fn what_rests_is_bounded() {
        let resting = Resting::default();
        for number in 0..2 * PROXIES {
            resting.add(&Named::Proxy(format!("http://p{number}").parse().expect("an origin")));
        }
        assert_eq!(resting.0.lock().expect("no panic").len(), PROXIES);
    }
}
