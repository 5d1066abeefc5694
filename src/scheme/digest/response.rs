//! The functions of RFC 7616, section 3.4, which both sides compute.

use super::algorithm::{Algorithm, DigestHash, Hasher, Hex, Key};

/// Quality of protection: what the response covers beside user and nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Qop {
    /// Method and target.
    Auth,
    /// The content as well.
    AuthInt,
}

impl Qop {
    /// Its name, in any case.
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|qop| qop.name().as_bytes().eq_ignore_ascii_case(name))
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }
}

/// What came with RFC 2617: a quality of protection, and what ties the response to one request.
#[derive(Clone, Copy)]
pub(crate) struct Protection<'a> {
    pub(crate) qop: Qop,
    /// Eight hexadecimal digits.
    pub(crate) count: &'a [u8],
    pub(crate) cnonce: &'a [u8],
}

/// `H(A1)` without a session: `username:realm:password` (section 3.4.2).
pub(crate) fn key(hash: DigestHash, username: &[u8], realm: &[u8], password: &[u8]) -> Key {
    hash.key_of(&[username, realm, password])
}

/// `H(A1)` of a session, made of the nonces with which it began.
pub(crate) fn session_key(hash: DigestHash, key: &Key, nonce: &[u8], cnonce: &[u8]) -> Key {
    hash.key_of(&[key.as_bytes(), nonce, cnonce])
}

/// `H(A2)` (section 3.4.3); `method` is empty for what the server proves (section 3.5).
pub(crate) fn request_hash(hash: DigestHash, method: &str, target: &str, body: Option<&str>) -> Hex {
    let (method, target) = (method.as_bytes(), target.as_bytes());
    match body {
        Some(body) => hash.of(&[method, target, body.as_bytes()]),
        None => hash.of(&[method, target]),
    }
}

/// The response (section 3.4.1); without protection as RFC 2069 has it. A client keeps its beginning.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn response(
    hash: DigestHash,
    key: &Key,
    nonce: &[u8],
    protection: Option<Protection<'_>>,
    request_hash: &Hex,
) -> Hex {
    complete(begin(hash, key, nonce), protection, request_hash)
}

/// What all responses with a key and a nonce begin with. As good as the key for as long as the server takes the nonce,
/// and wiped when it is dropped.
pub(crate) fn begin(hash: DigestHash, key: &Key, nonce: &[u8]) -> Hasher {
    hash.hasher_of(&[key.as_bytes(), nonce])
}

/// The response that has [begun](begin) so.
pub(crate) fn complete(mut begun: Hasher, protection: Option<Protection<'_>>, request_hash: &Hex) -> Hex {
    let request_hash = request_hash.as_bytes();
    match protection {
        Some(Protection { qop, count, cnonce }) => {
            begun.go_on(&[count, cnonce, qop.name().as_bytes(), request_hash]);
        }
        None => begun.go_on(&[request_hash]),
    }
    begun.finish()
}

/// The name that is sent in place of the user's (section 3.4.4).
pub(crate) fn user_hash(algorithm: Algorithm, username: &[u8], realm: &[u8]) -> Hex {
    algorithm.hash().of(&[username, realm])
}

/// Compares without telling by its time where the two differ. Digits count in any case.
pub(crate) fn same(expected: &Hex, received: &[u8]) -> bool {
    let expected = expected.as_bytes();
    expected.len() == received.len()
        && expected.iter().zip(received).fold(0, |sum, (a, b)| sum | (a ^ b.to_ascii_lowercase())) == 0
}
