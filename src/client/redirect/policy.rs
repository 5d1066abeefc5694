use std::fmt;

use http::Uri;

/// Which redirects are followed. Default: ten of them, never from https to http.
#[derive(Clone, Copy, Debug)]
pub struct Redirects {
    pub(super) limit: u32,
    pub(super) to_other_origins: bool,
    pub(super) to_plain_http: bool,
}

impl Default for Redirects {
    fn default() -> Self {
        Self { limit: 10, to_other_origins: true, to_plain_http: false }
    }
}

impl Redirects {
    /// Sets how many redirects are followed for one request. Default: 10.
    #[must_use]
    pub fn limit(mut self, redirects: u32) -> Self {
        self.limit = redirects;
        self
    }

    /// Sets whether redirects to other origins are followed. Default: yes.
    #[must_use]
    pub fn to_other_origins(mut self, followed: bool) -> Self {
        self.to_other_origins = followed;
        self
    }

    /// Sets whether redirects from https to http are followed, where anybody on the way reads and writes
    /// what is sent. Default: no.
    #[must_use]
    pub fn dangerous_to_plain_http(mut self, followed: bool) -> Self {
        self.to_plain_http = followed;
        self
    }
}

/// In a response's extensions: where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redirected {
    /// The URI of the request that it answers.
    pub uri: Uri,
    /// How many redirects were followed to it.
    pub hops: u32,
    /// Why this one was not, if it is another.
    pub stopped: Option<Stopped>,
}

/// Why a redirect is delivered rather than followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stopped {
    /// As many were followed as may be.
    Limit,
    /// It leads to no `http` or `https` URI, or its `Location` is missing or empty.
    Location,
    /// It leads to another origin.
    OtherOrigin,
    /// It leads from https to http.
    PlainHttp,
    /// It wants the request's content, which cannot be had again.
    Content,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Limit => "too many redirects",
            Self::Location => "the redirect does not lead to an http or https URI",
            Self::OtherOrigin => "the redirect leads to another origin",
            Self::PlainHttp => "the redirect leads from https to http",
            Self::Content => "the redirect wants the request's content again, which cannot be sent twice",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_redirect_was_not_followed_is_told() {
        for (stopped, words) in [
            (Stopped::Limit, "too many"),
            (Stopped::Location, "does not lead to an http or https URI"),
            (Stopped::OtherOrigin, "another origin"),
            (Stopped::PlainHttp, "from https to http"),
            (Stopped::Content, "cannot be sent twice"),
        ] {
            assert!(stopped.to_string().contains(words), "{stopped}");
        }
    }
}
