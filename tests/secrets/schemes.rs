//! The schemes: who answers, who logs in, and what the password comes down to.

use std::net::SocketAddr;
use std::sync::Arc;

use aes::Aes256;
use aes::cipher::BlockCipherEncrypt;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use legwork::mechanism::kerberos::Kerberos;
use legwork::mechanism::ntlm::Ntlm;
use legwork::scheme::digest::Algorithm;
use legwork::scheme::scram::ScramHash;
use legwork::scheme::{Negotiate, NtlmScheme, Schemes, Scram};
use legwork::testing::{
    Builder, DigestAcceptor, Judge, Judgement, Kdc, Offer, Presentation, ScramAcceptor, Server, Users,
};
use legwork::{Authenticator, Credentials, Origin};
use md4::{Digest, Md4};
use md5::Md5;
use md5::digest::common::hazmat::SerializableState;
use sha1::Sha1;
use sha2::Sha256;

use crate::tapped::Tapped;

const REALM: &str = "the lab";
const SERVICE: &str = "HTTP/www.lab.test";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Basic,
    Bearer,
    DigestMd5,
    DigestMd5Sess,
    DigestSha256,
    DigestAuthInt,
    Ntlm,
    Negotiate,
    ScramSha256,
    ScramSha1,
    Kerberos,
    Iakerb,
}

/// Whom a program logs in at.
pub(crate) struct Peer {
    scheme: Scheme,
    tapped: Tapped,
    kdc: Option<Kdc>,
    server: Server,
}

impl Scheme {
    pub(crate) const ALL: [Self; 12] = [
        Self::Basic,
        Self::Bearer,
        Self::DigestMd5,
        Self::DigestMd5Sess,
        Self::DigestSha256,
        Self::DigestAuthInt,
        Self::Ntlm,
        Self::Negotiate,
        Self::ScramSha256,
        Self::ScramSha1,
        Self::Kerberos,
        Self::Iakerb,
    ];

    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    /// The leg that says something of the password.
    pub(crate) fn proof(self) -> usize {
        match self {
            Self::Ntlm | Self::Negotiate | Self::ScramSha256 | Self::ScramSha1 => 3,
            Self::Iakerb => 4,
            _ => 2,
        }
    }

    /// What a client keeps of a password for its next login.
    #[cfg(target_os = "linux")]
    pub(crate) fn kept(self) -> &'static [&'static str] {
        match self {
            Self::Basic => &["password"],
            Self::Bearer => &["token"],
            Self::DigestMd5 | Self::DigestSha256 | Self::DigestAuthInt => &["password", "H(A1) in digits"],
            Self::DigestMd5Sess => &["password", "H(A1) in digits", "H(A1) of a session in digits"],
            Self::Ntlm | Self::Negotiate => &["password", "response key, as HMAC keeps it"],
            Self::ScramSha256 | Self::ScramSha1 => &["password", "ClientKey", "ServerKey"],
            Self::Kerberos | Self::Iakerb => &["password", "long-term key", "session key"],
        }
    }

    fn username(self) -> &'static str {
        match self {
            Self::Ntlm | Self::Negotiate => "LAB\\carol",
            Self::Kerberos | Self::Iakerb => "carol@LAB.TEST",
            _ => "carol",
        }
    }

    pub(crate) fn credentials(self, password: String) -> Credentials {
        match self {
            Self::Bearer => Credentials::bearer_token(password),
            _ => Credentials::password(self.username(), password),
        }
    }

    /// Our own Kerberos, which may ask a KDC for itself or not.
    pub(crate) fn kerberos(self, kdc: Option<SocketAddr>) -> Kerberos {
        match kdc {
            Some(kdc) if self == Self::Kerberos => Kerberos::new().kdc("LAB.TEST", [kdc.to_string()]),
            _ => Kerberos::new(),
        }
    }

    /// A login at this origin.
    pub(crate) fn authenticator(
        self,
        origin: &Origin,
        kerberos: Kerberos,
        credentials: Credentials,
    ) -> Authenticator {
        let builder = Authenticator::builder()
            .dangerous_secrets_over_plain_http(true)
            .credentials(origin.clone(), credentials)
            .target_name(origin.clone(), SERVICE);
        let builder = match self {
            Self::Ntlm => builder.schemes(Schemes::from(NtlmScheme::new(Ntlm::new()))),
            Self::Negotiate => builder.schemes(Schemes::from(Negotiate::ntlm())),
            Self::ScramSha1 => builder.schemes(Schemes::from(Scram::new().hash(ScramHash::Sha1))),
            Self::Kerberos | Self::Iakerb => {
                builder.schemes(Schemes::from(Negotiate::kerberos_or_iakerb(kerberos)))
            }
            _ => builder,
        };
        builder.build()
    }

    fn offer(self, password: &str, kdc: Option<&Kdc>) -> Offer {
        let digest = |algorithm| DigestAcceptor::new(REALM).algorithms([algorithm]).user("carol", password);
        let scram = || {
            let users = Arc::new(Users::new().with("carol", password));
            ScramAcceptor::new(users, REALM, [7; 32])
        };
        let service = || kdc.expect("a KDC").service(SERVICE);
        match self {
            Self::Basic => Offer::basic(REALM),
            Self::Bearer => Offer::judged("Bearer", Token(password.to_owned())),
            Self::DigestMd5 => Offer::judged("Digest", digest(Algorithm::Md5)),
            Self::DigestMd5Sess => Offer::judged("Digest", digest(Algorithm::Md5Sess)),
            Self::DigestSha256 => Offer::judged("Digest", digest(Algorithm::Sha256)),
            Self::DigestAuthInt => Offer::judged("Digest", digest(Algorithm::Md5).qop("auth-int")),
            Self::Ntlm => Offer::Ntlm,
            Self::Negotiate => Offer::Negotiate,
            Self::ScramSha256 => Offer::judged("SCRAM-SHA-256", scram()),
            Self::ScramSha1 => Offer::judged("SCRAM-SHA-1", scram().hash(ScramHash::Sha1)),
            Self::Kerberos => Offer::kerberos(&service()),
            Self::Iakerb => Offer::kerberos_and_iakerb(&service()),
        }
    }
}

/// What takes one bearer token.
struct Token(String);

impl Judge for Token {
    fn challenges(&self) -> Vec<String> {
        vec![format!("Bearer realm=\"{REALM}\"")]
    }

    fn judge(&self, presentation: &Presentation<'_>) -> Judgement {
        match self.0 == presentation.credentials {
            true => Judgement::accepted("carol"),
            false => Judgement::refused("unknown"),
        }
    }
}

impl Peer {
    pub(crate) async fn start(
        scheme: Scheme,
        password: &str,
        set_up: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let kdc = Kdc::builder("LAB.TEST").user("carol", password).service(SERVICE).start();
        let kdc = match scheme {
            Scheme::Kerberos | Scheme::Iakerb => Some(kdc.await.expect("a KDC")),
            _ => None,
        };
        let server =
            Server::builder().user(scheme.username(), password).offer(scheme.offer(password, kdc.as_ref()));
        let server = set_up(server).start().await.expect("a server");
        let tapped = Tapped::before(server.address()).await;
        Self { scheme, tapped, kdc, server }
    }

    pub(crate) fn origin(&self) -> Origin {
        self.tapped.origin.clone()
    }

    pub(crate) fn kdc_address(&self) -> Option<SocketAddr> {
        self.kdc.as_ref().map(Kdc::address)
    }

    /// What was said on the wire and is long enough to be a secret.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.tapped.secrets()
    }

    /// Waits until no connection is open to it.
    #[cfg(target_os = "linux")]
    pub(crate) async fn is_left(&self) {
        self.server.wait_for(|report| report.open() == 0).await;
    }

    /// The line that carries the secret itself, where the scheme sends it.
    #[cfg(target_os = "linux")]
    pub(crate) fn field(&self, password: &str) -> Option<String> {
        match self.scheme {
            Scheme::Basic => {
                let pair = format!("{}:{password}", self.scheme.username());
                Some(format!("authorization: Basic {}", BASE64_STANDARD.encode(pair)))
            }
            Scheme::Bearer => Some(format!("authorization: Bearer {password}")),
            _ => None,
        }
    }

    /// What the scheme makes of this password, and what stands for it.
    pub(crate) fn keys(&self, password: &str) -> Vec<(&'static str, Vec<u8>)> {
        match self.scheme {
            Scheme::Basic | Scheme::Bearer => Vec::new(),
            Scheme::DigestMd5 | Scheme::DigestMd5Sess | Scheme::DigestAuthInt => {
                self.digest_keys::<Md5>(password)
            }
            Scheme::DigestSha256 => self.digest_keys::<Sha256>(password),
            Scheme::Ntlm | Scheme::Negotiate => {
                let nt_hash = Md4::digest(utf16(password)).to_vec();
                let response_key = hmac::<Hmac<Md5>>(&nt_hash, &utf16("CAROLLAB"));
                vec![
                    ("NT hash, as HMAC keeps it", states::<Md5>(&nt_hash)),
                    ("response key, as HMAC keeps it", states::<Md5>(&response_key)),
                    ("NT hash", nt_hash),
                    ("response key", response_key),
                ]
            }
            Scheme::ScramSha256 => self.scram_keys::<Hmac<Sha256>, Sha256>(password),
            Scheme::ScramSha1 => self.scram_keys::<Hmac<Sha1>, Sha1>(password),
            Scheme::Kerberos | Scheme::Iakerb => {
                let salted = hi::<Hmac<Sha1>>(password, b"LAB.TESTcarol", 4096, 2)[..32].to_vec();
                let session_keys = self.kdc.as_ref().expect("a KDC").session_keys();
                let long_term = derive_key(&salted).to_vec();
                let session_keys = session_keys.into_iter().filter(|key| *key != long_term);
                let mut keys = Vec::from_iter(session_keys.map(|key| ("session key", key)));
                keys.push(("password, as HMAC keeps it", states::<Sha1>(password.as_bytes())));
                keys.push(("string-to-key, before DK", salted));
                keys.push(("long-term key", long_term));
                keys
            }
        }
    }

    fn digest_keys<D: Digest>(&self, password: &str) -> Vec<(&'static str, Vec<u8>)> {
        let ha1 = D::digest(format!("carol:{REALM}:{password}")).to_vec();
        let digits = hex(&ha1);
        let mut keys = vec![("H(A1) in digits", digits.clone().into_bytes()), ("H(A1)", ha1)];
        if self.scheme == Scheme::DigestMd5Sess {
            let heard = self.tapped.text();
            for cnonce in values(&heard, "cnonce=") {
                for nonce in values(&heard, "nonce=") {
                    let session = D::digest(format!("{digits}:{nonce}:{cnonce}")).to_vec();
                    keys.push(("H(A1) of a session in digits", hex(&session).into_bytes()));
                    keys.push(("H(A1) of a session", session));
                }
            }
        }
        keys
    }

    fn scram_keys<M: Mac + KeyInit + Clone, D: Digest + SerializableState>(
        &self,
        password: &str,
    ) -> Vec<(&'static str, Vec<u8>)> {
        let heard = self.tapped.text();
        let messages =
            values(&heard, "data=").into_iter().filter_map(|data| BASE64_STANDARD.decode(data).ok());
        let messages = messages.filter_map(|message| String::from_utf8(message).ok());
        let parts = messages.flat_map(|text| Vec::from_iter(text.split(',').map(str::to_owned)));
        let salt = { parts }.find_map(|part| part.strip_prefix("s=").map(str::to_owned));
        let salt = BASE64_STANDARD.decode(salt.expect("the server tells its salt")).expect("base64");
        let salted = hi::<M>(password, &salt, 4096, 1);
        let client_key = hmac::<M>(&salted, b"Client Key");
        vec![
            ("password, as HMAC keeps it", states::<D>(password.as_bytes())),
            ("SaltedPassword, as HMAC keeps it", states::<D>(&salted)),
            ("StoredKey", D::digest(&client_key).to_vec()),
            ("ClientKey", client_key),
            ("ServerKey", hmac::<M>(&salted, b"Server Key")),
            ("SaltedPassword", salted),
        ]
    }
}

/// What HMAC keeps of a key: what the hash function comes to after the key under each of its masks. As good as the key.
fn states<D: Digest + SerializableState>(key: &[u8]) -> Vec<u8> {
    let states = [0x36, 0x5c].map(|mask| {
        let mut block = [mask; 64];
        block.iter_mut().zip(key).for_each(|(octet, key)| *octet ^= key);
        D::new().chain_update(block).serialize()[..<D as Digest>::output_size()].to_vec()
    });
    states.concat()
}

/// The values of these parameters, quoted or not.
fn values(text: &str, parameter: &str) -> Vec<String> {
    let ends = |character: char| character == ',' || character.is_whitespace();
    let found = text.match_indices(parameter).filter(|(at, _)| {
        text[..*at].chars().next_back().is_none_or(|before| !before.is_ascii_alphanumeric())
    });
    let values = found.map(|(at, _)| &text[at + parameter.len()..]);
    let values = values.map(|rest| match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(ends).next(),
    });
    values.flatten().map(str::to_owned).collect()
}

pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn hmac<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mac = <M as KeyInit>::new_from_slice(key).expect("any key");
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

/// PBKDF2, so many blocks of it.
fn hi<M: Mac + KeyInit + Clone>(password: &str, salt: &[u8], iterations: u32, blocks: u32) -> Vec<u8> {
    let keyed = <M as KeyInit>::new_from_slice(password.as_bytes()).expect("any key");
    let block = |number: u32| {
        let mut last =
            keyed.clone().chain_update(salt).chain_update(number.to_be_bytes()).finalize().into_bytes();
        let mut sum = last.to_vec();
        for _ in 1..iterations {
            last = keyed.clone().chain_update(&last).finalize().into_bytes();
            sum.iter_mut().zip(&last).for_each(|(sum, octet)| *sum ^= octet);
        }
        sum
    };
    (1..=blocks).flat_map(block).collect()
}

/// `DK(key, "kerberos")` (RFC 3961, section 5.1): the constant, folded to a block, encrypted once and once more.
fn derive_key(base: &[u8]) -> [u8; 32] {
    let cipher = Aes256::new_from_slice(base).expect("32 octets");
    let mut block = *b"kerberos\x7b\x9b\x5b\x2b\x93\x13\x2b\x93";
    let mut key = [0; 32];
    for part in key.chunks_exact_mut(16) {
        cipher.encrypt_block((&mut block).into());
        part.copy_from_slice(&block);
    }
    key
}

/// Letters and digits that occur nowhere by chance.
pub(crate) fn random_text(length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789xy";
    let mut octets = vec![0; length];
    getrandom::fill(&mut octets).expect("the system has randomness");
    octets.iter().map(|octet| char::from(LETTERS[usize::from(octet % 64)])).collect()
}
