//! The messages of RFC 5802, section 7. What the server sends is read here and nowhere else.
//!
//! ```text
//! client-first-message = "n,," "n=" saslname ",r=" c-nonce
//! server-first-message = "r=" c-nonce s-nonce ",s=" base64 ",i=" posit-number ["," extensions]
//! client-final-message = "c=biws,r=" c-nonce s-nonce ",p=" base64
//! server-final-message = ( "e=" server-error-value / "v=" base64 ) ["," extensions]
//! ```

use std::fmt;
use std::str;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::scheme::scram::error::{ScramError, ServerError};

/// The GS2 header: no channel bindings, nobody to act for. RFC 7804 knows no other.
pub(super) const GS2_HEADER: &str = "n,,";

/// The GS2 header again, in base64, as the client's final message repeats it.
const CHANNEL_BINDING: &str = "c=biws";

/// How many octets a message of the server may have; real ones have about a hundred.
const MAX_OCTETS: usize = 4096;

/// The client's first message without its GS2 header.
pub(super) fn client_first_bare(username: &str, nonce: &str) -> String {
    format!("n={},r={nonce}", username.replace('=', "=3D").replace(',', "=2C"))
}

/// The client's final message without its proof.
pub(super) fn client_final_without_proof(nonce: &str) -> String {
    format!("{CHANNEL_BINDING},r={nonce}")
}

/// The server's first message: its nonce, and how the password is salted.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerFirst {
    text: String,
    nonce: String,
    salt: Vec<u8>,
    iterations: u64,
}

impl ServerFirst {
    /// Reads the message.
    ///
    /// # Errors
    ///
    /// [`ScramError`] that says what is wrong; [`ScramError::Refused`] if it is a refusal (`e=`).
    pub fn parse(octets: &[u8]) -> Result<Self, ScramError> {
        const WHAT: &str = "the server's first message";
        let malformed = |reason| ScramError::Malformed { what: WHAT, reason };
        let text = text(octets, WHAT)?;
        let mut attributes = text.split(',');
        let first = attributes.next().unwrap_or_default();
        if let Some(error) = first.strip_prefix("e=") {
            return Err(ScramError::Refused(Some(ServerError::from_value(error))));
        }
        if first.starts_with("m=") {
            return Err(ScramError::UnknownExtension);
        }
        let nonce = first.strip_prefix("r=").ok_or(malformed("no nonce"))?;
        if !is_nonce(nonce) {
            return Err(malformed("a nonce with characters that it cannot have"));
        }
        let salt = attributes.next().and_then(|s| s.strip_prefix("s=")).ok_or(malformed("no salt"))?;
        let salt = BASE64_STANDARD.decode(salt).map_err(|_| malformed("a salt that is not base64"))?;
        if salt.is_empty() {
            return Err(malformed("an empty salt"));
        }
        let count = attributes.next().and_then(|i| i.strip_prefix("i="));
        let iterations = count
            .and_then(posit_number)
            .ok_or(malformed("no iteration count, or one that is not a positive number"))?;
        extensions(attributes).map_err(malformed)?;
        Ok(Self { nonce: nonce.to_owned(), salt, iterations, text: text.to_owned() })
    }

    /// What a server that knows the login already would send again (RFC 7804, section 5.1).
    pub(super) fn rebuilt(nonce: &str, salt: &[u8], iterations: u32) -> Self {
        let text = format!("r={nonce},s={},i={iterations}", BASE64_STANDARD.encode(salt));
        Self { text, nonce: nonce.to_owned(), salt: salt.to_owned(), iterations: iterations.into() }
    }

    /// Returns the message as it was received.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the client's nonce with the server's behind it.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Returns the salt, one octet or more.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Returns the iteration count as the server has it; a number beyond 64 bits reads as the largest.
    pub fn iterations(&self) -> u64 {
        self.iterations
    }
}

impl fmt::Debug for ServerFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerFirst").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// The server's final message: its signature, or why it refuses.
#[derive(Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "complete by definition: RFC 5802 has these two")]
pub enum ServerFinal {
    /// `v=`
    Signature(Vec<u8>),
    /// `e=`
    Error(ServerError),
}

impl ServerFinal {
    /// Reads the message.
    ///
    /// # Errors
    ///
    /// [`ScramError::Malformed`] that says what is wrong.
    pub fn parse(octets: &[u8]) -> Result<Self, ScramError> {
        const WHAT: &str = "the server's final message";
        let malformed = |reason| ScramError::Malformed { what: WHAT, reason };
        let mut attributes = text(octets, WHAT)?.split(',');
        let first = attributes.next().unwrap_or_default();
        let message = if let Some(error) = first.strip_prefix("e=") {
            Self::Error(ServerError::from_value(error))
        } else if let Some(signature) = first.strip_prefix("v=") {
            let signature = BASE64_STANDARD.decode(signature);
            Self::Signature(signature.map_err(|_| malformed("a signature that is not base64"))?)
        } else {
            return Err(malformed("neither a signature nor an error"));
        };
        extensions(attributes).map_err(malformed)?;
        Ok(message)
    }
}

impl fmt::Debug for ServerFinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature(_) => f.write_str("Signature(..)"),
            Self::Error(error) => f.debug_tuple("Error").field(error).finish(),
        }
    }
}

/// `printable` of RFC 5802: visible ASCII other than the comma.
pub(super) fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b',')
}

/// The examples of RFC 7804 end with a line feed (erratum 6633), which is none of the message; it
/// is an error here, since both sides hash what they think was sent.
fn text<'a>(octets: &'a [u8], what: &'static str) -> Result<&'a str, ScramError> {
    let malformed = |reason| ScramError::Malformed { what, reason };
    if octets.len() > MAX_OCTETS {
        return Err(malformed("it is too long"));
    }
    let text = str::from_utf8(octets).map_err(|_| malformed("it is not UTF-8"))?;
    if text.contains(|character: char| character.is_control()) {
        return Err(malformed("it has control characters"));
    }
    Ok(text)
}

/// A positive number without a leading zero; one that is too large for 64 bits is the largest.
fn posit_number(text: &str) -> Option<u64> {
    if text.is_empty() || text.starts_with('0') || !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// Extensions that may be passed over: a letter, an equals sign and at least one character.
fn extensions<'a>(mut attributes: impl Iterator<Item = &'a str>) -> Result<(), &'static str> {
    let well_formed = attributes.all(|attribute| match attribute.as_bytes() {
        [letter, b'=', _, ..] => letter.is_ascii_alphabetic(),
        _ => false,
    });
    if well_formed { Ok(()) } else { Err("what follows is no extension") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_messages_of_rfc_7677() {
        let first = ServerFirst::parse(
            b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        )
        .expect("well-formed");
        assert_eq!(first.nonce(), "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        assert_eq!((first.salt().len(), first.iterations()), (16, 4096));
        let last = ServerFinal::parse(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert!(matches!(last, Ok(ServerFinal::Signature(signature)) if signature.len() == 32));
    }

    #[test]
    fn extensions_at_the_end_are_passed_over_and_mandatory_ones_are_not() {
        ServerFirst::parse(b"r=ab,s=QQ==,i=1,x=anything,y=more").expect("extensions");
        ServerFinal::parse(b"v=QQ==,x=more").expect("extensions");
        assert_eq!(ServerFirst::parse(b"m=ext,r=ab,s=QQ==,i=1"), Err(ScramError::UnknownExtension));
    }

    #[test]
    fn malformed_messages_say_what_is_wrong() {
        for (message, reason) in [
            ("", "no nonce"),
            ("s=QQ==,r=ab,i=1", "no nonce"),
            ("r=,s=QQ==,i=1", "a nonce with"),
            ("r=a b,s=QQ==,i=1", "a nonce with"),
            ("r=ab", "no salt"),
            ("r=ab,s=,i=1", "an empty salt"),
            ("r=ab,s=QQ,i=1", "not base64"),
            ("r=ab,s=QQ==", "no iteration count"),
            ("r=ab,s=QQ==,i=0", "not a positive number"),
            ("r=ab,s=QQ==,i=01", "not a positive number"),
            ("r=ab,s=QQ==,i=-1", "not a positive number"),
            ("r=ab,s=QQ==,i=+1", "not a positive number"),
            ("r=ab,s=QQ==,i=1,", "no extension"),
            ("r=ab,s=QQ==,i=1,1=x", "no extension"),
            ("r=ab,s=QQ==,i=1\n", "control characters"),
        ] {
            let error = ServerFirst::parse(message.as_bytes()).expect_err(message).to_string();
            assert!(error.contains(reason), "{message:?}: {error}");
        }
        for message in ["", "x=1", "v=QQ==,", "v=Q", "v=QQ==\n"] {
            ServerFinal::parse(message.as_bytes()).expect_err(message);
        }
        ServerFirst::parse(&[0xff]).expect_err("not UTF-8");
        ServerFirst::parse(&vec![b'a'; MAX_OCTETS + 1]).expect_err("too long");
    }

    #[test]
    fn a_count_beyond_any_number_is_the_largest() {
        let first = ServerFirst::parse(b"r=ab,s=QQ==,i=99999999999999999999999").expect("well-formed");
        assert_eq!(first.iterations(), u64::MAX);
    }

    #[test]
    fn refusals_are_explained() {
        let refused = ServerFirst::parse(b"e=unknown-user").expect_err("a refusal");
        assert_eq!(refused.to_string(), "the server refuses the login: there is no such user (unknown-user)");
        for (value, error) in [
            ("invalid-proof", ServerError::InvalidProof),
            ("no-resources", ServerError::NoResources),
            ("something of their own", ServerError::Other),
        ] {
            let message = ServerFinal::parse(format!("e={value}").as_bytes());
            assert_eq!(message, Ok(ServerFinal::Error(error)));
        }
    }

    #[test]
    fn the_comma_and_the_equals_sign_of_a_name_are_escaped() {
        assert_eq!(client_first_bare("a=b,c=2C", "x"), "n=a=3Db=2Cc=3D2C,r=x");
    }

    #[test]
    fn neither_nonce_nor_salt_nor_signature_is_printed() {
        let first = ServerFirst::parse(b"r=a-nonce,s=c2FsdA==,i=4096").expect("well-formed");
        assert_eq!(format!("{first:?}"), "ServerFirst { iterations: 4096, .. }");
        let signature = ServerFinal::parse(b"v=c2lnbmF0dXJl").expect("well-formed");
        assert_eq!(format!("{signature:?}"), "Signature(..)");
        let refused = ServerFinal::parse(b"e=invalid-proof").expect("well-formed");
        assert_eq!(format!("{refused:?}"), "Error(InvalidProof)");
    }
}
