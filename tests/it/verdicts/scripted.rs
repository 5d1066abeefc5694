//! A server whose answers to logins are a function of the test's, and whose password changes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Method};
use legwork::Origin;
use legwork::mechanism::Mechanism;
use legwork::mechanism::ntlm::Ntlm;
use legwork::testing::{Accept, Acceptor, DigestAcceptor, Users};
use legwork::unversioned::testing::{DigestVerdict, NtlmAcceptor, PresentedDigest, SpnegoAcceptor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::support::{PASSWORD, USER};

pub(crate) const REALM: &str = "the lab";

/// The scheme that the server wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Basic,
    Digest,
    Negotiate,
    Ntlm,
}

impl Wants {
    pub(crate) const ALL: [Self; 4] = [Self::Basic, Self::Digest, Self::Negotiate, Self::Ntlm];

    pub(crate) fn is_bound(self) -> bool {
        matches!(self, Self::Negotiate | Self::Ntlm)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Digest => "Digest",
            Self::Negotiate => "Negotiate",
            Self::Ntlm => "NTLM",
        }
    }
}

/// What a request had of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Bare,
    /// The connection is logged in.
    Known,
    Right,
    Wrong,
}

/// A request that is to be answered.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) path: &'a str,
    pub(crate) came: Came,
    /// The number of this login, from 1; how many there were, of a request without one.
    pub(crate) attempt: usize,
}

/// How it is answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A page to those who are logged in, the challenge to others.
    Usual,
    /// As usual, and the connection ends with it.
    Last,
    /// The challenge, whoever is logged in.
    Challenge,
    /// This status with these fields, and whether the connection goes on.
    Status(u16, Vec<String>, bool),
    /// The connection is closed.
    HangUp,
    /// Never, as long as the client keeps the connection.
    Silence,
    /// As usual, but not before there is a permit.
    Held(Arc<Semaphore>),
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self::Status(status, Vec::new(), true)
    }
}

/// What the server saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) connections: usize,
    pub(crate) open: usize,
    pub(crate) legs: usize,
    /// Requests without a login, on connections that had none.
    pub(crate) bare: usize,
    /// The path of each login, and whether it was right.
    pub(crate) attempts: Vec<(String, bool)>,
    /// How many answers are held.
    pub(crate) held: usize,
    pub(crate) served: usize,
}

impl Seen {
    pub(crate) fn wrong(&self) -> usize {
        self.attempts.iter().filter(|(_, is_right)| !is_right).count()
    }
}

type Script = Box<dyn Fn(&Asked<'_>) -> Answer + Send + Sync>;

pub(crate) struct Scripted {
    origin: Origin,
    shared: Arc<Shared>,
}

struct Shared {
    wants: Wants,
    by_proxy: bool,
    script: Script,
    users: Mutex<Arc<Users>>,
    digest: DigestAcceptor,
    challenges: AtomicU64,
    seen: watch::Sender<Seen>,
    /// How often idle connections were closed.
    closings: watch::Sender<u64>,
}

impl Scripted {
    pub(crate) async fn usual(wants: Wants) -> Self {
        Self::start(wants, |_| Answer::Usual).await
    }

    pub(crate) async fn start(
        wants: Wants,
        script: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::begin(wants, false, Box::new(script)).await
    }

    pub(crate) async fn proxy(
        wants: Wants,
        script: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::begin(wants, true, Box::new(script)).await
    }

    async fn begin(wants: Wants, by_proxy: bool, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            wants,
            by_proxy,
            script,
            users: Mutex::new(Arc::new(Users::new().with(USER, PASSWORD))),
            digest: DigestAcceptor::new(REALM).user(USER, PASSWORD),
            challenges: AtomicU64::new(0),
            seen: watch::Sender::default(),
            closings: watch::Sender::default(),
        });
        let serves = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serves).serve(stream));
            }
        });
        let origin = format!("http://{address}").parse().expect("an origin");
        Self { origin, shared }
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin.clone()
    }

    pub(crate) fn uri(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Nobody knows the new one.
    pub(crate) fn change_password(&self) {
        *self.shared.users() = Arc::new(Users::new().with(USER, "the new one"));
    }

    pub(crate) fn seen(&self) -> Seen {
        self.shared.seen.borrow().clone()
    }

    pub(crate) async fn until(&self, holds: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.shared.seen.subscribe();
        let reached = crate::support::without_hanging(seen.wait_for(|seen| holds(seen))).await;
        reached.expect("the server keeps the sender").clone()
    }

    /// Closes the connections that wait for a request, and waits until they are closed.
    pub(crate) async fn close_idle(&self) {
        self.shared.closings.send_modify(|times| *times += 1);
        self.until(|seen| seen.open == 0).await;
    }
}

/// A connection's login.
#[derive(Default)]
struct Session {
    is_known: bool,
    acceptor: Option<Box<dyn Acceptor>>,
    /// The mechanism's last word, for the next page.
    last_token: Option<Vec<u8>>,
}

impl Shared {
    fn users(&self) -> std::sync::MutexGuard<'_, Arc<Users>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        self.seen.send_modify(|seen| (seen.connections, seen.open) = (seen.connections + 1, seen.open + 1));
        self.converse(&mut stream).await;
        drop(stream);
        self.seen.send_modify(|seen| seen.open -= 1);
    }

    async fn converse(&self, stream: &mut TcpStream) {
        let (mut session, mut read) = (Session::default(), Vec::new());
        let mut closings = self.closings.subscribe();
        loop {
            let end = loop {
                if let Some(end) = read.windows(4).position(|octets| octets == b"\r\n\r\n") {
                    break end;
                }
                tokio::select! {
                    octets = stream.read_buf(&mut read) => if octets.unwrap_or(0) == 0 { return },
                    _ = closings.changed() => return,
                }
            };
            let head = String::from_utf8(read.drain(..end + 4).collect()).expect("a head in UTF-8");
            let Some(response) = self.answer(&mut session, &head, stream).await else { return };
            if stream.write_all(response.as_bytes()).await.is_err()
                || response.contains("\r\nConnection: close")
            {
                return;
            }
        }
    }

    /// The response; `None` if there is none.
    async fn answer(&self, session: &mut Session, head: &str, stream: &mut TcpStream) -> Option<String> {
        self.seen.send_modify(|seen| seen.legs += 1);
        let mut words = head.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let path = target.strip_prefix("http://").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
        let path = path.unwrap_or(target);
        let field = if self.by_proxy { "proxy-authorization: " } else { "authorization: " };
        let value = head.lines().find_map(|line| {
            let is_field = line.get(..field.len()).is_some_and(|name| name.eq_ignore_ascii_case(field));
            is_field.then(|| &line[field.len()..])
        });
        let (came, challenges) = match value {
            None => (if session.is_known { Came::Known } else { Came::Bare }, None),
            Some(value) => match self.verify(session, value, method, target) {
                Ok(is_right) => (if is_right { Came::Right } else { Came::Wrong }, None),
                Err(challenges) => (Came::Bare, Some(challenges)),
            },
        };
        if let Some(challenges) = challenges {
            return Some(self.challenge(&challenges));
        }
        let mut attempt = 0;
        self.seen.send_modify(|seen| {
            if let Came::Right | Came::Wrong = came {
                seen.attempts.push((path.to_owned(), came == Came::Right));
            }
            seen.bare += usize::from(came == Came::Bare);
            attempt = seen.attempts.len();
        });
        match (self.script)(&Asked { path, came, attempt }) {
            Answer::Usual => Some(self.usual(session, came)),
            Answer::Last => {
                let head = self.usual(session, came);
                Some(head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
            }
            Answer::Challenge => {
                session.is_known |= self.wants.is_bound() && came == Came::Right;
                Some(self.challenge(&self.challenges()))
            }
            Answer::Held(permits) => {
                self.seen.send_modify(|seen| seen.held += 1);
                let mut one = [0];
                let is_gone = tokio::select! {
                    permit = permits.acquire() => permit.map(|permit| permit.forget()).is_err(),
                    _ = stream.peek(&mut one) => true,
                };
                self.seen.send_modify(|seen| seen.held -= 1);
                (!is_gone).then(|| self.usual(session, came))
            }
            Answer::Status(status, fields, stays) => {
                // What a server could not check logs nobody in.
                session.is_known |= self.wants.is_bound() && came == Came::Right && status < 500;
                Some(response(status, &fields, stays))
            }
            Answer::HangUp => None,
            Answer::Silence => {
                let _ = stream.read_u8().await;
                None
            }
        }
    }

    fn usual(&self, session: &mut Session, came: Came) -> String {
        match came {
            Came::Bare => self.challenge(&self.challenges()),
            Came::Wrong => {
                session.is_known = false;
                self.challenge(&self.challenges())
            }
            Came::Known | Came::Right => {
                session.is_known |= self.wants.is_bound();
                self.seen.send_modify(|seen| seen.served += 1);
                let token = session.last_token.take().map(|token| BASE64_STANDARD.encode(token));
                let field = token.map(|token| format!("WWW-Authenticate: {} {token}", self.wants.name()));
                response(200, &Vec::from_iter(field), true)
            }
        }
    }

    fn challenges(&self) -> Vec<String> {
        match self.wants {
            Wants::Basic => vec![format!("Basic realm=\"{REALM}\"")],
            Wants::Digest => self.digest.challenges(false, Instant::now()),
            Wants::Negotiate | Wants::Ntlm => vec![self.wants.name().to_owned()],
        }
    }

    fn challenge(&self, challenges: &[String]) -> String {
        let (status, name) =
            if self.by_proxy { (407, "Proxy-Authenticate") } else { (401, "WWW-Authenticate") };
        let fields: Vec<_> = challenges.iter().map(|challenge| format!("{name}: {challenge}")).collect();
        response(status, &fields, true)
    }

    /// Whether a login is right; challenges where the exchange goes on.
    fn verify(
        &self,
        session: &mut Session,
        value: &str,
        method: &str,
        target: &str,
    ) -> Result<bool, Vec<String>> {
        let Some((scheme, rest)) = value.split_once(' ') else { return Err(self.challenges()) };
        assert_eq!(scheme, self.wants.name());
        let users = Arc::clone(&self.users());
        let is_unchanged = users.password("LAB", "carol") == Some(PASSWORD);
        match self.wants {
            Wants::Basic => Ok(is_unchanged && rest == BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"))),
            Wants::Digest => {
                let method = Method::from_bytes(method.as_bytes()).expect("a method");
                let field = HeaderValue::from_str(value).expect("a field");
                match self.digest.judge(&PresentedDigest::new(&method, target, &field), Instant::now()) {
                    DigestVerdict::Accepted(_) => Ok(is_unchanged),
                    DigestVerdict::Stale => Err(self.digest.challenges(true, Instant::now())),
                    DigestVerdict::Refused { .. } | DigestVerdict::Unreadable => Ok(false),
                }
            }
            Wants::Negotiate | Wants::Ntlm => {
                let token = BASE64_STANDARD.decode(rest).expect("base64");
                let mut acceptor = session.acceptor.take().unwrap_or_else(|| self.acceptor(users));
                match acceptor.step(&token) {
                    Accept::Continue(token) => {
                        session.acceptor = Some(acceptor);
                        Err(vec![format!("{} {}", self.wants.name(), BASE64_STANDARD.encode(token))])
                    }
                    Accept::Accepted { token, .. } => {
                        session.last_token = token;
                        Ok(true)
                    }
                    Accept::Refused { .. } => Ok(false),
                }
            }
        }
    }

    fn acceptor(&self, users: Arc<Users>) -> Box<dyn Acceptor> {
        let challenge = self.challenges.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let acceptor = Box::new(NtlmAcceptor::new(users, challenge, SystemTime::now()));
        match self.wants {
            Wants::Negotiate => Box::new(SpnegoAcceptor::new(Ntlm::new().oid(), acceptor)),
            _ => acceptor,
        }
    }
}

fn response(status: u16, fields: &[String], stays: bool) -> String {
    let mut response = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n");
    for field in fields {
        response += &format!("{field}\r\n");
    }
    if !stays {
        response += "Connection: close\r\n";
    }
    response + "\r\n"
}
