//! Octets both ways, for as long as there are any.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::counts::Counts;

/// How a tunnel ended, if not by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides have said all.
    Said,
    /// Nothing came from either side for too long.
    Idle,
}

/// Carries octets both ways until both sides have ended. When one side has, the other is told, and
/// may go on. `early` came from `local` before.
///
/// A tunnel has a buffer only while there is something in it: one that waits costs no memory for
/// octets.
pub(crate) fn relay<L, U>(
    mut local: L,
    mut upstream: U,
    early: Bytes,
    idle_timeout: Duration,
    counts: &Counts,
) -> impl Future<Output = io::Result<End>>
where
    L: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    // Not in an `async fn`, which would have room for each of its arguments twice.
    let mut up = Direction::beginning_with(&early);
    drop(early);
    let mut down = Direction::new();
    let mut idle = Idle::default();
    async move {
        let mut quiet = pin!(tokio::time::sleep(idle_timeout / TICKS));
        poll_fn(|cx| {
            let up_ended = up.poll_carry(cx, &mut local, &mut upstream, &counts.to_upstream)?;
            let down_ended = down.poll_carry(cx, &mut upstream, &mut local, &counts.to_local)?;
            if up_ended.is_ready() && down_ended.is_ready() {
                return Poll::Ready(Ok(End::Said));
            }
            while poll_tick(quiet.as_mut(), cx, idle_timeout / TICKS).is_ready() {
                if idle.tick(up.octets + down.octets) {
                    return Poll::Ready(Ok(End::Idle));
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// The time that a tunnel may be idle is looked at in so many parts: a timer that is set anew by
/// every octet would cost more than the octet.
const TICKS: u32 = 4;

fn poll_tick(mut quiet: Pin<&mut Sleep>, cx: &mut Context<'_>, period: Duration) -> Poll<()> {
    ready!(quiet.as_mut().poll(cx));
    quiet.reset(Instant::now() + period);
    Poll::Ready(())
}

/// For how many ticks nothing has moved.
#[derive(Default)]
struct Idle {
    octets: u64,
    ticks: u32,
}

impl Idle {
    /// Whether the time is up.
    fn tick(&mut self, octets: u64) -> bool {
        if octets != self.octets {
            *self = Self { octets, ticks: 0 };
            return false;
        }
        self.ticks += 1;
        self.ticks >= TICKS
    }
}

/// One way.
struct Direction {
    state: State,
    octets: u64,
}

enum State {
    Reading,
    Writing(Chunk),
    /// The sender has ended.
    Closing,
    Ended,
}

impl Direction {
    fn new() -> Self {
        Self { state: State::Reading, octets: 0 }
    }

    fn beginning_with(early: &[u8]) -> Self {
        let state = match early {
            [] => State::Reading,
            _ => State::Writing(Chunk { buffer: Buffer(early.into()), filled: 0..early.len() }),
        };
        Self { state, octets: 0 }
    }

    fn poll_carry<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        count: &AtomicU64,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            self.state = match &mut self.state {
                State::Reading => {
                    let mut buffer = Buffer::spare();
                    let mut free = ReadBuf::new(&mut buffer.0);
                    let Poll::Ready(read) = Pin::new(&mut *from).poll_read(cx, &mut free) else {
                        ready!(Pin::new(&mut *to).poll_flush(cx))?;
                        return Poll::Pending;
                    };
                    read?;
                    match free.filled().len() {
                        0 => State::Closing,
                        octets => State::Writing(Chunk { buffer, filled: 0..octets }),
                    }
                }
                State::Writing(chunk) => {
                    let octets = ready!(Pin::new(&mut *to).poll_write(cx, chunk.rest()))?;
                    if octets == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    self.octets += octets as u64;
                    count.fetch_add(octets as u64, Ordering::Relaxed);
                    chunk.filled.start += octets;
                    if !chunk.filled.is_empty() {
                        continue;
                    }
                    State::Reading
                }
                State::Closing => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    State::Ended
                }
                State::Ended => return Poll::Ready(Ok(())),
            };
        }
    }
}

/// Octets that the receiver has not taken yet.
struct Chunk {
    buffer: Buffer,
    filled: Range<usize>,
}

impl Chunk {
    fn rest(&self) -> &[u8] {
        &self.buffer.0[self.filled.clone()]
    }
}

/// A buffer, shared by the tunnels of a thread: one takes it for as long as it has octets to write.
struct Buffer(Box<[u8]>);

const BUFFER: usize = 64 * 1024;
/// How many buffers a thread keeps.
const SPARE: usize = 8;

thread_local! {
    static BUFFERS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

impl Buffer {
    fn spare() -> Self {
        let spare = BUFFERS.with_borrow_mut(Vec::pop);
        Self(spare.unwrap_or_else(|| vec![0; BUFFER].into()))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.0.len() != BUFFER {
            return;
        }
        let buffer = std::mem::take(&mut self.0);
        // A thread that ends keeps none.
        let _ = BUFFERS.try_with(|buffers| {
            let mut buffers = buffers.borrow_mut();
            if buffers.len() < SPARE {
                buffers.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn whatever_moves_starts_the_time_anew() {
        let mut idle = Idle::default();
        let ticks = [1, 1, 1, 1, 2, 2, 2, 2, 2].map(|octets| idle.tick(octets));
        assert_eq!(ticks, [false, false, false, false, false, false, false, false, true]);
    }

    /// Sends octets that tell where they belong, while it hears as many.
    async fn talk(end: tokio::io::DuplexStream, octets: usize, seed: u8) -> Vec<u8> {
        let (mut read, mut write) = split(end);
        let sending = tokio::spawn(async move {
            let octets: Vec<u8> = (0..octets).map(|place| (place / 7) as u8 ^ seed).collect();
            write.write_all(&octets).await.expect("sent");
            write.shutdown().await.expect("ended");
            octets
        });
        let mut heard = Vec::new();
        read.read_to_end(&mut heard).await.expect("heard");
        assert_eq!(heard.len(), octets);
        let sent = sending.await.expect("no panic");
        assert!(heard.iter().zip(&sent).all(|(heard, sent)| heard ^ sent == 0xff), "in order");
        heard
    }

    #[tokio::test]
    async fn nothing_is_lost_where_the_receiver_is_slow() {
        for room in [1, 1000, 3 * BUFFER] {
            let ((local, near), (far, origin)) = (duplex(room), duplex(room));
            let octets = if room == 1 { 5_000 } else { 500_000 };
            let counts = Counts::default();
            let (end, ..) = tokio::join!(
                relay(near, far, Bytes::new(), LONG, &counts),
                talk(local, octets, 0x00),
                talk(origin, octets, 0xff),
            );
            assert_eq!(end.expect("no error"), End::Said);
            for counter in [&counts.to_upstream, &counts.to_local] {
                assert_eq!(counter.load(Ordering::Relaxed), octets as u64);
            }
        }
    }

    #[tokio::test]
    async fn what_came_early_goes_first() {
        let ((mut local, near), (far, mut origin)) = (duplex(8), duplex(8));
        let counts = Counts::default();
        let relaying = relay(near, far, Bytes::from_static(b"early and long, "), LONG, &counts);
        let both = async {
            local.write_all(b"late").await.expect("sent");
            drop(local);
            let mut heard = String::new();
            origin.read_to_string(&mut heard).await.expect("heard");
            drop(origin);
            heard
        };
        let (end, heard) = tokio::join!(relaying, both);
        assert_eq!((end.expect("no error"), heard.as_str()), (End::Said, "early and long, late"));
    }

    #[tokio::test]
    async fn a_tunnel_that_waits_has_no_buffer() {
        let ((mut local, near), (far, mut origin)) = (duplex(64), duplex(64));
        let counts = Counts::default();
        let mut relaying = pin!(relay(near, far, Bytes::new(), LONG, &counts));
        let mut octet = [0];
        tokio::select! {
            end = &mut relaying => panic!("{end:?}"),
            heard = async {
                local.write_all(b"x").await?;
                origin.read_exact(&mut octet).await
            } => drop(heard.expect("heard")),
        }
        let spare = BUFFERS.with_borrow(Vec::len);
        assert_eq!(spare, 1, "the one that there has been is free");
    }
}
