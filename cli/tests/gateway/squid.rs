//! What squid says of those who came.

use std::time::{Duration, Instant};

use crate::lab::lab;

/// squid's own account of what went to a host, by tunnels or by plain http.
pub(crate) struct Log {
    began: usize,
    /// Host and port.
    target: String,
}

impl Log {
    pub(crate) fn of(target: &str) -> Self {
        // A line that crosses a page of the file is there by halves for a moment.
        let began = Self::read().rfind('\n').map_or(0, |end| end + 1);
        Self { began, target: target.to_owned() }
    }

    fn read() -> String {
        std::fs::read_to_string(lab("SQUID_ACCESS_LOG")).unwrap_or_default()
    }

    /// All requests, once so many have an answer from beyond the login: a tunnel is noted when it has ended.
    pub(crate) async fn got_through(&self, count: usize) -> Vec<Leg> {
        let begun = Instant::now();
        loop {
            let log = Self::read();
            let whole = log[self.began..].split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            let legs: Vec<_> = whole.map(Leg::parse).filter(|leg| leg.target == self.target).collect();
            if legs.iter().filter(|leg| leg.status != 407).count() >= count {
                return legs;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{}: only {legs:?}", self.target);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// One request, as squid's log has it.
#[derive(Debug)]
pub(crate) struct Leg {
    target: String,
    pub(crate) status: u16,
    pub(crate) user: String,
}

impl Leg {
    /// `port=49152 CONNECT git.lab.test:18443 200 user=LAB%5Ccarol out=49153 agent=legwork/0.1.0`
    fn parse(line: &str) -> Self {
        let words: Vec<_> = line.split(' ').collect();
        let [_port, _method, target, status, user, ..] = words[..] else { panic!("squid: {line}") };
        let target = target.strip_prefix("http://").unwrap_or(target);
        Self {
            target: target.split('/').next().unwrap_or_default().to_owned(),
            status: status.parse().unwrap_or_else(|_| panic!("squid: {line}")),
            user: user.trim_start_matches("user=").replace("%5C", "\\"),
        }
    }
}
