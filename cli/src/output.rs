//! Printing without the panics of `print!` and `eprintln!`.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use crate::exit::Exit;

/// Prints a text to stdout. A reader that has read enough and closed the pipe is no failure.
pub(crate) fn print(text: impl Display) -> Exit {
    let mut stdout = io::stdout().lock();
    match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(format_args!("legwork: cannot write to stdout: {error}"));
            Exit::File
        }
        _ => Exit::Done,
    }
}

/// Prints a line for the user to stderr. Nobody may want to read it.
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
