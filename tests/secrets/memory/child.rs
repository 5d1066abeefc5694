//! The program that is looked into. It works nothing out: what is found in it, the library has left.

use std::env;
use std::fmt;
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::net::SocketAddr;
use std::str::FromStr;

use legwork::Origin;
use legwork::service::Environment;
use tokio::runtime;
use zeroize::Zeroizing;

use crate::clients::{AnyClient, Client};
use crate::schemes::Scheme;

/// The variable that says what to do.
pub(super) const CHILD: &str = "LEGWORK_SECRETS_CHILD";

/// What it says where the search itself is tried.
pub(super) const LEAKS: &str = "leaks";

/// Octets of a password.
pub(super) const PASSWORD_LENGTH: usize = 48;

/// What the login comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    LoggedIn,
    Refused,
    /// The request is dropped while it waits for the answer to its proof.
    GivenUp,
}

impl Ending {
    pub(super) const ALL: [Self; 3] = [Self::LoggedIn, Self::Refused, Self::GivenUp];

    pub(super) fn name(self) -> String {
        format!("{self:?}")
    }
}

/// What to do, as words.
pub(super) struct Plan {
    pub(super) scheme: Scheme,
    pub(super) client: Client,
    pub(super) ending: Ending,
    pub(super) origin: Origin,
    pub(super) kdc: Option<SocketAddr>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, client, ending, origin, kdc } = self;
        write!(f, "{} {} {} {origin}", scheme.name(), client.name(), ending.name())?;
        kdc.map_or(Ok(()), |kdc| write!(f, " {kdc}"))
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = Vec::from_iter(text.split(' '));
        let [scheme, client, ending, origin, kdc @ ..] = words.as_slice() else {
            return Err(format!("too few words: {text}"));
        };
        Ok(Self {
            scheme: Scheme::ALL.into_iter().find(|it| it.name() == *scheme).ok_or("no scheme")?,
            client: Client::ALL.into_iter().find(|it| it.name() == *client).ok_or("no client")?,
            ending: Ending::ALL.into_iter().find(|it| it.name() == *ending).ok_or("no ending")?,
            origin: origin.parse().map_err(|_| "no origin")?,
            kdc: kdc.first().map(|kdc| kdc.parse().map_err(|_| "no address")).transpose()?,
        })
    }
}

/// Does nothing by itself: the others start it, and say in the environment what it is to do.
#[test]
#[ignore = "the program that the others look into"]
fn child() {
    match env::var(CHILD).as_deref() {
        Ok(LEAKS) => leak(),
        Ok(plan) => run(&plan.parse().expect("a plan")),
        Err(_) => {}
    }
}

/// What is to be found: a password on the heap and on the stack, after it was dropped.
fn leak() {
    let mut input = File::open("/proc/self/fd/0").expect("a pipe");
    let password = Zeroizing::new(read_password(&mut input));
    drop(black_box(password.as_bytes().to_vec()));
    leave_below(&password);
    drop(password);
    eprintln!("done");
    wait(&mut input);
}

/// Further down than what comes next will reach.
#[inline(never)]
fn leave_below(password: &str) {
    let space = [0_u8; 64 * 1024];
    black_box(&space);
    leave(password);
    black_box(&space);
}

#[inline(never)]
fn leave(password: &str) {
    let copy: [u8; PASSWORD_LENGTH] = password.as_bytes().try_into().expect("as many");
    black_box(&copy);
}

fn run(plan: &Plan) {
    let mut input = File::open("/proc/self/fd/0").expect("a pipe");
    let credentials = plan.scheme.credentials(read_password(&mut input));
    let authenticator = plan.scheme.authenticator(&plan.origin, plan.scheme.kerberos(plan.kdc), credentials);
    let runtime =
        runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let client = || AnyClient::new(plan.client, plan.origin.clone(), authenticator, Environment::tokio());
    match plan.ending {
        Ending::LoggedIn | Ending::Refused => {
            let (status, requests) = if plan.ending == Ending::Refused { (401, 1) } else { (200, 3) };
            let client = runtime.block_on(async {
                let mut client = client();
                for _ in 0..requests {
                    client.close_idle();
                    assert_eq!(client.send().await.expect("a response").status(), status);
                }
                client
            });
            eprintln!("done");
            wait(&mut input);
            drop(client);
        }
        Ending::GivenUp => runtime.block_on(async {
            let mut client = client();
            let mut sending = std::pin::pin!(client.send());
            let mut waiting = tokio::task::spawn_blocking(move || wait(&mut input));
            tokio::select! {
                answer = &mut sending => panic!("it was answered: {answer:?}"),
                waited = &mut waiting => waited.expect("no panic"),
            }
        }),
    }
    eprintln!("dropped");
    let mut input = File::open("/proc/self/fd/0").expect("a pipe");
    wait(&mut input);
    drop(runtime);
    eprintln!("alone");
    wait(&mut input);
}

/// The only copy in this process, once it is returned.
fn read_password(input: &mut File) -> String {
    let mut octets = Zeroizing::new([0; PASSWORD_LENGTH]);
    input.read_exact(&mut *octets).expect("a password");
    let mut password = String::with_capacity(PASSWORD_LENGTH);
    password.push_str(std::str::from_utf8(&*octets).expect("text"));
    password
}

/// Until there is a line, or the end.
fn wait(input: &mut File) {
    let _ = input.read(&mut [0]).expect("a pipe");
}
