use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use hmac::Hmac;
use md5::Md5;

use crate::credentials::ambient::Ambient;
use crate::credentials::invalid_token::InvalidToken;
use crate::credentials::secret::Secret;
use crate::stack::{self, Depth};

/// What a user logs in with, shared by every connection that uses it: a name and a password, or
/// what the system holds for the logged-on user.
///
/// Equality covers the secret: the same user with another password is another identity.
///
/// ```
/// use legwork::credentials::Credentials;
///
/// let carol = Credentials::password("LAB\\carol", "carol-pw");
/// assert_eq!(format!("{carol:?}"), "Credentials { username: \"LAB\\\\carol\", .. }");
/// ```
#[derive(Clone)]
pub struct Credentials(Arc<CredentialsData>);

struct CredentialsData {
    kind: CredentialsKind,
    /// What NTLM makes of them; empty until then.
    ntlm_key: OnceLock<Hmac<Md5>>,
}

#[derive(PartialEq, Eq)]
enum CredentialsKind {
    Password { username: String, password: Secret },
    BearerToken(Secret),
    Ambient(Ambient),
}

impl Credentials {
    /// Takes a user name (`user`, `DOMAIN\user` or `user@domain`) and a password.
    pub fn password(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self::new(CredentialsKind::Password { username: username.into(), password: Secret::new(password) })
    }

    /// Takes a bearer token (RFC 6750), for the scheme Bearer only. Where tokens expire, there is
    /// [`BearerTokens`](crate::credentials::BearerTokens).
    ///
    /// One that cannot be sent is refused when a server asks for it, by a
    /// [reason](crate::handshake::Why::CannotStart) that names the character; a token from a file or the
    /// environment is better checked by [`try_bearer_token`](Self::try_bearer_token).
    pub fn bearer_token(token: impl Into<Secret>) -> Self {
        Self::new(CredentialsKind::BearerToken(token.into()))
    }

    /// Takes a bearer token, as [`bearer_token`](Self::bearer_token) does, and checks it at once.
    ///
    /// ```
    /// use legwork::credentials::Credentials;
    ///
    /// let error = Credentials::try_bearer_token("read-from-a-file\n").expect_err("a line's end");
    /// assert_eq!(error.to_string(), "the token has '\\n' at octet 16, which cannot be sent");
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidToken`] for an empty token, and one with other characters than visible ASCII or with a
    /// comma or a double quote.
    pub fn try_bearer_token(token: impl Into<Secret>) -> Result<Self, InvalidToken> {
        let token = token.into();
        InvalidToken::check(&token)?;
        Ok(Self::bearer_token(token))
    }

    /// Takes the logged-on user's own: a ticket cache or a keytab, on Windows the logon session. Mechanisms
    /// of the system can use them, such as Kerberos, and nothing else can.
    ///
    /// Given to one origin, or in a request's extensions, they go there; for more origins there is
    /// [`AuthenticatorBuilder::ambient`](crate::handshake::AuthenticatorBuilder::ambient).
    pub fn ambient(ambient: Ambient) -> Self {
        Self::new(CredentialsKind::Ambient(ambient))
    }

    /// Returns the name as the caller gave it; `None` where it is left to the system, and for a token.
    pub fn username(&self) -> Option<&str> {
        match &self.0.kind {
            CredentialsKind::Password { username, .. } => Some(username),
            CredentialsKind::BearerToken(_) => None,
            CredentialsKind::Ambient(ambient) => ambient.principal_name(),
        }
    }

    /// Returns the name and the password, if that is what they are.
    pub fn as_password(&self) -> Option<(&str, &Secret)> {
        match &self.0.kind {
            CredentialsKind::Password { username, password } => Some((username, password)),
            CredentialsKind::BearerToken(_) | CredentialsKind::Ambient(_) => None,
        }
    }

    /// Returns the token, if that is what they are.
    pub fn as_bearer_token(&self) -> Option<&Secret> {
        match &self.0.kind {
            CredentialsKind::BearerToken(token) => Some(token),
            CredentialsKind::Password { .. } | CredentialsKind::Ambient(_) => None,
        }
    }

    /// Returns which of the system's credentials these are, if they are.
    pub fn as_ambient(&self) -> Option<&Ambient> {
        match &self.0.kind {
            CredentialsKind::Password { .. } | CredentialsKind::BearerToken(_) => None,
            CredentialsKind::Ambient(ambient) => Some(ambient),
        }
    }

    /// What NTLM reduces the name and the password to (NTOWFv2, MS-NLMP 3.3.2), as HMAC-MD5 takes it. It is made for the first
    /// login, kept beside the password, and wiped with it.
    pub(crate) fn ntlm_key(&self, make: impl FnOnce() -> Hmac<Md5>) -> &Hmac<Md5> {
        match self.0.ntlm_key.get() {
            Some(key) => key,
            None => stack::wiped(Depth::Hash, || self.0.ntlm_key.get_or_init(make)),
        }
    }

    fn new(kind: CredentialsKind) -> Self {
        Self(Arc::new(CredentialsData { kind, ntlm_key: OnceLock::new() }))
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.kind == other.0.kind
    }
}

impl Eq for Credentials {}

impl Hash for Credentials {
    /// Only the name: a hash of the password has no place in a table.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.username().hash(state);
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            CredentialsKind::Password { username, .. } => {
                f.debug_struct("Credentials").field("username", username).finish_non_exhaustive()
            }
            CredentialsKind::BearerToken(_) => f.write_str("Credentials(a bearer token)"),
            CredentialsKind::Ambient(ambient) => ambient.fmt(f),
        }
    }
}

/// In a request's extensions: this request authenticates as nobody, whatever the client holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct Anonymous;

/// In a request's extensions: the credentials for the proxy, where [`Credentials`] are the
/// origin's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct ProxyCredentials(pub Credentials);

#[cfg(test)]
mod tests {
    use hmac::{KeyInit, Mac};

    use super::*;

    #[test]
    fn the_password_is_part_of_equality_and_never_printed() {
        let one = Credentials::password("alice", "first-pw");
        let (_, secret) = one.as_password().expect("a password");
        assert_eq!(one, Credentials::password("alice", "first-pw"));
        assert_ne!(one, Credentials::password("alice", "other-pw"));
        assert!(!format!("{one:?} {:?}", secret).contains("first-pw"));
    }

    #[test]
    fn the_key_of_ntlm_is_made_once_and_says_nothing_of_who_it_is() {
        let (one, other) = (Credentials::password("alice", "pw"), Credentials::password("alice", "pw"));
        let key = |octet| move || Hmac::new_from_slice(&[octet; 16]).expect("any key");
        let made = one.ntlm_key(key(1));
        assert!(std::ptr::eq(made, one.clone().ntlm_key(key(2))), "shared by every copy");
        assert_eq!(made.clone().finalize(), key(1)().finalize());
        assert_eq!(one, other);
        assert!(!format!("{one:?}").contains("key"));
    }

    #[test]
    fn debug_tells_a_user_from_a_token_and_from_the_system() {
        let carol = Credentials::password("carol", "carol-pw");
        assert_eq!(format!("{carol:?}"), "Credentials { username: \"carol\", .. }");
        assert_eq!(format!("{:?}", Credentials::bearer_token("a-token")), "Credentials(a bearer token)");
        let ambient = Credentials::ambient(Ambient::new().principal("alice@LAB.TEST"));
        assert!(format!("{ambient:?}").contains("alice@LAB.TEST"));
    }
}
