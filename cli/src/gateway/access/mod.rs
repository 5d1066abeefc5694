//! Who may use a listener: which users of the machine, who else by a token, and from pages of which site.

#[cfg(target_os = "linux")]
mod owner;
mod pages;
mod token;

use std::fmt;

use http::header::{HeaderMap, HeaderName};

use super::listener::{Address, Peer};

pub(super) use self::pages::{Own, is_of_origin};
pub(crate) use self::token::Token;

/// Who may use a listener.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    users: Users,
    token: Option<Token>,
    hosts: Vec<String>,
}

/// Which users of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Users {
    /// The gateway's own, and root, who needs no gateway to act as anybody.
    #[default]
    Own,
    /// All of them, and whoever else reaches the listener.
    All,
}

/// Why somebody may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotAdmitted {
    /// The connection is another user's.
    #[cfg(unix)]
    OtherUser,
    /// Whose it is cannot be told.
    UnknownUser,
    /// The token is missing, or another one.
    Token,
    /// The request is for another host: a name that somebody has led here.
    Host,
    /// A page of another site has sent it.
    OtherSite(HeaderName),
    /// It has been here already.
    Loop,
}

impl Access {
    pub(crate) fn new(users: Users) -> Self {
        Self { users, ..Self::default() }
    }

    /// Wants this of everybody.
    #[must_use]
    pub(crate) fn token(mut self, token: Option<Token>) -> Self {
        self.token = token;
        self
    }

    /// Is called by these names as well.
    #[must_use]
    pub(crate) fn hosts(mut self, hosts: Vec<String>) -> Self {
        self.hosts = hosts;
        self
    }

    /// What a listener at this address does not check: sentences for whoever starts it.
    pub(crate) fn unchecked(&self, address: &Address) -> Option<String> {
        if self.users == Users::Own || self.token.is_some() {
            return None;
        }
        let who = match address.is_this_machines() {
            true => "which user of this machine connects: all of them",
            false => "who connects: whoever reaches this address",
        };
        Some(format!(
            "{address}: it is not checked {who} can use your login (--token-file, or unix: with a path, does)"
        ))
    }

    /// Whether this system tells whose a connection at this address is.
    pub(crate) fn can_tell_users(address: &Address) -> bool {
        match address {
            #[cfg(target_os = "linux")]
            Address::Tcp(_) => address.is_this_machines() && owner::is_told(),
            #[cfg(not(target_os = "linux"))]
            Address::Tcp(_) => false,
            #[cfg(unix)]
            Address::Unix(_) => true,
        }
    }

    /// Whether who has connected may speak.
    pub(super) fn admits(&self, peer: &Peer) -> Result<(), NotAdmitted> {
        if self.users == Users::All {
            return Ok(());
        }
        let user = match *peer {
            #[cfg(target_os = "linux")]
            Peer::Tcp { peer, own } => owner::of(peer, own).ok().flatten(),
            #[cfg(not(target_os = "linux"))]
            Peer::Tcp { .. } => None,
            #[cfg(unix)]
            Peer::Unix { user } => user,
        };
        #[cfg(unix)]
        return match user {
            Some(user) if user == rustix::process::geteuid().as_raw() || user == 0 => Ok(()),
            Some(_) => Err(NotAdmitted::OtherUser),
            None => Err(NotAdmitted::UnknownUser),
        };
        #[cfg(not(unix))]
        match user {
            Some(()) => Ok(()),
            None => Err(NotAdmitted::UnknownUser),
        }
    }

    /// Whether a request has the token, in the field for it, which is taken out.
    pub(super) fn has_token(&self, fields: &mut HeaderMap, field: HeaderName) -> Result<(), NotAdmitted> {
        let Some(token) = &self.token else { return Ok(()) };
        match fields.remove(field) {
            Some(value) if token.is_in(&value) => Ok(()),
            _ => Err(NotAdmitted::Token),
        }
    }

    /// Whether a request that is for this listener itself, and no further, is not some other site's doing.
    pub(super) fn is_for(&self, peer: &Peer, fields: &HeaderMap) -> Result<Own, NotAdmitted> {
        let own = Own::of(peer, fields, &self.hosts)?;
        own.is_asked_by_itself(fields)?;
        Ok(own)
    }
}

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(unix)]
            Self::OtherUser => f.write_str(
                "the connection is another user's of this machine (--any-user lets all of them in)",
            ),
            Self::UnknownUser => {
                f.write_str("the system does not tell whose the connection is (--any-user lets everybody in)")
            }
            Self::Token => f.write_str("the token of --token-file is missing, or is another one"),
            Self::Host => f.write_str("Host is not this listener's (--allow-host names others)"),
            Self::Loop => {
                f.write_str("the request comes back: what is behind this gateway leads to it again")
            }
            Self::OtherSite(field) => write!(f, "{field} says that it comes from another site"),
        }
    }
}
