//! What came of a handshake; found in the response's extensions.

use std::fmt;
use std::sync::Arc;

use crate::challenge::ChallengeError;
use crate::handshake::verdicts::Pause;
use crate::protection_space::{Challenger, Origin};

/// How the handshake ended that this response belongs to: the origin's, or, where the origin had none,
/// the proxy's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The challenger accepted the login.
    LoggedIn(Login),
    /// The challenge stands: the response is its `401` or `407`.
    Refused(Refusal),
}

/// How the handshake with the proxy ended that a response came by; in the response's extensions as
/// well, also where the origin had a handshake of its own.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs)]
pub struct ProxyOutcome(pub Outcome);

/// An accepted login.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// Who accepted it.
    pub challenger: Challenger,
    /// The scheme's name.
    pub scheme: &'static str,
    /// The mechanism behind it, such as NTLM behind Negotiate.
    pub mechanism: &'static str,
    /// Who is logged in, as far as the mechanism tells.
    pub principal: Option<String>,
    /// Whether the server has proven who it is.
    pub mutual: bool,
    /// How many requests and responses it took on this connection, this one included.
    pub legs: u32,
    /// The mechanisms that were wanted more than this one, each with why it was not used: `Kerberos: no KDC answers`.
    pub passed_over: Option<Arc<str>>,
}

/// Why a challenge was not met. Of several schemes, the [`evidence`](Self::evidence) is the one that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Who challenges.
    pub challenger: Challenger,
    /// The origin server, or the proxy.
    pub origin: Origin,
    /// Whether the server has proven who it is; else the response is not known to be its own word,
    /// under whatever [rule](crate::mechanism::MutualAuthentication).
    pub mutual: bool,
    /// What became of each scheme, in the order in which they were considered; and in the end the
    /// challenges that [cannot be read](Why::Unreadable). [`evidence`](Self::evidence) picks the one that counts.
    pub tried: Vec<Tried>,
    /// How many requests and responses it took on this connection, this one included.
    pub legs: u32,
}

/// What became of one scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tried {
    /// The scheme's name; as the server spelled it where it is none of ours, and empty where it cannot
    /// be read.
    pub scheme: String,
    /// Why it did not log in.
    pub why: Why,
    /// The mechanisms that were wanted more than the one that was used, each with why it was not: `Kerberos: no KDC answers`.
    pub passed_over: Option<Arc<str>>,
}

impl Tried {
    /// A scheme that has had no choice among mechanisms.
    pub(crate) fn new(scheme: impl Into<String>, why: Why) -> Self {
        Self { scheme: scheme.into(), why, passed_over: None }
    }
}

/// Why a scheme did not log in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The server refused the credentials; with the mechanism's words, if it sent any.
    Refused(Option<String>),
    /// The same credentials were refused before, and have never been accepted: they are not tried again
    /// until they change, or
    /// [`forget_refusals`](crate::handshake::Authenticator::forget_refusals) is called. A server that
    /// answers its first login with 401 for want of access looks the same.
    RefusedBefore,
    /// The credentials are right, but not for this resource: an access control list keeps them out, say. They were
    /// accepted elsewhere in the protection space before, or a KDC has granted a ticket for the server. Another password
    /// will not help, unless it was changed in between.
    ///
    /// Credentials that were accepted for the very same request before are [`Refused`](Self::Refused): that password
    /// may have expired.
    Denied,
    /// They were tried, and no answer tells whether they are right: for this reason.
    Undecided(String),
    /// They were not tried: after refusals, or logins without an answer, they rest.
    Paused(Pause),
    /// There are no credentials for it.
    NoCredentials,
    /// It would show the secret to whoever reads the wire, and the origin, or the proxy, is not https.
    RevealsSecret,
    /// It cannot authenticate the server, and mutual authentication is required.
    NoMutualAuthentication,
    /// Its login is the connection's, and the proxy in between does not say that it ties connections
    /// together (`Proxy-Support: Session-Based-Authentication`, RFC 4559, section 6).
    NoProxySupport,
    /// Its login is the connection's, which other requests share over HTTP/2; one over HTTP/1.1 is
    /// not available.
    Http2,
    /// Its answer covers the whole content of the request (Digest's `auth-int`, where the server offers nothing
    /// else), and the content is not kept: it comes in pieces, and is longer than
    /// [`Limits::replay`](crate::service::Limits::replay). Content in one piece is kept at any length.
    ContentNotKept,
    /// It could not start, for this reason.
    CannotStart(String),
    /// It needs NTLM, which is
    /// [shut out](crate::handshake::AuthenticatorBuilder::without_ntlm).
    NtlmShutOut {
        /// The schemes that are left.
        left: Vec<&'static str>,
    },
    /// Nothing here answers this scheme.
    Unsupported,
    /// Its challenge is malformed, for this reason, and no scheme answers it as it is; or reading stopped
    /// there at a limit.
    Unreadable(ChallengeError),
}

impl Refusal {
    /// Returns the one of several schemes that says the most about the credentials. `None` if there was no challenge.
    ///
    /// An answer of the server counts before the lack of one, and that before what was not tried at all:
    /// [`Refused`](Why::Refused), [`Denied`](Why::Denied), [`RefusedBefore`](Why::RefusedBefore),
    /// [`Undecided`](Why::Undecided), [`Paused`](Why::Paused), [`CannotStart`](Why::CannotStart),
    /// [`NoCredentials`](Why::NoCredentials), then the rules that keep a scheme from being used, then what cannot be
    /// read, and [`Unsupported`](Why::Unsupported) last. Of equals it is the first that was considered.
    ///
    /// ```
    /// use legwork::handshake::{Refusal, Why};
    ///
    /// fn advice(refusal: &Refusal) -> &'static str {
    ///     match refusal.evidence().map(|tried| &tried.why) {
    ///         Some(Why::Refused(_) | Why::RefusedBefore) => "ask for the password again",
    ///         Some(Why::Denied) => "ask for access",
    ///         Some(Why::Undecided(_) | Why::Paused(_)) => "wait, then try again",
    ///         _ => "look at the configuration",
    ///     }
    /// }
    /// ```
    pub fn evidence(&self) -> Option<&Tried> {
        self.tried.iter().min_by_key(|tried| tried.why.rank())
    }

    /// Returns whether credentials were refused, now or with an earlier request: the [evidence](Self::evidence) is
    /// [`Refused`](Why::Refused), [`RefusedBefore`](Why::RefusedBefore) or [`Denied`](Why::Denied).
    ///
    /// `false` means that there were no credentials, that they could not be used, or that nobody said whether they are
    /// right. The password may be wrong nevertheless.
    pub fn is_refusal(&self) -> bool {
        let why = self.evidence().map(|tried| &tried.why);
        matches!(why, Some(Why::Refused(_) | Why::RefusedBefore | Why::Denied))
    }
}

impl Why {
    /// The less, the more it says of the credentials.
    fn rank(&self) -> u8 {
        match self {
            Self::Refused(_) => 0,
            Self::Denied => 1,
            Self::RefusedBefore => 2,
            Self::Undecided(_) => 3,
            Self::Paused(_) => 4,
            Self::CannotStart(_) => 5,
            Self::NoCredentials => 6,
            Self::RevealsSecret
            | Self::NoMutualAuthentication
            | Self::NoProxySupport
            | Self::Http2
            | Self::ContentNotKept
            | Self::NtlmShutOut { .. } => 7,
            Self::Unreadable(_) => 8,
            Self::Unsupported => 9,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, is_refusal) = (&self.origin, self.is_refusal());
        match (self.challenger, is_refusal) {
            (Challenger::Origin, true) => write!(f, "{origin} refused the login")?,
            (Challenger::Origin, false) => write!(f, "did not log in at {origin}")?,
            (Challenger::Proxy, true) => write!(f, "the proxy {origin} refused the login")?,
            (Challenger::Proxy, false) => write!(f, "did not log in at the proxy {origin}")?,
        }
        if self.tried.is_empty() {
            f.write_str(": it sent no challenge")?;
        }
        for (i, Tried { scheme, why, passed_over }) in self.tried.iter().enumerate() {
            f.write_str(if i == 0 { ": " } else { "; " })?;
            match scheme.as_str() {
                "" => write!(f, "{why}")?,
                scheme => write!(f, "{scheme}: {why}")?,
            }
            if let Some(passed_over) = passed_over {
                write!(f, " (without {passed_over})")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(None) => f.write_str("wrong user name or password, or the account may not log in"),
            Self::Refused(Some(detail)) => write!(f, "refused ({detail})"),
            Self::RefusedBefore => f.write_str(
                "not tried: these credentials were refused before (Authenticator::forget_refusals tries them \
                 again)",
            ),
            Self::Denied => f.write_str(
                "the login is valid, but has no access to this resource (or the password has changed since)",
            ),
            Self::Undecided(reason) => write!(f, "tried, but no answer says whether the credentials are right: {reason}"),
            Self::Paused(pause) => pause.fmt(f),
            Self::NoCredentials => f.write_str("no credentials are configured for it"),
            Self::RevealsSecret => f.write_str("would show the password on a connection without TLS"),
            Self::NoMutualAuthentication => f.write_str("cannot authenticate the server, which is required"),
            Self::NoProxySupport => f.write_str(
                "logs the connection in, which the proxy in between is not known to keep apart from others",
            ),
            Self::Http2 => f.write_str("logs the connection in, which other requests share over HTTP/2"),
            Self::ContentNotKept => f.write_str(
                "its answer covers the request's whole content (qop=auth-int), which is not kept: give the content \
                 in one piece, or raise Limits::replay to its length",
            ),
            Self::CannotStart(reason) => write!(f, "could not start: {reason}"),
            Self::NtlmShutOut { left } => {
                f.write_str("needs NTLM, which is shut out (AuthenticatorBuilder::without_ntlm); ")?;
                match left.as_slice() {
                    [] => f.write_str("no other scheme is left"),
                    left => write!(f, "what is left is {}", left.join(", ")),
                }
            }
            Self::Unsupported => f.write_str("not supported"),
            Self::Unreadable(error) => {
                let (kind, offset, line) = (error.kind(), error.offset(), error.line());
                write!(f, "the challenge cannot be read: {kind}, at octet {offset} of field line {line}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(challenger: Challenger, tried: Vec<Tried>) -> Refusal {
        let origin = "http://host.example".parse().expect("an origin");
        Refusal { challenger, origin, mutual: false, tried, legs: 2 }
    }

    #[test]
    fn a_refusal_names_who_refused_and_what_came_of_each_scheme() {
        let said = |challenger, whys: &[Why]| {
            let tried = whys.iter().map(|why| Tried::new("Basic", why.clone())).collect();
            refusal(challenger, tried).to_string()
        };
        let (origin, proxy) = (Challenger::Origin, Challenger::Proxy);
        assert_eq!(said(origin, &[]), "did not log in at http://host.example: it sent no challenge");
        assert_eq!(
            said(proxy, &[Why::NoCredentials, Why::Unsupported]),
            "did not log in at the proxy http://host.example: Basic: no credentials are configured for it; \
             Basic: not supported"
        );
        for (why, words) in [
            (Why::Refused(None), "wrong user name or password"),
            (Why::Refused(Some("the KDC's words".to_owned())), "refused (the KDC's words)"),
            (Why::RefusedBefore, "not tried: these credentials were refused before"),
            (Why::Denied, "the login is valid, but has no access"),
        ] {
            for (challenger, who) in
                [(origin, "http://host.example"), (proxy, "the proxy http://host.example")]
            {
                let said = said(challenger, std::slice::from_ref(&why));
                assert!(said.starts_with(&format!("{who} refused the login: Basic: {words}")), "{said}");
            }
        }
        for (why, words) in [
            (
                Why::Undecided("it hung up".to_owned()),
                "no answer says whether the credentials are right: it hung up",
            ),
            (Why::RevealsSecret, "on a connection without TLS"),
            (Why::NoMutualAuthentication, "cannot authenticate the server"),
            (Why::NoProxySupport, "logs the connection in, which the proxy"),
            (Why::Http2, "which other requests share over HTTP/2"),
            (Why::ContentNotKept, "(qop=auth-int), which is not kept"),
            (Why::CannotStart("no ticket".to_owned()), "could not start: no ticket"),
            (Why::NtlmShutOut { left: vec![] }, "no other scheme is left"),
            (Why::NtlmShutOut { left: vec!["Basic", "Digest"] }, "what is left is Basic, Digest"),
        ] {
            let said = said(origin, &[why]);
            assert!(said.starts_with("did not log in at http://host.example: Basic: "), "{said}");
            assert!(said.contains(words), "{said}");
        }
        let unnamed =
            Tried { passed_over: Some("Kerberos: no ticket".into()), ..Tried::new("", Why::Denied) };
        let said = refusal(origin, vec![unnamed]).to_string();
        assert!(
            said.contains("login: the login is valid") && said.ends_with(" (without Kerberos: no ticket)"),
            "{said}"
        );
    }
}
