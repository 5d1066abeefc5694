//! A request as an answer covers it.

use http::Method;

use super::algorithm::{Algorithm, DigestHash, Hex};
use super::request::DigestRequest;
use super::response::{self, Qop};
use crate::scheme::SchemeError;

/// What an answer covers of a request. It is made once for all of a connection's requests that follow each other with the
/// same method and target, as those of a service do whose operations are in the content.
pub(super) struct CoveredRequest {
    method: Method,
    target: Box<str>,
    function: DigestHash,
    covers_content: bool,
    hash: Hex,
}

impl CoveredRequest {
    /// # Errors
    ///
    /// [`SchemeError`] if the target cannot stand on a request line.
    pub(super) fn new(
        request: &DigestRequest<'_>,
        algorithm: Algorithm,
        qop: Option<Qop>,
    ) -> Result<Self, SchemeError> {
        request.check()?;
        let (method, target) = (request.method.clone(), Box::from(&*request.target));
        let (function, covers_content) = (algorithm.hash(), qop == Some(Qop::AuthInt));
        let content = if covers_content { request.body_hash(algorithm) } else { None };
        let hash = response::request_hash(function, method.as_str(), &request.target, content.as_deref());
        Ok(Self { method, target, function, covers_content, hash })
    }

    /// Whether it is what an answer to this request covers. Content may be another one each time.
    pub(super) fn is_of(&self, request: &DigestRequest<'_>, algorithm: Algorithm, qop: Option<Qop>) -> bool {
        !self.covers_content
            && qop != Some(Qop::AuthInt)
            && self.function == algorithm.hash()
            && self.method == *request.method
            && *self.target == *request.target
    }

    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// `H(A2)` (RFC 7616, section 3.4.3).
    pub(super) fn hash(&self) -> &Hex {
        &self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_of_the_same_method_and_target_by_the_same_function_and_of_no_content() {
        let get = DigestRequest::new(&Method::GET, "/a", false);
        let (md5, auth, auth_int) = (Algorithm::Md5, Some(Qop::Auth), Some(Qop::AuthInt));
        let covered = |qop| CoveredRequest::new(&get, md5, qop).expect("a target");
        for (is_of, request, algorithm, qop) in [
            (true, get.clone(), md5, auth),
            (true, get.clone(), Algorithm::Md5Sess, None),
            (false, get.clone(), Algorithm::Sha256, auth),
            (false, get.clone(), md5, auth_int),
            (false, DigestRequest::new(&Method::HEAD, "/a", false), md5, auth),
            (false, DigestRequest::new(&Method::GET, "/b", false), md5, auth),
        ] {
            assert_eq!(
                covered(auth).is_of(&request, algorithm, qop),
                is_of,
                "{request:?} {algorithm} {qop:?}"
            );
            assert!(!covered(auth_int).is_of(&request, algorithm, qop));
        }
    }
}
