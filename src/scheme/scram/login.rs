//! One login, message by message. Each state is a type, and going on consumes it.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use zeroize::Zeroizing;

use crate::credentials::{Credentials, Secret};
use crate::mechanism::Entropy;
use crate::scheme::scram::Scram;
use crate::scheme::scram::error::ScramError;
use crate::scheme::scram::hash::{Octets, ScramHash, same};
use crate::scheme::scram::keys::{ScramKeys, derive_keys};
use crate::scheme::scram::message::{GS2_HEADER, client_final_without_proof, client_first_bare};
use crate::scheme::scram::message::{ServerFinal, ServerFirst};
use crate::scheme::scram::prepare::prepare;

/// The client has sent its first message and waits for the server's.
pub struct ClientFirst {
    scram: Scram,
    credentials: Credentials,
    username: String,
    password: Secret,
    nonce: String,
}

impl ClientFirst {
    /// Prepares name and password; the entropy becomes the nonce.
    ///
    /// # Errors
    ///
    /// [`ScramError::Credentials`] if there is no password, or one that cannot be prepared.
    pub fn new(scram: &Scram, credentials: &Credentials, entropy: &Entropy) -> Result<Self, ScramError> {
        Self::with_nonce(scram, credentials, client_nonce(entropy, 0))
    }

    pub(super) fn with_nonce(
        scram: &Scram,
        credentials: &Credentials,
        nonce: String,
    ) -> Result<Self, ScramError> {
        let Some((username, password)) = credentials.as_password() else {
            return Err(ScramError::Credentials("it needs a password"));
        };
        let username = prepare(username)?.into_owned();
        if username.is_empty() {
            return Err(ScramError::Credentials("the user name is empty"));
        }
        let password = Secret::new(prepare(password.expose())?);
        Ok(Self { scram: scram.clone(), credentials: credentials.clone(), username, password, nonce })
    }

    /// `client-first-message`
    pub fn message(&self) -> Vec<u8> {
        format!("{GS2_HEADER}{}", client_first_bare(&self.username, &self.nonce)).into_bytes()
    }

    /// Takes the server's first message.
    ///
    /// # Errors
    ///
    /// [`ScramError`] if it is malformed or refuses, if its nonce does not extend ours, or if its
    /// iteration count is out of bounds.
    pub fn receive(self, server_first: &[u8]) -> Result<Derivation, ScramError> {
        let server_first = ServerFirst::parse(server_first)?;
        let extended = server_first.nonce().strip_prefix(&self.nonce);
        if extended.is_none_or(str::is_empty) {
            return Err(ScramError::ForeignNonce);
        }
        let iterations = self.scram.check_iterations(server_first.iterations())?;
        Ok(Derivation { client_first: self, server_first, iterations })
    }
}

impl fmt::Debug for ClientFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFirst").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The password has to be salted and hashed: work for a processor, unless the keys are at hand.
///
/// It can be moved to another thread.
pub struct Derivation {
    client_first: ClientFirst,
    server_first: ServerFirst,
    iterations: u32,
}

impl Derivation {
    /// Returns how many iterations the server asks for.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Returns whether [`run`](Self::run) finds the keys in the cache, and takes no time.
    pub fn is_cached(&self) -> bool {
        self.cached().is_some()
    }

    /// Makes the client's final message. The keys are left in the cache.
    pub fn run(self) -> ClientFinal {
        let keys = self.cached().unwrap_or_else(|| self.derive());
        let Self { client_first, server_first, iterations } = self;
        let login = ScramLogin {
            username: client_first.username,
            salt: server_first.salt().to_owned(),
            iterations,
            keys,
        };
        ClientFinal::new(login, &client_first.nonce, &server_first)
    }

    fn derive(&self) -> Arc<ScramKeys> {
        let ClientFirst { scram, credentials, password, .. } = &self.client_first;
        let salt = self.server_first.salt();
        let keys = Arc::new(derive_keys(scram.hash, password, salt, self.iterations));
        scram.cache.keep(credentials, salt, self.iterations, &keys);
        keys
    }

    fn cached(&self) -> Option<Arc<ScramKeys>> {
        let ClientFirst { scram, credentials, .. } = &self.client_first;
        scram.cache.find(scram.hash, credentials, self.server_first.salt(), self.iterations)
    }
}

impl fmt::Debug for Derivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derivation").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// The client has sent its final message, and knows which signature the server owes.
pub struct ClientFinal {
    login: ScramLogin,
    message: Zeroizing<Vec<u8>>,
    server_signature: Octets,
}

impl ClientFinal {
    /// `AuthMessage` and what is made of it (RFC 5802, section 3).
    fn new(login: ScramLogin, client_nonce: &str, server_first: &ServerFirst) -> Self {
        let without_proof = client_final_without_proof(server_first.nonce());
        let client_first = client_first_bare(&login.username, client_nonce);
        let auth_message = format!("{client_first},{},{without_proof}", server_first.text());
        let mut message = Zeroizing::new(without_proof);
        message.push_str(",p=");
        BASE64_STANDARD.encode_string(&*login.keys.client_proof(&auth_message), &mut message);
        let server_signature = login.keys.server_signature(&auth_message);
        Self { login, message: Zeroizing::new(message.as_bytes().to_vec()), server_signature }
    }

    /// `client-final-message`
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Takes the server's final message, and with it the proof that the server knows the password.
    ///
    /// There is no way around it: a login without the signature has failed.
    ///
    /// # Errors
    ///
    /// [`ScramError::Missing`] if there is no message, [`ScramError::WrongSignature`] if another
    /// server than the user's wrote it, [`ScramError::Refused`] if it says so.
    pub fn verify(self, server_final: Option<&[u8]>) -> Result<ScramLogin, ScramError> {
        let Some(message) = server_final else { return Err(ScramError::Missing("its signature")) };
        match ServerFinal::parse(message)? {
            ServerFinal::Error(error) => Err(ScramError::Refused(Some(error))),
            ServerFinal::Signature(signature) if same(&signature, &self.server_signature) => Ok(self.login),
            ServerFinal::Signature(_) => Err(ScramError::WrongSignature),
        }
    }
}

impl fmt::Debug for ClientFinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFinal").field("login", &self.login).finish_non_exhaustive()
    }
}

/// What both sides know of each other after a login, and a later one can do with.
#[derive(Clone)]
pub struct ScramLogin {
    username: String,
    salt: Vec<u8>,
    iterations: u32,
    keys: Arc<ScramKeys>,
}

impl ScramLogin {
    /// Returns who is logged in, as it was sent.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Returns the hash function of the mechanism.
    pub fn hash(&self) -> ScramHash {
        self.keys.hash
    }

    /// The iteration count, with which a server's count of logins begins.
    pub(super) fn iterations(&self) -> u32 {
        self.iterations
    }

    /// The final message at once (RFC 7804, section 5.1): the server's part of the nonce is the
    /// count, then `sr`; the messages before it are what they would have been.
    pub(super) fn again(&self, client_nonce: &str, count: u64, sr: &str) -> ClientFinal {
        let nonce = format!("{client_nonce}{count}{sr}");
        let server_first = ServerFirst::rebuilt(&nonce, &self.salt, self.iterations);
        ClientFinal::new(self.clone(), client_nonce, &server_first)
    }
}

impl fmt::Debug for ScramLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramLogin").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The nth nonce of a login: 144 bits in base64, which has no comma.
pub(super) fn client_nonce(entropy: &Entropy, number: u8) -> String {
    let octets =
        ScramHash::Sha256.hmac(entropy.octets(), &[b"SCRAM client nonce ".as_slice(), &[number]].concat());
    BASE64_STANDARD_NO_PAD.encode(&octets[..18])
}
