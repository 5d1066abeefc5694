//! One try at one KDC.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::mechanism::kerberos::messages::krb_error::KDC_ERR_SVC_UNAVAILABLE;
use crate::mechanism::kerberos::messages::{KrbError, Message};

/// IANA's (RFC 4120, section 7.2.3).
pub(super) const PORT: u16 = 88;
/// Replies hold tickets, which grow with a user's groups to some tens of kilobytes.
const MAX_REPLY: usize = 1024 * 1024;

/// How long one of a name's addresses has before the next is tried as well (RFC 8305, section 8).
pub(super) const STAGGER: Duration = Duration::from_millis(250);

/// One try at one KDC.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) address: String,
    pub(super) over: Over,
    /// How long each of the name's addresses has before the next is tried as well.
    pub(super) stagger: Duration,
    /// The address that has answered last: the first one of its name.
    pub(super) latest: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Udp,
    Tcp,
}

impl Attempt {
    /// Sends the message, and awaits the answer for as long as this is polled.
    pub(super) async fn make(self, message: Arc<[u8]>) -> (Self, Result<(SocketAddr, Vec<u8>), Error>) {
        let answer = self.answer(message).await.and_then(|(from, answer)| Ok((from, check(answer)?)));
        (self, answer)
    }

    /// A name's addresses are tried one after the other, without waiting for the end of the one before: where there is no
    /// way to the first, such as one by IPv6, it may just be silent (RFC 8305).
    async fn answer(&self, message: Arc<[u8]>) -> Result<(SocketAddr, Vec<u8>), Error> {
        let mut addresses: Vec<_> = self.resolve().await?.collect();
        addresses.sort_by_key(|address| Some(*address) != self.latest);
        let mut ways = JoinSet::new();
        for (place, address) in (0..).zip(addresses) {
            let (over, stagger, message) = (self.over, self.stagger, Arc::clone(&message));
            ways.spawn(async move {
                sleep(stagger.saturating_mul(place)).await;
                let answer = match over {
                    Over::Udp => over_udp(address, &message).await,
                    Over::Tcp => over_tcp(address, &message).await,
                };
                answer.map(|answer| (address, answer))
            });
        }
        let mut last = Error::new(ErrorKind::NotFound, "the name has no address");
        while let Some(way) = ways.join_next().await {
            match way.unwrap_or_else(|error| Err(error.into())) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(super) async fn resolve(&self) -> Result<impl Iterator<Item = SocketAddr>, Error> {
        let address = self.address.as_str();
        // `host:port`, `[v6]:port` or `v4:port`; without a port, an IPv6 address needs no brackets.
        let has_port = match address.rsplit_once(':') {
            Some((host, _)) => !host.contains(':') || host.ends_with(']'),
            None => false,
        };
        match has_port {
            true => lookup_host(address).await.map(Iterator::collect::<Vec<_>>),
            false => {
                let host = address.trim_start_matches('[').trim_end_matches(']');
                lookup_host((host, PORT)).await.map(Iterator::collect)
            }
        }
        .map(Vec::into_iter)
    }
}

async fn over_udp(address: SocketAddr, message: &[u8]) -> Result<Vec<u8>, Error> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    // Once connected, it receives from this address only.
    socket.connect(address).await?;
    socket.send(message).await?;
    let mut answer = vec![0; usize::from(u16::MAX)];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

/// Each message has its length in front, in four octets whose first bit is reserved (RFC 4120, section 7.2.2).
async fn over_tcp(address: SocketAddr, message: &[u8]) -> Result<Vec<u8>, Error> {
    let mut stream = TcpStream::connect(address).await?;
    let length = u32::try_from(message.len()).map_err(Error::other)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    stream.write_all(&framed).await?;
    let length = stream.read_u32().await? as usize;
    if length > MAX_REPLY {
        return Err(invalid(format!("it announces {length} octets")));
    }
    let mut answer = Vec::new();
    stream.take(length as u64).read_to_end(&mut answer).await?;
    match answer.len() == length {
        true => Ok(answer),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}

/// Another KDC may know more than one that sends no message of Kerberos, or has no service to offer.
fn check(answer: Vec<u8>) -> Result<Vec<u8>, Error> {
    // AS-REP, TGS-REP, KRB-ERROR: [APPLICATION 11], 13 and 30.
    if !matches!(answer.first(), Some(0x6b | 0x6d | 0x7e)) {
        return Err(invalid("it answers with something else than Kerberos"));
    }
    match KrbError::decode(&answer) {
        Ok(error) if error.error_code == KDC_ERR_SVC_UNAVAILABLE => {
            Err(invalid("it says that it has no service to offer"))
        }
        _ => Ok(answer),
    }
}

fn invalid(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, what.into())
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = match self.over {
            Over::Udp => "UDP",
            Over::Tcp => "TCP",
        };
        write!(f, "{} over {over}", self.address)
    }
}
