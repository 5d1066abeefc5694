//! The transport to a proxy, which may be an old one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::rt::{Read, ReadBuf, ReadBufCursor};
use pin_project_lite::pin_project;

use crate::client::connect::early::read_early;
use crate::client::connect::write::write_to;

pin_project! {
    /// A transport to a proxy that lets hyper understand old ones.
    ///
    /// In HTTP/1.0, old proxies (squid up to 3.0) use `Proxy-Connection` to say that a connection stays open.
    /// hyper looks at `Connection` only, and closes the connection before a login in several legs is
    /// complete. So this transport renames the field in the heads of HTTP/1.0 responses, and changes nothing
    /// else. The sender of the requests tells it where a head begins, so it need not know where content ends.
    #[derive(Debug)]
    pub(in crate::client) struct ToProxy<T> {
        #[pin]
        io: T,
        requests: Requests,
        reading: HeadReading,
        // What was looked at, and is to be read before anything else.
        seen: Bytes,
    }
}

/// Tells a transport that a request begins. All of the response before it has been read by then, as HTTP/1.1
/// without pipelining has it.
#[derive(Clone, Debug, Default)]
pub(in crate::client) struct Requests(Arc<AtomicBool>);

#[derive(Debug)]
enum HeadReading {
    /// Until the next request, what comes is the rest of a response.
    Rest,
    /// The head of a response, as far as it has come, and how much of it has been looked at in vain.
    Head { octets: Vec<u8>, looked_at: usize },
    /// The proxy is no old one: nothing is looked at any more.
    Unseen,
}

/// What the beginning of a response is.
#[derive(Debug, PartialEq, Eq)]
enum Beginning {
    Unclear,
    /// Another response comes after this head of so many octets (RFC 9110, section 15.2).
    Interim(usize),
    /// Over HTTP/1.0, with a head of so many octets.
    Old(usize),
    Other,
}

/// How long a head may be to be looked at.
const MAX_HEAD: usize = 64 * 1024;

impl Requests {
    pub(in crate::client) fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Acquire)
    }
}

impl<T> ToProxy<T> {
    pub(in crate::client) fn new(io: T) -> (Self, Requests) {
        let requests = Requests::default();
        (Self { io, requests: requests.clone(), reading: HeadReading::Rest, seen: Bytes::new() }, requests)
    }

    /// The transport, and what was read from it and by nobody yet.
    pub(in crate::client) fn into_parts(self) -> (T, Bytes) {
        (self.io, self.seen)
    }
}

impl<T: Read> Read for ToProxy<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut this = self.project();
        let mut has_ended = false;
        loop {
            if read_early(this.seen, &mut buffer) {
                return Poll::Ready(Ok(()));
            }
            let (octets, looked_at) = match this.reading {
                HeadReading::Rest if this.requests.has_begun() => {
                    *this.reading = HeadReading::Head { octets: Vec::new(), looked_at: 0 };
                    continue;
                }
                HeadReading::Rest | HeadReading::Unseen => return this.io.poll_read(cx, buffer),
                HeadReading::Head { octets, looked_at } => match beginning(octets, *looked_at) {
                    Beginning::Unclear if !has_ended => (octets, looked_at),
                    Beginning::Interim(end) => {
                        *this.seen = octets.drain(..end).collect();
                        *looked_at = 0;
                        continue;
                    }
                    Beginning::Old(end) => {
                        (*this.seen, *this.reading) = (renamed(octets, end), HeadReading::Rest);
                        continue;
                    }
                    Beginning::Unclear | Beginning::Other => {
                        (*this.seen, *this.reading) = (std::mem::take(octets).into(), HeadReading::Unseen);
                        continue;
                    }
                },
            };
            let mut room = [0; 4096];
            let mut read = ReadBuf::new(&mut room);
            ready!(this.io.as_mut().poll_read(cx, read.unfilled()))?;
            *looked_at = octets.len();
            octets.extend_from_slice(read.filled());
            has_ended = read.filled().is_empty();
        }
    }
}

/// Of these octets, of which so many have shown nothing.
fn beginning(octets: &[u8], looked_at: usize) -> Beginning {
    const STATUS: usize = b"HTTP/1.x ".len();
    const OLD: &[u8] = b"HTTP/1.0 ";
    let agrees = |with: &[u8]| octets.iter().zip(with).all(|(octet, other)| octet == other);
    let status = octets.get(STATUS..).unwrap_or_default();
    let may_be_interim = status.first().is_none_or(|digit| *digit == b'1');
    if !(agrees(OLD) || may_be_interim && agrees(b"HTTP/1.1 ")) {
        return Beginning::Other;
    }
    match end_of_head(octets, looked_at) {
        // What follows is another protocol's (section 15.2.2).
        Some(_) if status.starts_with(b"101") => Beginning::Other,
        Some(end) if may_be_interim => Beginning::Interim(end),
        Some(end) => Beginning::Old(end),
        None if octets.len() > MAX_HEAD => Beginning::Other,
        None => Beginning::Unclear,
    }
}

/// Where the empty line ends, if its end is not among the first so many octets.
fn end_of_head(octets: &[u8], looked_at: usize) -> Option<usize> {
    let from = looked_at.saturating_sub(2);
    (from..octets.len()).find_map(|at| match &octets[at..] {
        [b'\n', b'\n', ..] => Some(at + 2),
        [b'\n', b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// The same with `Connection` for `Proxy-Connection` in the head.
fn renamed(octets: &[u8], end_of_head: usize) -> Bytes {
    const NAME: &[u8] = b"proxy-connection:";
    let (head, rest) = octets.split_at(end_of_head);
    let mut renamed = Vec::with_capacity(octets.len());
    for line in head.split_inclusive(|octet| *octet == b'\n') {
        let is_renamed = line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME));
        renamed.extend_from_slice(if is_renamed { &line[b"proxy-".len()..] } else { line });
    }
    renamed.extend_from_slice(rest);
    renamed.into()
}

write_to!(ToProxy.io);

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::Waker;

    use super::*;

    /// Gives a piece with each read, and then nothing.
    struct Pieces(VecDeque<Vec<u8>>);

    impl Read for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            mut buffer: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            let Some(mut piece) = self.0.pop_front() else { return Poll::Pending };
            let rest = piece.split_off(piece.len().min(buffer.remaining()));
            buffer.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
            Poll::Ready(Ok(()))
        }
    }

    /// A proxy's responses, each in pieces of so many octets, as they are read.
    fn read(responses: &[&str], octets: usize, room: usize) -> String {
        let (mut transport, requests) = ToProxy::new(Pieces(VecDeque::new()));
        let mut read = Vec::new();
        for response in responses {
            requests.begin();
            transport.io.0.extend(response.as_bytes().chunks(octets).map(<[u8]>::to_vec));
            drain(&mut transport, room, &mut read);
        }
        let (_, unread) = transport.into_parts();
        assert!(unread.is_empty());
        String::from_utf8(read).expect("ASCII")
    }

    fn drain(transport: &mut ToProxy<Pieces>, room: usize, read: &mut Vec<u8>) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut room = vec![0; room];
        loop {
            let mut buffer = ReadBuf::new(&mut room);
            if Pin::new(&mut *transport).poll_read(&mut cx, buffer.unfilled()).is_pending() {
                return;
            }
            read.extend_from_slice(buffer.filled());
        }
    }

    #[test]
    fn the_field_of_an_old_proxy_gets_the_name_that_hyper_knows() {
        let said = "HTTP/1.0 407 No\r\nA: Proxy-Connection: b\r\nPROXY-Connection: Keep-Alive\r\n\r\nProxy-Connection: c\r\n";
        let heard = "HTTP/1.0 407 No\r\nA: Proxy-Connection: b\r\nConnection: Keep-Alive\r\n\r\nProxy-Connection: c\r\n";
        let bare = "HTTP/1.0 200 OK\nproxy-connection:close\n\n";
        for (octets, room) in [(1, 1), (1, 100), (7, 3), (1000, 5), (1000, 1000)] {
            assert_eq!(read(&[said], octets, room), heard);
            let twice = read(&[said, bare], octets, room);
            assert_eq!(twice, format!("{heard}HTTP/1.0 200 OK\nconnection:close\n\n"));
        }
    }

    #[test]
    fn the_field_is_renamed_behind_interim_responses_too() {
        let said = "HTTP/1.0 407 No\r\nProxy-Connection: keep-alive\r\n\r\nProxy-Connection: c\r\n";
        let heard = "HTTP/1.0 407 No\r\nConnection: keep-alive\r\n\r\nProxy-Connection: c\r\n";
        for interim in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.0 102 P\r\nA: b\r\n\r\nHTTP/1.1 103 E\n\n"] {
            for (octets, room) in [(1, 1), (7, 3), (1000, 1000)] {
                let said = format!("{interim}{said}");
                assert_eq!(read(&[&said, &said], octets, room), format!("{interim}{heard}").repeat(2));
            }
        }
    }

    #[test]
    fn what_follows_a_change_of_protocol_is_not_looked_at() {
        for said in
            ["HTTP/1.1 101 S\r\n\r\n", "HTTP/1.0 101 S\n\n", "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 101 S\r\n\r\n"]
        {
            // It may begin as a head does, and go on only when this has been read.
            for other in ["H", "HTTP/1.0 200 OK\r\nProxy-Connection: a\r\n\r\n"] {
                let said = format!("{said}{other}");
                for octets in [1, 7, 1000] {
                    assert_eq!(read(&[&said], octets, 16), said);
                }
            }
        }
    }

    #[test]
    fn all_else_is_left_as_it_is() {
        let field = "Proxy-Connection: keep-alive\r\n\r\n";
        let old = format!("HTTP/1.0 407 No\r\n{field}");
        let long = format!("HTTP/1.0 407 {}\r\n{field}", "o".repeat(MAX_HEAD + 4096));
        for first in [&format!("HTTP/1.1 407 No\r\n{field}"), &format!("HTTP/1.0\r\n{field}"), &long] {
            for octets in [1, 8, 1000] {
                // A proxy that is no old one stays so.
                assert!(read(&[first, &old], octets, 16) == format!("{first}{old}"), "{octets}");
            }
        }
    }

    /// A response as it is to be read, by its lines.
    fn plain(response: &[u8]) -> Vec<u8> {
        let text: String = response.iter().copied().map(char::from).collect();
        let mut lines: Vec<_> = text.split('\n').map(str::to_owned).collect();
        // Behind the last line feed no line ends.
        let ended = &lines[..lines.len() - 1];
        let empty = ended.iter().skip(1).position(|line| line.is_empty() || line == "\r");
        if let Some(empty) = empty.filter(|_| text.starts_with("HTTP/1.0 ")) {
            for line in &mut lines[..=empty] {
                if line.to_ascii_lowercase().starts_with("proxy-connection:") {
                    line.drain(.."proxy-".len());
                }
            }
        }
        lines.join("\n").chars().map(|character| u8::try_from(character).expect("an octet")).collect()
    }

    #[test]
    fn any_octet_may_be_damaged_and_the_response_may_end_anywhere() {
        let said = b"HTTP/1.0 407 No\r\nPROXY-Connection: a\r\nB: c\nproxy-connection:d\r\n\r\nProxy-Connection: e\n\n";
        let check = |response: &[u8]| {
            for octets in [1, 3, response.len().max(1)] {
                let (mut transport, requests) = ToProxy::new(Pieces(VecDeque::new()));
                requests.begin();
                transport.io.0.extend(response.chunks(octets).map(<[u8]>::to_vec));
                transport.io.0.push_back(Vec::new());
                let mut read = Vec::new();
                drain(&mut transport, 7, &mut read);
                let (read, expected) = (read.escape_ascii(), plain(response));
                assert_eq!(read.to_string(), expected.escape_ascii().to_string(), "{octets}");
            }
        };
        for at in 0..said.len() {
            check(&said[..at]);
            for damage in [0x01, 0x07, 0x20, 0x80] {
                let mut damaged = said.to_vec();
                damaged[at] ^= damage;
                check(&damaged);
            }
        }
    }

    #[test]
    fn what_is_no_head_is_not_looked_at() {
        let old = b"HTTP/1.0 407 No\r\nProxy-Connection: keep-alive\r\n\r\n".to_vec();
        // Content that looks like a head, in a read of its own.
        let (mut transport, requests) = ToProxy::new(Pieces(VecDeque::new()));
        requests.begin();
        transport.io.0.extend([b"HTTP/1.0 200 OK\r\n\r\n".to_vec(), old.clone()]);
        let mut seen = Vec::new();
        drain(&mut transport, 4096, &mut seen);
        assert_eq!(seen, [b"HTTP/1.0 200 OK\r\n\r\n".as_slice(), &old].concat());
        // Without a request there is no response.
        let (mut transport, _requests) = ToProxy::new(Pieces(VecDeque::from([old.clone()])));
        let mut seen = Vec::new();
        drain(&mut transport, 4096, &mut seen);
        assert_eq!(seen, old);
    }

    #[test]
    fn a_response_that_ends_in_its_head_and_octets_of_a_tunnel_are_lost_nowhere() {
        let (mut transport, requests) = ToProxy::new(Pieces(VecDeque::new()));
        requests.begin();
        transport.io.0.extend([b"HTTP/1.0 40".to_vec(), Vec::new()]);
        let mut buffer = [0; 64];
        let mut cx = Context::from_waker(Waker::noop());
        let mut ends = Vec::new();
        for _ in 0..2 {
            transport.io.0.push_back(Vec::new());
            let mut buffer = ReadBuf::new(&mut buffer);
            assert!(Pin::new(&mut transport).poll_read(&mut cx, buffer.unfilled()).is_ready());
            ends.push(buffer.filled().to_vec());
        }
        assert_eq!(ends, [b"HTTP/1.0 40".to_vec(), Vec::new()]);

        let (mut transport, requests) = ToProxy::new(Pieces(VecDeque::new()));
        requests.begin();
        transport.io.0.push_back(b"HTTP/1.0 200 OK\r\n\r\nearly".to_vec());
        let mut room = [0; 20];
        let mut buffer = ReadBuf::new(&mut room);
        assert!(Pin::new(&mut transport).poll_read(&mut cx, buffer.unfilled()).is_ready());
        let (_, unread) = transport.into_parts();
        assert_eq!([buffer.filled(), &unread].concat(), b"HTTP/1.0 200 OK\r\n\r\nearly");
        assert!(!unread.is_empty());
    }

    #[test]
    fn a_head_may_have_so_many_octets_before_it_is_given_up() {
        let head = |octets: usize| [b"HTTP/1.0 407 ".to_vec(), vec![b'o'; octets - 13]].concat();
        assert!(matches!(beginning(&head(MAX_HEAD), 0), Beginning::Unclear));
        assert!(matches!(beginning(&head(MAX_HEAD + 1), 0), Beginning::Other));
    }
}
