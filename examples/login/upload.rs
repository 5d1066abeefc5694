//! A file as a request's body.

use std::fs::File;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

const PIECE: usize = 64 * 1024;
/// Pieces that are read ahead of the connection.
const AHEAD: usize = 4;

/// A file, read piece by piece on a thread for blocking work; or nothing.
#[derive(Default)]
pub(crate) struct Upload {
    pieces: Option<mpsc::Receiver<io::Result<Bytes>>>,
    /// What is still to come.
    octets: u64,
}

impl Upload {
    pub(crate) async fn open(path: &str) -> io::Result<Self> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let file = File::open(path)?;
            let octets = file.metadata()?.len();
            Ok::<_, io::Error>((file, octets))
        });
        let (file, octets) = opened.await??;
        if octets == 0 {
            return Ok(Self::default());
        }
        let (sender, pieces) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || read(file, octets, &sender));
        Ok(Self { pieces: Some(pieces), octets })
    }

    /// How many octets there are still to come.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }
}

/// Reads as many octets as were announced, until the body is dropped.
fn read(file: File, octets: u64, sender: &mpsc::Sender<io::Result<Bytes>>) {
    let mut file = file.take(octets);
    let mut left = octets;
    while left > 0 {
        let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
        let result = file.read_exact(&mut piece).map(|()| Bytes::from(piece));
        let Ok(piece) = &result else {
            let _ = sender.blocking_send(result);
            return;
        };
        left -= piece.len() as u64;
        if sender.blocking_send(result).is_err() {
            return;
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(pieces) = &mut self.pieces else { return Poll::Ready(None) };
        let piece = ready!(pieces.poll_recv(cx));
        if let Some(Ok(piece)) = &piece {
            self.octets -= piece.len() as u64;
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.octets == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.octets)
    }
}
