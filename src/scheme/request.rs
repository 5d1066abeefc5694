use std::fmt;

use http::{Method, Uri};

use crate::mechanism::Moments;

/// The request that a challenge was answered to, as it stands on the wire.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestContext<'a> {
    /// The method.
    pub method: &'a Method,
    /// The request target in the form in which it is sent (RFC 9112, section 3.2).
    pub target: &'a Uri,
    /// Whether the request has a body.
    pub has_body: bool,
    /// Its content, once all of it is kept to be sent again.
    pub content: Option<&'a dyn Content>,
    /// The clocks and the randomness to answer it with.
    pub moments: &'a dyn Moments,
}

impl<'a> RequestContext<'a> {
    /// Takes a request's method, target on the wire, and whether it has a body; and where the moments of
    /// its login come from.
    pub fn new(method: &'a Method, target: &'a Uri, has_body: bool, moments: &'a dyn Moments) -> Self {
        Self { method, target, has_body, content: None, moments }
    }

    /// Adds the request's content.
    #[must_use]
    pub fn with_content(mut self, content: Option<&'a dyn Content>) -> Self {
        self.content = content;
        self
    }
}

/// A request's content, for schemes that cover it (Digest's `auth-int`).
pub trait Content {
    /// Gives the content piece by piece.
    fn read(&self, take: &mut dyn FnMut(&[u8]));
}

impl fmt::Debug for dyn Content + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::mechanism::FixedMoment;

    struct Form;

    impl Content for Form {
        fn read(&self, take: &mut dyn FnMut(&[u8])) {
            take(b"password=pw");
        }
    }

    #[test]
    fn nothing_of_the_content_is_printed() {
        let (uri, moments) = (Uri::from_static("/form"), FixedMoment(SystemTime::UNIX_EPOCH));
        let request = RequestContext::new(&Method::POST, &uri, true, &moments).with_content(Some(&Form));
        assert_eq!(
            format!("{request:?}"),
            "RequestContext { method: POST, target: /form, has_body: true, content: Some(Content(..)), \
             moments: Moments(..) }"
        );
    }
}
