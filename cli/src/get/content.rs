//! What a request carries.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};

use crate::advice::Advice;
use crate::exit::Exit;
use crate::get::progress::Progress;

/// Octets that are read at a time.
const PIECE: usize = 64 * 1024;

/// A request's body: nothing, what is in memory, or a file that is read while it is sent.
#[derive(Default)]
pub(super) enum Content {
    #[default]
    Nothing,
    Kept(Bytes),
    Streamed(Upload),
}

/// A file, or stdin, on its way.
pub(super) struct Upload {
    file: PathBuf,
    reader: Pin<Box<dyn AsyncRead + Send>>,
    /// What is still to come, of a file that has an end.
    left: Option<u64>,
    shows_progress: bool,
    progress: Option<Progress>,
}

/// A file that could not be read while it was sent.
#[derive(Debug)]
pub(super) struct Unreadable {
    file: PathBuf,
    error: io::Error,
}

impl Content {
    /// What is in memory.
    pub(super) fn kept(octets: Vec<u8>) -> Self {
        Self::Kept(octets.into())
    }

    /// A file that is read while it is sent; `-` is stdin.
    pub(super) fn streamed(file: &Path, shows_progress: bool) -> Result<Self, Advice> {
        let upload = if file == Path::new("-") {
            Ok(Upload::new(file, Box::pin(tokio::io::stdin()), None, shows_progress))
        } else {
            Upload::open(file, shows_progress)
        };
        upload.map(Self::Streamed).map_err(|error| cannot_read(file, &error))
    }

    /// The same once more. `None` of what can be read only once.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::Nothing => Some(Self::Nothing),
            Self::Kept(octets) => Some(Self::Kept(octets.clone())),
            // A pipe has no length, and is not to be read again.
            Self::Streamed(Upload { file, left: Some(_), shows_progress, .. }) => {
                Upload::open(file, *shows_progress).ok().map(Self::Streamed)
            }
            Self::Streamed(_) => None,
        }
    }
}

impl Upload {
    fn open(file: &Path, shows_progress: bool) -> io::Result<Self> {
        let open = fs::File::open(file)?;
        let metadata = open.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let left = metadata.is_file().then_some(metadata.len());
        let reader = tokio::fs::File::from_std(open);
        Ok(Self::new(file, Box::pin(reader), left, shows_progress))
    }

    fn new(
        file: &Path,
        reader: Pin<Box<dyn AsyncRead + Send>>,
        left: Option<u64>,
        shows_progress: bool,
    ) -> Self {
        Self { file: file.to_owned(), reader, left, shows_progress, progress: None }
    }

    /// The next piece. A file that has grown meanwhile is sent as long as it was.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Unreadable>>> {
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        let most = self.left.map_or(PIECE, |left| usize::try_from(left).unwrap_or(PIECE).min(PIECE));
        let mut piece = vec![0; most];
        let mut buffer = ReadBuf::new(&mut piece);
        let unreadable = |error| Unreadable { file: self.file.clone(), error };
        if let Err(error) = ready!(self.reader.as_mut().poll_read(cx, &mut buffer)) {
            return Poll::Ready(Some(Err(unreadable(error))));
        }
        let octets = buffer.filled().len();
        match (&mut self.left, octets) {
            (Some(_), 0) => {
                let shorter =
                    io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was sent");
                return Poll::Ready(Some(Err(unreadable(shorter))));
            }
            (None, 0) => return Poll::Ready(None),
            (Some(left), octets) => *left -= octets as u64,
            (None, _) => {}
        }
        if self.shows_progress {
            let total = self.left.map(|left| left + octets as u64);
            self.progress.get_or_insert_with(|| Progress::new("upload", total)).advance(octets as u64);
        }
        piece.truncate(octets);
        Poll::Ready(Some(Ok(piece.into())))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Unreadable;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unreadable>>> {
        match &mut *self {
            Self::Nothing => Poll::Ready(None),
            Self::Kept(octets) => {
                let octets = std::mem::take(octets);
                Poll::Ready((!octets.is_empty()).then(|| Ok(Frame::data(octets))))
            }
            Self::Streamed(upload) => {
                let piece = ready!(upload.poll_piece(cx));
                Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Kept(octets) => octets.is_empty(),
            Self::Streamed(upload) => upload.left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Kept(octets) => SizeHint::with_exact(octets.len() as u64),
            Self::Streamed(upload) => upload.left.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}: {}", name(&self.file), self.error)
    }
}

impl std::error::Error for Unreadable {}

/// What `--data` and the like say to send, in one piece.
pub(super) struct Data<'a> {
    pub(super) parts: &'a [String],
    /// Between two of them.
    pub(super) joint: &'static str,
    /// What an `@` stands for.
    pub(super) at: At,
}

/// What an `@` before data stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Itself.
    Itself,
    /// A file, as it is.
    File,
    /// A file, without its line ends and zeros.
    Text,
}

impl Data<'_> {
    /// Whether some of it is to come from stdin.
    pub(super) fn takes_stdin(&self) -> bool {
        self.at != At::Itself && self.parts.iter().any(|part| part == "@-")
    }

    pub(super) fn read(&self) -> Result<Vec<u8>, Advice> {
        let mut all = Vec::new();
        for (i, part) in self.parts.iter().enumerate() {
            if i > 0 {
                all.extend_from_slice(self.joint.as_bytes());
            }
            match (self.at, part.strip_prefix('@')) {
                (At::Itself, _) | (_, None) => all.extend_from_slice(part.as_bytes()),
                (At::File, Some(file)) => all.extend(whole(Path::new(file))?),
                (At::Text, Some(file)) => {
                    let mut text = whole(Path::new(file))?;
                    text.retain(|octet| !matches!(octet, b'\r' | b'\n' | 0));
                    all.extend(text);
                }
            }
        }
        Ok(all)
    }
}

fn whole(file: &Path) -> Result<Vec<u8>, Advice> {
    let mut octets = Vec::new();
    let read = match file == Path::new("-") {
        true => io::stdin().lock().read_to_end(&mut octets).map(|_| octets),
        false => fs::read(file),
    };
    read.map_err(|error| cannot_read(file, &error))
}

fn cannot_read(file: &Path, error: &io::Error) -> Advice {
    Advice::new(Exit::Read, format!("cannot read {}: {error}", name(file)), "")
}

fn name(file: &Path) -> String {
    if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() }
}
