//! Looking names up for a script, which waits for it, and no longer than its call may take.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long an answer is kept, none too: a script asks the same for each request.
const KEPT: Duration = Duration::from_secs(60);
/// How many names are kept.
const NAMES: usize = 1024;
/// How many are looked up at a time. One that nobody waits for any more goes on until the system gives it up.
const AT_A_TIME: usize = 16;
/// No name is longer (RFC 1035, section 2.3.4).
const LONGEST: usize = 255;

type Lookup = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// The addresses of names, and this machine's own.
pub(super) struct Names {
    lookup: Arc<Lookup>,
    /// Until when they hold.
    kept: Mutex<HashMap<String, (Instant, Vec<IpAddr>)>>,
    /// One for each that is under way.
    under_way: Arc<()>,
}

impl Names {
    /// Those that the system knows.
    pub(super) fn of_the_system() -> Self {
        Self::by(|name| Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
    }

    pub(super) fn by(lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self { lookup: Arc::new(lookup), kept: Mutex::default(), under_way: Arc::default() }
    }

    /// The addresses of a name; none if it has none, or none comes in time.
    pub(super) fn resolve(&self, name: &str, until: Instant) -> Vec<IpAddr> {
        if let Ok(address) = name.parse() {
            return vec![address];
        }
        if name.is_empty() || name.len() > LONGEST {
            return Vec::new();
        }
        let key = name.to_ascii_lowercase();
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, addresses)) = kept.get(&key).filter(|(until, _)| now < *until) {
            return addresses.clone();
        }
        drop(kept);
        let Some(addresses) = self.look_up(&key, until.saturating_duration_since(now)) else {
            return Vec::new();
        };
        kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= NAMES {
            kept.retain(|_, (until, _)| now < *until);
        }
        if kept.len() >= NAMES {
            kept.clear();
        }
        kept.insert(key, (now + KEPT, addresses.clone()));
        addresses
    }

    /// Asks on a thread of its own, since the system cannot be told to stop. `None` if the time is up.
    fn look_up(&self, name: &str, within: Duration) -> Option<Vec<IpAddr>> {
        let under_way = Arc::clone(&self.under_way);
        if within.is_zero() || Arc::strong_count(&under_way) > AT_A_TIME + 1 {
            return None;
        }
        let (sender, receiver) = sync_channel(1);
        let (lookup, name) = (Arc::clone(&self.lookup), name.to_owned());
        let asking = thread::Builder::new().name("pac-lookup".to_owned()).spawn(move || {
            let _under_way = under_way;
            // Nobody may wait for it any more.
            let _ = sender.send(lookup(&name).unwrap_or_default());
        });
        asking.ok()?;
        receiver.recv_timeout(within).ok()
    }

    /// This machine's own addresses, IPv4 first: those that it would send from to the network. Nothing is sent.
    pub(super) fn own(&self) -> Vec<IpAddr> {
        let from = |own: IpAddr, far: IpAddr| {
            let socket = UdpSocket::bind(SocketAddr::new(own, 0)).ok()?;
            socket.connect(SocketAddr::new(far, 53)).ok()?;
            socket.local_addr().ok().map(|address| address.ip())
        };
        // Addresses for documentation (RFC 5737, RFC 3849), which a default route leads to as to any other.
        let v4 = from(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into());
        let v6 = from(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into());
        v4.into_iter().chain(v6).filter(|address| !address.is_unspecified()).collect()
    }
}
