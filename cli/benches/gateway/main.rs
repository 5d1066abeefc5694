//! What `legwork gateway` costs, beside a relay that does nothing but copy: the rate of one large body, and the memory
//! of tunnels in which nothing moves.
//!
//! ```text
//! cargo bench -p legwork-cli --bench gateway
//! ```
//!
//! The path is client, relay, upstream proxy, origin; each is a process of its own but for the last
//! two, which share one. Ratios are medians over rounds in which the relays take turns. Memory is
//! told by Linux alone.
//!
//! ```text
//! cli/benches/gateway/install-peers FOLDER
//! cargo bench -p legwork-cli --bench gateway -- --peers FOLDER [PROXY:PORT]
//! ```
//!
//! is another measurement: requests and tunnels a second, the memory and the processor's time that they take, beside px and
//! cntlm before a proxy that wants NTLM. It is that of `ntlm_proxy.rs`, which does little else, or the one that is named, where
//! the user of `relays.rs` has to be known. What else the machine does weighs on the rates, and not on the processor's time.

#[cfg(target_os = "linux")]
mod http1;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod ntlm_proxy;
#[cfg(target_os = "linux")]
mod peers;
mod process;
mod relays;
mod usage;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;
use std::{env, thread};

use crate::process::Process;
use crate::relays::Relay;

/// The origin's body.
const BODY: u64 = 1 << 30;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["origin"] => origin(),
        ["upstream"] => relays::upstream(),
        #[cfg(target_os = "linux")]
        ["ntlm-proxies"] => ntlm_proxy::three(),
        #[cfg(target_os = "linux")]
        ["--peers", folder, ref proxy @ .., "--bench"] => {
            peers::measure(folder.as_ref(), proxy.first().copied())
        }
        [relay, upstream] if Relay::named(relay).is_some() => {
            let upstream = upstream.parse().map_err(io::Error::other)?;
            Relay::named(relay).map_or(Ok(()), |relay| relay.run(upstream))
        }
        ref arguments if arguments.contains(&"--bench") => measure(15, BODY, 1_000),
        // By `cargo test`: whether it runs at all.
        _ => measure(1, 1 << 20, 10),
    }
}

fn measure(rounds: usize, octets: u64, tunnels: usize) -> io::Result<()> {
    let origin = Process::start(&["origin"])?;
    let upstream = Process::start(&["upstream"])?;
    let origin = origin.addresses[0];

    println!("{:<16}{:>12}{:>16}{:>14}", "1 GiB through", "MiB/s", "of copying", "CPU s/GiB");
    let relays = Relay::ALL.map(|relay| (relay, started(relay, &upstream)));
    let mut rates = Vec::new();
    for round in 0..=rounds {
        let mut of_round = [0.0; Relay::ALL.len()];
        for turn in 0..relays.len() {
            let i = (round + turn) % relays.len();
            let (_, relay) = &relays[i];
            of_round[i] =
                rate(relay.as_ref().map_err(|error| io::Error::other(error.to_string()))?, origin, octets)?;
        }
        // The first warms up.
        if round > 0 {
            rates.push(of_round);
        }
    }
    for (i, (relay, process)) in relays.iter().enumerate() {
        let gibibytes = ((rounds + 1) as u64 * octets) as f64 / f64::from(1 << 30);
        let cpu = process.as_ref().ok().and_then(|process| usage::cpu_seconds(process.child.id()));
        println!(
            "{:<16}{:>12.0}{:>16.3}{:>14.3}",
            relay.name(),
            median(rates.iter().map(|round| round[i]).collect()),
            median(rates.iter().map(|round| round[i] / round[0]).collect()),
            cpu.map_or(f64::NAN, |seconds| seconds / gibibytes),
        );
    }
    drop(relays);

    println!("{:<16}{:>12}{:>16}{:>14}", "idle tunnels", "KiB before", "KiB after", "KiB each");
    for relay in Relay::ALL {
        let process = started(relay, &upstream)?;
        let rss = || usage::resident_kibibytes(process.child.id()).unwrap_or(f64::NAN);
        let before = rss();
        let open: Vec<_> =
            (0..tunnels).map(|_| tunnel(process.addresses[0], origin)).collect::<Result<_, _>>()?;
        let after = rss();
        println!("{:<16}{before:>12}{after:>16}{:>14.1}", relay.name(), (after - before) / open.len() as f64);
    }
    Ok(())
}

fn started(relay: Relay, upstream: &Process) -> io::Result<Process> {
    match relay {
        Relay::Gateway => Process::gateway(upstream.addresses[1]),
        _ => Process::start(&[relay.name(), &upstream.addresses[0].to_string()]),
    }
}

/// MiB/s of the origin's body through a relay, from its first octet.
fn rate(relay: &Process, origin: SocketAddr, octets: u64) -> io::Result<f64> {
    let mut stream = tunnel(relay.addresses[0], origin)?;
    let start = Instant::now();
    stream.write_all(&octets.to_be_bytes())?;
    let mut buffer = vec![0; 256 * 1024];
    let mut received = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            octets => received += octets as u64,
        }
    }
    assert_eq!(received, octets);
    Ok(octets as f64 / f64::from(1 << 20) / start.elapsed().as_secs_f64())
}

fn tunnel(relay: SocketAddr, origin: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(relay)?;
    write!(stream, "CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n\r\n")?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        stream.read_exact(&mut octet)?;
        head.extend(octet);
    }
    match head.starts_with(b"HTTP/1.1 200 ") {
        true => Ok(stream),
        false => Err(io::Error::other(String::from_utf8_lossy(&head).into_owned())),
    }
}

/// Sends as many octets as it is asked for.
fn origin() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // What nothing is asked of has ended.
            thread::Builder::new().stack_size(64 * 1024).spawn(move || send(stream)).expect("a thread");
        }
    });
    until_the_parent_ends()
}

fn send(mut stream: TcpStream) -> io::Result<()> {
    let mut asked = [0; 8];
    stream.read_exact(&mut asked)?;
    let mut body = io::repeat(b'x').take(u64::from_be_bytes(asked));
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match body.read(&mut buffer)? {
            0 => return Ok(()),
            octets => stream.write_all(&buffer[..octets])?,
        }
    }
}

/// Standard input is the parent's.
fn until_the_parent_ends() -> io::Result<()> {
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
