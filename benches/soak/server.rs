//! The peer, in a process of its own: an origin for each scheme, by the embedded server.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, io};

use legwork::mechanism::kerberos::EncryptionType;
use legwork::testing::{
    Close, DigestAcceptor, Judge, Judgement, Kdc, KerberosService, Leg, Offer, Presentation, Quirk, Report,
    ScramAcceptor, Verdict, When,
};
use legwork::{testing, testing::Users};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::cut::Cut;
use crate::script::{CLOSED_AFTER, CLOSED_UNANNOUNCED};

pub(crate) const REALM: &str = "SOAK.TEST";
pub(crate) const SERVICE: &str = "HTTP/soak.test";
/// At each origin.
pub(crate) const USERS: usize = 3;

/// How an origin has its users log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Basic,
    Bearer,
    Digest,
    Ntlm,
    /// With NTLM inside.
    Negotiate,
    Scram,
    Kerberos,
}

impl Manner {
    pub(crate) const ALL: [Self; 7] =
        [Self::Basic, Self::Bearer, Self::Digest, Self::Ntlm, Self::Negotiate, Self::Scram, Self::Kerberos];
}

/// A user's name, which no other origin has.
pub(crate) fn name(manner: Manner, user: usize) -> String {
    format!("{manner:?}-{user}").to_lowercase()
}

pub(crate) fn first_password(manner: Manner, user: usize) -> String {
    format!("{}-pw-0", name(manner, user))
}

/// A running server; dropped, it ends.
pub(crate) struct Server {
    child: Child,
    dialogue: Arc<Mutex<Dialogue>>,
    addresses: [SocketAddr; Manner::ALL.len()],
    kdc: SocketAddr,
}

/// What is said to the server, and what it answers.
pub(crate) struct Dialogue {
    to: ChildStdin,
    from: BufReader<std::process::ChildStdout>,
}

impl Dialogue {
    /// The user has another password now: for new connections, and if the origin is begun again, for all. Returns how
    /// many logins were refused since the change before.
    pub(crate) fn change(
        &mut self,
        manner: Manner,
        user: usize,
        password: &str,
        is_begun_again: bool,
    ) -> io::Result<usize> {
        writeln!(self.to, "{} {user} {password} {}", manner as usize, u8::from(is_begun_again))?;
        self.line()?.parse().map_err(io::Error::other)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.from.read_line(&mut line)? {
            0 => Err(io::Error::other("the server's process has ended")),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

impl Server {
    /// This program once more, with `serve` as its argument.
    pub(crate) fn start() -> io::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let to = child.stdin.take().expect("it is piped");
        let from = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut dialogue = Dialogue { to, from };
        let mut address = || dialogue.line()?.parse().map_err(io::Error::other);
        let kdc = address()?;
        let mut addresses = [kdc; Manner::ALL.len()];
        for known in &mut addresses {
            *known = address()?;
        }
        Ok(Self { child, dialogue: Arc::new(Mutex::new(dialogue)), addresses, kdc })
    }

    pub(crate) fn address(&self, manner: Manner) -> SocketAddr {
        self.addresses[manner as usize]
    }

    pub(crate) fn kdc(&self) -> SocketAddr {
        self.kdc
    }

    pub(crate) fn dialogue(&self) -> Arc<Mutex<Dialogue>> {
        Arc::clone(&self.dialogue)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until standard input ends, that is until the parent does.
pub(crate) fn serve() -> io::Result<()> {
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let mut kdc = Kdc::builder(REALM).service(SERVICE).encryption_types([EncryptionType::Aes256Sha1]);
        for user in 0..USERS {
            kdc = kdc.user(&name(Manner::Kerberos, user), &first_password(Manner::Kerberos, user));
        }
        let kdc = kdc.start().await?;
        println!("{}", kdc.address());
        let mut origins = Vec::new();
        for manner in Manner::ALL {
            origins.push(Origin::start(manner, kdc.service(SERVICE)).await?);
        }
        let mut lines = io::stdin().lines();
        // In a thread of its own; the others carry the connections.
        while let Some(line) = tokio::task::block_in_place(|| lines.next()) {
            let line = line?;
            let mut words = line.split(' ');
            let mut word = || words.next().ok_or_else(|| io::Error::other("a word is missing"));
            let origin: usize = word()?.parse().map_err(io::Error::other)?;
            let user: usize = word()?.parse().map_err(io::Error::other)?;
            let (password, is_begun_again) = (word()?, word()? == "1");
            if Manner::ALL[origin] == Manner::Kerberos {
                kdc.set_password(&name(Manner::Kerberos, user), password);
            }
            println!("{}", origins[origin].change(user, password, is_begun_again).await?);
        }
        Ok(())
    })
}

/// An origin, behind an address that stays while what serves there is exchanged.
struct Origin {
    manner: Manner,
    service: KerberosService,
    passwords: [String; USERS],
    current: Arc<Mutex<testing::Server>>,
    /// What served before the last change: its connections live on.
    former: Option<testing::Server>,
}

impl Origin {
    async fn start(manner: Manner, service: KerberosService) -> io::Result<Self> {
        let passwords = std::array::from_fn(|user| first_password(manner, user));
        let current = serving(manner, &passwords, &service).await?;
        let current = Arc::new(Mutex::new(current));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let serves = Arc::clone(&current);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Without it answers take 40 ms; a connection that is gone already needs none.
                let _ = stream.set_nodelay(true);
                serves.lock().unwrap_or_else(PoisonError::into_inner).serve_connection(Cut::new(stream));
            }
        });
        Ok(Self { manner, service, passwords, current, former: None })
    }

    async fn change(&mut self, user: usize, password: &str, is_begun_again: bool) -> io::Result<usize> {
        password.clone_into(&mut self.passwords[user]);
        let new = serving(self.manner, &self.passwords, &self.service).await?;
        let old = std::mem::replace(&mut *self.current.lock().unwrap_or_else(PoisonError::into_inner), new);
        let refused = wrong_passwords(&old.report());
        if let Some(former) = self.former.replace(old) {
            former.shutdown().await;
        }
        if is_begun_again {
            if let Some(former) = self.former.take() {
                former.shutdown().await;
            }
        }
        Ok(refused)
    }
}

/// How many logins by a wrong password there were. That a nonce is old says nothing of the password.
fn wrong_passwords(report: &Report) -> usize {
    let is_wrong = |leg: &&Leg| match leg.authorization.as_ref().map(|seen| &seen.verdict) {
        Some(Verdict::Refused { why }) => !why.contains("too old") && !why.contains("stale"),
        _ => false,
    };
    report.legs().filter(is_wrong).count()
}

async fn serving(
    manner: Manner,
    passwords: &[String; USERS],
    service: &KerberosService,
) -> io::Result<testing::Server> {
    let all = || (0..).zip(passwords).map(|(user, password)| (name(manner, user), password));
    let users = || Arc::new(all().fold(Users::new(), |users, (name, password)| users.with(&name, password)));
    let offer = match manner {
        Manner::Basic => Offer::basic("soak"),
        Manner::Bearer => Offer::judged("Bearer", Tokens(all().map(|(a, b)| (a, b.clone())).collect())),
        Manner::Digest => {
            let digest = DigestAcceptor::new("soak");
            Offer::judged(
                "Digest",
                all().fold(digest, |digest, (name, password)| digest.user(name, password)),
            )
        }
        Manner::Ntlm => Offer::Ntlm,
        Manner::Negotiate => Offer::Negotiate,
        Manner::Scram => Offer::judged("SCRAM-SHA-256", ScramAcceptor::new(users(), "soak", [7; 32])),
        Manner::Kerberos => Offer::kerberos(service),
    };
    all()
        .fold(testing::Server::builder(), |builder, (name, password)| builder.user(&name, password))
        .offer(offer)
        .quirk_when(When::path(CLOSED_AFTER), Quirk::Close(Close::Announced))
        .quirk_when(When::path(CLOSED_UNANNOUNCED), Quirk::Close(Close::Unannounced))
        .start()
        .await
}

/// Users by their tokens.
struct Tokens(Vec<(String, String)>);

impl Judge for Tokens {
    fn challenges(&self) -> Vec<String> {
        vec!["Bearer realm=\"soak\"".to_owned()]
    }

    fn judge(&self, presentation: &Presentation<'_>) -> Judgement {
        match self.0.iter().find(|(_, token)| token == presentation.credentials) {
            Some((name, _)) => Judgement::accepted(name),
            None => Judgement::refused("another token"),
        }
    }
}
