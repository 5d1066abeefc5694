//! Printing without the panics of `print!` and `eprintln!`, and without what would do something to a terminal.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use crate::exit::Exit;

/// Prints a text to stdout, as it is. A reader that has read enough and closed the pipe is no failure.
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

/// Prints a line for the user to stderr. Nobody may want to read it. A server may have written a part of it: what
/// could be more than text, ends of lines too, is [shown](visible).
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", visible(&line.to_string()));
}

/// A text whose characters are all themselves on a terminal: control characters, marks of direction and what has no
/// width come as `\u{1b}`.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_more_than_text_is_shown() {
        assert_eq!(visible("a\nb\r\t\u{1b}[31m\u{7f}\u{9b}\0"), r"a\nb\r\t\u{1b}[31m\u{7f}\u{9b}\0");
        assert_eq!(
            visible("\u{202e}evil\u{2066}\u{200b}\u{feff}\u{2028}\u{e0041}"),
            r"\u{202e}evil\u{2066}\u{200b}\u{feff}\u{2028}\u{e0041}"
        );
        assert_eq!(visible(r#"LAB\carol's "Jäson" 日本 → ├─"#), r#"LAB\carol's "Jäson" 日本 → ├─"#);
    }
}
