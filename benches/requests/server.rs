//! The peer: blocking sockets in a process of its own, so that nothing of it is measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;
use std::{env, io, thread};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use legwork::mechanism::kerberos::EncryptionType;
use legwork::testing::{Accept, Acceptor, Kdc, KerberosService, Users};
use legwork::unversioned::testing::{NtlmAcceptor, SpnegoAcceptor};
use tokio::runtime::Runtime;

pub(crate) const USER: &str = "LAB\\carol";
pub(crate) const PASSWORD: &str = "carol-pw";
pub(crate) const REALM: &str = "LAB.TEST";
pub(crate) const SERVICE: &str = "HTTP/bench.lab.test";
/// What makes a ticket 1.5 KB long.
const GROUPS: usize = 1_280;

const ANSWER: &str = "HTTP/1.1 200 OK\r\n\
    date: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n";

/// NTLM's object identifier (DER).
const NTLM: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a];

pub(crate) const DIGEST: &str =
    "Digest realm=\"the lab\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", qop=\"auth\", algorithm=MD5";

/// How many nonces there were.
static NONCES: AtomicU16 = AtomicU16::new(0);

/// As long as messages of NTLM are.
pub(crate) const CANNED: &str = "TlRMTVNTUAADAAAAGAAYAIAAAAD6APoAmAAAAAYABgBYAAAACgAKAF4AAAAYABgAaAAAABAAEACSAQAANYKI4goAYUoAAAAP\
    TlRMTVNTUAADAAAAGAAYAIAAAAD6APoAmAAAAAYABgBYAAAACgAKAF4AAAAYABgAaAAAABAAEACSAQAANYKI4goAYUoAAAAP\
    TlRMTVNTUAADAAAAGAAYAIAAAAD6APoAmAAAAAYABgBYAAAACgAKAF4AAAAYABgAaAAAABAAEACSAQAANYKI4goAYUoAAAAP";

/// As long as a ticket of 1.5 KB is in SPNEGO's first message, and as the server's answer to it.
pub(crate) fn canned_ticket() -> HeaderValue {
    static TOKEN: LazyLock<HeaderValue> = LazyLock::new(|| {
        HeaderValue::try_from(format!("Negotiate {}", "A".repeat(2_512))).expect("a field value")
    });
    TOKEN.clone()
}

const CANNED_PROOF: usize = 248;

/// A running server; dropped, it ends.
pub(crate) struct Server {
    child: Child,
    addresses: [SocketAddr; Manner::ALL.len()],
    /// Of the KDCs, by encryption type.
    kdcs: [SocketAddr; KDCS.len()],
}

/// What tickets and their keys are of.
pub(crate) const KDCS: [EncryptionType; 2] = [EncryptionType::Aes256Sha1, EncryptionType::Aes256Sha384];

/// What a server wants, each at an address of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// No login: what an established connection looks like on the wire.
    Open,
    /// An NTLM login on each connection.
    Ntlm,
    /// The same at another origin.
    NtlmToo,
    /// The same, and each connection ends with its first answer.
    NtlmOnce,
    /// NTLM within Negotiate, and each connection ends with its first answer.
    NegotiateOnce,
    /// Kerberos within Negotiate by a key of this type, and each connection ends with its first answer.
    KerberosSha1Once,
    KerberosSha384Once,
    /// Any two messages, which nobody looks at, and each connection ends with its first answer.
    CannedOnce,
    /// One message, which nobody looks at, and each connection ends with its answer.
    CannedTicketOnce,
    /// Digest, which nobody looks at; without `rspauth`.
    Digest,
    /// The same with a nonce for each connection, which ends with its first answer.
    DigestOnce,
}

impl Server {
    /// This program once more, with `serve` as its argument.
    pub(crate) fn start() -> io::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut address = || lines.next().expect("an address")?.parse().map_err(io::Error::other);
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut addresses = [nowhere; Manner::ALL.len()];
        let mut kdcs = [nowhere; KDCS.len()];
        for known in kdcs.iter_mut().chain(&mut addresses) {
            *known = address()?;
        }
        Ok(Self { child, addresses, kdcs })
    }

    /// The KDC whose tickets are of this type.
    pub(crate) fn kdc(&self, etype: EncryptionType) -> SocketAddr {
        let (_, address) = KDCS.iter().zip(self.kdcs).find(|(known, _)| **known == etype).expect("a KDC");
        address
    }

    pub(crate) fn address(&self, manner: Manner) -> SocketAddr {
        self.addresses[manner as usize]
    }
}

impl Manner {
    const ALL: [Self; 11] = [
        Self::Open,
        Self::Ntlm,
        Self::NtlmToo,
        Self::NtlmOnce,
        Self::NegotiateOnce,
        Self::KerberosSha1Once,
        Self::KerberosSha384Once,
        Self::CannedOnce,
        Self::CannedTicketOnce,
        Self::Digest,
        Self::DigestOnce,
    ];

    fn ends_with_answer(self) -> bool {
        !matches!(self, Self::Open | Self::Ntlm | Self::NtlmToo | Self::Digest)
    }

    /// Who judges the tokens of a connection, and of which scheme they are.
    fn login(self, services: &[KerberosService; KDCS.len()]) -> Option<(&'static str, Box<dyn Acceptor>)> {
        let users = Arc::new(Users::new().with(USER, PASSWORD));
        let ntlm = || Box::new(NtlmAcceptor::new(users, [1; 8], SystemTime::now()));
        match self {
            Self::Ntlm | Self::NtlmToo | Self::NtlmOnce => Some(("NTLM", ntlm())),
            Self::NegotiateOnce => Some(("Negotiate", Box::new(SpnegoAcceptor::new(NTLM, ntlm())))),
            Self::KerberosSha1Once => Some(("Negotiate", Box::new(SpnegoAcceptor::kerberos(&services[0])))),
            Self::KerberosSha384Once => Some(("Negotiate", Box::new(SpnegoAcceptor::kerberos(&services[1])))),
            Self::Open | Self::CannedOnce | Self::CannedTicketOnce | Self::Digest | Self::DigestOnce => None,
        }
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
    let start = |etype| {
        let kdc = Kdc::builder(REALM).user("carol", PASSWORD).service(SERVICE);
        runtime.block_on(kdc.encryption_types([etype]).groups(GROUPS).start())
    };
    let kdcs = [start(KDCS[0])?, start(KDCS[1])?];
    kdcs.iter().for_each(|kdc| println!("{}", kdc.address()));
    let services = kdcs.each_ref().map(|kdc| kdc.service(SERVICE));
    for manner in Manner::ALL {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        println!("{}", listener.local_addr()?);
        let services = services.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let services = services.clone();
                thread::spawn(move || converse(stream, manner, &services));
            }
        });
    }
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn converse(
    mut stream: TcpStream,
    manner: Manner,
    services: &[KerberosService; KDCS.len()],
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut login = manner.login(services);
    let (mut is_open, mut legs) = (false, 0);
    let mut received = vec![0; 80 * 1024];
    let mut end = 0;
    loop {
        match stream.read(&mut received[end..])? {
            0 => return Ok(()),
            octets => end += octets,
        }
        let Some((head, body)) = request(&received[..end]) else { continue };
        if body < content_length(head) {
            continue;
        }
        legs += 1;
        let answer = match (&mut login, manner) {
            _ if is_open => Answer::Open(None),
            (Some((scheme, acceptor)), _) => leg(scheme, acceptor.as_mut(), head),
            (None, Manner::CannedOnce) if legs == 1 => Answer::Challenge(format!("NTLM {CANNED}")),
            (None, Manner::Digest) if field(head, "authorization: Digest ").is_none() => {
                Answer::Challenge(DIGEST.to_owned())
            }
            (None, Manner::DigestOnce) if legs == 1 => {
                let count = NONCES.fetch_add(1, Ordering::Relaxed);
                Answer::Challenge(format!("{DIGEST}, stale=true").replace("0093", &format!("{count:04x}")))
            }
            (None, Manner::CannedTicketOnce) => {
                Answer::Open(Some(format!("Negotiate {}", "A".repeat(CANNED_PROOF))))
            }
            _ => Answer::Open(None),
        };
        match answer {
            Answer::Challenge(challenge) => write!(
                stream,
                "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: {challenge}\r\ncontent-length: 0\r\n\r\n"
            )?,
            Answer::Open(last) => {
                is_open = login.is_some();
                let mut answer = ANSWER.to_owned();
                if manner.ends_with_answer() {
                    answer.push_str("connection: close\r\n");
                }
                if let Some(token) = last {
                    answer.push_str(&format!("www-authenticate: {token}\r\n"));
                }
                answer.push_str("\r\nok");
                stream.write_all(answer.as_bytes())?;
                if manner.ends_with_answer() {
                    return Ok(());
                }
            }
        }
        end = 0;
    }
}

enum Answer {
    Challenge(String),
    /// What was asked for, with the last token if there is one.
    Open(Option<String>),
}

fn leg(scheme: &str, login: &mut dyn Acceptor, head: &str) -> Answer {
    let Some(token) = field(head, "authorization: ").and_then(|value| value.strip_prefix(scheme)) else {
        return Answer::Challenge(scheme.to_owned());
    };
    let with = |token: Vec<u8>| format!("{scheme} {}", BASE64_STANDARD.encode(token));
    match login.step(&BASE64_STANDARD.decode(token.trim_start()).expect("base64")) {
        Accept::Continue(challenge) => Answer::Challenge(with(challenge)),
        Accept::Accepted { token, .. } => Answer::Open(token.map(with)),
        Accept::Refused { why, .. } => panic!("refused: {why}"),
    }
}

/// The head, once it is whole, and how much of the body there is.
fn request(received: &[u8]) -> Option<(&str, usize)> {
    let end = received.windows(4).position(|octets| octets == b"\r\n\r\n")? + 4;
    Some((std::str::from_utf8(&received[..end]).ok()?, received.len() - end))
}

fn content_length(head: &str) -> usize {
    field(head, "content-length: ").map_or(0, |length| length.parse().expect("a number"))
}

/// A field's value; hyper writes the names in lower case.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name))
}
