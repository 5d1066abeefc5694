//! Who logs in, and where the password comes from.

use std::env::VarError;
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use legwork::Credentials;
use legwork::credentials::{Ambient, Netrc};
use zeroize::Zeroizing;

use crate::chain::chain;

/// The variable that a password is looked for in.
pub(crate) const VARIABLE: &str = "LEGWORK_PASSWORD";

/// Who logs in at the origin.
#[derive(Args, Clone, Debug)]
pub(crate) struct Account {
    /// Log in as this user: name, DOMAIN\name or name@domain; the password is asked for, or comes from one of the
    /// options below or the variable LEGWORK_PASSWORD. `-u :` is --ticket
    #[arg(short, long, value_name = "USER", help_heading = "Who logs in")]
    user: Option<String>,
    /// Take the password from the first line of this file; - is stdin
    #[arg(long, value_name = "FILE", requires = "user", help_heading = "Who logs in")]
    password_file: Option<PathBuf>,
    /// Take the password from the first line that this command prints; the shell runs it
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "user",
        conflicts_with = "password_file",
        help_heading = "Who logs in"
    )]
    password_command: Option<String>,
    /// Log in as whoever has a ticket (kinit) or, on Windows, is logged on
    #[arg(long, conflicts_with = "user", help_heading = "Who logs in")]
    ticket: bool,
    /// Log in as ~/.netrc says for the host
    #[arg(long, conflicts_with_all = ["user", "ticket"], help_heading = "Who logs in")]
    netrc: bool,
    /// The same with another file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "ticket", "netrc"], help_heading = "Who logs in")]
    netrc_file: Option<PathBuf>,
}

/// What a user of the library would give it.
#[derive(Debug)]
pub(crate) enum Who {
    Nobody,
    Known(Credentials),
    Netrc(Netrc),
}

impl Account {
    /// Reads or asks for what is missing.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(crate) fn who(&self) -> Result<Who, String> {
        if self.ticket || self.user.as_deref() == Some(":") {
            return Ok(Who::Known(Credentials::ambient(Ambient::new())));
        }
        let netrc = match (&self.netrc_file, self.netrc) {
            (Some(file), _) => Some(Netrc::read(file)),
            (None, true) => Some(Netrc::read_default()),
            (None, false) => None,
        };
        if let Some(read) = netrc {
            return read.map(Who::Netrc).map_err(|error| chain(&error));
        }
        let Some(user) = &self.user else { return Ok(Who::Nobody) };
        if user.contains(':') {
            // Without the user's text, which has the password in it.
            return Err(format!(
                "-u takes no password: everybody on this machine can read a command line. Leave out the colon and \
                 what follows, and type the password when asked, or put it into {VARIABLE}, --password-file or \
                 --password-command"
            ));
        }
        Ok(Who::Known(Credentials::password(user.as_str(), self.password(user)?.as_str())))
    }

    fn password(&self, user: &str) -> Result<Zeroizing<String>, String> {
        let (read, source) = if let Some(file) = &self.password_file {
            (first_line_of(file), format!("--password-file {}", file.display()))
        } else if let Some(command) = &self.password_command {
            (output_of(command), format!("--password-command {command:?}"))
        } else {
            match std::env::var(VARIABLE) {
                Ok(password) => (Ok(Zeroizing::new(password)), format!("the variable {VARIABLE}")),
                Err(VarError::NotUnicode(_)) => return Err(format!("the variable {VARIABLE} is not UTF-8")),
                Err(VarError::NotPresent) if io::stdin().is_terminal() => (
                    rpassword::prompt_password(format!("Password of {user}: ")).map(Zeroizing::new),
                    "the prompt".to_owned(),
                ),
                Err(VarError::NotPresent) => {
                    return Err(format!(
                        "there is no password for {user}, and no terminal to ask at: put it into {VARIABLE}, \
                         --password-file or --password-command"
                    ));
                }
            }
        };
        match read {
            Ok(password) if password.is_empty() => Err(format!("{source} has no password for {user}")),
            Ok(password) => Ok(password),
            Err(error) => Err(format!("no password for {user} from {source}: {}", chain(&error))),
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

fn first_line(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())
}
