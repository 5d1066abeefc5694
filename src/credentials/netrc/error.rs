use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a `.netrc` file, or [an entry of it](super::Netrc::unusable), cannot be used. Of the file it quotes
/// at most the name of a host.
#[derive(Clone, Debug)]
pub struct NetrcError {
    kind: NetrcErrorKind,
    line: Option<usize>,
    entry: Option<EntryName>,
    path: Option<PathBuf>,
    source: Option<Arc<io::Error>>,
}

/// An entry whose name can be shown, or not.
#[derive(Clone, Debug)]
struct EntryName(Option<String>);

/// The kinds of [`NetrcError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NetrcErrorKind {
    /// The file could not be read.
    Unreadable,
    /// It has more than [`MAX_OCTETS`](super::Netrc::MAX_OCTETS).
    TooLarge,
    /// A line is not UTF-8.
    NotUtf8,
    /// Neither a keyword nor a comment.
    UnknownKeyword,
    /// A keyword without its value.
    MissingValue,
    /// A keyword of an entry before any entry.
    NoEntry,
    /// A keyword that the entry already has.
    Twice,
    /// A quote without its end on the line, or with something else behind it.
    Quote,
    /// A control character.
    ControlCharacter,
    /// An entry without `login`.
    NoLogin,
    /// An entry without `password`.
    NoPassword,
}

impl NetrcError {
    pub(super) fn at(kind: NetrcErrorKind, line: usize) -> Self {
        Self { kind, line: Some(line), entry: None, path: None, source: None }
    }

    pub(super) fn too_large() -> Self {
        Self { kind: NetrcErrorKind::TooLarge, line: None, entry: None, path: None, source: None }
    }

    pub(super) fn unreadable(error: io::Error) -> Self {
        let source = Some(Arc::new(error));
        Self { kind: NetrcErrorKind::Unreadable, line: None, entry: None, path: None, source }
    }

    pub(super) fn in_file(mut self, path: &Path) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    pub(super) fn in_entry(mut self, host: Option<String>) -> Self {
        self.entry = Some(EntryName(host));
        self
    }

    pub(super) fn is_no_file(&self) -> bool {
        self.source.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Its kind.
    #[cfg(test)]
    pub(super) fn kind(&self) -> NetrcErrorKind {
        self.kind
    }

    /// Returns the line, counted from 1.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// Returns the host of the entry that cannot be used. `None` where there is no such entry, for the entry
    /// `default`, and where the name may be a part of an unquoted password, since it does not stand at
    /// the beginning of a line.
    pub fn host(&self) -> Option<&str> {
        self.entry.as_ref()?.0.as_deref()
    }

    /// Returns the path of the file.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl fmt::Display for NetrcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        match &self.entry {
            None => write!(f, "{}", self.kind)?,
            Some(EntryName(None)) => write!(f, "an entry has {}", self.kind)?,
            Some(EntryName(Some(host))) => write!(f, "the entry for {host:?} has {}", self.kind)?,
        }
        match self.line {
            Some(line) => write!(f, ", in line {line}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NetrcError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}

impl fmt::Display for NetrcErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "the file cannot be read",
            Self::TooLarge => "the file is too large",
            Self::NotUtf8 => "not UTF-8",
            Self::UnknownKeyword => "an unknown keyword",
            Self::MissingValue => "a keyword without its value",
            Self::NoEntry => "a keyword before the first machine",
            Self::Twice => "the same keyword twice",
            Self::Quote => "a quote without its end, or with something behind it",
            Self::ControlCharacter => "a control character",
            Self::NoLogin => "no login",
            Self::NoPassword => "no password",
        })
    }
}
