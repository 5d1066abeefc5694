//! Where the page goes.

use std::fs;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncWriteExt, Stdout};

use crate::advice::Advice;
use crate::exit::Exit;

/// Where the page goes.
pub(super) enum Sink {
    Stdout(Stdout, Guard),
    /// What is no file with an end of its own, such as `/dev/null` or a pipe.
    Directly(tokio::fs::File, PathBuf),
    /// A file that gets its name when it is whole.
    Beside(tokio::fs::File, Unfinished),
}

/// Whether what is no text is kept away from a terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    On,
    Off,
}

/// A file on its way to its name. Dropped, it is removed, and what had the name before is as it was.
pub(super) struct Unfinished {
    beside: PathBuf,
    file: PathBuf,
    is_finished: bool,
}

/// Whether the page goes to a terminal.
pub(super) fn is_terminal(output: Option<&Path>) -> bool {
    output.is_none_or(|file| file == Path::new("-")) && io::stdout().is_terminal()
}

impl Sink {
    /// To this file, or to stdout.
    pub(super) fn open(output: Option<&Path>) -> Result<Self, Advice> {
        let file = match output {
            None if io::stdout().is_terminal() => return Ok(Self::Stdout(tokio::io::stdout(), Guard::On)),
            None => return Ok(Self::Stdout(tokio::io::stdout(), Guard::Off)),
            Some(file) if file == Path::new("-") => {
                return Ok(Self::Stdout(tokio::io::stdout(), Guard::Off));
            }
            Some(file) => file,
        };
        let open = || -> io::Result<Self> {
            // Behind a link the file gets the new content, not the link.
            let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
            match fs::metadata(&file) {
                Ok(metadata) if !metadata.is_file() => {
                    let open = fs::File::options().write(true).open(&file)?;
                    Ok(Self::Directly(tokio::fs::File::from_std(open), file))
                }
                there => Self::beside(file, there.ok()),
            }
        };
        open().map_err(|error| cannot_write(file, &error))
    }

    fn beside(file: PathBuf, before: Option<fs::Metadata>) -> io::Result<Self> {
        let Some(name) = file.file_name() else { return Err(io::ErrorKind::IsADirectory.into()) };
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.part", std::process::id()));
        let beside = file.with_file_name(hidden);
        let open = fs::File::options().write(true).create_new(true).open(&beside)?;
        let unfinished = Unfinished { beside, file, is_finished: false };
        if let Some(metadata) = before {
            // One that may not be written is not written by way of another.
            if metadata.permissions().readonly() {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            open.set_permissions(metadata.permissions())?;
        }
        Ok(Self::Beside(tokio::fs::File::from_std(open), unfinished))
    }

    /// Writes what stands before the page, and is text.
    pub(super) async fn write_head(&mut self, head: &[u8]) -> Result<ControlFlow<()>, Advice> {
        match self {
            Self::Stdout(stdout, _) => read_enough(stdout.write_all(head).await),
            _ => self.write(head).await,
        }
    }

    /// Writes a piece of the page. It breaks off where a reader has read enough.
    pub(super) async fn write(&mut self, piece: &[u8]) -> Result<ControlFlow<()>, Advice> {
        match self {
            Self::Stdout(stdout, guard) => {
                // As with curl, the first piece decides.
                if std::mem::replace(guard, Guard::Off) == Guard::On && piece.contains(&0) {
                    return Err(Advice::new(
                        Exit::File,
                        "the page is no text, and could garble the terminal",
                        "Write it to a file by -o FILE, or have it all the same by -o -.",
                    ));
                }
                read_enough(stdout.write_all(piece).await)
            }
            Self::Directly(open, file) => {
                open.write_all(piece).await.map_err(|error| cannot_write(file, &error))?;
                Ok(ControlFlow::Continue(()))
            }
            Self::Beside(open, unfinished) => {
                open.write_all(piece).await.map_err(|error| cannot_write(&unfinished.file, &error))?;
                Ok(ControlFlow::Continue(()))
            }
        }
    }

    /// All of it has been written.
    pub(super) async fn finish(self) -> Result<(), Advice> {
        match self {
            Self::Stdout(mut stdout, _) => read_enough(stdout.flush().await).map(drop),
            Self::Directly(mut open, file) => open.flush().await.map_err(|error| cannot_write(&file, &error)),
            Self::Beside(mut open, mut unfinished) => {
                let file = unfinished.file.clone();
                open.flush().await.map_err(|error| cannot_write(&file, &error))?;
                drop(open.into_std().await);
                fs::rename(&unfinished.beside, &file).map_err(|error| cannot_write(&file, &error))?;
                unfinished.is_finished = true;
                Ok(())
            }
        }
    }

    /// There is no more of it, and what has come is not all. Says what has become of the file, if it is one.
    pub(super) async fn break_off(self) -> Option<String> {
        let flushed = match self {
            Self::Beside(_, unfinished) => {
                return Some(format!("{} is as it was before.", unfinished.file.display()));
            }
            Self::Stdout(mut stdout, _) => stdout.flush().await,
            Self::Directly(mut open, _) => open.flush().await,
        };
        // It has failed already, and that is what is said.
        drop(flushed);
        None
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_finished {
            // It is hidden, and says by its name that it is a part.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// A reader of stdout that has read enough and closed the pipe is no failure.
fn read_enough(written: io::Result<()>) -> Result<ControlFlow<()>, Advice> {
    match written {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(Advice::new(Exit::File, format!("cannot write to stdout: {error}"), "")),
    }
}

fn cannot_write(file: &Path, error: &io::Error) -> Advice {
    Advice::new(Exit::File, format!("cannot write {}: {error}", file.display()), "")
}
