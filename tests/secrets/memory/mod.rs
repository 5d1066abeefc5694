//! Looks through the memory of a program that has logged in, for its password and whatever stands for it.
//!
//! The program is this one, started once more (`child`): it is given a password over a pipe, logs in, drops everything that it has, and waits.
//! Meanwhile its parent, which has worked out the keys for itself, reads all that it can write: heap, stacks, and what the
//! allocator keeps of what was freed. What is there while the client lives shows that the search finds what it is to find.

mod child;
mod needles;
mod scan;

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Command, Stdio};

use legwork::testing::{Gate, Quirk, When};

use self::child::{CHILD, Ending, LEAKS, PASSWORD_LENGTH, Plan};
use self::needles::{Needles, PIECE};
use self::scan::Found;
use crate::clients::Client;
use crate::schemes::{Peer, Scheme, random_text};

/// The program under the glass.
struct Subject {
    process: Child,
    said: BufReader<ChildStderr>,
}

impl Subject {
    fn start(plan: &str, password: &str) -> Self {
        let mut process = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "memory::child::child", "--include-ignored", "--nocapture", "--test-threads=1"])
            .env(CHILD, plan)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let said = BufReader::new(process.stderr.take().expect("a pipe"));
        let mut subject = Self { process, said };
        subject.tell(password.as_bytes());
        subject
    }

    fn tell(&mut self, octets: &[u8]) {
        self.process.stdin.as_mut().expect("a pipe").write_all(octets).expect("it listens");
    }

    /// Waits until it says this.
    fn says(&mut self, word: &str) {
        let mut line = String::new();
        if self.said.read_line(&mut line).expect("a line") == 0 || line.trim_end() != word {
            let mut rest = String::new();
            self.said.read_to_string(&mut rest).expect("the rest");
            panic!("{word} was expected, and not: {line}{rest}");
        }
    }

    fn look(&self, needles: &Needles) -> Found {
        scan::look(self.process.id(), needles)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().expect("it ends");
    }
}

/// One program's life: a login by this scheme and client that comes to this end.
async fn leaves_nothing(scheme: Scheme, client: Client, ending: Ending) {
    let name = format!("{} {} {}", scheme.name(), client.name(), ending.name());
    let (password, gate) = (random_text(PASSWORD_LENGTH), Gate::closed());
    let known = if ending == Ending::Refused { random_text(PASSWORD_LENGTH) } else { password.clone() };
    let peer = Peer::start(scheme, &known, |server| match ending {
        Ending::GivenUp => server.quirk_when(When::leg(scheme.proof()), Quirk::HeldBy(gate.clone())),
        Ending::LoggedIn | Ending::Refused => server,
    });
    let peer = peer.await;
    let plan = Plan { scheme, client, ending, origin: peer.origin(), kdc: peer.kdc_address() };
    let mut subject = Subject::start(&plan.to_string(), &password);
    match ending {
        Ending::GivenUp => gate.held(1).await,
        Ending::LoggedIn | Ending::Refused => subject.says("done"),
    }
    let needles = Needles::of(&password, &peer);
    let alive = subject.look(&needles);
    subject.tell(b"\n");
    subject.says("dropped");
    peer.is_left().await;
    let running = subject.look(&needles);
    subject.tell(b"\n");
    subject.says("alone");
    let left = subject.look(&needles);
    if env::var_os("LEGWORK_SHOW").is_some() {
        println!("{name}\n  alive: {alive}\n  running: {running}\n  left: {left}");
        return;
    }
    only_what_is_kept(scheme, ending, &alive).unwrap_or_else(|why| panic!("{name}: {why}: {alive}"));
    assert!(running.is_empty(), "{name}, without its client: {running}");
    assert!(left.is_empty(), "{name}, without its runtime: {left}");
}

/// While a client lives, its password is in one place, and what is kept of it in others: so says SECURITY.md.
fn only_what_is_kept(scheme: Scheme, ending: Ending, found: &Found) -> Result<(), &'static str> {
    let mut kept = Vec::from(scheme.kept());
    if ending == Ending::LoggedIn {
        if !kept.iter().all(|needle| found.count(needle) > 0) {
            return Err("it holds less than it should");
        }
        if found.count("password") > PASSWORD_LENGTH / PIECE {
            return Err("there is another copy of the password");
        }
    } else {
        // A request that is under way has its field.
        kept.push(needles::BASE64_PAIR);
    }
    if kept.contains(&needles::HMAC_OF_RESPONSE_KEY) {
        // A hash function's value has room for a block, in which the compiler may leave what it was made of.
        kept.extend(needles::MASKED_RESPONSE_KEY);
    }
    match found.needles().all(|needle| kept.contains(&needle)) {
        true => Ok(()),
        false => Err("it holds more than it should"),
    }
}

#[test]
fn what_is_dropped_and_not_wiped_is_found() {
    let password = random_text(PASSWORD_LENGTH);
    let mut subject = Subject::start(LEAKS, &password);
    subject.says("done");
    let found = subject.look(&Needles::of_password(&password));
    // The allocator has written over the beginning of one copy.
    assert!(found.count("password") >= 2 * PASSWORD_LENGTH / PIECE - 2, "{found}");
}

async fn each_login_over(client: Client) {
    for scheme in Scheme::ALL {
        for ending in Ending::ALL {
            leaves_nothing(scheme, client, ending).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_over_hyper() {
    each_login_over(Client::Hyper).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_over_legacy() {
    each_login_over(Client::Legacy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_over_reqwest() {
    each_login_over(Client::Reqwest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_by_the_layer() {
    each_login_over(Client::Layer).await;
}
