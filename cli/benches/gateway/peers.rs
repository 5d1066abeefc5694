//! Beside others that log in at a proxy for programs: the same load for each of them, in turns.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::load::{Load, Outcome};
use crate::process::Process;
use crate::{median, relays, usage};

const ROUNDS: usize = 5;
const LOAD: Load = Load { programs: 64, requests: 5_000, tunnels: 1_000 };

/// What logs in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// The program itself.
    Gateway,
    /// The PyPI package `px-proxy`.
    Px,
    /// Debian's package `cntlm`.
    Cntlm,
}

impl Peer {
    const ALL: [Self; 3] = [Self::Gateway, Self::Px, Self::Cntlm];

    fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Px => "px",
            Self::Cntlm => "cntlm",
        }
    }

    /// How it is started before this proxy, at an address of its own. `folder` is where `install-peers` was told to.
    fn command(self, folder: &Path, address: SocketAddr, upstream: SocketAddr) -> Command {
        let (domain, user) = relays::USER.split_once('\\').expect("it has a domain");
        let (at, upstream) = (address.to_string(), upstream.to_string());
        let mut command = Command::new(match self {
            Self::Gateway => env!("CARGO_BIN_EXE_legwork").into(),
            Self::Px => folder.join("px/bin/px"),
            Self::Cntlm => folder.join("cntlm/usr/sbin/cntlm"),
        });
        match self {
            Self::Gateway => {
                command.args(["gateway", "--user", relays::USER, "--listen", &at, "--proxy", &upstream])
            }
            Self::Px => command
                .args([format!("--port={}", address.port()), format!("--proxy={upstream}")])
                .args(["--auth=NTLM", &format!("--username={}", relays::USER)]),
            Self::Cntlm => command
                .args(["-f", "-c", "/dev/null", "-a", "ntlmv2", "-d", domain, "-u", user])
                .args(["-p", relays::PASSWORD, "-l", &at, &upstream]),
        };
        command.env("LEGWORK_PASSWORD", relays::PASSWORD).env("PX_PASSWORD", relays::PASSWORD);
        command
    }
}

/// With all that it has started, in a group of processes. Dropped, they end.
struct Running {
    address: SocketAddr,
    process: Child,
}

impl Running {
    fn start(peer: Peer, folder: &Path, upstream: SocketAddr) -> io::Result<Self> {
        // Not all say which port they were given.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = peer.command(folder, address, upstream);
        command.current_dir(folder).env("HOME", folder).stdin(Stdio::null());
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn()?;
        let mut running = Self { address, process };
        for _ in 0..600 {
            if TcpStream::connect(address).is_ok() {
                return Ok(running);
            }
            if let Some(status) = running.process.try_wait()? {
                return Err(io::Error::other(format!("{} ends with {status}", peer.name())));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(io::Error::other(format!("{} does not listen at {address}", peer.name())))
    }

    fn figures(&self, load: &Load, site: SocketAddr, origin: SocketAddr) -> io::Result<Figures> {
        let watch = Watch::over(self.process.id());
        let start = self.cpu_seconds();
        let requests = load.requests(self.address, site)?;
        let between = self.cpu_seconds();
        let tunnels = load.tunnels(self.address, origin)?;
        let end = self.cpu_seconds();
        let each = |seconds: f64, count: usize| seconds * 1e6 / count as f64;
        Ok(Figures {
            requests,
            tunnels,
            kibibytes: watch.most() as f64,
            of_a_request: each(between - start, load.requests),
            of_a_tunnel: each(end - between, load.tunnels),
        })
    }

    fn cpu_seconds(&self) -> f64 {
        usage::tree(self.process.id()).into_iter().filter_map(usage::cpu_seconds).sum()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
        let _ = self.process.wait();
    }
}

/// Looks at the memory of a process and of all that it has started.
struct Watch {
    is_over: Arc<AtomicBool>,
    looking: JoinHandle<u64>,
}

impl Watch {
    fn over(process: u32) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let until = Arc::clone(&is_over);
        let looking = thread::spawn(move || {
            let mut most = 0;
            while !until.load(Ordering::Relaxed) {
                most = most.max(usage::proportional_kibibytes(&usage::tree(process)));
                thread::sleep(Duration::from_millis(50));
            }
            most
        });
        Self { is_over, looking }
    }

    /// The most that there was, in KiB.
    fn most(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.looking.join().expect("it does not panic")
    }
}

/// Of a round.
struct Figures {
    requests: Outcome,
    tunnels: Outcome,
    kibibytes: f64,
    /// Microseconds of the processor.
    of_a_request: f64,
    of_a_tunnel: f64,
}

/// Before proxies of our own, or before this one.
pub(crate) fn measure(folder: &Path, proxy: Option<&str>) -> io::Result<()> {
    let folder = folder.canonicalize()?;
    let origin = Process::start(&["origin"])?;
    let site = Process::start(&["upstream"])?;
    let mut proxies = Process::start(&["ntlm-proxies"])?;
    let (site, origin) = (site.addresses[0], origin.addresses[0]);
    let proxy = proxy.map(str::parse).transpose().map_err(io::Error::other)?;
    let mut running = Vec::new();
    for (peer, own) in Peer::ALL.into_iter().zip(&proxies.addresses) {
        running.push(Running::start(peer, &folder, proxy.unwrap_or(*own))?);
    }
    let mut figures: Vec<Vec<Figures>> = Vec::new();
    for round in 0..=ROUNDS {
        let mut of_round: Vec<_> = running.iter().map(|_| None).collect();
        for turn in 0..running.len() {
            let i = (round + turn) % running.len();
            of_round[i] = Some(running[i].figures(&LOAD, site, origin)?);
        }
        // The first warms up.
        if round > 0 {
            figures.push(of_round.into_iter().flatten().collect());
        }
    }
    let title = format!("{} programs at once", LOAD.programs);
    let [gateway, px, cntlm] = Peer::ALL.map(Peer::name);
    println!("{title:<28}{gateway:>12}{px:>12}{cntlm:>12}  ratios: median (least to most)");
    row(&figures, "requests a second", |figures| figures.requests.per_second);
    row(&figures, "tunnels a second", |figures| figures.tunnels.per_second);
    row(&figures, "KiB, PSS of all processes", |figures| figures.kibibytes);
    row(&figures, "µs of CPU for a request", |figures| figures.of_a_request);
    row(&figures, "µs of CPU for a tunnel", |figures| figures.of_a_tunnel);
    let all = |failed: fn(&Figures) -> usize| -> String {
        let of = |i: usize| figures.iter().map(|round| failed(&round[i])).sum::<usize>();
        (0..running.len()).map(|i| format!("{:>12}", of(i))).collect()
    };
    println!(
        "{:<28}{}  of {}",
        "requests that failed",
        all(|figures| figures.requests.failed),
        ROUNDS * LOAD.requests
    );
    println!(
        "{:<28}{}  of {}",
        "tunnels that failed",
        all(|figures| figures.tunnels.failed),
        ROUNDS * LOAD.tunnels
    );
    if proxy.is_none() {
        let said = proxies.ask()?;
        let numbers: Vec<_> = said.split_whitespace().collect();
        for (what, first) in [("connections to the proxy", 0), ("logins at the proxy", 1)] {
            let of_each = numbers.iter().skip(first).step_by(2).map(|number| format!("{number:>12}"));
            println!("{what:<28}{}  with the round that warms up", of_each.collect::<String>());
        }
    }
    Ok(())
}

/// A median for each, and the ratios of the gateway to the others.
fn row(figures: &[Vec<Figures>], what: &str, value: impl Fn(&Figures) -> f64) {
    print!("{what:<28}");
    for i in 0..Peer::ALL.len() {
        print!("{:>12.0}", median(figures.iter().map(|round| value(&round[i])).collect()));
    }
    for i in 1..Peer::ALL.len() {
        let mut ratios: Vec<_> = figures.iter().map(|round| value(&round[0]) / value(&round[i])).collect();
        ratios.sort_by(f64::total_cmp);
        let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
        print!("  {} {:.2} ({least:.2} to {most:.2})", Peer::ALL[i].name(), median(ratios));
    }
    println!();
}
