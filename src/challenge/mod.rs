//! What a server or a proxy asks for: `WWW-Authenticate` and `Proxy-Authenticate`
//! (RFC 9110, sections 11.2, 11.3, 11.6.1 and 11.7.1).
//!
//! ```text
//! field value = [ challenge ] *( OWS "," OWS [ challenge ] )
//! challenge   = auth-scheme [ 1*SP ( token68 / #auth-param ) ]
//! auth-param  = token BWS "=" BWS ( token / quoted-string )
//! token68     = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
//! ```
//!
//! The comma separates challenges as well as parameters. One rule tells them apart: **an element
//! of the list that begins with a token and `=` is a parameter of the challenge before it; any
//! other element begins a challenge.** What follows a scheme is a token68 if all of it looks like
//! one (so `realm=` after a scheme is a token68), otherwise a parameter. For a well-formed value
//! this is the only reading that the ABNF has; `fuzz/` holds a literal parser that agrees.
//!
//! # Errors stay with their challenge
//!
//! A malformed challenge, with all its parameters, is not among the well-formed ones and leaves one
//! [`ChallengeError`]; its neighbours are kept. Parsing goes on at the next comma outside quotes, and the next challenge
//! begins by the rule above. Nothing is ever recognised inside quotes, where a server may repeat
//! what a stranger wrote; so a quoted string without an end costs the rest of its line.
//! Each field line is a list of its own: none can break, or continue, another's challenge.
//!
//! A parameter that occurs twice is an error, because RFC 9110, section 11.2 forbids it and
//! recipients disagree about which one counts: with two realms a user might see one and log in to
//! the other.
//!
//! # What can be read of a malformed challenge
//!
//! Basic and Bearer can be answered without any parameter, and what embedded devices and gateways
//! send is often malformed. So a malformed challenge is kept [beside](Challenges::malformed) the
//! well-formed ones if its scheme is legible: a token with white space, a comma or nothing after it.
//! Schemes that [need parameters](crate::scheme::Scheme::needs_parameters) never see it. Its
//! parameters are read by these rules:
//!
//! - A parameter begins with a name and `=`, at the beginning of a list element or behind white
//!   space outside quotes. What belongs to no parameter is passed over.
//! - A value in quotes ends with its quote, or where that is missing with the line. With a comma in such
//!   a value it is not known what else was said, a stronger scheme perhaps, and the challenge is not kept.
//! - Any other value goes up to the next parameter or comma, without the white space around it.
//! - A parameter without a value, or with a control character in it, is left out. Of those that occur
//!   twice the first counts, and a token68 beside parameters counts for nothing.
//!
//! | field value | realm | also |
//! |---|---|---|
//! | `Basic realm=my realm` | `my realm` | |
//! | `Basic realm=cam@host/1` | `cam@host/1` | |
//! | `Basic realm="x y` | `x y` | |
//! | `Basic realm="a" charset="UTF-8"` | `a` | `charset`: `UTF-8` |
//! | `Basic realm=Hall, realm="Yard"` | `Hall` | |
//! | `Bearer authorization_uri=https://a/b resource_id=https://c` | | both, as they are |
//! | `Basic my realm` | | |
//!
//! # More lenient than the ABNF
//!
//! - A tab separates the scheme from what follows, alone or beside spaces: `NTLM\tTlRM`.
//! - Parameters may follow a comma without a space after the scheme: `Basic, realm="a"`. (With the
//!   space, `Basic , realm="a"`, RFC 9110, section 5.6.1.2 has a recipient accept it.)
//!
//! # Limits
//!
//! [`MAX_CHALLENGES`](Challenges::MAX_CHALLENGES), [`MAX_PARAMS`](Challenges::MAX_PARAMS) and
//! [`MAX_OCTETS`](Challenges::MAX_OCTETS) bound what one response can make a client remember. The
//! work is linear in the octets read.
//!
//! # Example
//!
//! ```
//! use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
//! use legwork::challenge::Challenges;
//!
//! let mut headers = HeaderMap::new();
//! headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Negotiate, NTLM TlRMTVNTUAAC"));
//! headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"lab\", charset=UTF-8"));
//!
//! let challenges = Challenges::parse(&headers, WWW_AUTHENTICATE);
//! let ntlm = challenges.iter().find(|challenge| challenge.is("ntlm")).expect("it is offered");
//! assert_eq!(ntlm.token()?.as_deref(), Some(&b"NTLMSSP\0\x02"[..]));
//!
//! // A malformed challenge does not hide its neighbours.
//! let challenges = Challenges::from_value(b"Digest realm=, nonce=\"x\", Basic realm=\"lab\"");
//! assert_eq!(challenges.iter().next().and_then(|basic| basic.realm()).as_deref(), Some("lab"));
//! assert_eq!(
//!     challenges.errors()[0].to_string(),
//!     "Digest challenge: parameters beside a token68, at octet 15 of field line 0",
//! );
//!
//! // What can be read of it does for Basic.
//! let challenges = Challenges::from_value(b"Basic realm=front door");
//! assert_eq!(challenges.malformed()[0].realm().as_deref(), Some("front door"));
//! # Ok::<(), legwork::challenge::ChallengeError>(())
//! ```

mod error;
mod info;
mod params;
mod parser;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::slice;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::{AsHeaderName, HeaderValue};

pub use self::error::{ChallengeError, ChallengeErrorKind};
pub use self::info::AuthenticationInfo;
use self::params::Params;
use self::parser::Parser;
pub(crate) use self::parser::is_tchar;

/// Base64 as RFC 4559 and NTLM use it; senders that leave out the padding are understood.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The challenges of one response, in the order received, and what was malformed among them.
#[derive(Clone, Debug, Default)]
pub struct Challenges {
    challenges: Vec<Challenge>,
    malformed: Vec<Challenge>,
    errors: Vec<ChallengeError>,
}

impl Challenges {
    /// How many challenges are read from one response, malformed ones included.
    pub const MAX_CHALLENGES: usize = 32;

    /// How many parameters a challenge may have.
    pub const MAX_PARAMS: usize = 32;

    /// How many octets are read from one response: a Kerberos token of Windows' largest size
    /// (48,000 octets, `MaxTokenSize`) makes 64,000 of base64, and this is twice that.
    pub const MAX_OCTETS: usize = 128 * 1024;

    /// Reads every line of `field`, `WWW-Authenticate` or `Proxy-Authenticate`, in order.
    ///
    /// Never fails: see [`errors`](Self::errors).
    pub fn parse(headers: &HeaderMap, field: impl AsHeaderName) -> Self {
        Self::from_lines(headers.get_all(field).iter().map(HeaderValue::as_bytes))
    }

    /// Reads a single field value; errors call it line 0.
    pub fn from_value(value: &[u8]) -> Self {
        Self::from_lines([value])
    }

    fn from_lines<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut parser = Parser::default();
        for (line, value) in lines.into_iter().enumerate() {
            if parser.line(line, value).is_break() {
                break;
            }
        }
        parser.finish()
    }

    /// The well-formed challenges, in the order received.
    pub fn iter(&self) -> slice::Iter<'_, Challenge> {
        self.challenges.iter()
    }

    /// Whether there is no well-formed challenge; there may still be errors.
    pub fn is_empty(&self) -> bool {
        self.challenges.is_empty()
    }

    /// The malformed challenges whose scheme is legible, in the order received, with the
    /// [parameters that can be read](self#what-can-be-read-of-a-malformed-challenge): for schemes
    /// that need none.
    pub fn malformed(&self) -> &[Challenge] {
        &self.malformed
    }

    /// What was malformed, in the order received: one error for each challenge that is not
    /// well-formed, and one last if a limit ended the reading.
    pub fn errors(&self) -> &[ChallengeError] {
        &self.errors
    }

    /// Says which of their server's challenges they are.
    pub(crate) fn number(&mut self, order: u64) {
        self.challenges.iter_mut().chain(&mut self.malformed).for_each(|challenge| challenge.order = order);
    }
}

impl<'a> IntoIterator for &'a Challenges {
    type Item = &'a Challenge;
    type IntoIter = slice::Iter<'a, Challenge>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One challenge: a scheme with a token68, with parameters, or with nothing
/// (RFC 9110, section 11.3).
///
/// `Debug` shows the scheme and sizes: a token can hold what a password is cracked from.
#[derive(Clone)]
pub struct Challenge {
    scheme: String,
    line: usize,
    body: Body,
    order: u64,
}

/// What follows the scheme. A scheme alone has no parameters.
#[derive(Clone)]
enum Body {
    Token68 { text: String, offset: usize },
    Params(Params),
}

impl Challenge {
    /// The scheme's name as received.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Whether this is `scheme`, in any case (RFC 9110, section 11.1).
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The token68 as received, if the challenge has one.
    pub fn token68(&self) -> Option<&str> {
        match &self.body {
            Body::Token68 { text, .. } => Some(text),
            Body::Params(_) => None,
        }
    }

    /// The token68's octets, decoded from base64 with or without padding; `None` if the challenge
    /// has no token68.
    ///
    /// # Errors
    ///
    /// [`ChallengeErrorKind::InvalidToken`] if the token68 is not base64 of the standard alphabet.
    pub fn token(&self) -> Result<Option<Vec<u8>>, ChallengeError> {
        match &self.body {
            Body::Token68 { text, offset } => BASE64
                .decode(text)
                .map(Some)
                .map_err(|error| ChallengeError::invalid_token(&self.scheme, self.line, *offset, &error)),
            Body::Params(_) => Ok(None),
        }
    }

    /// A parameter's value after unquoting; its name is matched in any case.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        match &self.body {
            Body::Token68 { .. } => None,
            Body::Params(params) => params.find(name),
        }
    }

    /// A parameter's value as text: UTF-8 if it is valid UTF-8, otherwise ISO-8859-1.
    pub fn param_str(&self, name: &str) -> Option<Cow<'_, str>> {
        self.param(name).map(params::text)
    }

    /// The realm as text, `None` if there is none (RFC 9110, section 11.5).
    pub fn realm(&self) -> Option<Cow<'_, str>> {
        self.param_str("realm")
    }

    /// Which of its server's challenges it is: later ones have higher numbers. 0 where nobody counts them.
    pub fn order(&self) -> u64 {
        self.order
    }

    /// About how much memory it takes, in octets.
    pub(crate) fn octets(&self) -> usize {
        let params = self.params().map(|(name, value)| name.len() + value.len());
        self.scheme.len() + self.token68().map_or(0, str::len) + params.sum::<usize>()
    }

    /// Names as received and values after unquoting, in the order received.
    pub fn params(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let params = match &self.body {
            Body::Token68 { .. } => None,
            Body::Params(params) => Some(params),
        };
        params.into_iter().flat_map(Params::iter)
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Challenge");
        debug.field("scheme", &self.scheme);
        match &self.body {
            Body::Token68 { text, .. } => debug.field("token68", &format_args!("{} octets", text.len())),
            Body::Params(params) => debug.field("params", params),
        };
        debug.finish()
    }
}
