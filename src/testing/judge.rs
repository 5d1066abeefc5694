//! Schemes whose credentials hold for one request, such as Digest and Bearer.

use std::fmt;
use std::sync::Arc;

use http::{HeaderValue, Method, Uri};

/// Looks at requests one by one, on all connections: the server's side of a scheme whose
/// credentials hold for one request.
///
/// ```
/// use std::sync::Arc;
///
/// use legwork::testing::{Judge, Judgement, Offer, Presentation, Server};
///
/// struct OneToken;
///
/// impl Judge for OneToken {
///     fn challenges(&self) -> Vec<String> {
///         vec!["Bearer realm=\"api\"".to_owned()]
///     }
///
///     fn judge(&self, presentation: &Presentation<'_>) -> Judgement {
///         match presentation.credentials {
///             "mF_9.B5f-4.1JqM" => Judgement::accepted("alice"),
///             _ => Judgement::refused("another token"),
///         }
///     }
/// }
///
/// let builder = Server::builder().offer(Offer::judged("Bearer", OneToken));
/// ```
pub trait Judge: Send + Sync {
    /// The challenges to a request without credentials of this scheme, a field value each.
    fn challenges(&self) -> Vec<String>;

    /// Looks at a request's credentials.
    fn judge(&self, presentation: &Presentation<'_>) -> Judgement;
}

impl<J: Judge + ?Sized> Judge for Arc<J> {
    fn challenges(&self) -> Vec<String> {
        (**self).challenges()
    }

    fn judge(&self, presentation: &Presentation<'_>) -> Judgement {
        (**self).judge(presentation)
    }
}

/// A request with credentials, which `Debug` does not show.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Presentation<'a> {
    /// What follows the scheme's name in the field.
    pub credentials: &'a str,
    /// The method.
    pub method: &'a Method,
    /// The request target as it was sent.
    pub target: &'a Uri,
    /// The whole field.
    pub field: &'a HeaderValue,
    /// The beginning of the request's content, up to [`MAX_CONTENT`](Self::MAX_CONTENT) octets; empty
    /// where the server refuses [before the body](crate::testing::Quirk::EarlyRefusal).
    pub content: &'a [u8],
}

impl<'a> Presentation<'a> {
    /// How much content is kept for a judge to see.
    pub const MAX_CONTENT: usize = 64 * 1024;

    /// Creates one from a field with credentials, and the request that it came with.
    pub fn new(
        credentials: &'a str,
        field: &'a HeaderValue,
        method: &'a Method,
        target: &'a Uri,
        content: &'a [u8],
    ) -> Self {
        Self { credentials, method, target, field, content }
    }
}

impl fmt::Debug for Presentation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presentation")
            .field("method", self.method)
            .field("target", self.target)
            .finish_non_exhaustive()
    }
}

/// What a request's credentials came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "complete by definition: yes, go on, no, what?")]
pub enum Judgement {
    /// The request is served.
    Accepted {
        /// The user's name.
        user: String,
        /// `Authentication-Info`, where the scheme has it.
        info: Option<String>,
    },
    /// The exchange goes on with this challenge.
    Continued {
        /// The field value.
        challenge: String,
    },
    /// The request is refused.
    Refused {
        /// The reason, for people; not for the client.
        why: String,
        /// Challenges in place of the usual ones.
        challenges: Option<Vec<String>>,
    },
    /// The credentials cannot be read, which `400` tells.
    Unreadable,
}

impl Judgement {
    /// Serves the request, as this user's.
    pub fn accepted(user: impl Into<String>) -> Self {
        Self::Accepted { user: user.into(), info: None }
    }

    /// Refuses the request, with the usual challenges.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused { why: why.into(), challenges: None }
    }
}

impl fmt::Debug for dyn Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge")
    }
}
