use std::fmt;

use crate::service::error::BoxError;

/// What an inner service knows of a leg that failed: it boxes this as its error, with the source in it.
///
/// Without it a connection that fails may have brought the request to the server, which may have acted on it.
#[derive(Debug)]
#[non_exhaustive]
pub enum LegError {
    /// Nothing of the request was sent, on a connection that was found dead for instance. The request then costs nothing
    /// to move to another connection. Over HTTP/2 it is also one that was not looked at: `REFUSED_STREAM`, or behind the
    /// last stream of `GOAWAY` (RFC 9113, sections 8.7 and 6.8).
    Unsent(BoxError),
    /// There is no connection to send the request on: for services that connect with their first request. It is
    /// not moved to another connection, which would be no easier to make. Its
    /// [`ErrorKind::Connect`](crate::service::ErrorKind::Connect) has the source.
    NotConnected(BoxError),
    /// Over HTTP/2, the server has ended the request and not the connection: `HTTP_1_1_REQUIRED`. The same request can be
    /// served over HTTP/1.1.
    Http1Required(BoxError),
    /// Over HTTP/2, the server has ended the request and not the connection, for any other reason.
    Reset(BoxError),
}

impl LegError {
    /// Whether a stream was ended by itself.
    pub(super) fn is_reset(&self) -> bool {
        matches!(self, Self::Http1Required(_) | Self::Reset(_))
    }
}

impl fmt::Display for LegError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsent(_) => "nothing of the request was sent",
            Self::NotConnected(_) => "the connection could not be made",
            Self::Http1Required(_) => "the server takes the request only over HTTP/1.1",
            Self::Reset(_) => "the stream was reset",
        })
    }
}

impl std::error::Error for LegError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let (Self::Unsent(source)
        | Self::NotConnected(source)
        | Self::Http1Required(source)
        | Self::Reset(source)) = self;
        Some(&**source)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::io;

    use super::*;

    #[test]
    fn each_says_what_has_become_of_the_request() {
        let cause = || BoxError::from("the cause");
        for (error, words) in [
            (LegError::Unsent(cause()), "nothing of the request was sent"),
            (LegError::NotConnected(cause()), "the connection could not be made"),
            (LegError::Http1Required(cause()), "the server takes the request only over HTTP/1.1"),
            (LegError::Reset(cause()), "the stream was reset"),
        ] {
            assert_eq!(error.to_string(), words);
        }
    }

    #[test]
    fn each_has_its_source_behind_it() {
        for kind in [LegError::Unsent, LegError::NotConnected, LegError::Http1Required, LegError::Reset] {
            let error = kind(io::Error::from(io::ErrorKind::ConnectionReset).into());
            assert!(error.source().is_some_and(|source| source.is::<io::Error>()), "{error:?}");
            assert_eq!(error.is_reset(), matches!(error, LegError::Http1Required(_) | LegError::Reset(_)));
        }
    }
}
