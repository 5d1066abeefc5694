//! All that there is to judge by, and in which order it counts.

use std::net::{IpAddr, SocketAddr};

use crate::advice::Advice;
use crate::doctor::diagnosis::subject::Subject;
use crate::doctor::facts::{Attempt, AttemptResult, Choice, Hop, Kerberos, Role};
use crate::doctor::finding::Finding;
use crate::policy::Policy;

/// All that there is to judge by.
pub(crate) struct Case<'a> {
    pub(crate) url: &'a str,
    pub(crate) hops: &'a [Hop],
    pub(crate) kerberos: Option<&'a Kerberos>,
    pub(crate) attempt: Option<&'a Attempt>,
    pub(crate) advice: Option<&'a Advice>,
    pub(crate) subject: &'a Subject,
    pub(crate) policy: &'a Policy,
    /// Whether there are options beside who logs in, which what is proposed needs too.
    pub(crate) has_options: bool,
}

impl Hop {
    /// How a sentence names it.
    pub(crate) fn name(&self) -> String {
        match self.role {
            Role::Proxy => format!("the proxy {}", self.origin),
            Role::Origin => self.origin.clone(),
        }
    }

    /// Its IP address.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        let address: SocketAddr = self.reached.as_ref()?.parse().ok()?;
        Some(address.ip())
    }

    pub(super) fn is_secure(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// Whether TLS is spoken there, and HTTP/1.1 is not.
    pub(crate) fn is_only_http2(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.http2 && !tls.http1)
    }
}

impl Kerberos {
    /// A ticket for the server can be had.
    pub(super) fn is_granted(&self) -> bool {
        self.ticket.as_ref().is_some_and(|ticket| ticket.granted)
    }

    pub(super) fn cache_owner(&self) -> Option<&str> {
        let by_library = self.ticket.as_ref().and_then(|ticket| ticket.principal.as_deref());
        by_library.or_else(|| self.cache.as_ref()?.principal.as_deref())
    }
}

impl Case<'_> {
    /// The last hop that was reached and asks for a login.
    pub(crate) fn challenging(&self) -> Option<&Hop> {
        self.hops.iter().rev().find(|hop| hop.is_challenge())
    }

    /// What is wrong, the cause before its effects.
    pub(crate) fn findings(&self, choice: Option<&Choice>) -> Vec<Finding> {
        let mut found = Vec::new();
        found.extend(self.said_by_kdc());
        for hop in self.hops {
            found.extend(self.on_the_way(hop));
            found.extend(self.offer(hop));
        }
        if let Some(hop) = self.challenging() {
            found.extend(self.connection(hop, choice));
            found.extend(self.clock(hop));
        }
        found.extend(self.kerberos());
        found.extend(self.refusal());
        found.extend(self.no_access());
        if let Some(Attempt { result: AttemptResult::LoggedIn, .. }) = self.attempt {
            // Whatever looked as if it would: it did not.
            found.iter_mut().for_each(|finding| finding.fails = false);
        }
        let mut seen = Vec::new();
        found.retain(|Finding { code, place, .. }| {
            let is_new = !seen.contains(&(*code, place.clone()));
            seen.push((*code, place.clone()));
            is_new
        });
        found.sort_by_key(|finding| !finding.fails);
        found
    }

    /// The user's name is a Windows domain's, and no KDC is asked.
    pub(super) fn is_by_ntlm(&self) -> bool {
        match self.subject {
            Subject::User(_) => self.password_for_kerberos().is_none(),
            _ => false,
        }
    }
}

/// What to do about clocks.
pub(super) const NTP: &str = "see which of the two is wrong (`timedatectl` tells whether this machine's is \
                              synchronized), and have it set by NTP";
