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
mod challenges;
mod error;
mod info;
mod limits;
mod params;
mod parser;
#[cfg(test)]
mod tests;

pub use self::challenges::{Challenge, Challenges};
pub use self::error::ChallengeError;
#[cfg(test)]
use self::error::ChallengeErrorKind;
pub use self::info::AuthenticationInfo;
pub(crate) use self::parser::is_tchar;
