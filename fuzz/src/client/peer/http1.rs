//! A connection by HTTP/1.1, octet by octet.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use legwork::protection_space::Challenger;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout};

use super::super::pipe::Reset;
use super::answer::{About, Answer, End, Framing};
use super::judge::{Login, Request, Verdict};
use super::{Peers, http2};

/// No client's head is longer.
const LONGEST_HEAD: usize = 64 * 1024;

/// Serves a connection until it ends.
pub(super) async fn serve(
    peers: Arc<Peers>,
    site: usize,
    connection: usize,
    stream: DuplexStream,
    is_reset: Reset,
) {
    let mut served =
        Served { peers, site, connection, stream, is_reset, read: Vec::new(), logins: BTreeMap::new() };
    // An error is the client's end.
    if let Ok(Next::Tunnel(origin)) = served.converse().await {
        let Served { peers, stream, is_reset, .. } = served;
        peers.stage.note(|| format!("connection {connection} is a tunnel to {}", peers.site(origin).host));
        match peers.stage.setting().http2 {
            true => http2::serve(peers, origin, connection, stream, is_reset).await,
            false => Box::pin(serve(peers, origin, connection, stream, is_reset)).await,
        }
    }
}

struct Served {
    peers: Arc<Peers>,
    site: usize,
    connection: usize,
    stream: DuplexStream,
    is_reset: Reset,
    /// What came and was not looked at.
    read: Vec<u8>,
    /// Of each site whose requests come over the connection.
    logins: BTreeMap<usize, Login>,
}

struct Head {
    octets: Vec<u8>,
    method: Method,
    target: String,
    headers: HeaderMap,
}

enum Next {
    Closed,
    Tunnel(usize),
}

enum After {
    GoOn,
    Close,
    Tunnel(usize),
}

impl Served {
    async fn converse(&mut self) -> io::Result<Next> {
        let mut kept_for = None;
        loop {
            let head = match kept_for.take() {
                None => self.head().await?,
                Some(kept) => match timeout(kept, self.head()).await {
                    Ok(head) => head?,
                    Err(_) => return Ok(Next::Closed),
                },
            };
            let Some(head) = head else { return Ok(Next::Closed) };
            match self.request(head).await? {
                (After::GoOn, kept) => kept_for = kept,
                (After::Close, _) => return Ok(Next::Closed),
                (After::Tunnel(origin), _) => return Ok(Next::Tunnel(origin)),
            }
        }
    }

    async fn request(&mut self, head: Head) -> io::Result<(After, Option<Duration>)> {
        let peers = Arc::clone(&self.peers);
        let (stage, script) = (&peers.stage, peers.stage.script());
        let expects = head.headers.contains_key("expect");
        let number = head.headers.get("x-request").and_then(|value| value.to_str().ok()?.parse().ok());
        stage.note(|| {
            let expects = if expects { ", expecting" } else { "" };
            format!("on {}: {} {} of {number:?}{expects}", self.connection, head.method, head.target)
        });
        if stage.leg(number, self.connection) {
            return Ok((After::Close, None));
        }
        let mut body = Vec::new();
        let mut unread = Some(Framed::of(&head.headers));
        let mut judged = None;
        if expects && !stage.goes_wrong() {
            // Whoever is refused need not send it.
            let (site, challenger, verdict) = self.judge(&head, &body);
            if matches!(verdict, Verdict::Served(..)) {
                self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
                let framed = unread.take().expect("it is unread");
                self.body(framed, &mut body).await?;
            }
            judged = Some((site, challenger, verdict));
        } else if !stage.goes_wrong() {
            let framed = unread.take().expect("it is unread");
            self.body(framed, &mut body).await?;
        }
        let (about_site, challenger, verdict) = judged.unwrap_or_else(|| self.judge(&head, &body));
        let about = About {
            site: about_site,
            challenger,
            number,
            method: &head.method,
            target: &head.target,
            has_credentials: head.headers.keys().any(|name| name.as_str().ends_with("authorization")),
        };
        let answer = peers.answer(&about, verdict);
        stage.note(|| format!("on {}: {answer:?}", self.connection));
        let after = self.write(&head, &answer).await?;
        if let (After::GoOn, Some(framed)) = (&after, unread) {
            self.body(framed, &mut body).await?;
        }
        let kept = (answer.end == End::Later).then(|| Duration::from_secs(script.choose(&[0, 1, 5])));
        Ok((after, kept))
    }

    /// What the proxy says, if it is one, and then the origin.
    fn judge(&mut self, head: &Head, body: &[u8]) -> (usize, Challenger, Verdict) {
        let peers = Arc::clone(&self.peers);
        let is_proxy = peers.is_proxy(self.site);
        let (host, passed_on) = match head.target.split_once("://") {
            Some((_, rest)) => match rest.find('/') {
                Some(at) => (&rest[..at], &rest[at..]),
                None => (rest, "/"),
            },
            None if head.method == Method::CONNECT => {
                (head.target.split(':').next().unwrap_or_default(), &head.target[..])
            }
            None => ("", &head.target[..]),
        };
        let origin =
            if is_proxy { peers.origin(host.split(':').next().unwrap_or_default()) } else { Some(self.site) };
        let mut request =
            Request { method: &head.method, target: &head.target, headers: &head.headers, body };
        // What is for the origin in there is the origin's.
        peers.look_for_secrets(origin.unwrap_or(self.site), &head.octets, &request);
        if !is_proxy && head.headers.contains_key("proxy-authorization") {
            peers.stage.wrong("an origin is told the credentials of a proxy");
        }
        let mut own = Vec::new();
        let Some(origin) = origin else { return (self.site, Challenger::Proxy, Verdict::Unreadable) };
        if is_proxy {
            let login = self.logins.entry(self.site).or_default();
            match peers.judge(self.site, Challenger::Proxy, login, &request) {
                Verdict::Served(_, fields) if head.method != Method::CONNECT => own = fields,
                verdict => return (self.site, Challenger::Proxy, verdict),
            }
        }
        request.target = passed_on;
        let login = self.logins.entry(origin).or_default();
        let verdict = peers.judge(origin, Challenger::Origin, login, &request);
        peers.check_user(origin, &head.headers, &verdict);
        // What the proxy has to say goes with the origin's answer; not in the field that would make a 401 its own.
        if !matches!(verdict, Verdict::Served(..)) {
            own.retain(|(name, _)| name != "proxy-authenticate");
        }
        (origin, Challenger::Origin, verdict.with(own))
    }

    /// Reads a request's head, unless the client has gone.
    async fn head(&mut self) -> io::Result<Option<Head>> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
            if self.read.len() > LONGEST_HEAD {
                self.peers.stage.wrong("a head without end");
                return Ok(None);
            }
            if !self.more().await? {
                return Ok(None);
            }
        };
        let octets: Vec<u8> = self.read.drain(..end).collect();
        let head = parse(&octets);
        if head.is_none() {
            self.peers.stage.wrong(format!("no head: {}", octets.escape_ascii()));
        }
        Ok(head)
    }

    /// Whether there was more.
    async fn more(&mut self) -> io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.read).await? > 0)
    }

    async fn take(&mut self, octets: usize, to: &mut Vec<u8>) -> io::Result<()> {
        while self.read.len() < octets {
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        to.extend(self.read.drain(..octets));
        Ok(())
    }

    async fn body(&mut self, framed: Framed, body: &mut Vec<u8>) -> io::Result<()> {
        match framed {
            Framed::Length(octets) => self.take(octets, body).await,
            Framed::Chunked => loop {
                let mut line = Vec::new();
                while !line.ends_with(b"\r\n") {
                    self.take(1, &mut line).await?;
                }
                let digits = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
                let Ok(octets) = usize::from_str_radix(&digits, 16) else {
                    self.peers.stage.wrong(format!("no chunk: {digits:?}"));
                    return Err(io::ErrorKind::InvalidData.into());
                };
                self.take(octets, body).await?;
                self.take(2, &mut line).await?;
                if octets == 0 {
                    return Ok(());
                }
            },
        }
    }

    async fn write(&mut self, head: &Head, answer: &Answer) -> io::Result<After> {
        sleep(answer.pause).await;
        let is_http10 = answer.end == End::Http10;
        if !is_http10 {
            for number in 0..answer.interim {
                let interim = ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n"];
                self.stream.write_all(interim[number % 2].as_bytes()).await?;
                sleep(answer.interim_pause).await;
            }
        }
        let is_tunnel = head.method == Method::CONNECT && (200..300).contains(&answer.status);
        let octets = octets(answer, head.method == Method::HEAD, is_tunnel);
        let kept = answer.cut.map_or(octets.len(), |(at, _)| at.min(octets.len()));
        let content = octets.len() - answer.content.len().min(octets.len());
        for (at, chunk) in pieces(&octets[..kept], answer, content) {
            if at == content {
                sleep(answer.content_pause).await;
            }
            self.stream.write_all(chunk).await?;
            if !answer.trickle.is_zero() {
                sleep(answer.trickle).await;
            }
        }
        if let Some((_, resets)) = answer.cut {
            if resets {
                self.is_reset.now();
            }
            return Ok(After::Close);
        }
        if is_tunnel {
            let host = head.target.split(':').next().unwrap_or_default();
            return Ok(self.peers.origin(host).map_or(After::Close, After::Tunnel));
        }
        let closes = matches!(answer.end, End::Announced | End::Unannounced | End::Http10);
        Ok(if closes || answer.garbage { After::Close } else { After::GoOn })
    }
}

enum Framed {
    Length(usize),
    Chunked,
}

impl Framed {
    fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key("transfer-encoding") {
            return Self::Chunked;
        }
        let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
        Self::Length(length.unwrap_or(0))
    }
}

fn parse(octets: &[u8]) -> Option<Head> {
    let text = std::str::from_utf8(octets).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = text.split("\r\n");
    let mut line = lines.next()?.split(' ');
    let (method, target, version) = (line.next()?, line.next()?, line.next()?);
    if line.next().is_some() || version != "HTTP/1.1" {
        return None;
    }
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let name: HeaderName = name.parse().ok()?;
        headers.append(name, HeaderValue::from_str(value.trim()).ok()?);
    }
    headers.contains_key("host").then_some(())?;
    Some(Head { octets: octets.to_vec(), method: method.parse().ok()?, target: target.to_owned(), headers })
}

/// An answer as it is on the wire.
fn octets(answer: &Answer, is_head: bool, is_tunnel: bool) -> Vec<u8> {
    if answer.garbage {
        return b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec();
    }
    let version = if answer.end == End::Http10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let mut octets = format!("{version} {} Told\r\n", answer.status).into_bytes();
    for (name, value) in &answer.fields {
        octets.extend(format!("{name}: {value}\r\n").bytes());
    }
    if answer.end == End::Announced {
        octets.extend(b"connection: close\r\n");
    }
    if is_tunnel {
        octets.extend(b"\r\n");
        return octets;
    }
    let framing = if answer.end == End::Http10 { Framing::Length } else { answer.framing };
    let has_content = !is_head && !matches!(answer.status, 204 | 304);
    match framing {
        _ if matches!(answer.status, 204 | 304) => octets.extend(b"\r\n"),
        Framing::Length => octets.extend(format!("content-length: {}\r\n\r\n", answer.content.len()).bytes()),
        Framing::Chunked | Framing::Trailers => octets.extend(b"transfer-encoding: chunked\r\n\r\n"),
    }
    if has_content {
        match framing {
            Framing::Length => octets.extend(&answer.content),
            Framing::Chunked | Framing::Trailers => {
                for chunk in answer.content.chunks(4_096) {
                    octets.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    octets.extend(chunk);
                    octets.extend(b"\r\n");
                }
                octets.extend(b"0\r\n");
                if framing == Framing::Trailers {
                    octets.extend(b"x-trailer: late\r\nauthentication-info: nextnonce=\"late\"\r\n");
                }
                octets.extend(b"\r\n");
            }
        }
    }
    octets.extend(answer.extra);
    octets
}

/// The octets in pieces, with where each begins: all at once, head and content, or each by itself.
fn pieces<'a>(octets: &'a [u8], answer: &Answer, content: usize) -> Vec<(usize, &'a [u8])> {
    if !answer.trickle.is_zero() {
        return octets.chunks(1).enumerate().collect();
    }
    let at = content.min(octets.len());
    vec![(0, &octets[..at]), (at, &octets[at..])]
}
