//! Where a password or a token comes from.

use std::env::VarError;
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use crate::chain::chain;

/// Where a secret may come from. A command line is no such place: everybody on the machine can read it.
pub(crate) struct Source<'a> {
    /// What it is, and whose: `password for carol`.
    pub(crate) what: String,
    /// The option for a file, and the file; `-` is stdin.
    pub(crate) file: (&'static str, Option<&'a Path>),
    /// The option for a command, and the command.
    pub(crate) command: (&'static str, Option<&'a str>),
    pub(crate) variable: &'static str,
}

impl Source<'_> {
    /// Reads it, or asks for it. It is not empty.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(crate) fn read(&self) -> Result<Zeroizing<String>, String> {
        let Self { what, file: (file_option, file), command: (command_option, command), variable } = self;
        let (read, source) = if let Some(file) = file {
            (first_line_of(file), format!("{file_option} {}", file.display()))
        } else if let Some(command) = command {
            (output_of(command), format!("{command_option} {command:?}"))
        } else {
            match std::env::var(variable) {
                Ok(secret) => (Ok(Zeroizing::new(secret)), format!("the variable {variable}")),
                Err(VarError::NotUnicode(_)) => return Err(format!("the variable {variable} is not UTF-8")),
                Err(VarError::NotPresent) if io::stdin().is_terminal() => {
                    let asked = rpassword::prompt_password(format!("The {what}: "));
                    (asked.map(Zeroizing::new), "the prompt".to_owned())
                }
                Err(VarError::NotPresent) => {
                    return Err(format!(
                        "there is no {what}, and no terminal to ask at: put it into the variable {variable}, or name \
                         where it is by {file_option} or {command_option}"
                    ));
                }
            }
        };
        match read {
            Ok(secret) if secret.is_empty() => Err(format!("there is no {what}: {source} has none")),
            Ok(secret) => Ok(secret),
            Err(error) => Err(format!("there is no {what}: {source}: {}", chain(&error))),
        }
    }
}

fn first_line_of(file: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    if file == Path::new("-") {
        io::stdin().lock().read_to_string(&mut text)?;
    } else {
        fs::File::open(file)?.read_to_string(&mut text)?;
    }
    Ok(first_line(&text))
}

fn output_of(command: &str) -> io::Result<Zeroizing<String>> {
    let mut shell = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
    shell.arg(if cfg!(windows) { "/C" } else { "-c" }).arg(command).stderr(Stdio::inherit());
    let output = shell.output()?;
    let printed = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(io::Error::other(output.status.to_string()));
    }
    let text = std::str::from_utf8(&printed).map_err(|_| io::Error::other("what it prints is not UTF-8"))?;
    Ok(first_line(text))
}

/// Editors for Windows begin a file with a byte order mark.
fn first_line(text: &str) -> Zeroizing<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_ends_with_its_line() {
        for text in ["pass word", "pass word\n", "pass word\r\nmore\r\n", "\u{feff}pass word\n"] {
            assert_eq!(first_line(text).as_str(), "pass word", "{text:?}");
        }
        assert_eq!(first_line(" a\t\n").as_str(), " a\t", "blanks belong to it");
        assert_eq!(first_line("\nsecond\n").as_str(), "");
    }
}
