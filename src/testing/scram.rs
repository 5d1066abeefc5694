//! The accepting side of SCRAM over HTTP (RFC 7804).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::challenge::Challenges;
use crate::credentials::Secret;
use crate::scheme::scram::attributes::ScramAttributes;
use crate::scheme::scram::hash::{ScramHash, same};
use crate::scheme::scram::keys::{ScramKeys, derive_keys};
use crate::scheme::scram::prepare::prepare;
use crate::testing::judge::{Judge, Judgement, Presentation};
use crate::testing::users::Users;

/// A server's SCRAM: verifies proofs, ties each login together by its `sid`, and takes logins of
/// one round trip where it sends `sr`.
///
/// Its state belongs to the server, not to a connection; clones are one acceptor, so that a test can
/// keep one and change its mind. Nonces, salts and identifiers are made of a seed, so that a
/// conversation can be repeated.
///
/// ```
/// use std::sync::Arc;
///
/// use legwork::testing::{Offer, ScramAcceptor, Server, Users};
/// use legwork::unversioned::testing::ScramQuirk;
///
/// let users = Arc::new(Users::new().with("user", "pencil"));
/// let scram = ScramAcceptor::new(users, "lab", [7; 32]).reauthentication(Some(60));
/// let builder = Server::builder().offer(Offer::judged("SCRAM-SHA-256", scram.clone()));
///
/// // One thing changed: a server that does not know the password.
/// scram.quirk(ScramQuirk::WrongSignature);
/// ```
#[derive(Clone)]
pub struct ScramAcceptor(Arc<Mutex<ScramServer>>);

struct ScramServer {
    users: Arc<Users>,
    hash: ScramHash,
    realm: String,
    iterations: u32,
    quirks: Vec<ScramQuirk>,
    seed: [u8; 32],
    drawn: u64,
    open: Vec<OpenLogin>,
    known: Vec<KnownLogin>,
    server_nonce: Option<String>,
    seconds_to_live: Option<u64>,
    keys: HashMap<(String, u32), Arc<ScramKeys>>,
}

/// How an acceptor behaves oddly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScramQuirk {
    /// The signature has one wrong bit.
    WrongSignature,
    /// There is no `Authentication-Info`.
    NoSignature,
    /// The nonce of the first message does not begin with the client's.
    ForeignNonce,
    /// The nonce of the first message is the client's, with nothing behind it.
    BareNonce,
    /// The first message has this iteration count, whatever the real one is.
    Iterations(u64),
    /// The first message comes without `sid`.
    NoSid,
    /// The final message is refused with this error of RFC 5802, section 7.
    Error(&'static str),
    /// The page comes with this error in place of a signature.
    ErrorBesideThePage(&'static str),
}

/// A login whose first message was answered.
struct OpenLogin {
    sid: String,
    user: String,
    client_first_bare: String,
    server_first: String,
    nonce: String,
    iterations: u32,
}

/// A login that was completed, for the next one by one message.
struct KnownLogin {
    sid: String,
    user: String,
    iterations: u32,
    next: u64,
}

/// The client's final message taken apart.
struct ClientFinalMessage<'a> {
    without_proof: &'a str,
    nonce: &'a str,
    proof: Vec<u8>,
}

impl ScramAcceptor {
    /// Offers SCRAM-SHA-256 with 4096 iterations.
    pub fn new(users: Arc<Users>, realm: impl Into<String>, seed: [u8; 32]) -> Self {
        Self(Arc::new(Mutex::new(ScramServer {
            users,
            hash: ScramHash::Sha256,
            realm: realm.into(),
            iterations: 4096,
            quirks: Vec::new(),
            seed,
            drawn: 0,
            open: Vec::new(),
            known: Vec::new(),
            server_nonce: None,
            seconds_to_live: None,
            keys: HashMap::new(),
        })))
    }

    /// Sets another hash function.
    #[must_use]
    pub fn hash(self, hash: ScramHash) -> Self {
        self.state().hash = hash;
        self
    }

    /// Sets another iteration count.
    #[must_use]
    pub fn iterations(self, count: u32) -> Self {
        self.state().iterations = count;
        self
    }

    /// Sends `sr`, and takes logins of one round trip.
    #[must_use]
    pub fn reauthentication(self, seconds_to_live: Option<u64>) -> Self {
        self.state().seconds_to_live = seconds_to_live;
        self.renew();
        self
    }

    /// Behaves oddly from now on.
    pub fn quirk(&self, quirk: ScramQuirk) {
        self.state().quirks.push(quirk);
    }

    /// Behaves well from now on.
    pub fn behave(&self) {
        self.state().quirks.clear();
    }

    /// Takes another `sr` from now on; logins with the old one are stale.
    pub fn renew(&self) {
        self.state().renew();
    }

    /// Forgets all completed logins, as a server does that is started again.
    pub fn forget(&self) {
        self.state().known.clear();
    }

    fn state(&self) -> MutexGuard<'_, ScramServer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Judge for ScramAcceptor {
    fn challenges(&self) -> Vec<String> {
        vec![self.state().challenge("")]
    }

    fn judge(&self, presentation: &Presentation<'_>) -> Judgement {
        let mut state = self.state();
        match state.judge(presentation.credentials) {
            Ok(judgement) => judgement,
            Err(why) => state.refuse(why, ""),
        }
    }
}

impl ScramServer {
    fn judge(&mut self, credentials: &str) -> Result<Judgement, String> {
        // Credentials have the grammar of a challenge (RFC 9110, section 11.4).
        let read = Challenges::from_value(format!("SCRAM {credentials}").as_bytes());
        let read = read.iter().next().ok_or("malformed credentials")?;
        let attributes = ScramAttributes::from_challenge(read).map_err(|error| error.to_string())?;
        let data = attributes.data.ok_or("there is no data")?;
        let message = std::str::from_utf8(&data).map_err(|error| error.to_string())?;
        let sid = attributes.sid.map(|sid| String::from_utf8_lossy(&sid).into_owned());
        if let Some(bare) = message.strip_prefix("n,,") {
            return match attributes.realm {
                Some(realm) if realm != self.realm.as_bytes() => Err("the realm is another".to_owned()),
                _ => self.first(bare),
            };
        }
        let client_final = ClientFinalMessage::parse(message)?;
        let sid = sid.ok_or("a final message without sid")?;
        match self.open.iter().position(|open| open.sid == sid) {
            Some(at) => {
                let open = self.open.remove(at);
                self.last(open, &client_final)
            }
            None => self.again(&sid, &client_final),
        }
    }

    fn renew(&mut self) {
        self.server_nonce = Some(self.draw());
    }

    fn first(&mut self, bare: &str) -> Result<Judgement, String> {
        let (name, client_nonce) = bare
            .strip_prefix("n=")
            .and_then(|rest| rest.split_once(",r="))
            .filter(|(name, nonce)| !name.is_empty() && !nonce.is_empty() && !nonce.contains(','))
            .ok_or("the client's first message is malformed")?;
        let (sid, user) = (self.draw(), unescape(name)?);
        let nonce = match self
            .quirks
            .iter()
            .find(|quirk| matches!(quirk, ScramQuirk::ForeignNonce | ScramQuirk::BareNonce))
        {
            Some(ScramQuirk::ForeignNonce) => format!("x{client_nonce}{}", self.draw()),
            Some(_) => client_nonce.to_owned(),
            None => format!("{client_nonce}{}", self.draw()),
        };
        let told = self.quirks.iter().find_map(|quirk| match quirk {
            ScramQuirk::Iterations(count) => Some(*count),
            _ => None,
        });
        let told = told.unwrap_or(self.iterations.into());
        let server_first = format!("r={nonce},s={},i={told}", BASE64_STANDARD.encode(self.salt(&user)));
        let data = BASE64_STANDARD.encode(&server_first);
        let sid_attribute =
            if self.has(ScramQuirk::NoSid) { String::new() } else { format!("sid=\"{sid}\", ") };
        self.open.push(OpenLogin {
            sid,
            user,
            client_first_bare: bare.to_owned(),
            server_first,
            nonce,
            iterations: self.iterations,
        });
        Ok(Judgement::Continued {
            challenge: format!("{} {sid_attribute}data=\"{data}\"", self.hash.scheme()),
        })
    }

    fn last(&mut self, open: OpenLogin, client_final: &ClientFinalMessage<'_>) -> Result<Judgement, String> {
        if client_final.nonce != open.nonce {
            return Err("the nonce is another login's".to_owned());
        }
        if let Some(error) = self.quirks.iter().find_map(|quirk| match quirk {
            ScramQuirk::Error(error) => Some(*error),
            _ => None,
        }) {
            let data = BASE64_STANDARD.encode(format!("e={error}"));
            return Ok(self.refuse(error.to_owned(), &format!(", sid=\"{}\", data=\"{data}\"", open.sid)));
        }
        let auth_message =
            format!("{},{},{}", open.client_first_bare, open.server_first, client_final.without_proof);
        let Some(info) = self.verify(&open.user, open.iterations, &auth_message, &client_final.proof) else {
            let data = BASE64_STANDARD.encode("e=invalid-proof");
            let why = format!("the proof of {:?} does not match", open.user);
            return Ok(self.refuse(why, &format!(", sid=\"{}\", data=\"{data}\"", open.sid)));
        };
        if self.server_nonce.is_some() {
            self.known.push(KnownLogin {
                sid: open.sid.clone(),
                user: open.user.clone(),
                iterations: open.iterations,
                next: open.iterations.into(),
            });
        }
        Ok(self.accept(open.user, &open.sid, &info))
    }

    /// RFC 7804, section 5.1.
    fn again(&mut self, sid: &str, client_final: &ClientFinalMessage<'_>) -> Result<Judgement, String> {
        let at =
            self.known.iter().position(|known| known.sid == sid).ok_or("there is no login with this sid")?;
        let sr = self.server_nonce.clone().ok_or("logins of one round trip are not taken")?;
        let KnownLogin { user, iterations, next, .. } = &self.known[at];
        let (user, iterations, next) = (user.clone(), *iterations, *next);
        let Some(client_nonce) = client_final.nonce.strip_suffix(&format!("{next}{sr}")) else {
            self.renew();
            return Ok(self.refuse("the nonce is stale".to_owned(), ", stale=true"));
        };
        let name = user.replace('=', "=3D").replace(',', "=2C");
        let auth_message = format!(
            "n={name},r={client_nonce},r={},s={},i={iterations},{}",
            client_final.nonce,
            BASE64_STANDARD.encode(self.salt(&user)),
            client_final.without_proof,
        );
        let Some(info) = self.verify(&user, iterations, &auth_message, &client_final.proof) else {
            return Err(format!("the proof of {user:?} does not match"));
        };
        self.known[at].next += 1;
        Ok(self.accept(user, sid, &info))
    }

    /// The signature, if the proof holds (RFC 5802, section 3).
    fn verify(&mut self, user: &str, iterations: u32, auth_message: &str, proof: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys(user, iterations)?;
        let expected = keys.client_proof(auth_message);
        same(&expected, proof).then(|| keys.server_signature(auth_message).to_vec())
    }

    /// `None` for a stranger, who has been given a salt all the same.
    fn keys(&mut self, user: &str, iterations: u32) -> Option<Arc<ScramKeys>> {
        if let Some(keys) = self.keys.get(&(user.to_owned(), iterations)) {
            return Some(Arc::clone(keys));
        }
        let password = Secret::new(prepare(self.users.password("", user)?).ok()?);
        let keys = Arc::new(derive_keys(self.hash, &password, &self.salt(user), iterations));
        self.keys.insert((user.to_owned(), iterations), Arc::clone(&keys));
        Some(keys)
    }

    fn accept(&self, user: String, sid: &str, signature: &[u8]) -> Judgement {
        let mut signature = signature.to_vec();
        if self.has(ScramQuirk::WrongSignature) {
            signature[0] ^= 1;
        }
        let told = self.quirks.iter().find_map(|quirk| match quirk {
            ScramQuirk::ErrorBesideThePage(error) => Some(format!("e={error}")),
            _ => None,
        });
        let message = told.unwrap_or_else(|| format!("v={}", BASE64_STANDARD.encode(signature)));
        let info = format!("sid=\"{sid}\", data=\"{}\"", BASE64_STANDARD.encode(message));
        Judgement::Accepted { user, info: (!self.has(ScramQuirk::NoSignature)).then_some(info) }
    }

    fn refuse(&self, why: String, attributes: &str) -> Judgement {
        Judgement::Refused { why, challenges: Some(vec![self.challenge(attributes)]) }
    }

    fn challenge(&self, attributes: &str) -> String {
        let realm = self.realm.replace('\\', "\\\\").replace('"', "\\\"");
        let mut challenge = format!("{} realm=\"{realm}\"{attributes}", self.hash.scheme());
        if let Some(sr) = &self.server_nonce {
            challenge.push_str(&format!(", sr=\"{sr}\""));
        }
        if let Some(seconds) = self.seconds_to_live {
            challenge.push_str(&format!(", ttl={seconds}"));
        }
        challenge
    }

    fn has(&self, quirk: ScramQuirk) -> bool {
        self.quirks.contains(&quirk)
    }

    fn salt(&self, user: &str) -> Vec<u8> {
        self.hash.hmac(&self.seed, &[b"salt ", user.as_bytes()].concat())[..16].to_vec()
    }

    /// Something new that fits a nonce.
    fn draw(&mut self) -> String {
        self.drawn += 1;
        BASE64_STANDARD.encode(&self.hash.hmac(&self.seed, &self.drawn.to_be_bytes())[..15])
    }
}

impl<'a> ClientFinalMessage<'a> {
    fn parse(message: &'a str) -> Result<Self, String> {
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or("a message without a proof")?;
        let nonce = without_proof.strip_prefix("c=biws,r=").ok_or("another GS2 header than n,,")?;
        let proof = BASE64_STANDARD.decode(proof).map_err(|error| error.to_string())?;
        Ok(Self { without_proof, nonce, proof })
    }
}

fn unescape(name: &str) -> Result<String, String> {
    let mut pieces = name.split('=');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (character, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (None, Some(rest)) => ('=', rest),
            (None, None) => return Err("an equals sign that is not escaped".to_owned()),
        };
        text.push(character);
        text.push_str(rest);
    }
    Ok(text)
}

impl fmt::Debug for ScramAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("ScramAcceptor")
            .field("users", &state.users)
            .field("realm", &state.realm)
            .field("open", &state.open.len())
            .field("known", &state.known.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method, Uri};

    use super::*;
    use crate::mechanism::ntlm::vectors::Vectors;

    fn data(answer: &str) -> String {
        let challenges = Challenges::from_value(answer.as_bytes());
        let attributes =
            ScramAttributes::from_challenge(challenges.iter().next().expect("one")).expect("fine");
        String::from_utf8(attributes.data.expect("data")).expect("UTF-8")
    }

    fn credentials(attributes: &str, message: &str) -> String {
        format!("{attributes} data=\"{}\"", BASE64_STANDARD.encode(message))
    }

    fn judge(acceptor: &ScramAcceptor, credentials: &str) -> Judgement {
        let (field, target) = (HeaderValue::from_static("unused"), Uri::from_static("/"));
        acceptor.judge(&Presentation::new(credentials, &field, &Method::GET, &target, b""))
    }

    #[track_caller]
    fn refused(judgement: Judgement) -> (String, String) {
        let Judgement::Refused { why, challenges: Some(challenges) } = judgement else {
            panic!("{judgement:?}")
        };
        (why, challenges[0].clone())
    }

    fn acceptor() -> ScramAcceptor {
        ScramAcceptor::new(Arc::new(Users::new().with("user", "pencil")), "lab", [7; 32])
    }

    #[test]
    fn proofs_and_signatures_are_those_of_rfc_7677() {
        let vectors = Vectors::read(include_str!("../../tests/vectors/scram.txt"));
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let keys = derive_keys(ScramHash::Sha256, &Secret::new("pencil"), &salt, 4096);
        let client_final =
            ClientFinalMessage::parse(vectors.text("sha-256.client-final")).expect("well-formed");
        let auth_message = format!(
            "{},{},{}",
            vectors.text("sha-256.client-first").strip_prefix("n,,").expect("a GS2 header"),
            vectors.text("sha-256.server-first"),
            client_final.without_proof
        );
        assert_eq!(*keys.client_proof(&auth_message), client_final.proof);
    }

    #[test]
    fn a_stranger_is_given_a_salt_and_refused_at_the_end() {
        let acceptor = acceptor();
        let first = judge(&acceptor, &credentials("realm=lab,", "n,,n=mallory,r=abc"));
        let Judgement::Continued { challenge } = first else { panic!("a salt") };
        let nonce = data(&challenge);
        let nonce = nonce.strip_prefix("r=").and_then(|rest| rest.split(',').next()).expect("a nonce");
        let sid = challenge.split('"').nth(1).expect("a sid");
        let last = credentials(&format!("sid=\"{sid}\","), &format!("c=biws,r={nonce},p=QQ=="));
        let (why, challenge) = refused(judge(&acceptor, &last));
        assert_eq!(data(&challenge), "e=invalid-proof");
        assert!(why.contains("mallory"), "{why}");
        // The sid was good for one answer.
        let (why, _) = refused(judge(&acceptor, &last));
        assert_eq!(why, "there is no login with this sid");
    }

    #[test]
    fn what_is_no_login_is_refused_with_a_reason() {
        for (value, reason) in [
            ("realm=".to_owned(), "the challenge: a token68 in place of attributes"),
            (String::new(), "there is no data"),
            (credentials("realm=x,", "n,,n=user,r=abc"), "the realm is another"),
            (credentials("", "y,,n=user,r=abc"), "a message without a proof"),
            (credentials("", "n,,n=user"), "the client's first message is malformed"),
            (credentials("", "n,,n=a=b,r=abc"), "an equals sign that is not escaped"),
            (credentials("", "c=eSws,r=abc,p=QQ=="), "another GS2 header than n,,"),
            (credentials("", "c=biws,r=abc,p=QQ=="), "a final message without sid"),
            (credentials("sid=x,", "c=biws,r=abc,p=QQ=="), "there is no login with this sid"),
        ] {
            let (why, _) = refused(judge(&acceptor(), &value));
            assert_eq!(why, reason, "{value}");
        }
    }
}
