//! Who logs in.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{StringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Args, Command};
use legwork::Credentials;
use legwork::credentials::{Ambient, Netrc};

use crate::chain::chain;
use crate::secret::Source;

/// The variable that a password is looked for in.
pub(crate) const VARIABLE: &str = "LEGWORK_PASSWORD";
/// The same for a token.
pub(crate) const TOKEN_VARIABLE: &str = "LEGWORK_TOKEN";

const HEADING: &str = "Who logs in";

/// Who logs in at the origin.
#[derive(Args, Clone, Debug)]
pub(crate) struct Account {
    /// Log in as this user: name, DOMAIN\name or name@domain (name@REALM for Kerberos); the password is asked for, or
    /// comes from one of the options below or the variable LEGWORK_PASSWORD. `-u :` is --ticket
    #[arg(short, long, value_name = "USER", value_parser = UserName, help_heading = HEADING)]
    user: Option<String>,
    /// Take the password from the first line of this file; - is stdin
    #[arg(long, value_name = "FILE", requires = "user", help_heading = HEADING)]
    password_file: Option<PathBuf>,
    /// Take the password from the first line that this command prints; the shell runs it
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "user",
        conflicts_with = "password_file",
        help_heading = HEADING
    )]
    password_command: Option<String>,
    /// Log in as whoever has a ticket (kinit) or, on Windows, is logged on
    #[arg(long, conflicts_with = "user", help_heading = HEADING)]
    ticket: bool,
    /// Log in by a token (Bearer), which is asked for, or in the variable LEGWORK_TOKEN
    #[arg(long, conflicts_with_all = ["user", "ticket"], help_heading = HEADING)]
    bearer: bool,
    /// The same with the first line of this file; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "ticket"], help_heading = HEADING)]
    bearer_file: Option<PathBuf>,
    /// The same with the first line that this command prints; the shell runs it
    #[arg(
        long,
        value_name = "COMMAND",
        conflicts_with_all = ["user", "ticket", "bearer_file"],
        help_heading = HEADING
    )]
    bearer_command: Option<String>,
    /// Log in as ~/.netrc says for the host, over https
    #[arg(short, long, conflicts_with_all = BUT_NETRC, help_heading = HEADING)]
    netrc: bool,
    /// The same with another file
    #[arg(long, value_name = "FILE", conflicts_with_all = BUT_NETRC, help_heading = HEADING)]
    netrc_file: Option<PathBuf>,
    /// The same over plain http too, where whoever answers is not known to be that host
    #[arg(long, help_heading = HEADING)]
    insecure_netrc: bool,
}

const BUT_NETRC: [&str; 5] = ["user", "ticket", "bearer", "bearer_file", "bearer_command"];

/// Whom the arguments name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named<'a> {
    Nobody,
    /// Whoever has a ticket.
    Ticket,
    User(&'a str),
    /// By a token, or whom netrc names.
    Somebody,
}

/// What a user of the library would give it.
#[derive(Debug)]
pub(crate) enum Who {
    Nobody,
    Known(Credentials),
    Netrc(Netrc),
}

impl Who {
    /// What is known before anybody asks.
    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        match self {
            Self::Known(credentials) => Some(credentials),
            Self::Nobody | Self::Netrc(_) => None,
        }
    }
}

impl Account {
    /// Whom the arguments name. No secret is read or asked for.
    pub(crate) fn named(&self) -> Named<'_> {
        let by_token = self.bearer || self.bearer_file.is_some() || self.bearer_command.is_some();
        match &self.user {
            Some(user) if user == TICKET => Named::Ticket,
            _ if self.ticket => Named::Ticket,
            Some(user) => Named::User(user),
            None if by_token || self.netrc || self.netrc_file.is_some() || self.insecure_netrc => {
                Named::Somebody
            }
            None => Named::Nobody,
        }
    }

    /// Whether more is given than a user, a ticket or nobody.
    pub(crate) fn has_options(&self) -> bool {
        self.password_file.is_some() || self.password_command.is_some() || self.named() == Named::Somebody
    }

    /// Reads or asks for what is missing.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(crate) fn who(&self) -> Result<Who, String> {
        if self.ticket || self.user.as_deref() == Some(TICKET) {
            return Ok(Who::Known(Credentials::ambient(Ambient::new())));
        }
        if self.bearer || self.bearer_file.is_some() || self.bearer_command.is_some() {
            return self.token();
        }
        if self.netrc || self.netrc_file.is_some() || self.insecure_netrc {
            return self.read_netrc();
        }
        let Some(user) = &self.user else { return Ok(Who::Nobody) };
        let password = Source {
            what: format!("password for {user}"),
            file: ("--password-file", self.password_file.as_deref()),
            command: ("--password-command", self.password_command.as_deref()),
            variable: VARIABLE,
        };
        Ok(Who::Known(Credentials::password(user.as_str(), password.read()?.as_str())))
    }

    /// Whether the password, or the token, comes from stdin.
    pub(crate) fn takes_stdin(&self) -> bool {
        [&self.password_file, &self.bearer_file].into_iter().flatten().any(|file| file.as_os_str() == "-")
    }

    fn token(&self) -> Result<Who, String> {
        let token = Source {
            what: "token".to_owned(),
            file: ("--bearer-file", self.bearer_file.as_deref()),
            command: ("--bearer-command", self.bearer_command.as_deref()),
            variable: TOKEN_VARIABLE,
        };
        Credentials::try_bearer_token(token.read()?.as_str())
            .map(Who::Known)
            .map_err(|error| error.to_string())
    }

    fn read_netrc(&self) -> Result<Who, String> {
        let netrc = match &self.netrc_file {
            Some(file) => Netrc::read(file),
            None => Netrc::read_default(),
        };
        let netrc = netrc.map_err(|error| chain(&error))?;
        Ok(Who::Netrc(if self.insecure_netrc { netrc.dangerous_plain_http() } else { netrc }))
    }
}

/// What stands for whoever has a ticket, as with curl.
pub(crate) const TICKET: &str = ":";

/// Takes a user's name, and no password behind a colon.
#[derive(Clone)]
pub(crate) struct UserName;

impl TypedValueParser for UserName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        let user = StringValueParser::new().parse_ref(command, argument, value)?;
        if user.contains(':') && user != TICKET {
            let option = argument.map_or_else(|| "-u".to_owned(), |argument| argument.to_string());
            // Without the user's text, which has the password in it.
            let why = format!(
                "{option} takes no password: everybody on this machine can read a command line. Leave out the colon \
                 and what follows, and type the password when asked, or put it where the options below it say\n"
            );
            return Err(clap::Error::raw(ErrorKind::ValueValidation, why).with_cmd(command));
        }
        Ok(user)
    }
}
